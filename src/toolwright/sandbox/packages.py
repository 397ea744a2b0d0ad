"""Names of packages go in; exact versions with hashes, and a read-only folder that holds just them, come out."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import stat
import sys
import sysconfig
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from toolwright.errors import FaultError, SpecError, ToolwrightError
from toolwright.packagerules import PackageRules
from toolwright.sandbox.packagesets import Held, PackageSet, collect, package_sets, remove, sweep
from toolwright.sandbox.pip_settings import UvSettings, uv_settings
from toolwright.sandbox.uv_process import UvRun, error_of, run_uv
from toolwright.sandbox.versions import LOCKED, NAME, choose

_VERSION = r"(?:===?|~=|!=|<=?|>=?)\s*[A-Za-z0-9.*+!_-]+"
_REQUIREMENT = re.compile(
    rf"(?P<name>{NAME})\s*(?P<extras>\[\s*{NAME}(?:\s*,\s*{NAME})*\s*\])?\s*(?P<versions>{_VERSION}(?:\s*,\s*{_VERSION})*)?"
)
_LAYOUT = "1"
_PULSE_S = 5.0


class Environments:
    """Sets of packages below the folder *cache*: locked by name, built once by uv from wheels, shared by all tools.

    Thread-safe, and safe among processes that share *cache*. `on_progress` hears a sentence now and then.
    Whenever one is built, those go that no process holds, that are not among the locks of *needed*, and that nobody
    asked for during *unused_days* (None: none ever goes).
    The person's pip settings (index, find-links, certificate, constraints) hold here too; no build script ever runs.
    *rules* say how old a release must be; by default any may be taken.
    """

    def __init__(
        self,
        cache: Path,
        *,
        on_progress: Callable[[str], None] | None = None,
        lock_timeout: float = 120.0,
        build_timeout: float = 600.0,
        unused_days: float | None = None,
        needed: Callable[[], Iterable[Sequence[str]]] | None = None,
        rules: PackageRules | None = None,
    ) -> None:
        self._cache = Path(cache)
        self._say = on_progress or _say_nothing
        self._lock_s = lock_timeout
        self._build_s = build_timeout
        self._unused_days, self._needed = unused_days, needed
        self._rules = rules or PackageRules()
        self._held = Held(self._cache)
        self._locks: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._settings: UvSettings | None = None
        self._mutex = threading.Lock()

    def lock(self, packages: Sequence[str], *, cancel: threading.Event | None = None) -> tuple[str, ...]:
        """`name==version --hash=sha256:…` for *packages* and all they need, sorted.

        SpecError for a requirement that is none, a package that there is not, one without a wheel, or one whose
        release is too young; FaultError for trouble with index, network or disk.
        """
        wanted = tuple(sorted({_requirement(package) for package in packages}))
        if not wanted:
            return ()
        known = self._locks.get(wanted)
        if known is None:
            self._say(f"finding versions of {', '.join(wanted)}")
            known = self._locks[wanted] = self._resolve(wanted, cancel)
        return known

    def path(self, lock: Sequence[str], *, cancel: threading.Event | None = None) -> Path:
        """The read-only site-packages folder of *lock*, built if it is not there yet; needs no index once built.

        SpecError if *lock* is not what lock() gives, FaultError for trouble on the way.
        """
        lines = tuple(sorted(set(lock)))
        for line in lines:
            if not LOCKED.fullmatch(line):
                raise SpecError(f"{line[:200]!r} is not a locked package; write 'name==version --hash=sha256:…'.")
        home = self._cache / _key(lines)
        self._held.hold(home.name)  # before it is looked for: from here on it stays
        if not home.is_dir():
            with _faults("The folder of packages"):
                self._build_once(home, lines, cancel)
            self._collect_quietly()
        return home / "site-packages"

    def sets(self) -> list[PackageSet]:
        """The sets that are built, the longest unused first. FaultError."""
        with _faults("The folder of packages"):
            return package_sets(self._cache)

    def collect(self, unused_days: float) -> list[PackageSet]:
        """Remove the sets that no process holds, no lock of *needed* names and nobody used for so long; those.

        Safe while other processes use and build sets. FaultError where a folder cannot be removed.
        """
        with _faults("The folder of packages"):
            needed = {_key(tuple(sorted(set(lock)))) for lock in self._needed()} if self._needed is not None else set()
            return collect(self._cache, needed, unused_days)

    def close(self) -> None:
        """Let go of the sets that were used: they may be removed from now on."""
        self._held.close()

    def _collect_quietly(self) -> None:
        if self._unused_days is None:
            return
        try:
            gone = self.collect(self._unused_days)
        except ToolwrightError as error:
            self._say(f"old sets of packages could not be removed: {error}")
            return
        if gone:
            size = sum(one.size for one in gone) // 10**6
            self._say(f"removed {len(gone)} sets of packages unused for {self._unused_days:g} days, {size} MB")

    # -- versions --------------------------------------------------------------------------------------------------

    def _resolve(self, wanted: tuple[str, ...], cancel: threading.Event | None) -> tuple[str, ...]:
        settings = self._uv()
        arguments = ["pip", "compile", "--generate-hashes", "--no-header", "--no-annotate"]
        arguments += [*self._common(), *(("--no-index",) if settings.no_index else ())]
        arguments += [part for place in settings.constraints for part in ("--constraints", place)]
        with _faults("Choosing versions of packages"), self._scratch() as scratch:
            asked = scratch / "requirements.in"

            def ask(requirements: Sequence[str], *options: str) -> UvRun:
                asked.write_text("\n".join(requirements) + "\n")
                line = [*arguments, *options, str(asked)]
                run = self._run(line, self._lock_s, cancel)
                if run.code and isinstance(failed := error_of(run, requirements), FaultError):
                    # Without an index, what uv has seen before may still answer.
                    run = self._run([*line, "--offline"], self._lock_s, cancel)
                    if run.code:
                        raise failed
                return run

            return choose(wanted, ask, self._rules, self._say, settings.environment.get("UV_EXCLUDE_NEWER", ""))

    # -- folders ---------------------------------------------------------------------------------------------------

    def _build_once(self, home: Path, lines: tuple[str, ...], cancel: threading.Event | None) -> None:
        self._cache.mkdir(parents=True, exist_ok=True)
        with self._locked(home, cancel) as held:
            if home.is_dir():
                return  # another process built it while we waited
            self._sweep()
            building = _building(home)
            remove(building)  # a build that was killed
            try:
                self._build(building, lines, cancel, held)
                building.rename(home)
                _sync_folder(self._cache)
            finally:
                remove(building)

    def _build(self, building: Path, lines: tuple[str, ...], cancel: threading.Event | None, held: int) -> None:
        pins = [line.partition(" ")[0] for line in lines]
        self._say(f"building a set of packages: {', '.join(pins)}")
        target = building / "site-packages"
        target.mkdir(parents=True)
        asked = building / "requirements.txt"
        asked.write_text("".join(line + "\n" for line in lines))
        arguments = ["pip", "install", "--require-hashes", "--no-deps", "--link-mode", "copy", "--compile-bytecode"]
        arguments += [*self._common(), *(("--no-index",) if self._uv().no_index else ())]
        # The lock file's descriptor goes to uv too: if we are killed, nobody builds here before that uv has ended.
        run = self._run([*arguments, "--target", str(target), "-r", str(asked)], self._build_s, cancel, (held,))
        if run.code:
            raise error_of(run, pins)
        _make_read_only(building)
        _sync_file_system(building)

    def _sweep(self) -> None:
        """Remove what killed builds left, of other sets too."""
        for folder in self._cache.glob("*.building"):
            with contextlib.suppress(OSError), open(folder.with_suffix(".lock"), "ab") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                remove(folder)
        sweep(self._cache)

    @contextlib.contextmanager
    def _locked(self, home: Path, cancel: threading.Event | None) -> Iterator[int]:
        """Hold the lock of one set among all processes and threads."""
        deadline = time.monotonic() + self._build_s
        said = False
        with open(home.with_suffix(".lock"), "ab") as file:
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    if not said:
                        self._say("waiting for another process that builds the same packages")
                        said = True
                    if cancel is not None and cancel.is_set():
                        raise FaultError("Getting packages was cancelled.") from None
                    if time.monotonic() > deadline:
                        raise FaultError(
                            f"Another process has been building the same packages for {self._build_s:g} s. "
                            f"Wait for it, or end it; its folder is {_building(home)}."
                        ) from None
                    time.sleep(0.05)
                else:
                    yield file.fileno()
                    return

    # -- uv --------------------------------------------------------------------------------------------------------

    def _uv(self) -> UvSettings:
        with self._mutex:
            if self._settings is None:
                self._settings = uv_settings()
            return self._settings

    def _common(self) -> list[str]:
        return ["--only-binary", ":all:", "--python", sys.executable, "--no-python-downloads", "--color", "never"]

    def _run(
        self, arguments: Sequence[str], timeout: float, cancel: threading.Event | None, keep_open: Sequence[int] = ()
    ) -> UvRun:
        said = 0.0

        def pulse(elapsed: float) -> None:
            nonlocal said
            if elapsed - said >= _PULSE_S:
                said = elapsed
                self._say(f"still getting packages, {elapsed:.0f} s")

        environment = {"UV_CACHE_DIR": str(self._cache.absolute() / "uv"), **self._uv().environment}
        return run_uv(arguments, environment, timeout=timeout, cancel=cancel, pulse=pulse, keep_open=keep_open)

    @contextlib.contextmanager
    def _scratch(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="toolwright-packages-") as folder:
            yield Path(folder)


def _say_nothing(sentence: str) -> None:
    del sentence


@contextlib.contextmanager
def _faults(what: str) -> Iterator[None]:
    """The disk's errors as ours."""
    try:
        yield
    except OSError as error:
        raise FaultError(f"{what} could not be written: {error}. Check free space and permissions.") from error


