"""What is listed of one namespace, on this machine: the feed or the stream goes in, lists and matches come out."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from toolwright.errors import FaultError, ToolwrightError
from toolwright.store import Entry
from toolwright.store.aws.rows import Named
from toolwright.store.aws.table import HOUR_S, Table
from toolwright.store.files import Busy, locked, write_over
from toolwright.store.index import Finder, Index, IndexLost

T = TypeVar("T")

FRESH_S = 4.0
"""What was read is good for so long, counted from when the question was sent; the poll itself takes some of the 5 s."""

OVERLAP_S = 60.0
"""How far back the feed is read again: writers' ideas of the time differ, and a transaction takes its while."""

CAUGHT_UP_S = 6 * HOUR_S
"""A mirror that is older reads the whole shelf instead of the feed."""

MANY, PAGE = 20, 400
"""With more changed names than that, and more than the shelf has pages (a megabyte holds some 500 to 1,000 rows), one
walk over the shelf is shorter than a query each."""

AT_ONCE = 32
"""Changed names that are read at a time, as many as there are connections: one after the other, twenty of them would
take longer than the 5 s where a request takes 300 ms."""

STILL_S, BEAT_S = 60.0, 10.0
"""For a process that holds the index and says nothing for so long nobody waits; who reads the whole shelf says every
10 s that it lives."""

Finders = Callable[[Path | None], Finder]
"""A way to find tools that may keep more beside the index, in the folder that is given; None: it may not."""

Entries = Callable[[Named], list[Entry]]
"""The entries of a name's versions, by number."""


class Uncached(Exception):
    """This disk does not take the mirror: full, broken, or locked for ever."""


