"""A name with all that was ever kept of it: two of them go in, what has to be written where one lies comes out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal, Protocol

from toolwright.errors import EditedError, RefusedError
from toolwright.store import Change
from toolwright.store.records import CHANGES, FOUND_BY, MAX_FOUND_BY, entry_of

SIGNATURE = "signature"
"""The key of `N.json` under which both signed statements stand; here they are kept, and asked for nothing."""
MOVING = (CHANGES, "state", FOUND_BY, SIGNATURE)
"""Keys of `N.json` that change after a version was placed; whatever else it holds stands for good."""


@dataclass(frozen=True, slots=True)
class Version:
    """A version: the text of `N.py`, the record of `N.json` without state and changes, and these."""

    number: int
    text: str
    record: Mapping[str, Any]
    changes: tuple[Change, ...]

    @property
    def digest(self) -> str:
        """As its record says."""
        return str(self.record.get("digest", ""))

    @property
    def active(self) -> bool:
        """Whether its last change put it in force."""
        return bool(self.changes) and self.changes[-1].state == "active"

    def full(self) -> dict[str, Any]:
        """The record as `N.json` holds it."""
        return {**self.record, CHANGES: [asdict(one) for one in self.changes], "state": self.changes[-1].state}


@dataclass(frozen=True, slots=True)
class Spoilt:
    """A version that cannot be read: why and what to do, and what is known of it nevertheless."""

    why: str
    digest: str = ""
    changes: tuple[Change, ...] = ()
    statements: Sequence[Any] = (None, None)
    """The validator's and the promoter's, None for one that is lost too."""


@dataclass(frozen=True, slots=True)
class Whole:
    """A name: its versions by number, those that cannot be read, and the highest number that was ever used."""

    namespace: str
    name: str
    highest: int = 0
    versions: Mapping[int, Version] = field(default_factory=dict)
    spoilt: Mapping[int, Spoilt] = field(default_factory=dict)

    @property
    def in_force(self) -> int | None:
        """The version that the name means: active, and activated last."""
        standing = [(one.changes[-1].order, number) for number, one in self.versions.items() if one.active]
        return max(standing)[1] if standing else None

    def __str__(self) -> str:
        return self.name if self.namespace == "local" else f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Plan:
    """A name as it is and as it shall be, with the versions that have to be written, the one in force first."""

    before: Whole
    after: Whole
    written: tuple[int, ...]

    @property
    def empty(self) -> bool:
        """Whether all of it is there already."""
        return not self.written and self.after.highest == self.before.highest


class Source(Protocol):
    """Something that holds whole names: a shelf, an archive."""

    def held(self) -> Iterator[tuple[str, str]]:
        """(namespace, name) of everything that was ever kept, those off the shelf too, in their order."""

    def whole(self, namespace: str, name: str) -> Whole:
        """The name as it is at one moment; versions that cannot be read are `spoilt` and no error."""

    def close(self) -> None:
        """Let go of files."""


Severity = Literal["broken", "leftover"]
"""Something is wrong; or: it harms nothing, and is cleared away by itself or by `registry gc`."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What does not fit on a shelf: where, what it is, and what to do."""

    severity: Severity
    where: str
    what: str
    cure: str


@dataclass(frozen=True, slots=True)
class Collected:
    """What a visit of `registry gc` did, place by place: what it found unneeded and marked, and what it removed."""

    marked: list[str]
    removed: list[str]


class Wholes(Source, Protocol):
    """A shelf that whole names can be put on. Safe between processes and machines; each name whole or as before."""

    def keep(self, wish: Whole) -> bool:
        """Put on the shelf what it lacks of *wish*; whether that was anything.

        It may be killed anywhere: what is there then is a part of *wish*, no version is half, none is in force that is
        not in force in the end, and doing it again does the rest. RefusedError (`other-history`) where the name has a
        history here that *wish* does not go on with, (`damaged`) where nobody can tell.
        """

    def sign(
        self, namespace: str, name: str, number: int, signed: Callable[[Mapping[str, Any]], Mapping[str, Any]]
    ) -> None:
        """See `Store.sign`."""

    def looked_over(self, told: Callable[[str], None]) -> Iterator[Finding]:
        """What does not fit together here, apart from what a version itself says; *told* hears what is looked at."""

    def collect(self, older_s: float) -> Collected:
        """Remove what nothing has needed for so many seconds."""


def version_from(data: bytes, text: str, number: int) -> Version:
    """The version in the bytes of `N.json` and the text of `N.py`. EditedError for what is no record of a tool."""
    try:
        record = json.loads(data)
        entry_of(record, number)
        changes = tuple(Change(**change) for change in record[CHANGES])
    except (TypeError, ValueError, KeyError, IndexError, AttributeError, RecursionError) as error:
        raise EditedError(f"{number}.json is not the record of a tool: {error!r}.") from None
    fixed = {key: value for key, value in record.items() if key not in (CHANGES, "state")}
    return Version(number, text, fixed, changes)


def plan(there: Whole, wish: Whole) -> Plan:
    """What is to be written so that *there* has all of *wish*. RefusedError (`other-history`)."""
    more: dict[int, Version] = {}
    ahead, behind = _unknown_to(wish, there), ""
    for number, one in sorted(wish.versions.items()):
        here = _as_there(there, one)
        if here is None:
            _only_once(there, one)
            more[number], behind = one, f"version {number}"
            continue
        _same_thing(there, here, one)
        longer = _longer(there, here, one)
        if longer is here:
            ahead = ahead or (f"version {number} was changed" if len(here.changes) > len(one.changes) else "")
        else:
            behind = f"version {number} was changed"
        merged = _merged(here, one, longer)
        if merged != here or number in there.spoilt:
            more[number] = merged
    if ahead and behind:
        raise _another(there, f"both went on by themselves ({ahead} there, {behind} here)")
    return _planned(there, wish, more)


