"""How checks look: a Check, or an event about one, goes in; the same line comes out wherever it is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from toolwright.cli.look import duration, out, safe, short

if TYPE_CHECKING:
    from toolwright.tool import Verdict

_WORDS = {True: ("passed", "green"), False: ("failed", "red"), None: ("could not run", "yellow")}


def line(name: str, passed: bool | None, wall_s: float, detail: str) -> tuple[str, str]:
    """One check as text and style; the detail in full, since it says what to mend."""
    word, style = _WORDS[passed]
    return f"{name:<9} {word:<13} {duration(wall_s):>8}  {safe(detail)}".rstrip(), style


def table(verdict: Verdict) -> None:
    """Print every check with its notes, what could not be tested, and what stopped it."""
    for check in verdict.checks:
        text, style = line(check.name, check.passed, check.wall_s, check.detail)
        out().print(text, style=style, markup=False)
        for note in check.notes:
            out().print(f"{'':<9} note: {safe(note)}", style="dim", markup=False)
    for untested in verdict.untested:
        out().print(f"untested  {safe(untested)}", style="yellow", markup=False)
    if verdict.pending is not None:
        stopped = f"stopped   {verdict.pending.status.value}: {safe(verdict.pending.detail)}"
        out().print(stopped, style="yellow", markup=False)


def event_line(data: Any) -> tuple[str, str]:
    """The line of a `check` event: of a check that passed the detail is left out."""
    detail = "" if data["passed"] is True else short(data.get("detail") or "", 160)
    return line(data["check"], data["passed"], data.get("wall_s", 0.0), detail)


def pending(verdict: Verdict) -> dict[str, str] | None:
    """What stopped the checks, for scripts; None if nothing did."""
    one = verdict.pending
    return None if one is None else {"status": one.status.value, "detail": one.detail, "reason": one.reason}


def exit_code(verdict: Verdict) -> int:
    """Of a verdict that did not pass: 4 refused, 7 a fault of the machine, else 1."""
    status = "" if verdict.pending is None else verdict.pending.status.value
    return {"denied": 4, "needs-approval": 4, "fault": 7}.get(status, 1)
