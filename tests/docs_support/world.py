"""What the docs' code meets: a home, a folder, two loopback services, and a scripted model behind a real endpoint."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import select
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from toolwright.demo.stage import stage
from toolwright.models.scripted import ScriptedServer
from toolwright.sandbox.linux import LinuxSandbox

FORK_COMMANDS = Path(__file__).parent / "fork_commands.py"
OWN_TURNS = Path(__file__).parent / "model.yaml"
COMMANDS = {
    "toolwright": ["-P", "-m", "toolwright"],
    "python": [],
    "python3": [],
    "without-a-wall": [str(Path(__file__).parent / "without_a_wall.py")],
}


class Forks:
    """Runs the command as a fork of a process that has imported it: a page of commands takes a third of the time."""

    def __init__(self, folder: Path, environment: dict[str, str], place: Path) -> None:
        self._folder, self._environment, self._place = folder, environment, place
        self._process: subprocess.Popen[str] | None = None
        self._count = 0

    def run(self, words: tuple[str, ...], said: str, *, mixed: bool) -> subprocess.CompletedProcess[str]:
        """To its end, which must come within two minutes."""
        process = self._process = self._process or self._started()
        assert process.stdin is not None
        assert process.stdout is not None
        self._count += 1
        files = [self._place / f"{self._count}.{name}" for name in ("in", "out", "err")]
        files[0].write_text(said)
        names = dict(zip(("stdin", "stdout", "stderr"), map(str, files), strict=True))
        if mixed:
            names["stderr"] = names["stdout"]
        process.stdin.write(json.dumps({"words": words, **names}) + "\n")
        process.stdin.flush()
        ready, _, _ = select.select([process.stdout], [], [], 120)
        assert ready, f"toolwright {shlex.join(words)} does not end"
        code = int(process.stdout.readline())
        printed, complaint = (file.read_text() if file.exists() else "" for file in files[1:])
        return subprocess.CompletedProcess(["toolwright", *words], code, printed, complaint)

    def _started(self) -> subprocess.Popen[str]:
        self._place.mkdir()
        return subprocess.Popen(
            [sys.executable, "-P", str(FORK_COMMANDS)],
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def close(self) -> None:
        """End the process, and with it what hangs in a fork."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.communicate()


@dataclass(frozen=True)
class World:
    """A place to run what a page shows; nothing of the person who runs the tests is in it."""

    place: Path
    home: Path
    folder: Path
    base_url: str
    environment: dict[str, str]
    forks: Forks

    def told(self, printed: str) -> str:
        """*printed* with the paths that a person would see in place of those of this world."""
        for real, seen in ((str(self.place), "/home/you"), (sys.prefix, "/home/you/.venv")):
            printed = printed.replace(real, seen)
        return printed

    def run(self, *words: str, said: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            list(words),
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            input=said,
            timeout=120,
        )

    def toolwright(self, *words: str, said: str = "", mixed: bool = False) -> subprocess.CompletedProcess[str]:
        """The command alone; *mixed*: what it says to standard error stands in its output."""
        return self.forks.run(words, said, mixed=mixed)


@cache
def has_full_sandbox() -> bool:
    """Whether this machine gives the profile in which hosts can be granted."""
    box = LinuxSandbox()
    try:
        return box.profile == "full"
    finally:
        box.close()


@contextmanager
def short_place() -> Iterator[Path]:
    """A new folder whose path is as long as `/home/you`, so that tables and screens are as wide as they look."""
    below = Path("/tmp") if os.access("/tmp", os.W_OK) else Path(tempfile.gettempdir())
    place = below / secrets.token_hex(2)
    while place.exists():
        place = below / secrets.token_hex(2)
    place.mkdir(mode=0o700)
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


@contextmanager
def world(place: Path) -> Iterator[World]:
    """Open one in *place*, an empty folder. Its model answers the demo's tasks and those of `model.yaml`."""
    folder = place / "work"
    folder.mkdir()
    home = place / ".local" / "share" / "toolwright"
    # The demo's stage brings the loopback services, and the policy that allows them, in a home of its own.
    with stage(home, ask=False) as play:
        turns = yaml.safe_load(OWN_TURNS.read_text("utf-8"))["turns"]
        turns += yaml.safe_load((play.home / "model.yaml").read_text("utf-8"))["turns"]
        with ScriptedServer({"model": "docs", "turns": turns}) as base_url:
            environment = _environment(place, play.home, base_url)
            forks = Forks(folder, environment, place / "streams")
            try:
                yield World(place, play.home, folder, base_url, environment, forks)
            finally:
                forks.close()


def _environment(place: Path, home: Path, base_url: str) -> dict[str, str]:
    commands = place / "bin"
    commands.mkdir()
    for name, words in COMMANDS.items():
        command = commands / name
        command.write_text(f'#!/bin/sh\nexec {shlex.join([sys.executable, *words])} "$@"\n')
        command.chmod(0o755)
    own = {
        "PATH": f"{commands}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "HOME": str(place),
        "TERM": "xterm-256color",
        "TOOLWRIGHT_HOME": str(home),
        "TOOLWRIGHT_MODEL": "openai:docs",
        "TOOLWRIGHT_BASE_URL": base_url,
        # For agents that a page builds without Toolwright's settings.
        "OPENAI_API_KEY": "the-scripted-model-asks-for-none",
        "OPENAI_BASE_URL": base_url,
    }
    kept = ("LANG", "LC_ALL", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV")
    return {name: os.environ[name] for name in kept if name in os.environ} | own
