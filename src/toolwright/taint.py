"""What a run has taken in goes in, mark by mark; the hosts to which it may send nothing more without a yes come out."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import astuple, dataclass, replace
from typing import Literal

from toolwright.powers import Grant, path_within
from toolwright.reach import host_within, hosts_meet
from toolwright.trace import Event, Journal, Place, Sink

MarkKind = Literal["private", "untrusted", "agreed", "refused"]
_BOTH: tuple[MarkKind, MarkKind] = ("private", "untrusted")


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that a run took in: private data, or untrusted text; or a host that a person agreed to or refused."""

    kind: MarkKind
    what: str
    """`secret KEY`, `folder /srv/notes`, `reply of api.example.com:443`, `file letter.txt`; else a host."""
    by: str = ""
    """The tool that took it in: `look@1`."""
    at: str = ""
    """Where in the run its call stands, as `Call.place`; '' for what no call took in."""

    def __str__(self) -> str:
        return f"{self.what} ({self.by})" if self.by else self.what


def marks_from(rows: Iterable[Sequence[str]]) -> tuple[Mark, ...]:
    """The marks that `astuple` gave, without what was agreed to: that holds for one run."""
    kinds: Mapping[str, MarkKind] = {kind: kind for kind in _BOTH}
    return tuple(Mark(kinds[kind], what, by) for kind, what, by, *_ in rows if kind in kinds)


