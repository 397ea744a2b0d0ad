"""How long a home keeps what: runs are deleted at a person's word, old traces, values and prompts by the settings."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from toolwright.errors import FaultError, UserError
from toolwright.runs import held
from toolwright.store.forgetting import Part
from toolwright.store.home import Home
from toolwright.trace import is_run_id

DAY_S = 86_400.0
HANDED_OUT = "handed-out"
"""Folder of the home with what calls of clients left, where it was too long to be sent along."""
STAMP = "kept"
"""File in the home whose time says when the settings were last applied; it may be deleted at any time."""
_AT_ONCE = 100
"""Runs that are held together: each takes an open file."""
_WAITS = ("needs-approval",)
"""States of runs that a person still has to say something to."""
_CURE = "`toolwright approvals` shows the question; --force (force=True) deletes the run all the same."


@dataclass(frozen=True, slots=True)
class Keep:
    """Days for which each is kept; None: for good."""

    traces_days: float | None = None
    """What happened, step by step, and the answers."""
    values_days: float | None = None
    """Values too long to show, and the files of runs and of clients' calls."""
    prompts_days: float | None = None
    """What models were sent and answered, and the tasks."""

    def __bool__(self) -> bool:
        return any(one is not None for one in (self.traces_days, self.values_days, self.prompts_days))


@dataclass(frozen=True, slots=True)
class Deleted:
    """The runs that were deleted, and those that were left, each with why."""

    runs: tuple[str, ...] = ()
    left: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Stripped:
    """How many runs lost traces, values, prompts; and how much went that belonged to no run."""

    traces: int = 0
    values: int = 0
    prompts: int = 0
    loose: int = 0
    """Lines and folders of tools that were made or called by themselves, as clients have them made and called."""


def delete_runs(home: Home, run_ids: Sequence[str], *, conversation: bool = False, force: bool = False) -> Deleted:
    """Delete these runs: what happened, was said and came out, and their folders; costs and the audit stay.

    Nothing is deleted where one of them cannot be: NotFoundError, UserError where a run is under way, waits for a
    person (*force* deletes it), or others go on from it (*conversation* deletes those too).
    """
    wanted = list(dict.fromkeys(home.runs.get(one).id for one in run_ids))
    while after := home.forgetting.after(wanted):
        if not conversation:
            run, parent = next(iter(after.items()))
            raise UserError(
                f"Nothing was deleted. Run {run} goes on from {parent}, and could not without it: delete "
                f"{', '.join(after)} too, or all of the conversation (--conversation)."
            )
        wanted += after
    with _held(home, wanted, force=force) as (free, left):
        if left:
            raise UserError(f"Nothing was deleted. {left[0][1]}")
        _delete(home, free)
    _compact(home)
    return Deleted(tuple(free))


def delete_before(home: Home, when: float, *, force: bool = False) -> Deleted:
    """Delete each run that began before *when* (Unix seconds), and what was written by then of what was no run.

    Left are those under way, those that wait for a person (unless *force*), and those that others go on from.
    """
    old, kept = home.forgetting.before(when), dict[str, str]()
    while after := home.forgetting.after([run for run in old if run not in kept]):
        kept |= {parent: f"Run {run} goes on from it." for run, parent in after.items()}
    gone: list[str] = []
    # From the newest on: where one has to stay, so have those that it goes on from.
    for some in _batches([run for run in reversed(old) if run not in kept]):
        with _held(home, some, force=force) as (free, left):
            kept |= dict(left)
            while after := home.forgetting.after(free):
                kept |= {parent: f"Run {run} goes on from it." for run, parent in after.items()}
                free = [run for run in free if run not in kept]
            _delete(home, free)
            gone += free
    home.forgetting.delete_loose(when)
    _remove_loose(home, when)
    _remove_handed_out(home, min(when, time.time() - DAY_S))
    _compact(home)
    return Deleted(tuple(gone), tuple(kept.items()))


