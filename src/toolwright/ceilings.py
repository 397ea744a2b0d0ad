"""A limit that was reached, by its name, and its value go in; which one it is and how to lift it comes out in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

CeilingName = Literal[
    "new-tools", "tools", "attempts", "steps", "time", "sandboxes", "rate", "failures", "list", "files", "file-bytes"
]


@dataclass(frozen=True, slots=True)
class Ceiling:
    """How a limit is called, the setting ('': it is fixed) and the option that lift it, and what else helps."""

    what: str
    setting: str = ""
    option: str = ""
    cure: str = ""


_ROOM = "To make room, `toolwright prune` proposes what may go, and `toolwright retire NAME` takes one off."

CEILINGS: Mapping[CeilingName, Ceiling] = {
    "new-tools": Ceiling("new tools in one run", "max_new_tools", "--max-new-tools N"),
    "tools": Ceiling("tools on the shelf", "max_tools", cure=_ROOM),
    "attempts": Ceiling("attempts at one tool", "attempts"),
    "steps": Ceiling("model steps", "max_steps", "--max-steps N"),
    "time": Ceiling("seconds for one run", "run_wall_s"),
    "sandboxes": Ceiling("sandboxes at once", "limits.sandboxes"),
    "rate": Ceiling("calls a minute of one tool", "limits.calls_per_minute"),
    "failures": Ceiling("failed requests for one tool in one run", cure="Another run may ask again."),
    "list": Ceiling("arguments in one list", cure="Send it in parts."),
    "files": Ceiling("files that one run carries", cure="What is not needed any more may be put into one file."),
    "file-bytes": Ceiling("MB of files that one run carries", cure="Keep less of it."),
}


def reached(name: CeilingName, value: float) -> str:
    """`The limit of 5 new tools in one run was reached (setting max_new_tools, --max-new-tools N).`, and what helps.

    One that nothing lifts says so: `(fixed)`, as other messages do.
    """
    one = CEILINGS[name]
    how = ", ".join(filter(None, (f"setting {one.setting}" if one.setting else "fixed", one.option)))
    return f"The limit of {value:g} {one.what} was reached ({how}). {one.cure}".rstrip()
