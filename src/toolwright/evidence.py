"""An Outcome goes in; what the journal keeps and an event shows of it comes out: evidence, never parsed."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from toolwright.call import Outcome
from toolwright.trace import Place

MAX_KEPT = 2**20
"""Characters of captured output, and of lines about requests, in one record: those of a list of calls share them."""
SHOWN_OUTPUT = 400
"""Characters of the end of captured output in an event."""
SHOWN_REQUESTS = 20
"""Lines about requests in an event."""
_BLANK = re.compile(r"\s")


def kept(tool: str, outcome: Outcome) -> dict[str, Any]:
    """The part of a journal's record about one call of *tool* (`name@version`)."""
    return {"tool": tool, "outcome": _kept(outcome, MAX_KEPT)}


def kept_all(tool: str, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The part of a journal's record about a list of calls of *tool*; what has no more room is said to be left out."""
    records, room = [], MAX_KEPT
    for outcome in outcomes:
        records.append(_kept(outcome, room))
        room = max(0, room - len(outcome.output) - sum(map(len, outcome.egress)))
    return {"tool": tool, "outcomes": records}


def _kept(outcome: Outcome, room: int) -> dict[str, Any]:
    record: dict[str, Any] = {
        "status": outcome.status.value,
        "detail": outcome.detail,
        "reason": outcome.reason,
        "files": [[one.path, one.size, one.sha256] for one in outcome.files],
    }
    if outcome.output:
        record["output"] = _end_of(outcome.output, room)
    if outcome.egress:
        record["egress"] = _first_of(outcome.egress, room - min(room, len(outcome.output)))
    return record


def shown(outcome: Outcome) -> dict[str, Any]:
    """The keys of an event for what a call printed and asked of hosts, shortened; none where there was nothing."""
    found: dict[str, Any] = {}
    if outcome.output:
        found["output"] = _end_of(outcome.output, SHOWN_OUTPUT)
    if outcome.egress:
        some = outcome.egress[:SHOWN_REQUESTS]
        found["egress"] = [*some, *_more(len(outcome.egress) - len(some))]
    return found


def recorded(place: Place, data: bytes) -> list[dict[str, Any]]:
    """The calls that the record of a tool call at *place* tells of, as JSON; none for what was no call of a tool."""
    record = json.loads(data)
    if not isinstance(record, dict):  # what the run has taken in
        return []
    single = record.get("outcome")
    listed = [single] if single is not None else record.get("outcomes", [])
    calls = []
    for index, one in enumerate(listed):
        call = {"tool": record.get("tool", ""), "place": f"{place.step}/{place.position}"}
        if single is None:
            call |= {"item": index + 1}
        files = [{"path": path, "size": size, "sha256": sha256} for path, size, sha256 in one["files"]]
        calls.append({**call, "output": "", "egress": [], **one, "files": files})
    return calls


def _end_of(text: str, room: int) -> str:
    if len(text) <= room:
        return text
    # Half of a word may be half of a secret, which nobody would find in it.
    end = text[len(text) - room :]
    end = end[blank.end() :] if (blank := _BLANK.search(end)) else end
    return f"… {len(text) - len(end)} characters before\n{end}"


def _first_of(lines: Sequence[str], room: int) -> list[str]:
    some: list[str] = []
    for line in lines:
        room -= len(line)
        if room < 0:
            break
        some.append(line)
    return [*some, *_more(len(lines) - len(some))]


def _more(count: int) -> list[str]:
    return [f"... and {count} more lines"] if count else []
