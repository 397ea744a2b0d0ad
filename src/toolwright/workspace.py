"""The files of one run: what a person handed in, what each call left, and the copies handed out at the end."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from toolwright.call import FileRef
from toolwright.ceilings import reached
from toolwright.errors import SettingsError
from toolwright.rewinding import Rewinding
from toolwright.sandbox import InputFile
from toolwright.store.files import sync_folder, writing

MAX_FILES = 256
MAX_BYTES = 64 * 10**6
"""What a run may carry from call to call and hand out; a single call has limits of its own."""

CARRIED = "carried.json"
"""In a run's folder: the sha256 of each file that it took over from earlier runs, by relative path."""


class Workspace:
    """Files below *folder* (the home's folder of this run), and *given*: paths that a person handed in, read-only.

    Only regular files count; no link is followed, in or out. Raises SettingsError for a given path that is not a file.
    A person's own link stands for the file that it leads to now. *settled*: the paths are what an earlier `given` said,
    and a link that stands there by now is a tool's.
    """

    def __init__(self, folder: Path, given: Iterable[str | Path] = (), *, settled: bool = False) -> None:
        folder = folder.resolve()
        self._root = folder / "work"
        self._landing = folder / "landing"
        self._given = _given(given, settled)
        self._carried = _carried(folder)
        self._rewinding = Rewinding(self._root, folder / "before")
        self._place = ""
        """Where the call stands that changes the files now; '' as long as nobody said so."""
        self._is_kept = False
        self.left_out: list[str] = []
        """Sentences about files that were not kept, with the limit that kept them out."""
        self._root.mkdir(parents=True, exist_ok=True, mode=0o700)

    @property
    def given_names(self) -> tuple[str, ...]:
        """Under which names what was handed in lies in the work folder."""
        return tuple(one.path for one in self._given)

    @property
    def given(self) -> tuple[str, ...]:
        """The host paths that were handed in, absolute and without links: what a resume needs."""
        return tuple(
            str(one.host_path) if one.path == one.host_path.name else f"{one.path}:{one.host_path}"
            for one in self._given
        )

    def inputs(self) -> tuple[InputFile, ...]:
        """What the next call finds in its work folder."""
        carried = [InputFile(path, self._root / path) for path in self.paths()]
        return (*carried, *self._given)

    def paths(self) -> list[str]:
        """Relative paths of the files that calls have left so far, sorted."""
        return sorted(str(path.relative_to(self._root)) for path in self._root.rglob("*") if _is_regular(path))

    def names(self) -> list[str]:
        """All that a call would find, by relative path: handed in and left."""
        return sorted({*self.paths(), *(one.path for one in self._given)})

    def begin(self, place: str) -> None:
        """What is taken from now on was left by the call at *place* of the run.

        What an earlier try at that place left, which was cut short before its end was recorded, is taken back: a call
        that runs again finds the files as they were before it. FaultError.
        """
        if place == self._place:
            return
        with writing(self._root):
            if not self._place:  # what a process before this one was killed over
                shutil.rmtree(self._landing, ignore_errors=True)
            self._rewinding.rewind(place)
        self._place, self._is_kept = place, False

    def collect_into(self) -> Path:
        """An empty folder that receives what a call leaves."""
        self._landing.mkdir(parents=True, exist_ok=True, mode=0o700)
        return Path(tempfile.mkdtemp(dir=self._landing))

    def take(self, files: tuple[FileRef, ...], folder: Path) -> tuple[FileRef, ...]:
        """Make what was collected in *folder* part of the run, and say what of it is new or was changed."""
        held = {one.path for one in self._given}
        names = {one.path for one in files}
        taken = []
        for file in files:
            source, target = folder / file.path, self._root / file.path
            if file.path in held or not _is_inside(file.path) or not _is_regular(source):
                continue
            if _is_regular(target) and _sha256(target) == file.sha256:
                continue  # carried in, and left as it was
            if _run_by_git(file.path, {*names, *self.paths()}):
                why = "git runs commands that such a file names, as soon as a shell or an editor looks at its folder."
            else:
                why = self._no_room(target, source.stat().st_size)
            if why:
                self.left_out.append(f"{file.path} was not kept: {why}")
                continue
            self._keep()
            _clear_way(self._root, target)
            _durable(source)
            source.replace(target)
            sync_folder(target.parent)
            taken.append(file)
        shutil.rmtree(folder, ignore_errors=True)
        return tuple(taken)

    def _keep(self) -> None:
        if self._place and not self._is_kept:
            self._rewinding.keep(self._place)
            self._is_kept = True

    def _no_room(self, target: Path, size: int) -> str:
        others = [path for path in map(self._root.joinpath, self.paths()) if path != target]
        if len(others) >= MAX_FILES:
            return reached("files", MAX_FILES)
        if sum(path.stat().st_size for path in others) + size > MAX_BYTES:
            return reached("file-bytes", MAX_BYTES // 10**6)
        return ""

    @property
    def carried_names(self) -> tuple[str, ...]:
        """Relative paths of the files that earlier runs of the conversation left."""
        return tuple(self._carried)

    def hand_out(self, out: Path) -> tuple[FileRef, ...]:
        """Copy what calls left to folder *out*, never over anything; each FileRef names the copy's absolute path.

        What earlier runs left is copied only if this one changed it. Where *out* cannot be written nothing is lost:
        `left_out` gets a sentence that says where the files lie.
        """
        shutil.rmtree(self._landing, ignore_errors=True)  # no call is under way, but a kill may have cut one short
        try:
            new = [path for path in self.paths() if self._carried.get(path) != _sha256(self._root / path)]
            part = f".toolwright-{self._root.parent.name}.part"
            return tuple(_copy(self._root / path, out.absolute() / path, part) for path in new)
        except OSError as error:
            self.left_out.append(f"The files could not be copied to {out}: {error}. They lie in {self._root}.")
            return ()

    def discard(self) -> None:
        """Remove the folder with all that calls left; copies that were handed out stay."""
        shutil.rmtree(self._root.parent, ignore_errors=True)


def carry(before: Path, folder: Path, given: Iterable[str]) -> list[str]:
    """Copy what the run in the folder *before* left to that of the next run, all or nothing; sentences on what was not.

    *given*: settled paths of the files that a person handed in; their names are taken.
    """
    held, left_out = {_named(path, True)[0] for path in given}, []
    staged = Path(tempfile.mkdtemp(dir=folder))
    sums: dict[str, str] = {}
    for path in Workspace(before).paths():
        if path.split("/")[0] in held:
            left_out.append(f"{path}, left earlier, is not there now: a file of that name was handed in.")
            continue
        target = staged / "work" / path
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        data = _read(before / "work" / path)
        target.write_bytes(data)
        sums[path] = hashlib.sha256(data).hexdigest()
    if sums:
        # The list first: a work folder without it would be handed out as if this run had made it all.
        (staged / CARRIED).write_text(json.dumps(sums), "utf-8")
        (staged / CARRIED).replace(folder / CARRIED)
        (staged / "work").replace(folder / "work")
    shutil.rmtree(staged, ignore_errors=True)
    return left_out


def given_again(before: Sequence[str], now: Sequence[str]) -> tuple[tuple[str, ...], list[str]]:
    """The settled paths of files handed in earlier and *now* together, and sentences on those that are gone.

    A file that is handed in now stands for an earlier one of its name.
    """
    taken = {_named(path, True)[0] for path in now}
    kept, gone = [], []
    for path in before:
        name, host = _named(path, True)
        if name in taken:
            continue
        if host.is_file():
            kept.append(path)
        else:
            gone.append(f"{name}, handed in earlier, is no longer at {host}; hand it in again if it is needed.")
    return (*kept, *now), gone


def _carried(folder: Path) -> Mapping[str, str]:
    try:
        found: dict[str, str] = json.loads((folder / CARRIED).read_text("utf-8"))
    except FileNotFoundError:
        return {}
    return found


def _given(paths: Iterable[str | Path], settled: bool) -> tuple[InputFile, ...]:
    taken: dict[str, InputFile] = {}
    for path in paths:
        name, host = _named(str(path), settled)
        if not host.is_file():
            raise SettingsError(f"file {str(path)!r}: there is no such file; --file takes the path of a regular file.")
        if name in taken and taken[name].host_path != host:
            raise SettingsError(f"file {str(path)!r}: two files of the name {name!r} cannot lie in one folder.")
        taken[name] = InputFile(name, host, readonly=True)
    return tuple(taken.values())


def _named(path: str, settled: bool) -> tuple[str, Path]:
    """The name inside and the real path of a given file: a link keeps its name, and where it leads is settled once."""
    if settled:
        name, _, real = path.rpartition(":/") if not path.startswith("/") else ("", "", path[1:])
        host = Path("/" + real)
        return name or host.name, host
    given = Path(path).expanduser()
    return given.name, Path(os.path.realpath(given))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_regular(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def _durable(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_inside(path: str) -> bool:
    return not path.startswith("/") and "\0" not in path and not {"..", "."} & set(path.split("/"))


def _run_by_git(path: str, beside: Collection[str]) -> bool:
    """Whether git would take *path*, or what lies *beside* it, for a repository: it runs commands that one names."""
    *folders, name = path.lower().split("/")
    if any(part.rstrip(". ") == ".git" or part.startswith("git~") for part in (*folders, name)):
        return True
    # A folder with these two is one, too, whatever it is called.
    other = {"head": "config", "config": "head"}.get(name)
    return other is not None and "/".join([*folders, other]) in {one.lower() for one in beside}


def _clear_way(root: Path, target: Path) -> None:
    # A call may have left a file where an earlier one left a folder, or the other way round: the later one holds.
    for parent in reversed([one for one in target.parents if one != root and root in one.parents]):
        if _is_regular(parent):
            parent.unlink()
        parent.mkdir(exist_ok=True, mode=0o700)
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)


def _copy(source: Path, wanted: Path, part: str) -> FileRef:
    """Copy *source* to *wanted*, or the next free name; *part* is the name of the unfinished copy, the run's own."""
    data = _read(source)
    digest = hashlib.sha256(data).hexdigest()
    wanted.parent.mkdir(parents=True, exist_ok=True)
    for target in _free_names(wanted):
        try:
            _write_new(target, data, wanted.with_name(part))
        except FileExistsError:
            # A resumed run finds its own copies: the same bytes are the same file.
            if not (_is_regular(target) and target.stat().st_size == len(data) and _read(target) == data):
                continue
        return FileRef(str(target), len(data), digest)
    raise AssertionError("names never run out")


def _write_new(target: Path, data: bytes, part: Path) -> None:
    """Put *data* at *target*, whole and durable; FileExistsError if there is something already."""
    part.unlink(missing_ok=True)  # of this run, when it was killed here
    if os.path.lexists(target):
        raise FileExistsError
    try:
        with part.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(part, target)
        except FileExistsError:
            raise
        except OSError:  # a file system without links
            with target.open("xb") as file:
                file.write(data)
    finally:
        part.unlink(missing_ok=True)
    sync_folder(target.parent)


def _free_names(wanted: Path) -> Iterable[Path]:
    yield wanted
    number = 2
    while True:
        yield wanted.with_name(f"{wanted.stem} ({number}){wanted.suffix}")
        number += 1


def _read(path: Path) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    with os.fdopen(descriptor, "rb") as file:
        return file.read()
