"""Disks that refuse: a home that may only be read, a full disk. An error that says what to do, and nothing half."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from shelf import open_shelf, verdict_of

HERE = Path(__file__).parent
AS_ROOT = os.geteuid() == 0

READING = """
import os, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from shelf import open_shelf, verdict_of
from toolwright.errors import SettingsError
from toolwright.trace import Run
verdict = verdict_of("two")
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
shelf = open_shelf(Path(sys.argv[2]))
assert shelf.registry.get("one").number == 1
assert [match.info.name for match in shelf.registry.search("convert an amount")] == ["one"]
assert shelf.registry.list()[0].calls == 0
assert shelf.home.runs.list() == []
deeds = [
    lambda: shelf.registry.admit(verdict),
    lambda: shelf.registry.retire("one"),
    lambda: shelf.home.runs.begin(Run("r1", "task")),
    lambda: shelf.home.values.put("r1", 1),
]
for deed in deeds:
    try:
        deed()
    except SettingsError as error:
        assert "--home" in str(error), error
    else:
        raise SystemExit("a home that may only be read was written")
shelf.registry.rebuild()
assert shelf.registry.names() == ["one"]
print("read only")
"""

FULL = """
import resource, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from shelf import open_shelf, verdict_of
from toolwright.errors import FaultError
shelf = open_shelf(Path(sys.argv[2]))
verdict = verdict_of("two")
limit = int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    shelf.registry.admit(verdict)
except FaultError as error:
    print("refused", error)
else:
    print("admitted")
"""


@pytest.fixture
def home() -> Iterator[Path]:
    # Not below pytest's own folder, which nobody but its owner may enter.
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    shelf = open_shelf(folder / "home")
    shelf.registry.admit(verdict_of("one"))
    shelf.close()
    yield folder / "home"
    for path in [folder / "home", *(folder / "home").rglob("*")]:
        if path.is_dir():
            path.chmod(0o700)
    shutil.rmtree(folder)


def run(script: str, home: Path, *more: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script, str(HERE), str(home), *more], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def readable_by_all(home: Path) -> None:
    """Nobody may write, everybody may read."""
    for path in [*home.rglob("*"), home]:
        path.chmod(0o555 if path.is_dir() else 0o444)


@pytest.mark.parametrize("index", ["whole", "missing", "outdated"])
def test_a_home_that_may_only_be_read_is_read_and_refuses_writing_in_words(home: Path, index: str) -> None:
    if index == "missing":
        for path in home.glob("index.db*"):
            path.unlink()
    elif index == "outdated":
        import sqlite3

        with sqlite3.connect(home / "index.db") as db:
            db.execute("UPDATE meta SET form = 'older'")
        db.close()
    readable_by_all(home)
    assert run(READING, home) == "read only\n"


@pytest.mark.skipif(not AS_ROOT, reason="mounting a read-only file system needs root")
def test_a_home_on_a_read_only_file_system_is_read(home: Path) -> None:
    mount = f"mount --bind {home} {home} && mount -o remount,ro,bind {home}"
    script = f'{mount} && exec "$@"'
    command = [
        "unshare",
        "-m",
        "sh",
        "-c",
        script,
        "sh",
        sys.executable,
        "-c",
        READING.replace("os.geteuid() == 0", "False"),
    ]
    done = subprocess.run([*command, str(HERE), str(home)], capture_output=True, text=True, timeout=60)
    if "mount" in done.stderr or "unshare" in done.stderr:
        pytest.skip(f"this machine does not let root mount: {done.stderr.strip()}")
    assert done.stdout == "read only\n", done.stderr


def test_a_file_that_may_not_grow_leaves_nothing_half_wherever_it_stops(home: Path) -> None:
    largest = max(path.stat().st_size for path in home.rglob("*") if path.is_file())
    refused = 0
    for limit in [0, 1000, 5000, 20_000, largest // 2, largest + 2_000_000]:
        said = run(FULL, home, str(limit))
        shelf = open_shelf(home)
        assert shelf.registry.get("one").number == 1
        there = "two" in shelf.registry
        if said.startswith("refused"):
            refused += 1
            assert "could not be written" in said or "disk" in said or "full" in said, said
        else:
            assert there
        assert shelf.registry.rebuild() == len(shelf.registry.list(every=True))
        assert not list((home / "tools").rglob(".tmp-*"))
        if there:
            shelf.registry.get("two")
            break
        shelf.close()
    assert refused >= 3
    assert there


@pytest.mark.skipif(not AS_ROOT, reason="mounting a small file system needs root")
def test_a_disk_that_fills_up_leaves_every_tool_whole(tmp_path: Path) -> None:
    script = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from shelf import open_shelf, verdict_of
from toolwright.errors import FaultError
home = Path(sys.argv[2])
shelf = open_shelf(home)
admitted = refused = 0
for number in range(200):
    try:
        shelf.registry.admit(verdict_of(f"tool_{number}", "A thing.", body="rate" + " " * 5000))
        admitted += 1
    except FaultError:
        refused += 1
        if refused == 5:
            break
assert admitted > 3 and refused == 5, (admitted, refused)
for name in shelf.registry.names():
    shelf.registry.get(name)
assert not list((home / "tools").rglob(".tmp-*"))
count = shelf.registry.count()
assert count >= admitted
shelf.close()
shelf = open_shelf(home)
assert shelf.registry.count() >= admitted
print("whole")
"""
    home = tmp_path / "small"
    home.mkdir()
    mount = f'mount -t tmpfs -o size=1m none {home} && exec "$@"'
    command = ["unshare", "-m", "sh", "-c", mount, "sh", sys.executable, "-c", script, str(HERE), str(home)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if "mount" in done.stderr.splitlines()[:1] or "unshare:" in done.stderr:
        pytest.skip(f"this machine does not let root mount: {done.stderr.strip()}")
    assert done.stdout == "whole\n", done.stderr
