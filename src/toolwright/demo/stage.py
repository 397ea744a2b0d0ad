"""The demo's stage: a home of its own, two loopback servers, the scripted model, the policy; and the tasks on it."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from toolwright.demo.servers import LoopbackServer, rates, trending
from toolwright.errors import UserError
from toolwright.homes import own_data_folder
from toolwright.settings import BoxSettings, RoleModel, Settings, home_policy
from toolwright.trace import new_run_id


@dataclass(frozen=True, slots=True)
class Task:
    """A sentence, and whether its tools need a host."""

    text: str
    needs_host: bool


TASKS = (
    Task("What is the USD to ILS exchange rate now, and how much are 5,000 USD in ILS?", True),
    Task("What are the five top trending repositories, with their stars?", True),
    Task("Make me a 16-character password and tell me its entropy in bits.", False),
    Task("Take the USD to ILS rate again, convert 5,000 USD, and save the result to a CSV file.", True),
)

_MARK = "ports.json"
"""In a home that a demo made: the ports of its servers."""

POLICY = """\
# Written by `toolwright demo`: its tools may reach the two loopback servers of the demo, and nothing else.
[[rule]]
action = "allow"
hosts = ["{rates}", "{repositories}"]
"""


@dataclass(frozen=True, slots=True)
class Stage:
    """Where the demo plays; the servers run while it is open."""

    home: Path
    base_url: str
    policy: str
    """The text of the policy file; empty if the person is to be asked."""


def settings_of(home: Path, base_url: str, profile: str) -> Settings:
    """The demo's settings: none come from the environment, which may name a real model, or another policy."""
    scripted = RoleModel("openai:scripted-demo", base_url)
    found: Any = profile
    sandbox = BoxSettings(box=found) if profile == "container" else BoxSettings(found, "linux")
    return Settings(home, orchestrator=scripted, sandbox=sandbox, policy=home_policy(home))


@contextlib.contextmanager
def stage(home: Path | None, ask: bool) -> Iterator[Stage]:
    """Open the stage in *home* (a new folder without one).

    UserError if the folder cannot be written, or holds what is not the demo's.
    """
    from toolwright.models.scripted import ScriptedServer

    place = _home(home)
    ports = _ports(place)
    with _server(rates, ports, 0) as rate_server, _server(trending, ports, 1) as list_server:
        names = {"rates": rate_server.address, "repositories": list_server.address}
        _write(place / _MARK, json.dumps([int(one.rpartition(":")[2]) for one in names.values()]))
        policy = "" if ask else POLICY.format(**names)
        if policy:
            _write(place / "policy.toml", policy)
        else:
            (place / "policy.toml").unlink(missing_ok=True)
        script = files("toolwright.demo").joinpath("model.yaml").read_text("utf-8")
        script = script.replace("@RATES@", names["rates"]).replace("@REPOSITORIES@", names["repositories"])
        _write(place / "model.yaml", script)
        with ScriptedServer(place / "model.yaml") as base_url:
            yield Stage(place, base_url, policy)


def _home(home: Path | None) -> Path:
    wanted = home.expanduser().absolute() if home is not None else own_data_folder() / "demos" / new_run_id()
    try:
        wanted.mkdir(parents=True, exist_ok=True, mode=0o700)
        held = any(wanted.iterdir())
    except OSError as error:
        if home is not None:
            raise UserError(f"--home {home}: cannot be used: {error}. Name a folder that can be written.") from error
        return Path(tempfile.mkdtemp(prefix="toolwright-demo-"))
    if held and not (wanted / _MARK).exists():
        raise UserError(
            f"--home {home}: is not empty and not a demo's home, and the demo would write its policy there. "
            "Name a new folder."
        )
    return wanted


def _ports(home: Path) -> list[int]:
    # The tools name their server by port: a demo that is run again in its home wants the same ones.
    try:
        ports = json.loads((home / _MARK).read_text("utf-8"))
        return [int(port) for port in ports]
    except (OSError, ValueError, TypeError):
        return [0, 0]


def _server(answer: object, ports: list[int], index: int) -> LoopbackServer:
    assert callable(answer)
    try:
        return LoopbackServer(answer, ports[index])
    except (OSError, IndexError, OverflowError):
        return LoopbackServer(answer)


def _write(path: Path, text: str) -> None:
    new = path.with_suffix(path.suffix + ".new")
    with new.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