class Flow:
    """What one run has taken in so far. Thread-safe.

    Each new mark is in the journal before the call that brings it begins: a run that goes on after a kill knows it. The
    call that was cut short is not held up by its own marks then, as it was not before.
    """

    def __init__(
        self, run_id: str, journal: Journal, sink: Sink, before: Sequence[Mark] = (), untrusted: Sequence[str] = ()
    ) -> None:
        """*before*: marks of earlier runs of the conversation. *untrusted*: absolute paths of files and folders."""
        self._run_id, self._journal, self._sink = run_id, journal, sink
        self._lock = threading.Lock()
        self.untrusted = tuple(os.path.realpath(path) for path in untrusted)
        self._before = tuple(before)
        self._recorded = list(self._read())
        """Marks of a process before this one, but those that were taken again."""
        self._own: list[Mark] = []
        self._count = len(self._recorded)

    def _read(self) -> Iterator[Mark]:
        number = 1
        while (data := self._journal.get("tool", self._place(number))) is not None:
            yield Mark(*json.loads(data))
            number += 1

    def _place(self, number: int) -> Place:
        return Place(self._run_id, 0, f"taint-{number}")

    @property
    def marks(self) -> tuple[Mark, ...]:
        """All of them but what a person said, the oldest first: what a run that goes on from this one inherits."""
        with self._lock:
            return tuple(one for one in self._all() if one.kind in _BOTH)

    def _all(self) -> tuple[Mark, ...]:
        return (*self._before, *self._recorded, *self._own)

    def tell(self) -> None:
        """Say which marks there are from the beginning."""
        for number, mark in enumerate(self._before, 1):
            self._say(mark, self._before[:number])

    def take(self, marks: Iterable[Mark]) -> None:
        """Note each of *marks* whose thing is new; on disk, and told, when this returns."""
        for mark in marks:
            with self._lock:
                known = [one for one in self._all() if (one.kind, one.what) == (mark.kind, mark.what)]
                if mark.kind not in _BOTH:  # a later word stands above an earlier one
                    known = known if self._word(mark.what) == mark.kind else []
                if not known:
                    mark = replace(mark, at=_PLACE.get())
                    self._journal.put("tool", self._place(self._count + 1), json.dumps(astuple(mark)).encode())
                    self._count += 1
                    self._own.append(mark)
                elif known[0] in self._recorded and mark.kind in _BOTH:
                    self._recorded.remove(known[0])
                    self._own.append(known[0])
            if not known:
                self._say(mark, self.marks)

    def _say(self, mark: Mark, so_far: Sequence[Mark]) -> None:
        if mark.kind not in _BOTH:
            return
        others = {one.kind for one in so_far if one != mark}
        meets = mark.kind not in others and len(others) == 1
        data = {"name": mark.by, "kind": mark.kind, "what": mark.what, "both": meets or len(others) == 2}
        met = [f"{one.kind} {one}" for one in so_far] if meets else []
        self._sink.emit(Event("tainted", self._run_id, {**data, "met": met}))

    def agree(self, hosts: Iterable[str]) -> None:
        """A person said yes to sending to *hosts* in this run."""
        self.take(Mark("agreed", host) for host in hosts)

    def refuse(self, hosts: Iterable[str]) -> None:
        """A person said no to sending to *hosts* in this run; it takes back an earlier yes."""
        self.take(Mark("refused", host) for host in hosts)

    def refused(self, grant: Grant) -> str:
        """The host of *grant* to which a person said no in this run, or '': nobody is asked about it again."""
        unasked = self.unasked(grant)
        with self._lock:
            return next((host for host in unasked if self._word(host) == "refused"), "")

    def _word(self, host: str) -> MarkKind | None:
        """The last that a person said about sending to *host*."""
        for one in reversed(self._all()):
            if one.kind == "refused" and hosts_meet(host, one.what):
                return one.kind
            if one.kind == "agreed" and host_within(host, one.what):
                return one.kind
        return None

    def unasked(self, grant: Grant) -> tuple[str, ...]:
        """The hosts of *grant* to which this run may send only after a yes that nobody has given yet."""
        if not grant.hosts:
            return ()
        place = _PLACE.get()
        with self._lock:
            held = [one for one in self._all() if not (place and one.at == place and one in self._recorded)]
            unasked = tuple(host for host in grant.hosts if self._word(host) != "agreed")
        if not {"private", "untrusted"} <= {one.kind for one in held}:
            return ()
        return unasked

    def words(self) -> tuple[str, ...]:
        """What was taken in, a line each, for people."""
        return tuple(f"{one.kind:<9}  {one}" for one in self.marks)

    def why(self, name: str, grant: Grant) -> str:
        """Why *name* may not send with *grant* as it is, in a sentence."""
        hosts = ", ".join(self.unasked(grant))
        private, untrusted = (", ".join(str(one) for one in self.marks if one.kind == kind) for kind in _BOTH)
        return (
            f"{name} may send to {hosts}, and this run has taken in private data ({private}) and untrusted text "
            f"({untrusted}). A person has to say yes to it first, whatever was allowed before."
        )

    def files(self, paths: Iterable[tuple[str, str]], by: str) -> Iterator[Mark]:
        """The marks of what lies in a tool's work folder: pairs of the name there and the path outside."""
        for name, path in paths:
            real = os.path.realpath(path)
            if any(path_within(real, own) for own in self.untrusted):
                yield Mark("untrusted", f"file {name}", by)

    def powers(self, grant: Grant, by: str) -> Iterator[Mark]:
        """The marks of a call of the tool *by* with *grant*."""
        yield from (Mark("private", f"secret {name}", by) for name in grant.secret_names)
        for path in dict.fromkeys(grant.reads + grant.writes):
            yield Mark("private", f"folder {path}", by)
            real = os.path.realpath(path)
            # What may be read below it counts as much as what lies above it.
            if any(path_within(real, own) or path_within(own, real) for own in self.untrusted):
                yield Mark("untrusted", f"folder {path}", by)
        yield from (Mark("untrusted", f"reply of {host}", by) for host in grant.hosts)


_CURRENT: ContextVar[Flow | None] = ContextVar("toolwright_flow", default=None)
_PLACE: ContextVar[str] = ContextVar("toolwright_flow_place", default="")


def current() -> Flow | None:
    """The flow of the run whose tool call is being answered; None outside a run."""
    return _CURRENT.get()


@contextmanager
def flowing(flow: Flow | None) -> Iterator[None]:
    """Within, *flow* is the current one, in worker threads too."""
    token = _CURRENT.set(flow)
    try:
        yield
    finally:
        _CURRENT.reset(token)


@contextmanager
def at(place: str) -> Iterator[None]:
    """Within, a call at *place* of the run is under way."""
    token = _PLACE.set(place)
    try:
        yield
    finally:
        _PLACE.reset(token)
