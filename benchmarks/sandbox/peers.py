"""Other ways to run the same trivial call: those that are installed come out as callables, the others with a reason."""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.sandbox.calls import ANSWER, ARGUMENTS, BARE, SOURCE, WrongAnswerError

Way = Callable[[], object]
_JSON = json.dumps(ARGUMENTS)
_BARE_PYTHON = os.path.realpath(sys.executable)


class AbsentError(Exception):
    """What cannot be measured on this machine; the text says why."""


@dataclass(slots=True)
class Peers:
    """The ways by name, the version of each, and for those that are not here the reason."""

    ways: dict[str, Way] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)


@contextlib.contextmanager
def peers(folder: Path, image: str) -> Iterator[Peers]:
    """All of them; *folder* is for their files, *image* the local one that Podman takes. Closed at the end."""
    found = Peers()
    with contextlib.ExitStack() as stack:
        for name, (opened, version) in _peers(folder, image).items():
            try:
                way = stack.enter_context(opened)
                way()  # once, to see that it works here
                found.versions[name] = version()
            except AbsentError as error:
                found.absent[name] = str(error)
            except (OSError, subprocess.SubprocessError) as error:
                found.absent[name] = f"it does not work here: {_why(error)}"
            else:
                found.ways[name] = way
        yield found


def _why(error: Exception) -> str:
    said = getattr(error, "stderr", b"") or b""
    lines = said.decode("utf-8", "replace").strip().splitlines() or str(error).splitlines()
    return lines[-1][:200]


@contextlib.contextmanager
def _subprocess(folder: Path) -> Iterator[Way]:
    path = folder / "add.py"
    path.write_text(BARE, "utf-8")
    yield command([sys.executable, str(path), _JSON])


@contextlib.contextmanager
def _bubblewrap() -> Iterator[Way]:
    walls = [program("bwrap"), "--unshare-all", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "--clearenv"]
    root = ["--ro-bind", "/", "/", "--tmpfs", "/tmp", "--proc", "/proc", "--dev", "/dev"]
    yield command([*walls, *root, _BARE_PYTHON, "-I", "-S", "-c", BARE, _JSON])


@contextlib.contextmanager
def _smolagents() -> Iterator[Way]:
    interpreter = _module("smolagents.local_python_executor").LocalPythonExecutor

    def way() -> None:
        executor = interpreter([])
        executor.send_tools({})
        executor.send_variables({"arguments": json.loads(_JSON)})
        _right(json.dumps(executor(f"{SOURCE}add(**arguments)").output))

    yield way


@contextlib.contextmanager
def _monty() -> Iterator[Way]:
    with _module("pydantic_monty").Monty() as pool:

        def way() -> None:
            with pool.checkout() as session:
                _right(json.dumps(session.feed_run(f"{SOURCE}add(a, b)", inputs=json.loads(_JSON))))

        yield way


def _module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise AbsentError(f"pip install 'toolwright[bench]' ({error})") from None


def program(name: str) -> str:
    """The path of program *name*, or AbsentError."""
    found = shutil.which(name)
    if found is None:
        raise AbsentError(f"there is no program {name!r}")
    return found


def command(words: list[str]) -> Way:
    """Running *words*, which print the answer."""

    def way() -> None:
        _right(subprocess.run(words, check=True, capture_output=True, stdin=subprocess.DEVNULL).stdout)

    return way


def _right(answer: str | bytes) -> None:
    if json.loads(answer) != ANSWER:
        raise WrongAnswerError(f"a peer answered {answer!r} and not {ANSWER}")


def _first_line(*words: str) -> Callable[[], str]:
    def version() -> str:
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip().splitlines()[0]

    return version


def _package(name: str) -> Callable[[], str]:
    return lambda: f"{name} {importlib.metadata.version(name)}"


_WALLS = ["--network=none", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"]
_ULIMITS = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]
"""Podman's own defaults are more than some machines give out."""
_PYTHON = ["python3", "-I", "-S", "-c"]
_WAIT = "import time; time.sleep(86400)"


@contextlib.contextmanager
def _podman_run(image: str) -> Iterator[Way]:
    yield command([*_podman(image), "--rm", image, *_PYTHON, BARE, _JSON])


@contextlib.contextmanager
def _podman_exec(image: str) -> Iterator[Way]:
    start = [*_podman(image), "--detach", image, *_PYTHON, _WAIT]
    container = subprocess.run(start, check=True, capture_output=True, text=True, timeout=60).stdout.strip()
    try:
        yield command(["podman", "exec", container, *_PYTHON, BARE, _JSON])
    finally:
        subprocess.run(["podman", "rm", "--force", "--time", "0", container], check=True, capture_output=True)


def _podman(image: str) -> list[str]:
    podman = program("podman")
    if not image:
        raise AbsentError("no image; name one that is here and has python3: --image NAME (nothing is pulled)")
    if subprocess.run([podman, "image", "exists", image], timeout=60).returncode:
        raise AbsentError(f"there is no local image {image!r}, and nothing is pulled")
    return [podman, "run", *_WALLS, *_ULIMITS]


def _peers(folder: Path, image: str) -> dict[str, tuple[contextlib.AbstractContextManager[Way], Callable[[], str]]]:
    podman = _first_line("podman", "--version")
    return {
        "subprocess": (_subprocess(folder), lambda: f"Python {platform.python_version()}"),
        "bubblewrap": (_bubblewrap(), _first_line("bwrap", "--version")),
        "podman_exec": (_podman_exec(image), podman),
        "podman_run": (_podman_run(image), podman),
        "smolagents": (_smolagents(), _package("smolagents")),
        "monty": (_monty(), _package("pydantic-monty")),
    }
