"""The metrics: their names, kinds, units and bounds, as the GenAI conventions have them where they have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

_SHORT_S = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
_BOX_S = (0.001, 0.002, 0.004, 0.008, *_SHORT_S)
_RUN_S = (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 51.2, 102.4, 204.8, 409.6)
_TOKENS = tuple(float(4**power) for power in range(14))


@dataclass(frozen=True, slots=True)
class Instrument:
    """A histogram with *bounds*, or a counter without any."""

    unit: str
    says: str
    bounds: Sequence[float] = ()


INSTRUMENTS: Mapping[str, Instrument] = {
    "gen_ai.client.operation.duration": Instrument("s", "How long a model call took, its retries included.", _SHORT_S),
    "gen_ai.client.token.usage": Instrument("{token}", "Tokens of a model call.", _TOKENS),
    "gen_ai.invoke_agent.duration": Instrument("s", "How long a run took.", _RUN_S),
    "gen_ai.execute_tool.duration": Instrument("s", "How long a tool's call took, a list as one.", _SHORT_S),
    "toolwright.runs": Instrument("{run}", "Runs that ended."),
    "toolwright.forges": Instrument("{forge}", "Requests for tools that were decided."),
    "toolwright.checks": Instrument("{check}", "Checks of candidates."),
    "toolwright.calls": Instrument("{call}", "Calls of tools, each of a list."),
    "toolwright.sandbox.duration": Instrument("s", "How long a guest of the sandbox took, from order to end.", _BOX_S),
    "toolwright.cost": Instrument("{USD}", "What model calls cost."),
    "toolwright.cost.unknown": Instrument("{call}", "Model calls whose price nobody knows."),
}
"""Every metric by its name."""
