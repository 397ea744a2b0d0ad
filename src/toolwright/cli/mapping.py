"""A file or text with many arguments goes in; each result as a line, and what they came to, comes out."""

from __future__ import annotations

import json
import sys
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolwright.call import Status
from toolwright.cli.live import print_json
from toolwright.cli.look import err, out, safe, short, waiting
from toolwright.errors import UserError
from toolwright.forms import outcome_as_json

if TYPE_CHECKING:
    from toolwright.app import Toolwright
    from toolwright.call import FileRef, Outcome


def arguments_in(path: str) -> list[dict[str, Any]]:
    """The objects in the file *path* (`-`: standard input): a JSON list, or JSON lines. UserError."""
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"--map {path}: cannot be read: {error}.") from None
    found = list_in(text)
    if found is None:
        found = [_line(path, number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    for number, one in enumerate(found, 1):
        if not isinstance(one, dict):
            raise UserError(f"--map {path}: item {number} is {short(json.dumps(one), 60)}, and not a JSON object.")
    return found


def list_in(text: str) -> list[Any] | None:
    """The JSON list that *text* is; None if it is none."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, list) else None


def _line(path: str, number: int, line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"--map {path}: line {number} is no JSON: {error}. Write a JSON list of objects, or an object a line."
        ) from None


class Mapped:
    """Prints the results of one list of calls as they come; `item` counts from 1."""

    def __init__(self, name: str, count: int, as_json: bool) -> None:
        self._name, self._count, self._json = name, count, as_json
        self._lock = threading.Lock()
        self._known: dict[int, Outcome] = {}
        self._next = self._done = 0
        self._line = waiting()

    def run(self, tw: Toolwright, arguments: Sequence[dict[str, Any]], **more: Any) -> list[Outcome]:
        """Make the calls and print; the outcomes."""
        self._say()
        try:
            found = tw.map(self._name, arguments, on_each=self.hear, **more)
        finally:
            if self._line is not None:
                self._line.off()
        for place, outcome in enumerate(found[self._next :], self._next):
            self._print(place, outcome)  # a tool that may not run at all is heard of at the end only
        self._sum(found)
        return found

    def hear(self, place: int, outcome: Outcome) -> None:
        """Print what comes next in order; what is ahead waits."""
        with self._lock:
            self._known[place] = outcome
            self._done += 1
            while self._next in self._known:
                self._print(self._next, self._known.pop(self._next))
                self._next += 1
            self._say()

    def _say(self) -> None:
        if self._line is not None:
            self._line.on(f"{short(self._name, 40)} runs: {self._done} of {self._count}")

    def _print(self, place: int, outcome: Outcome) -> None:
        if self._json:
            print_json({"type": "outcome", "item": place + 1, **outcome_as_json(outcome)})
            return
        if outcome.ok:
            out().print(safe(json.dumps(outcome.value, ensure_ascii=False)), markup=False, soft_wrap=True)
        else:
            said = f"{place + 1}: {outcome.status.value}: {safe(outcome.detail)}"
            err().print(said, style="yellow", markup=False, soft_wrap=True)

    def _sum(self, found: Sequence[Outcome]) -> None:
        counts = Counter(one.status.value for one in found)
        files = _files(found)
        if self._json:
            print_json({"type": "mapped", "calls": len(found), "statuses": dict(counts), "files": files})
            return
        for path in files:
            out().print(f"file {safe(path)}", markup=False)
        if counts.keys() - {"ok"} or err().is_terminal:
            words = ", ".join(f"{count} {status}" for status, count in counts.items())
            err().print(f"{len(found)} calls: {words or 'none'}", markup=False)


def _files(found: Sequence[Outcome]) -> list[str]:
    every: list[FileRef] = [file for one in found for file in one.files]
    return list(dict.fromkeys(file.path for file in every))


def exit_code(found: Sequence[Outcome], codes: dict[Status, int]) -> int:
    """0 if every call gave a value; the code of what went wrong where all of that is alike, else 1."""
    wrong = {codes.get(one.status, 1) for one in found if not one.ok}
    return 0 if not wrong else wrong.pop() if len(wrong) == 1 else 1
