"""One file with a whole shelf: names go in and stand in a tar with the sha256 of each part; checked, they come out.

The same shelf gives the same bytes, wherever it lies. The members are `toolwright-shelf.json`, then for each name
`NS/NAME/name.json` and the files of its versions as a home has them, and last `SHA256SUMS`, as `sha256sum` reads it.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import secrets
import tarfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from toolwright.errors import EditedError, SpecError, UserError
from toolwright.store import records
from toolwright.store.files import TEMP, sync_folder, tool_folder, writing
from toolwright.store.whole import Version, Whole, version_from

FIRST, LAST, NAME = "toolwright-shelf.json", "SHA256SUMS", "name.json"
FORMAT = 1
LARGEST = 16 * 1024 * 1024
"""Bytes of one part; the text of a tool has a quarter of a megabyte."""
_PART = re.compile(r"([a-z0-9][a-z0-9_-]{0,63})/([a-z_][a-z0-9_]{0,99})/(name\.json|([1-9][0-9]{0,8})\.(?:py|json))\Z")
_LINE = re.compile(r"([0-9a-f]{64})  ([^\s]{1,300})\Z")
_CHUNK = 1024 * 1024


def write_archive(path: Path, names: Iterable[Whole]) -> str:
    """Put *names* into the one file *path*, whole or not at all (mode 0600); its sha256. An archive there is replaced.

    UserError where something else lies there.
    """
    if os.path.lexists(path) and not _is_archive(path):
        raise UserError(f"{path} is there and is no backup of a shelf; name another file, or move it away.")
    temp = path.parent / f"{TEMP}{path.name[:100]}-{secrets.token_hex(4)}"
    try:
        with writing(path):
            descriptor = os.open(temp, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "w+b") as file:
                _fill(file, names)
                file.flush()
                os.fsync(file.fileno())
                file.seek(0)
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            os.rename(temp, path)
            sync_folder(path.parent)
    finally:
        with suppress(OSError):
            os.unlink(temp)
    return digest


def _is_archive(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(len(FIRST) + 1) == FIRST.encode() + b"\0"
    except OSError:
        return False


def _fill(file: IO[bytes], names: Iterable[Whole]) -> None:
    sums: list[str] = []
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as tar:

        def add(name: str, data: bytes) -> None:
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), 0o600
            tar.addfile(member, io.BytesIO(data))
            vars(tar)["members"].clear()
            sums.append(f"{hashlib.sha256(data).hexdigest()}  {name}\n")

        add(FIRST, _json({"format": FORMAT}))
        for one in names:
            folder = f"{one.namespace}/{one.name}"
            add(f"{folder}/{NAME}", _json({"highest": one.highest}))
            for number, version in sorted(one.versions.items()):
                add(f"{folder}/{number}.py", version.text.encode("utf-8"))
                add(f"{folder}/{number}.json", records.as_bytes(version.full()))
        add(LAST, "".join(sums).encode())


def _json(value: object) -> bytes:
    return json.dumps(value).encode() + b"\n"


class Archive:
    """A backup, every byte of it checked when it is opened; a Source of whole names.

    UserError with the part for what is damaged, cut off, or no backup: no path out of it, no link, nothing that is not
    listed, nothing too large is accepted. Nothing is unpacked.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = path.open("rb")
        except OSError as error:
            raise UserError(f"{path} cannot be read: {error.strerror}.") from error
        self._names: dict[tuple[str, str], _Parts] = {}
        try:
            self._read()
        except BaseException:
            self._file.close()
            raise

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def held(self) -> Iterator[tuple[str, str]]:
        """See `Source.held`."""
        yield from self._names

    def whole(self, namespace: str, name: str) -> Whole:
        """See `Source.whole`. UserError for a part that is no record of a tool."""
        parts = self._names[namespace, name]
        highest = self._number(parts)
        versions: dict[int, Version] = {}
        of_records = [part for part in parts.where if part != NAME and part.endswith(".json")]
        for number in sorted(int(part.removesuffix(".json")) for part in of_records):
            where = f"{namespace}/{name}/{number}"
            if f"{number}.py" not in parts.where:
                raise self._damaged(f"{where}.py is missing")
            try:
                text = self._bytes(parts.where[f"{number}.py"]).decode("utf-8")
                versions[number] = version_from(self._bytes(parts.where[f"{number}.json"]), text, number)
            except (UnicodeDecodeError, EditedError) as error:
                raise self._damaged(f"{where}: {error}") from None
        if len(parts.where) != 1 + 2 * len(versions) or max(versions, default=0) > highest:
            raise self._damaged(f"{namespace}/{name} has parts that do not belong together")
        return Whole(namespace, name, highest, versions)

    def _number(self, parts: _Parts) -> int:
        try:
            highest = json.loads(self._bytes(parts.where[NAME]))["highest"]
        except (KeyError, TypeError, ValueError, RecursionError):
            highest = None
        if not isinstance(highest, int) or isinstance(highest, bool) or not 0 < highest < 10**9:
            raise self._damaged(f"{NAME} of {parts.name} is missing or not to be read")
        return highest

    # ── what is there ───────────────────────────────────────────────────────────────────────────────────────────────

    def _read(self) -> None:
        sums: dict[str, str] = {}
        last: _Place | None = None
        for member, place in self._members():
            if last is not None:
                raise self._damaged(f"{member!r} stands after {LAST}")
            if member in sums:
                raise self._damaged(f"{member!r} stands there twice")
            if not sums and member != FIRST:
                raise UserError(f"{self.path} is no backup of a shelf: it does not begin with {FIRST}.")
            if member == LAST:
                last = place
                continue
            sums[member] = place.sha256
            if member == FIRST:
                self._first(place)
            else:
                self._file_in(member, place)
        if last is None:
            raise self._damaged(f"it is cut off, {LAST} is missing")
        self._compare(sums, self._bytes(last))

    def _first(self, place: _Place) -> None:
        try:
            found = json.loads(self._bytes(place))["format"]
        except (KeyError, TypeError, ValueError, RecursionError):
            found = None
        if found != FORMAT:
            raise UserError(
                f"{self.path}: its format is {found!r}, and this release reads {FORMAT}. Use the newer release."
            )

    def _file_in(self, member: str, place: _Place) -> None:
        found = _PART.match(member)
        try:
            # The pattern allows what a folder may be called, and this what a tool and a namespace may.
            if not found:
                raise SpecError("it is no part of a tool")
            tool_folder(Path(), found[1], found[2])
        except SpecError as error:
            raise self._damaged(f"{member[:200]!r}: {error}") from None
        key = (found[1], found[2])
        self._names.setdefault(key, _Parts(f"{found[1]}/{found[2]}")).where[found[3]] = place

    def _compare(self, sums: dict[str, str], listed: bytes) -> None:
        said = {}
        for line in listed.decode("utf-8", "replace").splitlines():
            found = _LINE.match(line)
            if not found:
                raise self._damaged(f"{LAST} has the line {line[:80]!r}")
            said[found[2]] = found[1]
        for member in sorted({*said, *sums}):
            if said.get(member) != sums.get(member):
                what = "is missing" if member not in sums else "is not listed" if member not in said else "was changed"
                raise self._damaged(f"{member} {what}")

    def _members(self) -> Iterator[tuple[str, _Place]]:
        try:
            with tarfile.open(fileobj=_Guarded(self._file), mode="r:") as tar:
                while (member := tar.next()) is not None:
                    # Neither links nor devices, nor files with holes, whose size costs no bytes.
                    if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or member.sparse is not None:
                        raise self._damaged(f"{member.name[:200]!r} is no plain file")
                    if member.size > LARGEST and member.name != LAST:
                        raise self._damaged(
                            f"{member.name[:200]!r} has {member.size:,} bytes, of {LARGEST:,} at most (fixed)"
                        )
                    yield member.name, self._place(member)
                    vars(tar)["members"].clear()
        except (tarfile.TarError, EOFError, ValueError) as error:
            raise self._damaged(f"it is no tar, or cut off ({error})") from None

    def _place(self, member: tarfile.TarInfo) -> _Place:
        total, at, end = hashlib.sha256(), member.offset_data, member.offset_data + member.size
        while at < end:
            data = os.pread(self._file.fileno(), min(_CHUNK, end - at), at)
            if not data:
                raise self._damaged(f"it is cut off in {member.name}")
            total.update(data)
            at += len(data)
        return _Place(member.offset_data, member.size, total.hexdigest())

    def _bytes(self, place: _Place) -> bytes:
        data = os.pread(self._file.fileno(), place.size, place.at)
        if hashlib.sha256(data).hexdigest() != place.sha256:
            raise self._damaged("it was changed while it was read")
        return data

    def _damaged(self, what: str) -> UserError:
        return UserError(f"{self.path} is damaged: {what}. Use another copy of it; nothing was changed.")


@dataclass(frozen=True, slots=True)
class _Place:
    at: int
    size: int
    sha256: str


@dataclass(slots=True)
class _Parts:
    name: str
    where: dict[str, _Place] = field(default_factory=dict)


class _Guarded(io.RawIOBase):
    """A file of which nobody reads more than a part at once: a header may claim to be as large as it likes."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def readable(self) -> bool:
        """Yes."""
        return True

    def seekable(self) -> bool:
        """Yes."""
        return True

    def tell(self) -> int:
        """Where the next byte is."""
        return self._file.tell()

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go there."""
        return self._file.seek(offset, whence)

    def read(self, size: int = -1, /) -> bytes:
        """At most *size* bytes. ValueError for more than a part may have."""
        if not 0 <= size <= LARGEST:
            raise ValueError(f"a header says that it has {size:,} bytes")
        return self._file.read(size)
