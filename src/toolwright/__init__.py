"""An agent that writes the tool it is missing, proves it in a sandbox, keeps it, and uses it in the same run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from toolwright.app import Toolwright
    from toolwright.call import FileRef, Outcome, Status
    from toolwright.checkup import Checkup
    from toolwright.configfile import SettingValue
    from toolwright.errors import (
        EditedError,
        EvidenceError,
        FaultError,
        ModelError,
        NotFoundError,
        RefusedError,
        RetiredError,
        SandboxError,
        SettingsError,
        SpecError,
        ToolwrightError,
        UserError,
    )
    from toolwright.folders import ImportReport
    from toolwright.forge import Forged
    from toolwright.listing import ToolInfo
    from toolwright.models.values import ModelChoice
    from toolwright.permission import Explained
    from toolwright.policy import ApprovalAnswer, ApprovalRequest
    from toolwright.pruning import Proposal
    from toolwright.runs import RunResult
    from toolwright.settings import Settings
    from toolwright.steps import Steps
    from toolwright.store.secrets import SecretInfo
    from toolwright.tool import ToolSpec, ToolVersion, Verdict
    from toolwright.trace import Cost, Event, Run, Sink

__version__ = "0.1.0"

_ADDRESSES = {
    "Toolwright": "app",
    "ApprovalAnswer": "policy",
    "ApprovalRequest": "policy",
    "Checkup": "checkup",
    "Cost": "trace",
    "Event": "trace",
    "Explained": "permission",
    "FileRef": "call",
    "Forged": "forge",
    "ImportReport": "folders",
    "ModelChoice": "models.values",
    "Outcome": "call",
    "Proposal": "pruning",
    "Run": "trace",
    "RunResult": "runs",
    "SettingValue": "configfile",
    "SecretInfo": "store.secrets",
    "Settings": "settings",
    "Sink": "trace",
    "Status": "call",
    "Steps": "steps",
    "ToolInfo": "listing",
    "ToolSpec": "tool",
    "ToolVersion": "tool",
    "Verdict": "tool",
    "ToolwrightError": "errors",
    "UserError": "errors",
    "SettingsError": "errors",
    "SpecError": "errors",
    "NotFoundError": "errors",
    "RetiredError": "errors",
    "EvidenceError": "errors",
    "EditedError": "errors",
    "RefusedError": "errors",
    "ModelError": "errors",
    "SandboxError": "errors",
    "FaultError": "errors",
}

__all__ = [  # noqa: RUF022 - the way in comes first
    "Toolwright",
    "ApprovalAnswer",
    "ApprovalRequest",
    "Checkup",
    "Cost",
    "Event",
    "Explained",
    "FileRef",
    "Forged",
    "ImportReport",
    "ModelChoice",
    "Outcome",
    "Proposal",
    "Run",
    "RunResult",
    "SecretInfo",
    "SettingValue",
    "Settings",
    "Sink",
    "Status",
    "Steps",
    "ToolInfo",
    "ToolSpec",
    "ToolVersion",
    "Verdict",
    "ToolwrightError",
    "UserError",
    "SettingsError",
    "SpecError",
    "NotFoundError",
    "RetiredError",
    "EvidenceError",
    "EditedError",
    "RefusedError",
    "ModelError",
    "SandboxError",
    "FaultError",
    "__version__",
]


def __getattr__(name: str) -> Any:
    # Public names are imported when they are used: `import toolwright` itself stays as cheap as a bare start.
    if name not in _ADDRESSES:
        raise AttributeError(f"module 'toolwright' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"toolwright.{_ADDRESSES[name]}"), name)