def _requirement(text: str) -> str:
    """*text* as a plain requirement. SpecError for URLs, paths, options, markers: only a name and versions pass."""
    found = _REQUIREMENT.fullmatch(text.strip())
    if found is None:
        raise SpecError(
            f"package {text[:200]!r} cannot be used; write a name with versions, such as 'httpx' or 'httpx>=0.27'."
        )
    name = re.sub(r"[-_.]+", "-", found["name"]).lower()
    return re.sub(r"\s+", "", name + (found["extras"] or "") + (found["versions"] or ""))


def _key(lines: Sequence[str]) -> str:
    """What the content of a set depends on: lock, Python version, platform, and how this module lays it out."""
    python = f"{sys.implementation.cache_tag} {sysconfig.get_config_var('SOABI')} {sysconfig.get_platform()}"
    return hashlib.sha256("\n".join([_LAYOUT, python, *lines]).encode()).hexdigest()


def _building(home: Path) -> Path:
    return home.with_suffix(".building")


def _make_read_only(folder: Path) -> None:
    """Readable for all, writable for nobody: guests run under another user's id."""
    for parent, _, names in os.walk(folder, topdown=False):
        for name in names:
            path = os.path.join(parent, name)
            if not os.path.islink(path):
                executable = os.stat(path).st_mode & stat.S_IXUSR
                os.chmod(path, 0o555 if executable else 0o444)
        os.chmod(parent, 0o555)


def _sync_file_system(folder: Path) -> None:
    """Bring everything below *folder* to the disk."""
    # One call for the file system: a call for each of thousands of files costs seconds.
    import ctypes

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        syncfs = getattr(ctypes.CDLL(None), "syncfs", None)
        if syncfs is None or syncfs(descriptor) != 0:
            os.sync()
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
