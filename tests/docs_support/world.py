"""What the docs' code meets: a home, a folder, two loopback services, and a scripted model behind a real endpoint."""

from __future__ import annotations

import os
import secrets
import shlex
import shutil
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

OWN_TURNS = Path(__file__).parent / "model.yaml"
COMMANDS = {
    "toolwright": ["-P", "-m", "toolwright"],
    "python": [],
    "python3": [],
    "without-a-wall": [str(Path(__file__).parent / "without_a_wall.py")],
}


@dataclass(frozen=True)
class World:
    """A place to run what a page shows; nothing of the person who runs the tests is in it."""

    place: Path
    home: Path
    folder: Path
    base_url: str
    environment: dict[str, str]
    model: ScriptedServer

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
        return subprocess.run(
            [sys.executable, *COMMANDS["toolwright"], *words],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if mixed else subprocess.PIPE,
            text=True,
            input=said,
            timeout=120,
        )


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
        model = ScriptedServer({"model": "docs", "turns": turns})
        with model as base_url:
            environment = _environment(place, play.home, base_url)
            yield World(place, play.home, folder, base_url, environment, model)


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
        "LOGNAME": "you",
        "TERM": "xterm-256color",
        "TOOLWRIGHT_HOME": str(home),
        "TOOLWRIGHT_MODEL": "openai:docs",
        "TOOLWRIGHT_BASE_URL": base_url,
        # Nothing goes into the keyring of the person who runs the tests.
        "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
        # For agents that a page builds without Toolwright's settings.
        "OPENAI_API_KEY": "the-scripted-model-asks-for-none",
        "OPENAI_BASE_URL": base_url,
    }
    kept = ("LANG", "LC_ALL", "TMPDIR", "PYTHONPATH", "VIRTUAL_ENV")
    return {name: os.environ[name] for name in kept if name in os.environ} | own
