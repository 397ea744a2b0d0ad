"""A folder of a hand-made registry goes in, each file through the validator; an ImportReport comes out."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from toolwright.bringing import Bringing
from toolwright.editing import langchain_in
from toolwright.errors import EditedError, NotFoundError, SpecError, ToolwrightError, UserError
from toolwright.forge import Forged
from toolwright.manifests import Folder, Listed, Unusable, read_folder
from toolwright.powers import POWER_LISTS, Grant
from toolwright.registry import Registry
from toolwright.schema import LARGEST_SOURCE, signature_of
from toolwright.screen import screen
from toolwright.skills import is_skill, read_skill
from toolwright.stopping import in_thread
from toolwright.tool import Candidate, ToolVersion, Verdict

LeftReason = Literal["manifest", "file", "name-taken", "edited", "unreadable", "failed", "refused", "fault", "stopped"]
"""Why a tool was not taken: its entry; its file; another tool has the name; that tool's file was edited; what it says
of itself cannot be read; a check failed; powers or a limit; the machine; Ctrl-C."""
_REASONS: Mapping[int, LeftReason] = {4: "refused", 7: "fault"}
"""By the exit code of the error."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A tool that stands on the shelf now; `fresh` is False if this very tool stood there before."""

    name: str
    file: str
    version: str
    fresh: bool
    notes: tuple[str, ...] = ()
    """What would make it better: types and a docstring that are missing."""


@dataclass(frozen=True, slots=True)
class Left:
    """A tool that was not taken: why, what to do, and the verdict if it got that far."""

    name: str
    file: str
    reason: LeftReason
    detail: str
    verdict: Verdict | None = None


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What became of a folder. `unlisted` are Python files that the manifest does not name; they are left alone."""

    folder: Path
    taken: tuple[Taken, ...]
    left: tuple[Left, ...]
    unlisted: tuple[str, ...] = ()

    @property
    def stopped(self) -> bool:
        """Whether it was ended by Ctrl-C; what was taken is whole, and doing it again takes the rest."""
        return any(one.reason == "stopped" for one in self.left)


OnEach = Callable[[Taken | Left, int, int], None]
"""Hears each result with its number (from 1) and how many there are."""


async def import_folder(
    bringing: Bringing,
    path: Path,
    *,
    offered: Mapping[str, Sequence[str] | bool],
    everything: bool = False,
    replacing: bool = False,
    on_each: OnEach | None = None,
) -> ImportReport:
    """Take each tool of the folder, with origin `person`.

    *offered* are powers (`hosts`, `packages`, …) that those tools get which cannot do without; each is still asked
    for. With *everything* files that the manifest does not name are taken too, with *replacing* a tool whose name is
    taken becomes the next version. UserError for a folder or manifest that cannot be read. Cancelling it ends with the
    report so far.
    """
    folder = await asyncio.to_thread(_read, path, everything)
    results: list[Taken | Left] = []
    for one in folder.entries:
        try:
            result = await _one(bringing, one, offered, replacing)
        except asyncio.CancelledError:
            return _report(folder, [*results, *_not_reached(folder.entries[len(results) :])])
        results.append(result)
        if on_each is not None:
            on_each(result, len(results), len(folder.entries))
    return _report(folder, results)


def _read(path: Path, everything: bool) -> Folder:
    if not is_skill(path):
        return read_folder(path, largest=LARGEST_SOURCE, everything=everything)
    if everything:
        raise UserError(f"{path} is an Agent Skill, of which every script is looked at: leave out --all.")
    return read_skill(path, largest=LARGEST_SOURCE)


def _report(folder: Folder, results: Sequence[Taken | Left]) -> ImportReport:
    taken = tuple(one for one in results if isinstance(one, Taken))
    left = tuple(one for one in results if isinstance(one, Left))
    return ImportReport(folder.path, taken, left, folder.unlisted)


def _not_reached(entries: Sequence[Listed | Unusable]) -> list[Left]:
    return [Left(one.name, one.file, "stopped", "Not reached: it was stopped. Do it again.") for one in entries]


async def _one(
    bringing: Bringing, one: Listed | Unusable, offered: Mapping[str, Sequence[str] | bool], replacing: bool
) -> Taken | Left:
    if isinstance(one, Unusable):
        return Left(one.name, one.file, "file" if one.reason == "file" else "manifest", one.detail)
    try:
        one = _plain(one)
        candidate = bringing.candidate(one.name, one.source, one.said)
    except ToolwrightError as error:
        return Left(one.name, one.file, "unreadable", str(error))
    try:
        candidate = await asyncio.to_thread(_with_powers, candidate, offered)
        holder = await in_thread(threading.Event(), _holder, bringing.parts.registry, one.name)
        if holder is not None and _is_same(candidate, holder):
            return Taken(one.name, one.file, str(holder), fresh=False)
        if holder is not None and not replacing:
            return _name_taken(one, holder)
        return _result(one, await bringing.take(candidate, new_version=replacing))
    except EditedError as error:
        return Left(one.name, one.file, "edited", str(error))
    except ToolwrightError as error:
        if error.exit_code == 6:  # no wall on this machine: nothing of the folder can be proved
            raise
        return Left(one.name, one.file, _REASONS.get(error.exit_code, "unreadable"), str(error))


def _plain(one: Listed) -> Listed:
    """*one*, as a plain function where it is a LangChain tool. UserError."""
    found = langchain_in(one.source, Path(one.file), one.name)
    if found is None:
        return one
    if found.name != one.name:
        raise UserError(f"LangChain calls {one.name} {found.name!r}; call it so in the manifest, too.")
    return replace(one, source=found.source, said={**found.said, **one.said}, notes=(*one.notes, *found.notes))


def _result(one: Listed, made: Forged) -> Taken | Left:
    if made.version is None:
        verdict = made.verdicts[-1]
        pending = verdict.pending
        if pending is None:
            return Left(one.name, one.file, "failed", made.reason + _cure(verdict), verdict)
        reason: LeftReason = "fault" if pending.status.value == "fault" else "refused"
        return Left(one.name, one.file, reason, made.reason, verdict)
    if not made.won and made.version.digest != made.verdicts[-1].candidate.digest:
        return _name_taken(one, made.version)
    return Taken(one.name, one.file, str(made.version), made.won, (*one.notes, *_to_add(one)))


def _to_add(one: Listed) -> Iterator[str]:
    """What the function leaves open, and what to write."""
    signature = signature_of(one.source, one.name)
    for missing in signature.unannotated:
        if missing == "return" and "return_type" not in one.said:
            yield "the answer has no type, so any is taken; write for example -> str"
        elif missing != "return" and "input_params" not in one.said:
            yield f"{missing!r} has no type, so any value is taken; write for example {missing}: str"
    if not signature.docstring.strip() and "description" not in one.said:
        yield "it has no docstring and the manifest no description; say in a sentence what it does"


def _name_taken(one: Listed, holder: ToolVersion) -> Left:
    detail = (
        f"The name is taken by {holder}, which is another tool: {holder.spec.description} "
        "Give this one another name, or let it be the next version with --replace."
    )
    return Left(one.name, one.file, "name-taken", detail)


def _cure(verdict: Verdict) -> str:
    """What to add where the screen misses a declaration; the check's own detail says the rest."""
    failed = verdict.failed
    if failed is None or failed.name != "screen" or "declare" not in failed.detail:
        return ""
    return (
        " Declare it in the manifest ("
        '"packages": […], "hosts": […], "secrets": […]) or with --package, --host, --secret.'
    )


