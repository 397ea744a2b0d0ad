"""A home and its settings go in; what works on this machine comes out, each with what was seen and the cure."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from toolwright.errors import FaultError, SettingsError, UserError
from toolwright.models.address import checked_url
from toolwright.models.choose import choose
from toolwright.models.table import PROVIDERS
from toolwright.models.values import ModelSettings
from toolwright.powers import NO_POWERS, Grant
from toolwright.sandbox import Layer, Sandbox, standing
from toolwright.sandbox.uv_process import find_uv
from toolwright.settings import CONFIG_FILE, Settings

LEAST_FREE = 200_000_000
"""Bytes that a home should have free: packages of tools are built there."""
_OLDEST = (3, 11)
_A_HOST = Grant(hosts=("example.com",))


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: whether it is fine, what was seen, and the cure if it is not."""

    name: str
    ok: bool
    detail: str = ""
    cure: str = ""
    needed: bool = True
    """Whether Toolwright cannot do its main job without it."""


@dataclass(frozen=True, slots=True)
class Checkup:
    """What `doctor` found: the profile of the sandbox that is used, its layers, and everything else."""

    profile: str
    """`full`, `landlock`, `container`, or `none` where no wall can be had."""
    layers: tuple[Layer, ...]
    findings: tuple[Finding, ...]
    refusal: str = ""
    """Why no tool runs here: no wall, or one weaker than the setting sandbox.weakest accepts; '' if they do."""
    summary: str = ""
    """One sentence: what of the sandbox that is used was seen to hold, and what not."""

    @property
    def problems(self) -> tuple[Finding, ...]:
        """What is needed and is not fine."""
        return tuple(one for one in self.findings if one.needed and not one.ok)

    @property
    def broken(self) -> tuple[str, ...]:
        """The names of layers that the sandbox in use needs and that an attack got past, itself included."""
        return standing.failing(self.profile, self.layers)


def check_up(
    home: Path,
    said_by: str,
    settings: Settings | SettingsError,
    box: Sandbox,
    say: Callable[[str], None] | None = None,
) -> Checkup:
    """Look at everything a new user needs. Makes nothing, and asks the network only for model servers at home.

    *settings* may be the error that kept them from being read. *say* hears what is being tried.
    """
    findings = (
        _home(home, said_by),
        _settings(home, settings),
        _model(settings),
        _python(),
        _uv(),
        *_extras(),
    )
    profile = box.profile
    layers: dict[str, Layer] = {}
    for layer in box.layers(say):
        layers.setdefault(layer.name, layer)  # what two boxes have in common was tried for each
    refusal = box.why_not(NO_POWERS)
    hosts = not refusal and not box.why_not(_A_HOST)
    seen = tuple(layers.values())
    return Checkup(profile, seen, findings, refusal, standing.sentence(profile, seen, hosts))


def _home(home: Path, said_by: str) -> Finding:
    where = f"{home} ({said_by})"
    # Not Path.exists, which raises where a folder on the way is closed to us.
    there = next(one for one in (home, *home.parents) if os.path.exists(one))
    cure = "name another one with --home DIR or $TOOLWRIGHT_HOME"
    if not there.is_dir():
        return Finding("home", False, f"{where}: {there} is not a folder", cure)
    if not os.access(there, os.W_OK | os.X_OK):
        return Finding("home", False, f"{where}: {there} cannot be written", cure)
    free = shutil.disk_usage(there).free
    said = f"{where}, {_size(free)} free" + ("" if there == home else ", is made when it is needed")
    return Finding("home", free >= LEAST_FREE, said, "" if free >= LEAST_FREE else f"make room, or {cure}")


def _size(count: int) -> str:
    return (
        f"{count / 1e9:.0f} GB"
        if count >= 10e9
        else f"{count / 1e9:.1f} GB"
        if count >= 1e9
        else f"{count // 10**6} MB"
    )


def _settings(home: Path, settings: Settings | SettingsError) -> Finding:
    if isinstance(settings, SettingsError):
        cure = "mend it, or take it out: toolwright config unset KEY"
        return Finding("settings", False, str(settings), cure)
    origins = [origin for key, origin in settings.origins.items() if key != "home"]
    in_file = sum(one == str(home / CONFIG_FILE) for one in origins)
    variables = sum(one.startswith("$") for one in origins)
    said = [f"{in_file} in {CONFIG_FILE}"] if in_file else []
    said += [f"{variables} in the environment"] if variables else []
    rules = len(settings.policy.rules)
    return Finding("settings", True, f"{', '.join(said) or 'all at their defaults'}; {rules} rules of policy")


def _model(settings: Settings | SettingsError) -> Finding:
    if isinstance(settings, SettingsError):
        return Finding("model", False, "not looked for: the settings cannot be read", "see above", needed=False)
    own = settings.orchestrator
    try:
        choice = choose(ModelSettings(own.model, own.base_url, local_servers=settings.local_servers))
    except UserError as error:
        first, _, ways = str(error).partition(" Ways to go on:\n")
        cure = "\n".join(line.strip() for line in ways.splitlines()) or _mend(settings)
        return Finding("model", False, first, cure, needed=False)
    return Finding("model", True, f"{choice}  ({choice.why})", needed=False)


def _mend(settings: Settings) -> str:
    """The setting that keeps a model from being taken, and where it is changed."""
    own = settings.orchestrator
    key = "base_url" if own.base_url and not (own.model and _is_address(own.base_url)) else "model"
    origin = settings.origins.get(key, "")
    if origin.startswith("$"):
        return f"mend {origin}, or take it out of the environment"
    return f"toolwright config set {key} VALUE, or toolwright config unset {key}"


def _is_address(url: str) -> bool:
    try:
        return bool(checked_url(url))
    except UserError:
        return False


def _python() -> Finding:
    fine = sys.version_info >= _OLDEST
    cure = "" if fine else f"install Python {'.'.join(map(str, _OLDEST))} or newer"
    return Finding("python", fine, f"{platform.python_version()} at {sys.executable}", cure)


def _uv() -> Finding:
    try:
        return Finding("packages", True, f"built by uv at {find_uv()}", needed=False)
    except FaultError as error:
        return Finding("packages", False, str(error), "python -m pip install uv", needed=False)


def _extras() -> Iterator[Finding]:
    """Libraries that are there only if somebody asked for them."""
    there = _installed("mcp")
    cure = "" if there else "pip install 'toolwright[mcp]'"
    yield Finding(
        "extra mcp", there, f"{'for' if there else 'not installed:'} tools of MCP servers", cure, needed=False
    )
    rows = [row for row in PROVIDERS if row.extra]
    missing = [row.extra for row in rows if not _installed(row.module)]
    own = [row.extra for row in rows if row.extra not in missing]
    said = [f"for models of {', '.join(own)}"] if own else []
    said += [f"not installed: {', '.join(missing)}"] if missing else []
    cure = f"for one that you need: pip install 'toolwright[{missing[0]}]'" if missing else ""
    yield Finding("extra providers", not missing, "; ".join(said), cure, needed=False)


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False