def _planned(there: Whole, wish: Whole, more: Mapping[int, Version]) -> Plan:
    highest = max([there.highest, wish.highest, *more])
    after = settled(replace(there, highest=highest, versions={**there.versions, **more}))
    changed = [number for number, one in after.versions.items() if one != there.versions.get(number)]
    # The switch is one write: what is in force in the end comes first, and then what was in force before.
    stood = {number for number, one in there.versions.items() if one.active}
    written = sorted(changed, key=lambda number: (number != after.in_force, number not in stood, number))
    return Plan(there, after, tuple(written))


def settled(found: Whole) -> Whole:
    """*found* with one version in force at most: what another took the place of is retired."""
    now, versions = found.in_force, dict(found.versions)
    order = max((change.order for one in versions.values() for change in one.changes), default=0)
    for number, one in sorted(versions.items()):
        if one.active and number != now and now is not None:
            order += 1
            last = max((change for each in versions.values() for change in each.changes), key=lambda one: one.order)
            change = Change("retired", last.at, order, last.who, _took_its_place(now))
            versions[number] = replace(one, changes=(*one.changes, change))
    return replace(found, versions=versions)


def _took_its_place(number: int) -> str:
    return f"version {number} took its place"


def _as_there(there: Whole, one: Version) -> Version | None:
    """The version of that number; one whose bytes are lost there, and which is known to be this one, can be mended."""
    if (lost := there.spoilt.get(one.number)) is None:
        return there.versions.get(one.number)
    if lost.digest != one.digest or not lost.changes:
        cure = "Move its files away there, or put them back from a copy of them; then do it again."
        raise _another(there, f"version {one.number} cannot be read there ({lost.why})", cure)
    known = zip(lost.statements, [*_statements(one), None, None], strict=False)
    both = [mine if mine is not None else theirs for mine, theirs in known]
    signed = {SIGNATURE: both} if None not in both else {}
    return replace(one, changes=lost.changes, record={**one.record, **signed})


def _unknown_to(wish: Whole, there: Whole) -> str:
    known = {*wish.versions, *wish.spoilt}
    unknown = sorted({*there.versions, *there.spoilt} - known)
    return f"version {unknown[0]}" if unknown else ""


def _only_once(there: Whole, one: Version) -> None:
    twin = next((number for number, other in there.versions.items() if other.digest == one.digest), None)
    if twin is not None:
        raise _another(there, f"version {one.number} stands there under the number {twin}")


def _same_thing(there: Whole, here: Version, one: Version) -> None:
    if here.digest != one.digest:
        raise _another(there, f"version {one.number} there is another tool (digest {here.digest[:16]})")
    if here.text != one.text:
        raise _another(there, f"the file of version {one.number} was edited there")
    if _fixed(here) != _fixed(one):
        raise _another(there, f"version {one.number} is the same tool there, but was made and judged another time")


def _longer(there: Whole, here: Version, one: Version) -> Version:
    """Whichever of the two goes on with the other; *here* if they are equal."""
    if here.changes[: len(one.changes)] == one.changes:
        return here
    if one.changes[: len(here.changes)] == here.changes:
        return one
    # That another version took its place follows from that one's own change, and says nothing of its own.
    last = here.changes[-1]
    if last.state == "retired" and last.why.endswith("took its place"):
        told = here.changes[:-1]
        if one.changes[: len(told)] == told:
            return one
    raise _another(there, f"version {one.number} has other changes of state there")


def _merged(here: Version, one: Version, longer: Version) -> Version:
    """*longer* with the requests of both, and with the statements that belong to its changes.

    A promoter signs the changes up to the last that puts a version in force. Where both have those, what stands *here*
    stays, whoever signed the other's: it may be that somebody here vouched for it.
    """
    found_by = _found_by(here, one)
    said = longer
    if up_to_force(here.changes) == up_to_force(one.changes):
        said = here if _statements(here) or not _statements(one) else one
    record = {key: value for key, value in longer.record.items() if key != SIGNATURE}
    record |= {SIGNATURE: said.record[SIGNATURE]} if SIGNATURE in said.record else {}
    return replace(longer, record={**record, **({FOUND_BY: found_by} if found_by else {})})


def up_to_force(changes: Sequence[Change]) -> tuple[Change, ...]:
    """*changes* up to the last that puts a version in force; empty if none does."""
    return tuple(changes[: 1 + max((place for place, one in enumerate(changes) if one.state == "active"), default=-1)])


def _statements(version: Version) -> list[Any]:
    """Both statements of a version that was signed; empty for one that nobody signed."""
    found = version.record.get(SIGNATURE)
    return found if isinstance(found, list) and len(found) == 2 else []


def _fixed(version: Version) -> dict[str, Any]:
    return {key: value for key, value in version.record.items() if key not in MOVING}


def _requests(version: Version) -> list[str]:
    return list(version.record.get(FOUND_BY, ()))


def _found_by(here: Version, one: Version) -> list[str]:
    had = _requests(here)
    # Of more than there may be the latest, here too: else the same copy would find something to bring for ever.
    return [*had, *(text for text in _requests(one)[-MAX_FOUND_BY:] if text not in had)][-MAX_FOUND_BY:]


def _another(there: Whole, why: str, cure: str = "") -> RefusedError:
    cure = cure or (
        f"To have it there as the next version: `toolwright registry export DIR {there.name}` here, and there "
        "`toolwright import DIR --replace`."
    )
    return RefusedError(f"{there} has another history there: {why}. Nothing of it was changed. {cure}", "other-history")
