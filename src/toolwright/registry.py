"""The shelf: a passed Verdict goes in and is a ToolVersion from then on; names, sentences and specs find it again."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

from toolwright import toolfile, toolrecord
from toolwright.call import Call, Outcome
from toolwright.deeds import Audit, Deed, DeedWord
from toolwright.errors import NotFoundError, RefusedError, SpecError, UserError
from toolwright.listing import Infos, Match, ToolInfo, info_of, merged, own_info_of, row_of
from toolwright.masking import hushed
from toolwright.owntools import OwnTool, Usable
from toolwright.owntools.shelf import OwnTools
from toolwright.powers import Effect, Origin
from toolwright.promoting import Promoting
from toolwright.provenance.trust import Trust
from toolwright.provenance.versions import WAITING, Provenance
from toolwright.search import NEAR, Likeness, Meaning, Sketch, telling_words
from toolwright.store import Change, Draft, Entry, Fence, Slot, Store, Stored
from toolwright.store.calls import CallRow, Stats
from toolwright.store.leases import Leases
from toolwright.tool import State, ToolSpec, ToolVersion, Verdict
from toolwright.trace import Cost
from toolwright.vouching import Setting, Signing, Vouching

_FEW = 50
__all__ = ["Admission", "Infos", "Match", "Matches", "Registry", "ToolInfo"]

_REQUEST_CHARS = 400
_LOOKED_AT = 24  # matches that are compared when near-duplicates are looked for


@dataclass(frozen=True, slots=True)
class Admission:
    """The version that has the name now; `won` is False if somebody else's (or the very same) was there already."""

    version: ToolVersion
    won: bool


Matches = list[Match]


class Calls(Protocol):
    """Where calls are kept and summed."""

    def add(self, *calls: CallRow) -> None:
        """Keep calls, all or none."""

    def stats(self, namespace: str, names: Collection[str] | None = None) -> dict[tuple[str, int], Stats]:
        """Sums by (name, number)."""

    def highest(self, namespace: str, name: str) -> int:
        """The highest number that was ever called."""


