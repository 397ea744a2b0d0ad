"""Backups that are damaged, cut off or made to harm: each is refused whole, and nothing on the shelf changes."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import random
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from shelf import open_shelf, verdict_of

from toolwright.errors import ToolwrightError, UserError
from toolwright.search import FtsRetriever
from toolwright.shelfcare.copying import CopyReport, copy
from toolwright.shelfcare.verifying import refuse_unless_sound
from toolwright.store.archive import Archive, write_archive
from toolwright.store.localshelf import LocalShelf

Members = list[tuple[tarfile.TarInfo, bytes]]


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    shelf = open_shelf(tmp_path / "first")
    for body in ("rate", "amount"):
        shelf.registry.admit(verdict_of("tool", "Do it.", body=body), new_version=True)
    shelf.registry.admit(verdict_of("other", "Do the other."))
    shelf.close()
    first = LocalShelf(tmp_path / "first", FtsRetriever())
    write_archive(tmp_path / "kept.tar", (first.whole(*one) for one in first.held()))
    first.close()
    return tmp_path / "kept.tar"


def restored(file: Path, home: Path) -> None:
    archive = Archive(file)
    refuse_unless_sound(archive, lambda _: None)
    shelf = LocalShelf(home, FtsRetriever())
    copy(archive, shelf, CopyReport(), lambda _: None)
    shelf.close()
    archive.close()


def members(file: Path) -> Members:
    with tarfile.open(file) as tar:
        return [(one, (tar.extractfile(one) or io.BytesIO()).read()) for one in tar.getmembers()]


def written(file: Path, found: Members, *, listed: bool = True) -> Path:
    """The archive of *found*, whose sums fit again if it is *listed*."""
    sums = "".join(
        f"{hashlib.sha256(data).hexdigest()}  {one.name}\n" for one, data in found if one.name != "SHA256SUMS"
    )
    with tarfile.open(file, "w") as tar:
        for one, data in found:
            kept = sums.encode() if one.name == "SHA256SUMS" and listed else data
            one.size = len(kept) if one.isreg() else 0
            tar.addfile(one, io.BytesIO(kept))
    return file


def named(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    one = tarfile.TarInfo(name)
    one.type, one.linkname = kind, link
    return one


def before_the_sums(*more: tuple[tarfile.TarInfo, bytes]) -> Callable[[Members], Members]:
    return lambda found: [*found[:-1], *more, found[-1]]


def with_record(change: Callable[[dict[str, object]], object]) -> Callable[[Members], Members]:
    def changed(found: Members) -> Members:
        new = []
        for one, data in found:
            if one.name == "local/tool/2.json":
                record = json.loads(data)
                change(record)
                data = json.dumps(record).encode()
            new.append((one, data))
        return new

    return changed


HARMFUL: dict[str, tuple[Callable[[Members], Members], str]] = {
    "up": (before_the_sums((named("../evil.py"), b"")), "no part of a tool"),
    "up-within": (before_the_sums((named("local/tool/../../../evil.py"), b"")), "no part of a tool"),
    "absolute": (before_the_sums((named("/tmp/evil.py"), b"")), "no part of a tool"),
    "odd-name": (before_the_sums((named("local/Tool/1.py"), b"")), "no part of a tool"),
    "stranger": (before_the_sums((named("local/tool/extra.txt"), b"")), "no part of a tool"),
    "link": (before_the_sums((named("local/tool/3.py", tarfile.SYMTYPE, "/etc/passwd"), b"")), "no plain file"),
    "hard-link": (
        before_the_sums((named("local/tool/3.py", tarfile.LNKTYPE, "local/tool/1.py"), b"")),
        "no plain file",
    ),
    "device": (before_the_sums((named("local/tool/3.py", tarfile.CHRTYPE), b"")), "no plain file"),
    "folder": (before_the_sums((named("local/tool", tarfile.DIRTYPE), b"")), "no plain file"),
    "twice": (lambda found: [*found[:-1], found[2], found[-1]], "stands there twice"),
    "half": (lambda found: [one for one in found if one[0].name != "local/tool/2.py"], "2.py is missing"),
    "no-record": (lambda found: [one for one in found if one[0].name != "local/tool/2.json"], "do not belong together"),
    "no-number": (lambda found: [one for one in found if one[0].name != "local/tool/name.json"], "name.json"),
    "no-sums": (lambda found: found[:-1], "SHA256SUMS is missing"),
    "after-the-sums": (lambda found: [*found, (named("local/tool/9.py"), b"")], "stands after"),
    "no-head": (lambda found: found[1:], "is no backup of a shelf"),
    "newer": (lambda found: [(found[0][0], b'{"format": 2}'), *found[1:]], "its format is 2"),
    "large": (before_the_sums((named("local/tool/3.py"), b"x" * (16 * 1024 * 1024 + 1))), "at most"),
    "deep": (
        lambda found: [(one, b"[" * 10**6 if one.name == "local/tool/2.json" else data) for one, data in found],
        "2",
    ),
    "other-tool": (with_record(lambda record: record.update(name="other")), "not what was proven"),
    "other-tenant": (with_record(lambda record: record.update(namespace="mine")), "not what was proven"),
    "other-powers": (
        with_record(lambda record: record["powers"].update(hosts=["evil.example:443"])),
        "not what was proven",
    ),  # type: ignore[attr-defined]
    "no-changes": (with_record(lambda record: record.update(changes=[])), "not the record of a tool"),
    "code": (
        lambda found: [(one, data.replace(b"return rate", b"return None")) for one, data in found],
        "not what was proven",
    ),
}


@pytest.mark.parametrize("case", HARMFUL)
def test_a_harmful_backup_is_refused_before_anything_changes(tmp_path: Path, backup: Path, case: str) -> None:
    harm, said = HARMFUL[case]
    file = written(tmp_path / "harmful.tar", harm(members(backup)))
    with pytest.raises(UserError) as refused:
        restored(file, tmp_path / "home")
    assert said in str(refused.value)
    assert not (tmp_path / "home").exists()
    assert not list(tmp_path.rglob("evil*"))


def test_what_fits_its_sums_no_more_is_refused(tmp_path: Path, backup: Path) -> None:
    found = [(one, data.replace(b"Do it.", b"Do IT.")) for one, data in members(backup)]
    with pytest.raises(UserError, match=r"local/tool/1\.json was changed"):
        Archive(written(tmp_path / "changed.tar", found, listed=False))


def test_a_header_that_claims_gigabytes_costs_none(tmp_path: Path, backup: Path) -> None:
    data = bytearray(backup.read_bytes())
    claimed = named("local/tool/3.py", b"x")
    claimed.size = 2**33
    (tmp_path / "claims.tar").write_bytes(bytes(data[:1024]) + claimed.tobuf(tarfile.GNU_FORMAT) + bytes(data[1024:]))
    with pytest.raises(UserError, match="8,589,934,592"):
        Archive(tmp_path / "claims.tar")


def test_a_compressed_or_empty_file_is_no_backup(tmp_path: Path, backup: Path) -> None:
    for name, data in (
        ("z.gz", gzip.compress(backup.read_bytes())),
        ("empty", b""),
        ("noise", random.Random(1).randbytes(5000)),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(UserError, match=name):
            Archive(tmp_path / name)


def test_a_backup_that_is_cut_off_anywhere_is_refused(tmp_path: Path, backup: Path) -> None:
    data = backup.read_bytes()
    end = data.rindex(b"local/tool/2.py\n")
    short = tmp_path / "short.tar"
    for length in [*range(0, end, 4096), *range(end - 40, end)]:
        short.write_bytes(data[:length])
        with pytest.raises(UserError):
            restored(short, tmp_path / "home")
    assert not (tmp_path / "home").exists()


def test_a_bit_that_flips_is_found_or_means_nothing(tmp_path: Path, backup: Path) -> None:
    data, choose, found = backup.read_bytes(), random.Random(7), 0
    first = LocalShelf(tmp_path / "first", FtsRetriever())
    wished = [first.whole(*one) for one in first.held()]
    for _ in range(150):
        place = choose.randrange(len(data))
        changed = bytearray(data)
        changed[place] ^= 1 << choose.randrange(8)
        (tmp_path / "flipped.tar").write_bytes(changed)
        try:
            archive = Archive(tmp_path / "flipped.tar")
        except ToolwrightError:
            found += 1
            continue
        # In the padding, where nothing stands.
        assert [archive.whole(*one) for one in archive.held()] == wished
        archive.close()
    first.close()
    assert found > 100
