"""A script that runs as on a host which gives less than this one; what it says, as JSON, comes back."""

import json
import pathlib
import subprocess
import sys

import pytest

SOURCES = str(pathlib.Path(__file__).parent.parent.parent / "src")

_LESS = """
import json, os, struct, sys
from toolwright.sandbox import seccomp, syscalls, wall
if "no namespaces" in sys.argv:  # a nested user namespace in which no further one can be made
    proc, ids = os.open("/proc", os.O_PATH), (os.getuid(), os.getgid())
    syscalls.unshare(syscalls.CLONE_NEWUSER)
    wall.map_ids(proc, (1000, 1000), ids)
    with open("/proc/sys/user/max_user_namespaces", "w") as file:
        file.write("0")
    syscalls.drop_capabilities()
    os.close(proc)
if "no Landlock" in sys.argv:
    code = [(0x20, 0, 0, 0), (0x15, 0, 1, 444), (6, 0, 0, 0x00050026), (6, 0, 0, 0x7FFF0000)]
    syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
    seccomp.install(b"".join(struct.pack("=HBBI", *one) for one in code))
"""


def said_on_host_with(script, *less):
    """What *script* prints on a host with *less*: `no namespaces`, `no Landlock`, or what the script itself does."""
    done = subprocess.run(
        [sys.executable, "-c", _LESS + script, *less],
        env={"PYTHONPATH": SOURCES, "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    if "unshare" in done.stderr:
        pytest.skip(f"this machine allows no user namespace to nest in: {done.stderr[-200:]}")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
