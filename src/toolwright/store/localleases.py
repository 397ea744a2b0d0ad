"""Leases on this machine: a key goes in, a small file below the home holds its record; a dead owner's lock is free."""

from __future__ import annotations

import fcntl
import json
import os
import threading
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from toolwright.errors import FaultError
from toolwright.store import Fence
from toolwright.store.files import locked, make_folder, write_over, writing
from toolwright.store.leases import Record, refuse_lost

FOLDER = "leases"


class LocalRecords:
    """Records of leases in *home*, for its threads and processes; an owner's death is seen at once.

    Whoever takes a lease holds a lock on a file of its own beside it, which the system frees when the process ends,
    however it ends.
    """

    def __init__(self, home: Path) -> None:
        self._folder = home / FOLDER
        self._held: dict[tuple[str, int], int] = {}
        self._lock = threading.Lock()
        with writing(self._folder):
            make_folder(home, home)
            make_folder(self._folder, home)

    def get(self, key: str) -> Record:
        """See `Records.get`. FaultError for a file that is no record."""
        return read(self._folder.parent, key)

    def swap(self, key: str, before: Record, after: Record) -> bool:
        """See `Records.swap`; on disk when this returns."""
        with writing(self._folder), locked(self._folder / "lock"):
            if self.get(key) != before:
                return False
            if after.token != before.token:
                self._hold(key, after.token)
            write_over(self._folder / f"{key}.json", json.dumps(asdict(after)).encode())
            if after.token != before.token or after.state != "held":
                self._let_go(key, before.token)
            return True

    def gone(self, key: str, found: Record) -> bool:
        """See `Records.gone`."""
        # Under the lock of those who take leases: looking whether a lock is free means to hold it for a moment.
        with writing(self._folder), locked(self._folder / "lock"):
            try:
                descriptor = os.open(self._mark(key, found.token), os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
            except FileNotFoundError:
                return True
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            finally:
                os.close(descriptor)
            return True

    def now(self) -> float:
        """See `Records.now`."""
        return time.time()

    def close(self) -> None:
        """Give up what is still held here."""
        for key, token in list(self._held):
            self._let_go(key, token)

    def _mark(self, key: str, token: int) -> Path:
        return self._folder / f"{key}.{token}.held"

    def _hold(self, key: str, token: int) -> None:
        descriptor = os.open(self._mark(key, token), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with self._lock:
            self._held[key, token] = descriptor

    def _let_go(self, key: str, token: int) -> None:
        with suppress(FileNotFoundError):
            self._mark(key, token).unlink()
        with self._lock:
            descriptor = self._held.pop((key, token), None)
        if descriptor is not None:
            os.close(descriptor)


def read(home: Path, key: str) -> Record:
    """The record of *key* below *home*; an empty one if there is none. FaultError for a file that is no record."""
    path = home / FOLDER / f"{key}.json"
    try:
        return Record(**json.loads(path.read_bytes()))
    except FileNotFoundError:
        return Record()
    except (OSError, ValueError, TypeError) as error:
        raise FaultError(f"{path} is not the record of a lease: {error}. Delete it.") from error


def check(home: Path, fence: Fence) -> None:
    """RefusedError (`lease-lost`) if the lease of *fence* below *home* is another's by now."""
    refuse_lost(read(home, fence.key), fence)
