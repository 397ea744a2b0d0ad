"""The command line of Docker or Podman: what is found on this machine goes in, commands and their answers come out."""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from toolwright.errors import FaultError

IMAGE = "docker.io/library/python@sha256:78387bc3881b8273120a12ebe6c1ab22b018ccc2c9adf565ae1ac9b536e184ea"
"""`python:3.12-slim` (3.12.14 on Debian trixie) by the digest of its list of platforms."""
LABEL = "toolwright.box"
_WAIT_S = 30.0
_PULL_S = 1800.0
_CONTROL = re.compile("[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Facts:
    """What the engine says of itself: how many processors it has, whether it runs without root, its architecture."""

    cpus: int
    rootless: bool
    version: str


class Engine:
    """One engine. *command* is what starts its client: a name on PATH, or a path."""

    def __init__(self, command: str) -> None:
        self.command = command

    @functools.cached_property
    def podman(self) -> bool:
        """Whether it is Podman, under whatever name."""
        return "podman" in self.run("--version").stdout.lower()

    @functools.cached_property
    def facts(self) -> Facts:
        """Raises FaultError where the engine does not answer."""
        if self.podman:
            form = "{{.Host.CPUs}}|{{.Host.Security.Rootless}}|{{.Version.Version}}"
        else:
            form = "{{.NCPU}}|{{.SecurityOptions}}|{{.ServerVersion}}"
        done = self.run("info", "--format", form)
        cpus, security, version = (*done.stdout.strip().split("|"), "", "", "")[:3]
        if done.returncode or not cpus.isdigit() or not int(cpus):
            raise FaultError(f"{self.command} does not answer: {said(done)}. Start it, or set sandbox.engine.")
        return Facts(int(cpus), security == "true" or "rootless" in security, version)

    def run(self, *words: str, seconds: float = _WAIT_S, folder: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run the client with *words*, in *folder*. Never raises for what it says.

        FaultError if it cannot be started or hangs.
        """
        try:
            return subprocess.run(
                [self.command, *words],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                encoding="utf-8",
                errors="replace",
                timeout=seconds,
                check=False,
                cwd=folder,
            )
        except subprocess.TimeoutExpired:
            raise FaultError(f"`{self.command} {words[0]}` gave no answer within {seconds:g} s.") from None
        except OSError as error:
            raise FaultError(f"{self.command} cannot be started: {error}. Set sandbox.engine.") from None

    def has(self, image: str) -> bool:
        """Whether *image* is on this machine."""
        return self.run("image", "inspect", "--format", "{{.Id}}", image).returncode == 0

    def pull(self, image: str, progress: Callable[[str], None], cancel: threading.Event | None = None) -> None:
        """Get *image*; *progress* hears what the engine says. FaultError if it cannot be had."""
        last = ""
        with subprocess.Popen(
            [self.command, "pull", image],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
        ) as process:
            timer = threading.Timer(_PULL_S, process.kill)
            timer.daemon = True
            timer.start()
            try:
                assert process.stdout is not None
                for line in process.stdout:
                    if cancel is not None and cancel.is_set():
                        process.kill()
                        raise FaultError(f"{image} was not got: it was stopped.")
                    if words := shown(line):
                        last = words
                        progress(words)
            finally:
                timer.cancel()
        if process.returncode:
            raise FaultError(f"{image} cannot be got: {last or f'exit {process.returncode}'}.")

    def remove(self, name: str) -> None:
        """End the container *name* at once; one that is gone already is no matter."""
        with contextlib.suppress(FaultError):
            self.run("rm", "-f", name)

    def leftovers(self) -> list[str]:
        """The names of containers of ours whose host process lives no more, on this machine."""
        names = self.run("ps", "-a", "--filter", f"label={LABEL}", "--format", "{{.Names}}").stdout.split()
        return [name for name in names if _is_orphan(self._label(name))]

    def _label(self, name: str) -> str:
        form = f'{{{{index .Config.Labels "{LABEL}"}}}}'
        return self.run("inspect", "--format", form, name).stdout.strip()


def find(wanted: str | None) -> Engine | None:
    """The engine *wanted* (a name or a path), or the first of podman and docker; None if there is none."""
    for command in (wanted,) if wanted else ("podman", "docker"):
        if path := shutil.which(command):
            return Engine(os.path.abspath(path))  # its client is started in other folders too
    return None


def label() -> str:
    """The label of containers of this process: who it is, and when it began, as numbers are used again."""
    return f"{_place()}/{os.getpid()}/{_born(os.getpid())}"


def _place() -> str:
    import platform

    return re.sub(r"[^\w.-]", "-", platform.node()) or "here"


def _born(pid: int) -> str:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[19].decode("ascii")
    except (OSError, IndexError):
        return "0"


def _is_orphan(text: str) -> bool:
    place, pid, born = (*text.split("/"), "", "", "")[:3]
    if place != _place() or not pid.isdigit() or os.name != "posix":
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return _born(int(pid)) != born


def said(done: subprocess.CompletedProcess[str]) -> str:
    """The last line that a client said, to be shown."""
    lines = (done.stderr + "\n" + done.stdout).strip().splitlines()
    return shown(lines[-1]) if lines else f"exit {done.returncode}"


def shown(line: str) -> str:
    """*line* without what moves a terminal's cursor."""
    return _CONTROL.sub(" ", line).strip()[:500]


def run_words(engine: Engine, name: str, flags: Sequence[str], image: str, inner: Sequence[str]) -> list[str]:
    """The whole command line of a container."""
    return [engine.command, "run", "--name", name, *flags, image, *inner]