def _holder(registry: Registry, name: str) -> ToolVersion | None:
    try:
        return registry.get(name)
    except NotFoundError:
        return None


def _is_same(candidate: Candidate, holder: ToolVersion) -> bool:
    """Whether *candidate* is the tool *holder* but for the packages' locks, which only proving it would find."""
    own = holder.candidate
    return candidate.packages == own.packages and replace(candidate, lock=own.lock).digest == own.digest


def _with_powers(candidate: Candidate, offered: Mapping[str, Sequence[str] | bool]) -> Candidate:
    """*candidate* with those of the *offered* powers without which the screen complains of it."""
    flat = {kind: ([kind] if some else []) if isinstance(some, bool) else some for kind, some in offered.items()}
    for kind, one in [(kind, one) for kind, some in flat.items() for one in some]:
        try:
            more = _and(candidate, kind, one)
        except SpecError:  # a secret for a host that this one has not: not a power for it
            continue
        if _complaints(more) < _complaints(candidate):
            candidate = more
    return candidate


def _and(candidate: Candidate, kind: str, one: str) -> Candidate:
    if kind == "packages":
        packages = tuple(dict.fromkeys((*candidate.packages, one)))
        return replace(candidate, packages=packages, spec=replace(candidate.spec, packages=packages))
    lists: dict[str, Any] = {each: getattr(candidate.grant, each) for each in POWER_LISTS}
    lists["subprocess"] = candidate.grant.subprocess or kind == "subprocess"
    if kind in POWER_LISTS:
        lists[kind] = (*lists[kind], one)
    grant = Grant(**lists)
    return replace(candidate, grant=grant, spec=replace(candidate.spec, grant=grant))


def _complaints(candidate: Candidate) -> int:
    try:
        return len(
            screen(
                candidate.source,
                function=candidate.spec.name,
                grant=candidate.grant,
                packages=candidate.packages,
                effect=candidate.effect,
            )
        )
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return 0  # the validator says what is wrong with it
