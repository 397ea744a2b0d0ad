"""An agent that writes the tool it is missing, proves it in a sandbox, keeps it, and uses it in the same run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from toolwright.app import Toolwright
    from toolwright.call import Outcome, Status
    from toolwright.checkup import Checkup
    from toolwright.configfile import SettingValue
    from toolwright.errors import ToolwrightError
    from toolwright.folders import ImportReport
    from toolwright.forge import Forged
    from toolwright.listing import ToolInfo
    from toolwright.policy import ApprovalAnswer, ApprovalRequest
    from toolwright.pruning import Proposal
    from toolwright.runs import RunResult
    from toolwright.tool import ToolSpec, ToolVersion, Verdict
    from toolwright.trace import Event, Run

__version__ = "0.1.0"

_ADDRESSES = {
    "Toolwright": "app",
    "Checkup": "checkup",
    "Forged": "forge",
    "ImportReport": "folders",
    "Outcome": "call",
    "Proposal": "pruning",
    "Run": "trace",
    "SettingValue": "configfile",
    "ToolInfo": "listing",
    "Status": "call",
    "ToolwrightError": "errors",
    "ApprovalAnswer": "policy",
    "ApprovalRequest": "policy",
    "RunResult": "runs",
    "ToolSpec": "tool",
    "ToolVersion": "tool",
    "Verdict": "tool",
    "Event": "trace",
}

__all__ = [  # noqa: RUF022 - the way in comes first
    "Toolwright",
    "ApprovalAnswer",
    "ApprovalRequest",
    "Checkup",
    "Event",
    "Forged",
    "ImportReport",
    "Outcome",
    "Proposal",
    "Run",
    "RunResult",
    "SettingValue",
    "Status",
    "ToolInfo",
    "ToolSpec",
    "ToolVersion",
    "ToolwrightError",
    "Verdict",
    "__version__",
]


def __getattr__(name: str) -> Any:
    # Public names are imported when they are used: `import toolwright` itself stays as cheap as a bare start.
    if name not in _ADDRESSES:
        raise AttributeError(f"module 'toolwright' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"toolwright.{_ADDRESSES[name]}"), name)
