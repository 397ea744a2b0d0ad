"""Who uses which built set of packages: one that is held stays, one that nobody holds, needs or used for long goes."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import threading
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

DAY_S = 86_400.0
_KEY = re.compile(r"[0-9a-f]{64}\Z")
_AGAIN_S = 60.0
_OLD = ".old"


@dataclass(frozen=True, slots=True)
class PackageSet:
    """A set that was built: its folder's name, what is in it, when it was last asked for, its size in bytes."""

    key: str
    packages: tuple[str, ...]
    """`name==version`, sorted."""
    last_used: float
    size: int


class Held:
    """The sets below *cache* that this process holds. Thread-safe; any end of the process lets go."""

    def __init__(self, cache: Path) -> None:
        self._cache = cache
        self._files: dict[str, BinaryIO] = {}
        self._touched: dict[str, float] = {}
        self._mutex = threading.Lock()

    def hold(self, key: str) -> None:
        """From now on nobody removes the set *key*, be it there or not; and it was used just now."""
        with self._mutex:
            now = time.monotonic()
            if now - self._touched.get(key, -_AGAIN_S) < _AGAIN_S:
                return
            try:
                file = self._files.get(key) or self._opened(key)
                os.utime(file.fileno())
            except OSError:
                return  # a cache that cannot be written: nobody removes anything there either
            self._files[key], self._touched[key] = file, now

    def _opened(self, key: str) -> BinaryIO:
        self._cache.mkdir(parents=True, exist_ok=True)
        file = open(_mark(self._cache, key), "ab")  # noqa: SIM115 -- it is held until the end
        try:
            fcntl.flock(file, fcntl.LOCK_SH)  # whoever removes it holds it for moments only
        except OSError:
            file.close()
            raise
        return file

    def close(self) -> None:
        """Let go of all."""
        with self._mutex:
            for file in self._files.values():
                file.close()
            self._files.clear()
            self._touched.clear()


def package_sets(cache: Path) -> list[PackageSet]:
    """The sets that are built below *cache*, the longest unused first."""
    try:
        names = [name for name in os.listdir(cache) if _KEY.match(name)]
    except FileNotFoundError:
        return []
    found = []
    for name in names:
        with contextlib.suppress(OSError):  # it went meanwhile
            found.append(PackageSet(name, _pins(cache / name), _last_used(cache, name), _size(cache / name)))
    return sorted(found, key=lambda one: one.last_used)


def collect(cache: Path, needed: Collection[str], unused_days: float) -> list[PackageSet]:
    """Remove the sets below *cache* that are not *needed*, held by no process and unused for so long; which they were.

    OSError where one cannot be removed.
    """
    gone = []
    for one in package_sets(cache):
        if one.key in needed or not _is_old(cache, one.key, unused_days):
            continue
        with _alone(cache, one.key) as alone:
            # Looked at again: somebody may have used it while we waited for nobody.
            if not alone or not _is_old(cache, one.key, unused_days):
                continue
            (cache / one.key).rename(cache / f"{one.key}{_OLD}")
        remove(cache / f"{one.key}{_OLD}")
        gone.append(one)
    return gone


def sweep(cache: Path) -> None:
    """Remove what a collector left that was killed."""
    for folder in cache.glob(f"*{_OLD}"):
        with contextlib.suppress(OSError):
            remove(folder)


def remove(folder: Path) -> None:
    """Remove a folder that may be read-only, or not there."""
    if not folder.exists():
        return
    for parent, _, _ in os.walk(folder):
        os.chmod(parent, 0o700)
    shutil.rmtree(folder)


@contextlib.contextmanager
def _alone(cache: Path, key: str) -> Iterator[bool]:
    """Whether nobody holds the set; within, nobody begins to."""
    mark = _mark(cache, key)
    with contextlib.suppress(FileExistsError), open(mark, "xb"):
        built = (cache / key).stat().st_mtime
        os.utime(mark, (built, built))  # to be marked is not to be used
    with open(mark, "ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def _mark(cache: Path, key: str) -> Path:
    return cache / f"{key}.used"


def _is_old(cache: Path, key: str, days: float) -> bool:
    return time.time() - _last_used(cache, key) >= days * DAY_S


def _last_used(cache: Path, key: str) -> float:
    # A set of an earlier release has no mark yet: it counts as used when it was built.
    with contextlib.suppress(FileNotFoundError):
        return _mark(cache, key).stat().st_mtime
    return (cache / key).stat().st_mtime


def _pins(folder: Path) -> tuple[str, ...]:
    text = (folder / "requirements.txt").read_text("utf-8")
    return tuple(sorted(line.partition(" ")[0] for line in text.splitlines() if line.strip()))


def _size(folder: Path) -> int:
    return sum(os.lstat(os.path.join(parent, name)).st_size for parent, _, names in os.walk(folder) for name in names)
