"""Real Podman of an ordinary user: where the machine lets it ignore limits, doctor refuses it and says so."""

import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

import pytest

SOURCES = pathlib.Path(__file__).parents[2] / "src"
PYTHON = f"/usr/bin/python3.{sys.version_info.minor}"
"""One of this very version, that everybody may start: it borrows the packages of the one that runs this."""
USER, IDS = 61000, 200000
IMAGE = "localhost/toolwright-rootless:1"
# Rootless Podman needs an account with further ids. Bound over what is there, this machine itself gets none.
START = f"""
for name in passwd group subuid subgid; do
    [ -e /etc/$name ] || exit 77
    mount --bind $0/$name /etc/$name || exit 77
done
exec setpriv --reuid {USER} --regid {USER} --clear-groups "$@"
"""

pytestmark = pytest.mark.xdist_group("container")


class Rootless:
    """Commands of an ordinary user whose home is *folder*."""

    def __init__(self, folder: pathlib.Path, runtime: str) -> None:
        self.folder, self.runtime = folder, runtime

    def run(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        env = {
            "HOME": str(self.folder),
            "XDG_RUNTIME_DIR": f"{self.folder}/run",
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
        }
        command = ["unshare", "--mount", "sh", "-c", START, str(self.folder), *words]
        return subprocess.run(command, cwd=self.folder, env=env | more, capture_output=True, text=True, timeout=120)

    def end(self) -> None:
        """End the process in which Podman keeps its namespaces, and take all files away."""
        with contextlib.suppress(OSError, ValueError):
            os.kill(int((self.folder / "run/libpod/tmp/pause.pid").read_text()), signal.SIGKILL)
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture
def rootless(podman, image_file):
    for program in ("unshare", "setpriv", "newuidmap", PYTHON):
        if shutil.which(program) is None:
            pytest.skip(f"there is no {program}")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="toolwright-rootless-", dir="/tmp"))
    at = Rootless(folder, podman.runtime or "")
    try:
        account = f"toolwright-tests:x:{USER}:{USER}::{folder}:/bin/sh\n"
        (folder / "passwd").write_text(pathlib.Path("/etc/passwd").read_text() + account)
        (folder / "group").write_text(pathlib.Path("/etc/group").read_text() + f"toolwright-tests:x:{USER}:\n")
        for name in ("subuid", "subgid"):
            (folder / name).write_text(f"toolwright-tests:{IDS}:65536\n")
        (folder / "run").mkdir(mode=0o700)
        image_file(folder / "root.tar")
        shutil.copytree(SOURCES, folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
        for path in (folder, folder / "run", folder / "root.tar"):
            os.chown(path, USER, USER)
        for path in (folder, *folder.joinpath("src").rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
        words = ["podman", "import", "--change", "ENV PATH=/usr/local/bin:/usr/bin:/bin", f"{folder}/root.tar", IMAGE]
        done = at.run(*words)
        if done.returncode:
            pytest.skip(f"rootless Podman cannot be had here: {done.stderr.strip()[-300:]}")
        yield at
    finally:
        at.end()


@pytest.mark.long
def test_rootless_podman_that_ignores_its_limits_is_refused_by_doctor(rootless, lent_packages):
    runtime = [f"--runtime={rootless.runtime}"] if rootless.runtime else []
    flags = ["--rm", *runtime, "--network=none", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=8192:8192"]
    hoard = "x = bytearray(2**28); x[::4096] = b'x' * len(x[::4096]); print('had it all')"
    hoarded = rootless.run("podman", "run", *flags, "--memory=64m", "--memory-swap=64m", IMAGE, "python3", "-c", hoard)
    if "had it all" not in hoarded.stdout:
        up = rootless.run("podman", "run", *flags, IMAGE, "python3", "-c", "print('up')")
        why = "its limits hold" if "up" in up.stdout else f"no container starts: {up.stderr.strip()[-300:]}"
        pytest.skip(f"rootless Podman cannot be had here with limits that it ignores: {why}")
    settings = {
        "TOOLWRIGHT_SANDBOX_IMAGE": IMAGE,
        "TOOLWRIGHT_SANDBOX_ENGINE": "podman",
        "PYTHONPATH": f"{rootless.folder / 'src'}:{lent_packages}",
    } | ({"TOOLWRIGHT_SANDBOX_RUNTIME": rootless.runtime} if rootless.runtime else {})
    done = rootless.run(PYTHON, "-B", "-m", "toolwright", "doctor", "--sandbox", "container", "--json", **settings)
    said = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, said["profile"]) == (6, "none"), said
    assert "Containers of podman ignore their memory limit on this machine" in said["refusal"]
    (box,) = (layer for layer in said["layers"] if layer["name"] == "box container")
    assert not box["holds"]
    assert box["cure"]