class Registry(Promoting):
    """The tools of one namespace. Thread-safe, and safe between processes; nothing of a tool is ever executed here.

    *room* is how many tools may stand on the shelf (None: any number); a further one is refused. *trust* signs what is
    admitted and says of everything that is loaded whether it is believed; *setting* tells how it was validated; *warn*
    hears of a version that is not believed.
    """

    def __init__(
        self,
        store: Store,
        calls: Calls,
        audit: Audit | None = None,
        *,
        trust: Trust,
        setting: Setting = dict,
        namespace: str = "local",
        room: int | None = None,
        own: OwnTools | None = None,
        warn: Callable[[str], None] | None = None,
        redacted: Callable[[str], str] = str,
        meaning: Meaning | None = None,
    ) -> None:
        """*redacted* takes the values of secrets out of the requests that are kept with a tool.

        *meaning* is the one that the store finds with, if it does: what it needs is asked for outside of the store.
        """
        self._store, self._calls, self._audit, self._trust = store, calls, audit, trust
        self._redacted, self._meaning = redacted, meaning
        self._vouching = Vouching(store, trust, warn)
        self._seal = Signing(trust, self._vouching, setting)
        self._namespace, self._room = namespace, room
        self._likeness = Likeness()
        self.own = own
        """The person's own tools, which stand beside the shelf; None where nobody can bring any."""

    def register(
        self,
        func: Callable[..., Any],
        *,
        name: str | None = None,
        description: str | None = None,
        effect: Effect | None = None,
    ) -> ToolInfo:
        """Let *func*, the person's own trusted code, be called as a tool; it runs in this process and is not stored.

        Sync or async; its schema comes from hints and docstring. *effect* is `writes` unless you say less. Raises
        UserError for what is no function, for parameters without hints, and for a name that is taken.
        """
        if self.own is None:
            raise UserError("This registry has no process to run own tools in; use the one of a Toolwright.")
        tool = self.own.register(func, name=name, description=description, effect=effect)
        return self._own_infos([tool])[0]

    def find(self, name: str, number: int | None = None, digest: str | None = None) -> Usable:
        """The person's own tool *name* (number 0), else `get`; with *digest*, what a run pinned (`Vouching.pinned`)."""
        own = self.own.get(name) if self.own and not number else None
        if own or number is None or digest is None:
            return own or self.get(name, number)
        return self._vouching.pinned(self._namespace, name, number, digest)

    async def opened(self) -> None:
        """Have every own tool there; awaited on the loop that holds them. UserError of one that cannot be had."""
        if self.own is not None:
            await self.own.opened()

    def shelved(self, name: str) -> bool:
        """Whether a tool of the shelf can be called *name*."""
        return self._store.in_force(self._namespace, name) is not None

    @property
    def leases(self) -> Leases:
        """Where equal requests for a tool meet."""
        return self._store.leases

    def admit(
        self,
        verdict: Verdict,
        *,
        origin: Origin = "agent",
        run_id: str = "",
        model: str = "",
        requests: Iterable[str] = (),
        cost: Cost | None = None,
        new_version: bool = False,
        fence: Fence | None = None,
    ) -> Admission:
        """Put what *verdict* passed on the shelf, durably, or learn who has the name.

        The same digest is the same version, however often it comes. Another digest under a name in use is answered
        with its holder, unless *new_version* says that it is to take the holder's place. Raises EvidenceError for a
        verdict that did not pass, RefusedError where the shelf is full (`registry-full`), the version was revoked or
        yanked (`revoked`, `yanked`), an agent would replace what a person made (`made-by-a-person`) or the lease of
        *fence* is another's by now (`lease-lost`).
        """
        now = time.time()
        first = ToolVersion(verdict, 1, origin, "active", now, run_id, model, tuple(map(self._redacted, requests)))
        namespace, name = first.namespace, first.name
        holder = self._store.in_force(namespace, name)
        if new_version and holder is not None and holder.origin == "person" and origin != "person":
            made = f"{name}@{holder.number} was made by a person; only a person replaces it."
            raise RefusedError(made, "made-by-a-person")
        self._refuse_withdrawn(name, first.digest)
        dollars = None if cost is None else cost.dollars

        def draft(number: int) -> Draft:
            version = replace(first, number=number)
            return Draft(toolfile.write(version), {**toolfile.to_record(version), "dollars": dollars})

        above = self._calls.highest(namespace, name)
        slot = Slot(namespace, name, first.digest, now, origin, "admitted", new_version, above, fence)
        placed = self._store.place(slot, draft, self._seal, self._room)
        if placed.won:
            self._note_placed(replace(first, number=placed.number), placed.deed)
        return Admission(self._admitted(namespace, name, placed), placed.won)

    def silenced(self) -> str:
        """Why nobody would believe what is made here, before anything is spent on it; empty if all is well."""
        return self._trust.silenced("validator")

    def get(self, name: str, number: int | None = None, *, namespace: str | None = None) -> ToolVersion:
        """The version in force (or *number*, in whatever state), its file, its record and its signatures checked.

        Where the version in force does not hold, the one before it serves on, if that does. Raises NotFoundError, and
        EditedError for what is not as it was validated, or signed by nobody who is trusted here.
        """
        return self._vouching.get(namespace or self._namespace, name, number)

    def provenance(self, name: str, number: int) -> Provenance:
        """Who made, validated and promoted a version, by what was signed. NotFoundError, EditedError."""
        self.get(name, number)
        return self._trust.proven(self._store.load(self._namespace, name, number).record, number)

    def edited(self, name: str, number: int | None = None) -> tuple[str, ToolVersion]:
        """The text of a tool's file as it stands, checked against nothing, and the version as if that were proven.

        It is for reading and for validating anew, never for running; its candidate's parent is the digest that was
        proven. Raises NotFoundError, SpecError.
        """
        stored = self._store.load(self._namespace, name, number)
        return stored.text, _as_if_proven(stored, toolfile.read(stored.text).source)

    def as_recorded(self, name: str, number: int | None = None) -> ToolVersion:
        """`edited` for what takes a version's place: a file that is no tool file any more leaves the source empty."""
        stored = self._store.load(self._namespace, name, number)
        try:
            return _as_if_proven(stored, toolfile.read(stored.text).source)
        except SpecError:
            return _as_if_proven(stored, "")

    def changes(self, name: str, number: int) -> tuple[Change, ...]:
        """The changes of a version's state with who, when and why, the oldest first. NotFoundError."""
        return self._store.load(self._namespace, name, number).changes

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and bool((self.own and self.own.get(name)) or self.shelved(name))

    def names(self) -> list[str]:
        """The names that can be called, sorted."""
        names = self._store.names(self._namespace)
        return sorted({*names, *self.own.names()}) if self.own else names

    def count(self) -> int:
        """How many names stand on the shelf; own tools are not counted."""
        return self._store.count(self._namespace)

    def list(self, *, every: bool = False) -> Infos:
        """Own tools and the versions in force, by name; with *every*, all versions by name and number."""
        infos = self._infos(self._store.entries(self._namespace, every=every))
        if not self.own:
            return infos
        return Infos(sorted([*self._own_infos(self.own.all()), *infos], key=lambda info: (info.name, info.number)))

    def history(self, name: str) -> Infos:
        """Every version of *name* by number. NotFoundError if there never was one."""
        entries = self._store.history(self._namespace, name)
        own = self.own.get(name) if self.own else None
        if own is not None:
            return Infos([*self._own_infos([own]), *self._infos(entries)])
        if not entries:
            raise NotFoundError(f"No tool is named {name!r}.")
        return self._infos(entries)

    def search(self, query: str, limit: int = 8, *, own: bool = True, run_id: str = "") -> Matches:
        """At most *limit* tools that fit *query*, best first; empty if none does. Never raises for a query.

        Without *own* only those of the shelf are looked at. What embeddings cost is put on the run *run_id*.
        """
        find = partial(self._store.find, self._namespace, query, limit)
        found = self._meaning.around(find, query, run_id) if self._meaning else find()
        infos = self._infos([entry for entry, _ in found])
        matches = [Match(info, score) for info, (_, score) in zip(infos, found, strict=True)]
        if not (own and self.own):
            return matches
        fitting = self.own.find(query, limit)
        mine = self._own_infos([tool for tool, _ in fitting])
        return merged([Match(info, score) for info, (_, score) in zip(mine, fitting, strict=True)], matches, limit)

    def hint(self) -> str:
        """What a person can do so that a large shelf is searched quicker; empty if there is nothing."""
        return self._store.hint()

    def near(self, spec: ToolSpec, limit: int = 3, *, least: float = NEAR) -> Matches:
        """Tools that look like what *spec* asks for, most alike first, with a likeness from *least* (0.7) to 1."""
        asked = Sketch(spec.name, spec.description, spec.input_schema, spec.output_schema)
        found = self._store.find(spec.namespace, f"{spec.name} {spec.description}", _LOOKED_AT)
        alike = [(self._likeness.of(asked, _sketch(entry)), entry) for entry, _ in found]
        best = sorted((pair for pair in alike if pair[0] >= least), key=lambda pair: (-pair[0], pair[1].name))[:limit]
        infos = self._infos([entry for _, entry in best])
        matches = [Match(info, score) for info, (score, _) in zip(infos, best, strict=True)]
        if not self.own:
            return matches
        close = self.own.near(asked, self._likeness)
        own = self._own_infos([tool for tool, _ in close])
        mine = [Match(info, score) for info, (_, score) in zip(own, close, strict=True)]
        return sorted([*mine, *matches], key=lambda match: -match.score)[:limit]

    def own_alike(self, spec: ToolSpec) -> OwnTool | None:
        """The own tool that looks most like what *spec* asks for, if one does."""
        asked = Sketch(spec.name, spec.description, spec.input_schema, spec.output_schema)
        close = self.own.near(asked, self._likeness) if self.own else []
        return close[0][0] if close else None

    def retire(self, name: str, *, number: int | None = None, who: str = "person", why: str = "") -> ToolInfo:
        """Take *name* off the shelf; its versions, history and numbers stay. NotFoundError if it is not there.

        With *number* only if that version is in force.
        """
        entry = self._store.in_force(self._namespace, name)
        if entry is None and self.own and (own := self.own.get(name)):
            raise UserError(
                f"{name} is your own tool ({own.source}), and not on the shelf; leave it out where you bring it."
            )
        if entry is None or number not in (None, entry.number):
            raise NotFoundError(f"No tool is named {name if number is None else f'{name}@{number}'!r}.")
        self._change(entry, "retired", who, why)
        return self._infos([replace(entry, state="retired")])[0]

    def restore(self, name: str, number: int | None = None, *, who: str = "person", why: str = "") -> ToolVersion:
        """Put *name* back: its latest version that was not withdrawn, or *number*, which takes the place of another.

        NotFoundError, EditedError for a file that was edited meanwhile, RefusedError: revoked, or the shelf is full.
        """
        entries = [entry for entry in self._store.history(self._namespace, name) if number in (None, entry.number)]
        if not entries:
            raise NotFoundError(f"There is no {name if number is None else f'{name}@{number}'}.")
        standing = [one for one in entries if one.state != "revoked" and self._trust.revoked(one.digest) is None]
        if not standing:
            raise RefusedError(f"{name}@{entries[-1].number} was revoked.", "revoked")
        chosen = next((one for one in reversed(standing) if one.state not in ("yanked", WAITING)), standing[-1])
        self._lift(self.get(name, chosen.number), who, why)
        if chosen != self._store.in_force(self._namespace, name):
            self._change(chosen, "active", who, why, room=self._room)
        return self.get(name, chosen.number)

    def record(self, version: Usable, call: Call, outcome: Outcome) -> None:
        """Keep how a call of *version* ended."""
        self.record_all(version, [(call, outcome)])

    def record_all(self, version: Usable, ended: Sequence[tuple[Call, Outcome]]) -> None:
        """Keep how calls of *version* ended, all or none."""
        self._calls.add(*(row_of(version, call, outcome) for call, outcome in ended))

    def found_by(self, version: Usable, request: str) -> None:
        """Note that *request* found *version* and had use of it, so that words like these find it again.

        Only on the shelf, and once for requests of the same words; at most 20 are kept, and of each 400 characters.
        """
        text = self._redacted(" ".join(request.split()))[:_REQUEST_CHARS]
        entry = self._store.in_force(version.namespace, version.name)
        if entry is None or entry.number != version.number or isinstance(version, OwnTool):
            return
        told = set(telling_words(text))
        if told and all(told != set(telling_words(one)) for one in entry.requests):
            self._store.found_by(entry.namespace, entry.name, entry.number, text)

    def stats(self, name: str, number: int | None = None) -> Stats:
        """How calls of a version (by default the one in force, else the latest) ended. NotFoundError."""
        if number is None and self.own and self.own.get(name):
            number = OwnTool.number
        if number is None:
            entry = self._store.in_force(self._namespace, name)
            number = entry.number if entry else self.history(name)[-1].number
        return self._calls.stats(self._namespace, [name]).get((name, number), Stats())

    def locks(self) -> Sequence[tuple[str, ...]]:
        """The locked packages of each version in force that has any, of all namespaces."""
        listed = (one for namespace in self._store.namespaces() for one in self._store.entries(namespace))
        held = (self._store.load(one.namespace, one.name, one.number) for one in listed if one.packages)
        return [_as_if_proven(one, "").candidate.lock for one in held]

    def rebuild(self) -> int:
        """Make the index anew from the files of all namespaces; how many versions there are."""
        return self._store.rebuild()

    def close(self) -> None:
        """Let go of the store's files."""
        self._store.close()
        if self._meaning:
            self._meaning.close()

    def _change(
        self, entry: Entry, state: State, who: str, why: str, what: DeedWord | None = None, room: int | None = None
    ) -> None:
        who, why = hushed(who), hushed(why)
        change = Change(state, time.time(), 0, who, why)
        self._store.change(entry.namespace, entry.name, entry.number, change, self._seal, room)
        done: DeedWord = "restored" if state == "active" else state
        self._note(who, what or done, entry.namespace, entry.name, entry.number, why)

    def _note(
        self, who: str, what: DeedWord, namespace: str, name: str, number: int, detail: str, run_id: str = ""
    ) -> None:
        if self._audit is not None:
            self._audit.add(Deed(who, what, namespace, name, number, hushed(detail), run_id=run_id))

    def _own_infos(self, tools: Sequence[OwnTool]) -> Infos:
        stats = self._calls.stats(self._namespace, {tool.name for tool in tools}) if tools else {}
        return Infos(own_info_of(tool, stats.get((tool.name, tool.number), Stats())) for tool in tools)

    def _infos(self, entries: Sequence[Entry]) -> Infos:
        names = {entry.name for entry in entries}
        # A few names are summed by themselves; beyond that one walk over all calls is the shorter way.
        stats = self._calls.stats(self._namespace, names if len(names) <= _FEW else None) if names else {}
        return Infos(info_of(entry, stats.get((entry.name, entry.number), Stats())) for entry in entries)


def _as_if_proven(stored: Stored, source: str) -> ToolVersion:
    version = toolrecord.version_of(stored.record, source, stored.entry.number)
    candidate = replace(version.candidate, parent=stored.entry.digest)
    return replace(version, verdict=replace(version.verdict, candidate=candidate))


def _sketch(entry: Entry) -> Sketch:
    return Sketch(entry.name, entry.description, entry.input_schema, entry.output_schema)
