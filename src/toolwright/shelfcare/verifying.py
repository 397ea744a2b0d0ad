"""Is a shelf what it says it is? Shelves and versions go in, each thing that does not fit comes out with its cure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from toolwright import toolfile
from toolwright.errors import EditedError, SettingsError, SpecError
from toolwright.provenance import UntrustedError
from toolwright.provenance.trust import Trust
from toolwright.provenance.versions import awaits
from toolwright.store.files import tool_folder
from toolwright.store.whole import Finding, Source, Spoilt, Version, Whole, Wholes, up_to_force

Check = Callable[[Whole, Version], Iterator[str]]
"""Says what is wrong with one version of a name; nothing if it is sound. It executes nothing."""


def in_its_place(whole: Whole, version: Version) -> Iterator[str]:
    """Name and namespace are such as a tool may have, and those under which it lies."""
    try:
        tool_folder(Path(), whole.namespace, whole.name)
    except SpecError as error:
        yield str(error)
    found = (version.record.get("namespace"), version.record.get("name"))
    if found != (whole.namespace, whole.name):
        yield f"its record is that of {found[0]}/{found[1]}"


def as_proven(whole: Whole, version: Version) -> Iterator[str]:
    """The sums of its file and its digest are those that were recorded when it was proven."""
    del whole
    try:
        toolfile.from_record(version.text, version.full(), number=version.number)
    except EditedError as error:
        yield str(error)


CHECKS: tuple[Check, ...] = (in_its_place, as_proven)
"""What each version is held against, here and before it is copied, backed up, restored or exported. Who signed it is
asked only where it is to run (`believed`): a shelf that trusts somebody else can be copied all the same."""


@dataclass(frozen=True, slots=True)
class Unsound:
    """A version that is not what was proven, and why."""

    whole: Whole
    number: int
    why: str

    def __str__(self) -> str:
        return f"{self.whole}@{self.number}"


def sound(found: Whole) -> tuple[Whole, list[Unsound]]:
    """*found* without the versions that are not what was proven or cannot be read, and which those are."""
    wrong = {number: one.why for number, one in found.spoilt.items()}
    for number, version in found.versions.items():
        said = [why for check in CHECKS for why in check(found, version)]
        if said:
            wrong[number] = " ".join(said)
    kept = {number: one for number, one in found.versions.items() if number not in wrong}
    # They stay known by their numbers: whoever has one of them already has nothing that is foreign to this name.
    lost = {**{number: Spoilt(why) for number, why in wrong.items()}, **found.spoilt}
    return replace(found, versions=kept, spoilt=lost), [Unsound(found, *pair) for pair in sorted(wrong.items())]


@dataclass(slots=True)
class Looked:
    """How much was looked at."""

    names: int = 0
    versions: int = 0


def believed(trust: Trust, found: Whole, one: Version) -> UntrustedError | None:
    """Why the home with *trust* does not run *one*, None if it does. SettingsError where it believes nothing at all."""
    name = f"{found}@{one.number}"
    held = trust.revoked(one.digest)
    if held is not None:
        return UntrustedError(f"{name} was revoked", "revoked", f"it was revoked{held.why and ': '}{held.why}")
    waits = awaits(one.full())
    if not up_to_force(one.changes) and not waits:
        return UntrustedError(f"{name} was never put in force", "not-promoted")
    try:
        if waits:
            trust.judged(one.full(), one.number)
        else:
            trust.proven(one.full(), one.number)
    except UntrustedError as error:
        return error
    return None


def verify(shelf: Wholes, trust: Trust, told: Callable[[str], None], looked: Looked) -> Iterator[Finding]:
    """Everything that does not fit on *shelf*: its structure first, then each version by `CHECKS` and by *trust*.

    What was revoked is no finding unless it is in force.
    """
    yield from shelf.looked_over(told)
    try:
        trust.keys.trusted()
        yield from _papers(trust)
    except SettingsError as error:
        cure = "Do what it says, then look again: no version was asked who signed it."
        yield Finding("broken", "trust", str(error), cure)
        asked = None
    else:
        asked = trust
    for namespace, name in shelf.held():
        told(name)
        found = shelf.whole(namespace, name)
        looked.names, looked.versions = looked.names + 1, looked.versions + len(found.versions) + len(found.spoilt)
        kept, wrong = sound(found)
        for one in wrong:
            # What cannot be read at all was found by the shelf itself.
            if one.number not in found.spoilt:
                yield Finding("broken", str(one), one.why, _cure(name, one.number, found))
        if asked is not None:
            yield from _unbelieved(asked, found, kept)


def _unbelieved(trust: Trust, found: Whole, kept: Whole) -> Iterator[Finding]:
    for number, one in sorted(kept.versions.items()):
        if one.changes[-1].state == "revoked":
            # It runs nowhere, so nobody ever signs it again.
            continue
        error = believed(trust, found, one)
        if error is None or (error.reason == "revoked" and number != found.in_force):
            continue
        what = f"{error.reason}: {error.why}"
        yield Finding("broken", f"{found}@{number}", what, _signing_cure(error, found, number))


def _signing_cure(error: UntrustedError, found: Whole, number: int) -> str:
    if error.reason == "revoked":
        return f"It does not run, and is still listed: `toolwright registry revoke --digest` again takes {found} off."
    back = "from a shelf or a backup that you trust `toolwright registry copy FROM TO --vouch` has it signed here"
    if number == found.in_force:
        return f"Read it, then `toolwright registry adopt {found.name}` validates it and signs it here; or {back}."
    return f"It is not in force, and does not run; {back}."


def _papers(trust: Trust) -> Iterator[Finding]:
    for name in trust.unbelieved():
        what = "nobody who is believed here signed it; what it is about is refused all the same"
        cure = "If you know that it is true, revoke or yank that once more; else delete the paper."
        yield Finding("broken", f"trust/papers/{name}", what, cure)


def refuse_unless_sound(source: Source, told: Callable[[str], None]) -> int:
    """Look at every version of *source*; how many there are. EditedError for the first that is not what was proven."""
    count = 0
    for namespace, name in source.held():
        told(name)
        kept, wrong = sound(source.whole(namespace, name))
        for one in wrong:
            raise EditedError(f"{one} is not what was proven: {one.why} Nothing was changed.")
        count += len(kept.versions)
    return count


def _cure(name: str, number: int, found: Whole) -> str:
    back = "Put both files back from a copy (`toolwright registry restore --from FILE` after moving them away)"
    if number == found.in_force:
        return f"{back}, or validate it as the next version: `toolwright registry adopt {name}`."
    return f"{back}, or delete both: it is not in force."
