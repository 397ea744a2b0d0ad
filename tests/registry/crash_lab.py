"""A process that lets its children change a shelf and die by SIGKILL: before each step in turn, or at random moments.

`crash_lab.py steps DEED BASE OUT` copies the home BASE to OUT/N for N = 1, 2, … and kills a child that does DEED there
just before its Nth step (a call that changes the disk, or a statement of SQLite), until one gets to its end.
`crash_lab.py moments COUNT SEED BASE OUT` kills COUNT children that admit tool after tool, each at a random moment;
`crash_lab.py large-moments …` the same with a shelf that counts as large, which tantivy searches.
A JSON line for each child says what it was about to do.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sqlite3
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from shelf import Shelf, open_shelf, verdict_of

from toolwright.registry import Registry
from toolwright.search import FtsRetriever, LargeIndex
from toolwright.shelves import trust_of
from toolwright.store.home import Home
from toolwright.store.local import LocalStore

CALLS = ("fsync", "link", "rename", "replace", "unlink", "mkdir", "rmdir")


def admit_first(shelf: Shelf) -> None:
    shelf.registry.admit(verdict_of("new_tool", "Do a new thing."), run_id="r1")


def admit_next(shelf: Shelf) -> None:
    shelf.registry.admit(verdict_of("old_tool", "Do the old thing.", body="rate"), new_version=True)


def retire(shelf: Shelf) -> None:
    shelf.registry.retire("old_tool")


def go_back(shelf: Shelf) -> None:
    shelf.registry.restore("two_versions", 1)


def find_by(shelf: Shelf) -> None:
    shelf.registry.found_by(shelf.registry.get("old_tool"), "a wish that had use of it")


def admit_large(shelf: Shelf) -> None:
    """The index of a large shelf is made, and then brought up."""
    shelf.close()
    large = open_large(shelf.home.path)
    for number in range(3):
        large.registry.admit(verdict_of(f"flock_{number}", f"Count the flock {number}."))


def open_large(folder: Path) -> Shelf:
    """The shelf in *folder*, which is large with a single tool."""
    home = Home.open(folder)
    store = LocalStore(folder, FtsRetriever(large=LargeIndex(folder / "index.tantivy", large=1, tail=2)))
    return Shelf(home, store, Registry(store, home.calls, home.audit, trust=trust_of(folder)))


DEEDS: dict[str, Callable[[Shelf], None]] = {
    "admit-first": admit_first,
    "admit-next": admit_next,
    "retire": retire,
    "go-back": go_back,
    "find-by": find_by,
    "admit-large": admit_large,
}


def prepare(base: Path) -> None:
    """The home from which every child starts."""
    shelf = open_shelf(base)
    shelf.registry.admit(verdict_of("old_tool", "Do the old thing."))
    shelf.registry.admit(verdict_of("two_versions", "Do it twice."))
    shelf.registry.admit(verdict_of("two_versions", "Do it twice.", body="rate"), new_version=True)
    shelf.close()


class Dying:
    """Counts the steps of this process and kills it before the one that was chosen."""

    def __init__(self, before: int, report: int) -> None:
        self.before, self.report, self.count = before, report, 0

    def step(self, name: str) -> None:
        self.count += 1
        if self.count == self.before:
            os.write(self.report, name.encode())
            os.kill(os.getpid(), signal.SIGKILL)

    def arm(self) -> None:
        for name in CALLS:
            setattr(os, name, self._wrapped(name, getattr(os, name)))
        connect = sqlite3.connect

        def watched(*args: Any, **more: Any) -> sqlite3.Connection:
            db = connect(*args, **more)
            if args[0] != ":memory:":
                db.set_trace_callback(lambda statement: self.step(" ".join(statement.split())[:60]))
            return db

        sqlite3.connect = watched  # type: ignore[assignment]

    def _wrapped(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **more: Any) -> Any:
            self.step(f"{name} {args[0] if isinstance(args[0], str) else getattr(args[0], 'name', '')}")
            return real(*args, **more)

        return call


def die_in(deed: Callable[[Shelf], None], home: Path, before: int) -> tuple[str, bool]:
    """Let a child do *deed* in *home*; what it was about to do, and whether it was killed."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        dying = Dying(before, writing)
        dying.arm()
        deed(open_shelf(home))
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        point = pipe.read().decode()
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.waitstatus_to_exitcode(status) == 0, status
    return point, os.WIFSIGNALED(status)


def steps(deed: str, base: Path, out: Path) -> None:
    before, killed = 0, True
    while killed:
        before += 1
        home = out / str(before)
        shutil.copytree(base, home)
        point, killed = die_in(DEEDS[deed], home, before)
        print(json.dumps({"home": str(home), "point": point, "killed": killed}), flush=True)


def moments(opened: Callable[[Path], Shelf], count: int, seed: int, base: Path, out: Path) -> None:
    choose = random.Random(seed)
    # What checks signatures is imported here once, and not by each child in the moments that it has.
    shelf = open_shelf(base)
    shelf.registry.get("old_tool")
    shelf.close()
    for number in range(count):
        home = out / str(number)
        shutil.copytree(base, home)
        child = os.fork()
        if child == 0:
            _admit_for_ever(opened(home))
        time.sleep(choose.uniform(0.005, 0.15))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        print(json.dumps({"home": str(home), "point": "random", "killed": True}), flush=True)


def _admit_for_ever(shelf: Shelf) -> None:
    for number in range(10_000):
        shelf.registry.admit(
            verdict_of(f"tool_{number % 7}", f"Do {number}.", body=f"rate * {number}"), new_version=True
        )
        if number % 5 == 4:
            shelf.registry.retire(f"tool_{number % 7}")


if __name__ == "__main__":
    kind, *rest = sys.argv[1:]
    if kind == "steps":
        steps(rest[0], Path(rest[1]), Path(rest[2]))
    else:
        opened = open_large if kind == "large-moments" else open_shelf
        moments(opened, int(rest[0]), int(rest[1]), Path(rest[2]), Path(rest[3]))
