"""A home on a disk that refuses, before a shared shelf: what is shared is read all the same, and refusals are in words."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cloud import Cloud, open_shared
from shelf import verdict_of

HERE = Path(__file__).parent

START = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from cloud import Cloud, open_shared
from shelf import verdict_of
from toolwright.errors import FaultError, SettingsError
from toolwright.store.aws import mirror
mirror.FRESH_S = 0.0
home, address = Path(sys.argv[2]), Cloud(sys.argv[3], sys.argv[4]).address(sys.argv[5])

def looked(there):
    shelf = open_shared(address, home)
    assert shelf.registry.names() == there, shelf.registry.names()
    for name in there:
        assert shelf.registry.get(name).number == 1
    assert {match.info.name for match in shelf.registry.search("convert an amount")} == set(there)
    return shelf
"""

FULL = (
    START
    + """
shelf = looked(["first"])
filler = open(home / "filler", "wb", buffering=0)
try:
    while True:
        filler.write(b"x" * 1024)
except OSError:
    pass
other = open_shared(address, Path(sys.argv[6]))
other.registry.admit(verdict_of("second"))
assert shelf.registry.names() == ["first", "second"]
assert shelf.registry.get("second").number == 1
try:
    shelf.registry.admit(verdict_of("third"))
except FaultError as error:
    # The shelf took it; this home has no room for its own note of that.
    assert "home.db" in str(error) and "full" in str(error), error
else:
    raise SystemExit("the disk was not full")
there = other.registry.names()
assert there == ["first", "second", "third"], there
shelf.close()
looked(there).close()
for path in (home / "shared").rglob("local.*"):
    path.unlink()
looked(there).close()
assert not list((home / "shared").rglob(".tmp-*"))
filler.close()
(home / "filler").unlink()
shelf = looked(there)
shelf.registry.admit(verdict_of("there_is_room"))
shelf.close()
looked(sorted([*there, "there_is_room"]))
print("whole")
"""
)

READ_ONLY = (
    START
    + """
shelf = looked(["first"])
tool = shelf.registry.get("first")
for deed in (
    lambda: shelf.registry.admit(verdict_of("third")),
    lambda: shelf.registry.retire("first"),
    lambda: shelf.registry.found_by(tool, "a wish that had use of it"),
):
    try:
        deed()
    except SettingsError as error:
        assert "cannot be written" in str(error) and "--home" in str(error), error
    else:
        raise SystemExit("a home that may only be read kept something")
assert shelf.registry.rebuild() == 1
looked(["first"])
print("whole")
"""
)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
@pytest.mark.parametrize(
    ("script", "mount"),
    [
        (FULL, "mount -t tmpfs -o size=1500k none {home}"),
        (READ_ONLY, "mount --bind {home} {home} && mount -o remount,ro,bind {home}"),
    ],
    ids=["full", "read-only"],
)
def test_a_shared_shelf_is_there_whatever_the_disk_of_the_home_does(
    servers: Cloud, tmp_path: Path, script: str, mount: str
) -> None:
    home = tmp_path / "home"
    address = servers.address()
    shelf = open_shared(address, home)
    shelf.registry.admit(verdict_of("first"))
    shelf.close()
    prefix = address.prefix
    command = [
        "unshare",
        "-m",
        "sh",
        "-c",
        f'{mount.format(home=home)} && exec "$@"',
        "sh",
        sys.executable,
        "-c",
        script,
    ]
    places = [str(HERE), str(home), servers.s3_url, servers.dynamodb_url, prefix, str(tmp_path / "other")]
    done = subprocess.run([*command, *places], capture_output=True, text=True, timeout=120)
    if "mount" in done.stderr.splitlines()[:1] or "unshare:" in done.stderr:
        pytest.skip(f"this machine does not let root mount: {done.stderr.strip()}")
    assert done.stdout == "whole\n", done.stderr
