"""Engines that are really there: Podman, Docker's client on Podman's socket, a Docker daemon of the tests' own."""

import contextlib
import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from dataclasses import dataclass

import pytest

from toolwright.sandbox import elf
from toolwright.sandbox.container import ContainerSandbox
from toolwright.sandbox.root import root

NAME = "localhost/toolwright-tests"
LIMITS = ("--ulimit", "nofile=1024:1024", "--ulimit", "nproc=8192:8192", "--network=none")


@dataclass(frozen=True)
class At:
    """An engine: its client, the image in it, a runtime."""

    engine: str
    image: str
    runtime: str | None = None

    def box(self, **more) -> ContainerSandbox:
        return ContainerSandbox(self.engine, self.image, self.runtime, **more)

    def names(self) -> list[str]:
        """The containers of ours that are there, but for those of another worker of these tests."""
        words = [self.engine, "ps", "-a", "--filter", "label=toolwright.box", "--format", "{{.Names}}"]
        found = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
        return [
            name for name in found if not (name.split("-")[1].isdigit() and _somebody_else(int(name.split("-")[1])))
        ]


def _somebody_else(pid: int) -> bool:
    """Whether *pid* lives and is neither this process nor below it."""
    while pid != os.getpid():
        try:
            pid = int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            return False
        if pid <= 1:
            return True
    return False


def _image(path: pathlib.Path) -> None:
    """A root for a container from this machine's own files: the interpreter that runs the tests, and what it needs."""
    layout = root()
    seen = set()

    def keep(info):
        if "site-packages" in info.name or "/test/" in info.name or "/idlelib" in info.name:
            return None
        info.uid = info.gid = 0
        info.uname = info.gname = ""
        info.mode = 0o755 if info.isdir() else info.mode | 0o444
        return info

    with tarfile.open(path, "w") as tar:

        def folder(name, mode=0o755):
            if name in ("", "/") or name in seen:
                return
            folder(os.path.dirname(name))
            seen.add(name)
            info = tarfile.TarInfo(name.lstrip("/"))
            info.type, info.mode = tarfile.DIRTYPE, mode
            tar.addfile(info)

        loader = elf.loader(layout.interpreter)
        for source, name in [*layout.binds, (layout.interpreter,) * 2, (os.path.realpath(loader), loader)]:
            folder(os.path.dirname(name))
            tar.add(source, name.lstrip("/"), filter=keep)
        for name in ("/tmp", "/var/tmp"):
            folder(name, 0o1777)
        for name in ("/proc", "/sys", "/dev", "/etc", "/usr/local/bin"):
            folder(name)
        link = tarfile.TarInfo("usr/local/bin/python3")
        link.type, link.linkname = tarfile.SYMTYPE, layout.interpreter
        tar.addfile(link)


def _imported(engine: str) -> str:
    """The name of our image in *engine*, made if it is not there."""
    files = "".join(f"{source} {os.stat(source).st_mtime_ns}\n" for source, _ in root().binds)
    name = f"{NAME}:{hashlib.sha256(files.encode()).hexdigest()[:12]}"
    with open(pathlib.Path(tempfile.gettempdir()) / "toolwright-tests-image", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # workers of one run must not each make it
        if subprocess.run([engine, "image", "inspect", name], capture_output=True).returncode != 0:
            with tempfile.TemporaryDirectory() as folder:
                path = pathlib.Path(folder, "root.tar")
                _image(path)
                words = [engine, "import", "--change", "ENV PATH=/usr/local/bin:/usr/bin:/bin", str(path), name]
                subprocess.run(words, check=True, capture_output=True)
    return name


def _tried(at: At) -> At:
    """*at*, with a runtime under which containers start here: some refuse machines with both kinds of cgroups."""
    why = ""
    for runtime in (None, *filter(shutil.which, ("crun", "runc"))):
        words = [at.engine, "run", "--rm", *LIMITS, "--memory", "256m", *([f"--runtime={runtime}"] if runtime else [])]
        done = subprocess.run([*words, at.image, "python3", "-c", "print('up')"], capture_output=True, text=True)
        if "up" in done.stdout:
            return At(at.engine, at.image, runtime)
        why = done.stderr.strip()
    pytest.skip(f"no container starts with {at.engine} here: {why[-300:]}")


@pytest.fixture(scope="session")
def podman() -> At:
    if shutil.which("podman") is None:
        pytest.skip("podman is not installed")
    if os.geteuid() != 0:
        pytest.skip("without root the limits of containers are not sure to hold here")
    engine = shutil.which("podman")
    return _tried(At(engine, _imported(engine)))


@contextlib.contextmanager
def _daemon(words, socket, **more):
    """A daemon of the tests' own that listens on *socket*, and a `docker` that speaks to it."""
    docker = shutil.which("docker")
    if docker is None:
        pytest.skip("Docker's client is not installed")
    if os.geteuid() != 0 or shutil.which(words[0]) is None:
        pytest.skip(f"{words[0]} is not installed, or we are not root")
    folder = socket.parent
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log, start_new_session=True, **more)
    try:
        client = folder / "docker"
        client.write_text(f'#!/bin/sh\nexec env DOCKER_HOST=unix://{socket} {docker} "$@"\n')
        client.chmod(0o755)
        deadline = time.monotonic() + 60
        while subprocess.run([client, "info"], capture_output=True).returncode or not socket.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.skip(f"{words[0]} does not start here: {(folder / 'log').read_text()[-300:]}")
            time.sleep(0.2)
        yield str(client)
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="session")
def docker_on_podman(podman, tmp_path_factory):
    """Docker's client and its API, and behind them Podman."""
    socket = tmp_path_factory.mktemp("podman-service") / "engine.sock"
    runtime = ["--runtime", podman.runtime] if podman.runtime else []
    words = ["podman", *runtime, "system", "service", "--time=0", f"unix://{socket}"]
    with _daemon(words, socket) as client:
        yield At(client, podman.image)


@pytest.fixture(scope="session")
def docker(tmp_path_factory):
    """A Docker daemon."""
    folder = tmp_path_factory.mktemp("dockerd")
    socket = folder / "engine.sock"
    words = [
        "dockerd",
        "--data-root",
        str(folder / "data"),
        "--exec-root",
        str(folder / "exec"),
        "-H",
        f"unix://{socket}",
    ]
    words += ["--pidfile", str(folder / "pid"), "--bridge=none", "--iptables=false", "--ip6tables=false"]
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    with _daemon(words, socket, env=os.environ | {"PATH": path}) as client:
        yield _tried(At(client, _imported(client)))


@pytest.fixture
def image_file():
    """What writes the root of a container to a file."""
    return _image


@pytest.fixture
def interpreter() -> str:
    return sys.executable