class Mirror:
    """An index of one namespace, polled when it is asked and by no thread. Thread-safe, and safe between processes.

    It lies below *folder* (None: in memory), and from the moment when that cannot be written, in memory.
    *changed* hears of the names that changed before anything is answered from the new state.
    """

    def __init__(
        self,
        folder: Path | None,
        namespace: str,
        table: Table,
        finders: Finders,
        entries: Entries,
        changed: Callable[[Iterable[str] | None], None],
    ) -> None:
        self._namespace, self._table, self._finders = namespace, table, finders
        self._entries, self._changed = entries, changed
        self._path = None if folder is None else folder / f"{namespace}.db"
        self._finder = finders(None if folder is None else folder / f"{namespace}.tantivy")
        self._stream = table.stream(namespace)
        self._busy = threading.RLock()
        self._index: Index | None = None
        self._polled: float | None = None
        self._cursor: float | None = None
        self._seen: dict[str, float] = {}

    def ask(self, question: Callable[[Index], T]) -> T:
        """What *question* finds in an index that is at most 5 s behind."""
        for _ in range(3):
            try:
                return question(self._fresh())
            except IndexLost:
                self._forget()
            except Uncached:
                # A cache that cannot be written is none: what is shared can be read all the same.
                self._forget()
                self._path, self._finder = None, self._finders(None)
        raise FaultError(f"{self._path or 'The index'} is lost again and again; does another program write there?")

    def _fresh(self) -> Index:
        with self._busy:
            if self._index is not None and not self._index.is_current:
                raise IndexLost
            if self._index is None or self._polled is None or time.monotonic() - self._polled >= FRESH_S:
                with self._alone():
                    self._poll()
            if self._index is None:
                raise IndexLost
            return self._index

    def refresh(self, name: str, deed: str | None = None) -> None:
        """Learn at once what *name* is now, after this process's own *deed* too; if that fails, the next poll tells."""
        with suppress(ToolwrightError, IndexLost, Uncached), self._busy:
            self._changed([name])
            if self._index is None:
                return
            with self._alone():
                self._file(name, self._table.listed(self._namespace, name))
            if deed is not None:
                self._seen[deed] = self._table.client.now()

    def rebuild(self) -> int:
        """Read the whole shelf anew; how many versions it has. FaultError where this disk does not take it."""
        try:
            with self._busy, self._alone():
                return self._whole(self._table.client.now())
        except Uncached as error:
            raise FaultError(f"{self._path} could not be made anew: {error}.") from error

    def close(self) -> None:
        """Close the index."""
        self._forget()

    def _forget(self) -> None:
        with self._busy:
            if self._index is not None:
                self._index.close()
            self._index = self._polled = self._cursor = None
            if self._stream is not None:
                self._stream.leave()
            # What this index has seen, the next one may not have.
            self._seen = {}

    @contextmanager
    def _alone(self) -> Iterator[None]:
        # Two processes of one home write one index: who reads the table later must also write later.
        if self._path is None:
            yield
            return
        lock = self._path.with_suffix(".lock")
        with ExitStack() as held:
            while True:
                beat = _beat_of(lock)
                try:
                    held.enter_context(locked(lock, patience_s=STILL_S))
                    break
                except Busy as busy:
                    # Whoever reads a large shelf takes minutes, and reads it for all who wait.
                    if _beat_of(lock) == beat:
                        raise Uncached(str(busy)) from busy
                except OSError as error:
                    raise Uncached(str(error)) from error
            yield

    def _poll(self) -> None:
        started, now = time.monotonic(), self._table.client.now()
        since = self._opened()
        # One that is ahead of the servers was written by a clock that was wrong, and would hide what came since.
        if since is None or not -OVERLAP_S <= now - since <= CAUGHT_UP_S:
            self._begin()
            self._whole(now)
        elif not self._streamed(now):
            self._begin()
            self._follow(since, now)
        self._polled = started

    def _begin(self) -> None:
        if self._stream is not None:
            # Before the table is read in another way: what changes in between is told by the stream as well.
            self._stream.begin()

    def _streamed(self, now: float) -> bool:
        """Whether the table's stream told all that changed; False too where there is none, or no place in it."""
        if self._stream is None:
            return False
        with self._stream.changed() as names:
            if names is None:
                return False
            self._learn_or_walk(sorted(names), now)
        return True

    def _opened(self) -> float | None:
        """From when on the feed has to be read; None: there is no index, or nobody knows how old it is."""
        if self._index is None and self._path is not None:
            with suppress(IndexLost), _uncached((OSError, sqlite3.Error)):
                self._index = Index.open(self._path, self._finder)
                self._cursor = _cursor(self._path)
        return None if self._index is None else self._cursor

    def _whole(self, now: float) -> int:
        # Name by name from the wire into the index: a shelf of a million tools is larger than many machines' memory.
        shelved = (
            (self._namespace, name, self._entries(one), one.current or None)
            for name, one in self._table.shelf(self._namespace)
        )
        if self._index is not None:
            self._index.close()
            self._index = None
        with _uncached((OSError, sqlite3.Error)), _beating(self._path):
            self._index, count = Index.make(self._path, self._finder, shelved)
        self._changed(None)
        self._at(now)
        return count

    def _follow(self, since: float, now: float) -> None:
        events = self._table.feed(self._namespace, since - OVERLAP_S, now + OVERLAP_S)
        fresh = [event for event in events if event.deed not in self._seen]
        self._learn_or_walk(sorted({event.name for event in fresh}), now)
        for event in fresh:
            self._seen[event.deed] = event.at
        self._seen = {deed: at for deed, at in self._seen.items() if at > now - 3 * OVERLAP_S}

    def _learn_or_walk(self, names: Sequence[str], now: float) -> None:
        """File what *names* are now: all that had changed before *now* is known then."""
        if len(names) > max(MANY, self._held() // PAGE):
            self._whole(now)
            return
        self._changed(names)
        if names:
            with ThreadPoolExecutor(min(AT_ONCE, len(names))) as readers:
                found = readers.map(lambda name: self._table.listed(self._namespace, name), names)
                for name, one in zip(names, found, strict=True):
                    self._file(name, one)
        self._at(now)

    def _held(self) -> int:
        return 0 if self._index is None else self._index.count(self._namespace)

    def _file(self, name: str, found: Named) -> None:
        if self._index is not None and found.revision:
            entries = self._entries(found)
            with _uncached():
                self._index.file(self._namespace, name, entries, found.current or None)

    def _at(self, now: float) -> None:
        self._cursor = now
        if self._path is not None:
            # After the index, never before: a kill in between costs a second reading of the same events.
            with _uncached():
                write_over(self._path.with_suffix(".cursor"), json.dumps({"at": now}).encode())


@contextmanager
def _uncached(errors: tuple[type[Exception], ...] = (OSError, sqlite3.Error, ToolwrightError)) -> Iterator[None]:
    """Uncached for what the disk refuses within; *errors* are fewer where requests are made within, too."""
    try:
        yield
    except errors as error:
        raise Uncached(str(error)) from error


@contextmanager
def _beating(path: Path | None) -> Iterator[None]:
    """Say at the lock of the index at *path* that its holder lives; a process that was stopped says nothing."""
    ended = threading.Event()

    def beat() -> None:
        while path is not None and not ended.wait(BEAT_S):
            with suppress(OSError):
                os.utime(path.with_suffix(".lock"))

    beats = threading.Thread(target=beat, daemon=True)
    beats.start()
    try:
        yield
    finally:
        ended.set()
        beats.join()


def _beat_of(lock: Path) -> int | None:
    with suppress(OSError):
        return os.stat(lock).st_mtime_ns
    return None


def _cursor(path: Path) -> float | None:
    try:
        return float(json.loads(path.with_suffix(".cursor").read_bytes())["at"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def mirrored(folder: Path | None) -> list[str]:
    """The namespaces that have a mirror in *folder*."""
    if folder is None:
        return []
    with suppress(OSError):
        return sorted(item.name[:-3] for item in os.scandir(folder) if item.name.endswith(".db"))
    return []
