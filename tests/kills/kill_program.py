"""A run that has two tools made and uses them, in a process that somebody kills.

`kill_program.py HOME URL OUT NOTES MARKS WHO [--resume RUN] [--die SECTION:N] [--count]`: WHO signs the lines in the file
below the folder NOTES; MARKS is the file that says in which sections the process is. It dies by its own hand before the
Nth step (a statement of SQLite, or a call that changes the disk) in SECTION, or goes on to the end and prints the result,
with the steps in each section where `--count` asks for them.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from sections import DyingIn, watch

from toolwright import Toolwright
from toolwright.policy import ApprovalAnswer, ApprovalRequest

LINES = ((2, "1"), (3, "1.item-0"), (3, "1.item-1"))
"""Where in the run the calls stand that write to NOTES, in order."""


class Person:
    """Says yes to powers. Asked whether a call shall run again, this one looks whether its line is there."""

    def __init__(self, home: Path, notes: Path, who: str) -> None:
        self._home, self._notes, self._who = home, notes, who

    def __call__(self, request: ApprovalRequest) -> ApprovalAnswer:
        if request.kind != "again":
            return ApprovalAnswer(True, who="somebody")
        with sqlite3.connect(self._home / "home.db") as db:
            sql = "SELECT step, position FROM journal WHERE role = 'tool' AND run_id = ?"
            ended = set(db.execute(sql, (request.run_id,)).fetchall())
        open_one = next(number for number, place in enumerate(LINES) if place not in ended)
        return ApprovalAnswer(len(lines_of(self._notes, self._who)) <= open_one, who="somebody")


def lines_of(notes: Path, who: str) -> list[str]:
    """The lines that the runs of *who* wrote."""
    path = notes / "notes.txt"
    return [line for line in path.read_text().splitlines() if line.startswith(who)] if path.exists() else []


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("home", type=Path)
    parser.add_argument("url")
    for name in ("out", "notes", "marks"):
        parser.add_argument(name, type=Path)
    parser.add_argument("who")
    parser.add_argument("--resume")
    parser.add_argument("--die", default=":0")
    parser.add_argument("--count", action="store_true")
    given = parser.parse_args()
    marks = watch(given.marks)
    section, _, number = given.die.partition(":")
    dying = DyingIn(section, int(number), sys.stderr.fileno())
    if section or given.count:
        dying.arm()
    person = Person(given.home, given.notes, given.who)
    with Toolwright("openai:scripted", base_url=given.url, home=given.home, approve=person) as tw:
        words = (
            {"resume": given.resume} if given.resume else {"task": f"Tally and note, {given.who}.", "out": given.out}
        )
        marks.begun()
        result = tw.run(**words)
    print(json.dumps({**result.to_json(), "steps": dying.seen}))


if __name__ == "__main__":
    main()