def keep_to(home: Home, keep: Keep, now: float | None = None) -> Stripped:
    """Remove what is older than *keep* says; of runs that are under way or wait for a person nothing."""
    now = time.time() if now is None else now
    days: dict[Part, float | None] = {
        "traces": keep.traces_days,
        "values": keep.values_days,
        "prompts": keep.prompts_days,
    }
    found = dict.fromkeys(days, 0)
    for part, limit in days.items():
        for some in _batches([] if limit is None else home.forgetting.having(part, now - limit * DAY_S)):
            with _held(home, some) as (free, _):
                home.forgetting.strip(part, free)
                if part == "values":
                    _remove_folders(home, free)
                found[part] += len(free)
    loose = 0
    for part, limit in days.items():
        if limit is not None:
            loose += home.forgetting.strip_loose(part, now - _at_least_a_day(limit))
    if keep.values_days is not None:
        _remove_loose(home, now - keep.values_days * DAY_S)
        loose += _remove_handed_out(home, now - _at_least_a_day(keep.values_days))
    if any(found.values()) or loose:
        _compact(home)
    return Stripped(**found, loose=loose)


def keep_to_daily(home: Home, keep: Keep) -> None:
    """`keep_to`, once a day, where the home can be written; what goes wrong waits for the next day."""
    stamp = home.path / STAMP
    if not keep or not os.access(home.path, os.W_OK) or _is_fresh(stamp):
        return
    with suppress(OSError, FaultError, UserError):
        stamp.touch(mode=0o600)
        keep_to(home, keep)


def _at_least_a_day(days: float) -> float:
    """Seconds for which what belongs to no run is kept: nothing says of it whether it is still under way."""
    return max(days, 1.0) * DAY_S


def _is_fresh(stamp: Path) -> bool:
    try:
        return 0 <= time.time() - stamp.stat().st_mtime < DAY_S
    except OSError:
        return False


def _batches(run_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    """So few that a process may hold them all at once."""
    for start in range(0, len(run_ids), _AT_ONCE):
        yield run_ids[start : start + _AT_ONCE]


@contextmanager
def _held(
    home: Home, run_ids: Iterable[str], *, force: bool = False
) -> Iterator[tuple[list[str], list[tuple[str, str]]]]:
    """Those that may go, held so that no other process begins with one of them; and those that may not, with why."""
    free: list[str] = []
    left: list[tuple[str, str]] = []
    with ExitStack() as holding:
        for run_id in run_ids:
            folder = home.path / "runs" / run_id
            if home.runs.get(run_id).status in _WAITS and not force:
                left.append((run_id, f"Run {run_id} waits for a person's answer. {_CURE}"))
                continue
            if not folder.exists():
                holding.callback(_remove_folders, home, [run_id])  # holding it makes one
            try:
                holding.enter_context(held(folder, run_id))
            except UserError as error:
                left.append((run_id, str(error)))
            else:
                free.append(run_id)
        yield free, left


def _delete(home: Home, run_ids: Sequence[str]) -> None:
    # The folders first: a run that is still listed can be deleted once more.
    _remove_folders(home, run_ids)
    home.forgetting.delete(run_ids)


def _compact(home: Home) -> None:
    # What was deleted is written over with zeros in any case. This makes the file smaller, and takes away what older
    # forms of a row left; it has to wait for a time at which nobody reads.
    with suppress(FaultError):
        home.forgetting.compact()


def _remove_loose(home: Home, when: float) -> None:
    """Remove folders of no run that were left before *when*: by a kill before a run was on record, or amid a call."""
    before = min(when, time.time() - DAY_S)  # a call that is under way is on no record either
    known = home.forgetting.known()
    for folder in (home.path / "runs").glob("*"):
        with suppress(FileNotFoundError):
            if is_run_id(folder.name) and folder.name not in known and folder.stat().st_mtime < before:
                _remove_folders(home, [folder.name])


def _remove_handed_out(home: Home, when: float) -> int:
    """Remove what calls of clients left before *when*; how many of them."""
    gone = 0
    for folder in (home.path / HANDED_OUT).glob("*"):
        with suppress(FileNotFoundError):
            if is_run_id(folder.name) and folder.stat().st_mtime < when:
                _remove(folder, "It is kept until it can be.")
                gone += 1
    return gone


def _remove_folders(home: Home, run_ids: Iterable[str]) -> None:
    for run_id in run_ids:
        folder = home.path / "runs" / run_id
        _remove(folder, "The run is still listed.")


def _remove(folder: Path, otherwise: str) -> None:
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        return
    except OSError as error:
        raise FaultError(f"{folder} cannot be removed: {error.strerror}. {otherwise}") from error
