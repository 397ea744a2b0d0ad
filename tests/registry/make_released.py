"""How `released/home-*.tar.gz` were made: `python make_released.py FILE`, with the release's code on the path.

It is run once for a release whose home, index or records have a new form, and what it made never changes afterwards.
"""

from __future__ import annotations

import sqlite3
import sys
import tarfile
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from shelf import Shelf, open_shelf, verdict_of

from toolwright.call import Call, Outcome, Status
from toolwright.policy import Approval
from toolwright.powers import Grant
from toolwright.trace import Event, Run

RUN = "20260101-000000-abcdef"
LOCK = f"six==1.17.0 --hash=sha256:{'1' * 64}"


def fill(folder: Path) -> None:
    """A shelf with what a home can hold: versions, states, powers, packages, a namespace; a run, calls, an approval."""
    shelf = open_shelf(folder)
    registry, home = shelf.registry, shelf.home
    signs = hasattr(registry, "yank")
    if signs:
        begin_to_sign(shelf)
    asked: dict[str, Any] = {
        "origin": "agent",
        "run_id": RUN,
        "model": "openai:writer",
        "requests": ["Euros, please."],
    }
    registry.admit(verdict_of("to_euros", "Convert an amount to euros."), **asked)
    better = verdict_of("to_euros", "Convert an amount to euros.", body="rate * amount")
    version = registry.admit(better, new_version=True, **asked).version
    registry.admit(verdict_of("gone", "Nothing that is needed."), **asked)
    registry.retire("gone", why="unused: never called")
    registry.admit(
        verdict_of("slugify", "Make a slug.", "title", input_params="title: str", return_type="str"), origin="person"
    )
    verdict = verdict_of("fetch_rate", "Fetch today's rate.", input_params="code: str", body="1.0")
    grant = Grant(hosts=("api.example.com",), secrets=("RATE_KEY",))
    candidate = replace(verdict.candidate, grant=grant, packages=("six",), lock=(LOCK,))
    registry.admit(replace(verdict, candidate=candidate), **asked)
    home.approvals.record(Approval("local", "fetch_rate", grant, ("six",), "reads", "agent", "0" * 64))
    team = verdict_of("team_only", "Convert for the team.")
    spec = replace(team.candidate.spec, namespace="team")
    registry.admit(
        replace(team, candidate=replace(team.candidate, spec=spec), contract=replace(team.contract, spec=spec))
    )
    if signs:
        withdraw(folder)
    call = Call("to_euros", {"amount": 2.0, "rate": 1.5}, run_id=RUN)
    registry.record(version, call, Outcome(Status.OK, value=3.0))
    registry.record(version, call, Outcome(Status.RAISED, detail="ValueError: no"))
    if hasattr(registry, "found_by"):
        registry.found_by(version, "How many euros are ten francs?")
    home.runs.begin(Run(RUN, "Convert ten francs.", model="openai:writer", started_at=5.0))
    home.runs.append(Event("run-started", RUN, {"task": "Convert ten francs."}, 5.0))
    home.runs.finish(
        Run(
            RUN,
            "Convert ten francs.",
            status="complete",
            started_at=5.0,
            ended_at=9.0,
            output="Ten.",
            made=("to_euros@2",),
        )
    )
    shelf.close()


def begin_to_sign(shelf: Shelf) -> None:
    """As a home does when it is first opened: from here on nothing unsigned is believed."""
    from toolwright.shelves import trust_of
    from toolwright.unsigned import sign_once

    sign_once(shelf.store, trust_of(shelf.home.path), shelf.home.audit)


def withdraw(folder: Path) -> None:
    """A second key, and what that one signs in the namespace `team`: a tool, a yank, a revocation."""
    from toolwright.store.keys import HomeKeys

    HomeKeys(folder).rotate()
    shelf = open_shelf(folder, namespace="team")
    for name, body in (("team_slow", "amount"), ("team_slow", "rate"), ("team_leaks", "amount + rate")):
        verdict = verdict_of(name, f"What {name} does.", body=body, namespace="team")
        shelf.registry.admit(verdict, run_id=RUN, model="openai:writer", new_version=True)
    shelf.registry.yank("team_slow", why="slow with large numbers")
    shelf.registry.revoke("team_leaks", why="it tells its arguments")
    shelf.close()


def keep(home: Path, archive: Path) -> None:
    """What a home must not lose, and its index, packed at *archive*; home.db as text."""
    db = sqlite3.connect(home / "home.db")
    version = db.execute("PRAGMA user_version").fetchone()[0]
    (home / "home.sql").write_text("\n".join([*db.iterdump(), f"PRAGMA user_version = {version};", ""]))
    db.close()
    db = sqlite3.connect(home / "index.db")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    with tarfile.open(archive, "w:gz") as packed:
        for name in ("home.sql", "index.db", "namespaces", "tools", "trust"):
            if (home / name).exists():
                packed.add(home / name, name)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        fill(Path(made) / "home")
        keep(Path(made) / "home", Path(sys.argv[1]))
