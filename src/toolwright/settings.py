"""A home's file, the environment and what a caller passes go in; one frozen Settings comes out, read once at a door."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from toolwright.budgets import Budget
from toolwright.errors import SettingsError
from toolwright.homes import find_home
from toolwright.keeping import Keep
from toolwright.policy import Policy
from toolwright.policyfile import policy_from
from toolwright.powers import STRICT_LIMITS, Limits
from toolwright.settingvalues import (
    at_least_one_of,
    choice_of,
    count_of,
    days_of,
    dollars_of,
    flag_of,
    hosts_of,
    name_of,
    paths_of,
    reference_of,
    references_of,
    seconds_of,
    servers_of,
    store_of,
    text_of,
    url_of,
)
from toolwright.store.aws.address import Address, read_address
from toolwright.tomllines import UnreadableError, read_toml

ENV_PREFIX = "TOOLWRIGHT_"
CONFIG_FILE = "config.toml"
TOOLS = "tools."
"""Keys that begin so are own tools; `tools.NAME = "module:function"` may have any NAME."""
ROLES = ("orchestrator", "generator", "examiner")


@dataclass(frozen=True, slots=True)
class RoleModel:
    """A model for one role: `provider:name` and an OpenAI-compatible endpoint; None means 'as the orchestrator's'."""

    model: str | None = None
    base_url: str | None = None


@dataclass(frozen=True, slots=True)
class BoxSettings:
    """Which box tools run in, and how little of a wall is accepted; None is left to the box."""

    profile: Literal["auto", "full", "landlock"] = "auto"
    box: Literal["auto", "linux", "container"] = "auto"
    engine: str | None = None
    image: str | None = None
    runtime: str | None = None
    weakest: Literal["full", "container", "landlock"] = "landlock"


@dataclass(frozen=True, slots=True)
class Answering:
    """What becomes of a question about powers: where nobody is there, and how long it may wait (None: for good)."""

    away: Literal["deny", "pause"] = "deny"
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class Serving:
    """What the HTTP door takes: hosts, bytes and seconds of a request, requests in a minute, at once; its end."""

    hosts: tuple[str, ...] = ()
    body_bytes: int = 1024 * 1024
    receive_s: float = 10.0
    requests_per_minute: int = 600
    requests: int = 64
    runs: int = 8
    grace_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Clients:
    """What clients of the MCP server see: the rule and the size of its catalogue, how often it is made, who answers."""

    catalogue: Literal["fixed", "promoted", "no-powers"] = "no-powers"
    listed: int = 20
    every_s: float = 60.0
    approvals: Literal["client", "home"] = "client"


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set, with its default; `origins` says where each value came from."""

    home: Path
    orchestrator: RoleModel = field(default_factory=RoleModel)
    generator: RoleModel = field(default_factory=RoleModel)
    examiner: RoleModel = field(default_factory=RoleModel)
    surface: Literal["native", "fixed"] = "native"
    namespace: str = "local"
    max_new_tools: int = 5
    max_tools: int = 50
    attempts: int = 3
    max_steps: int = 15
    run_wall_s: float = 900.0
    stream: bool = False
    context_tokens: int | None = None
    local_servers: str = "auto"
    packages_days: float = 30.0
    packages_cooldown_days: float = 7.0
    untrusted: tuple[str, ...] = ()
    """Absolute paths of folders and files whose text nobody vouches for."""
    layers: bool = True
    approvals: Answering = field(default_factory=Answering)
    keep: Keep = field(default_factory=Keep)
    embeddings: str | None = None
    embeddings_base_url: str | None = None
    store: str = "files"
    store_region: str | None = None
    store_s3_url: str | None = None
    store_dynamodb_url: str | None = None
    store_streams: bool = False
    signer: str | None = None
    """`module:factory` of a service that signs for this home; None: it has a key of its own."""
    sandbox: BoxSettings = field(default_factory=BoxSettings)
    policy: Policy = field(default_factory=Policy)
    limits: Limits = field(default_factory=Limits)
    sandboxes: int | None = None
    """Calls in the sandbox at once, of all processes with this home; None: four for each core."""
    calls_per_minute: int | None = None
    """Of each tool; None: as many as one likes."""
    budget: Budget = field(default_factory=Budget)
    functions: tuple[tuple[str, str], ...] = ()
    """A person's own tools: the name to register each under (or ''), and `module:function`."""
    mcp: tuple[str, ...] = ()
    """MCP servers whose tools are a person's own: a command or an address each."""
    serve: Serving = field(default_factory=Serving)
    clients: Clients = field(default_factory=Clients)
    """What others see and may do, who are clients of this home: `toolwright mcp`."""
    origins: Mapping[str, str] = field(default_factory=dict)
    said: Mapping[str, Any] = field(default_factory=dict)
    """What was said of each key that is not left to its default, as it was read."""


def shared_store(settings: Settings) -> Address | None:
    """Where the shared shelf of *settings* lies; None where the shelf is this home's own files."""
    if settings.store == "files":
        return None
    address = read_address(
        settings.store,
        region=settings.store_region,
        s3_url=settings.store_s3_url,
        dynamodb_url=settings.store_dynamodb_url,
    )
    return replace(address, streams=settings.store_streams)


KEYS: Mapping[str, Callable[[Any], Any]] = {
    "model": text_of,
    "base_url": text_of,
    "generator.model": text_of,
    "generator.base_url": text_of,
    "examiner.model": text_of,
    "examiner.base_url": text_of,
    "surface": choice_of("native", "fixed"),
    "namespace": name_of,
    "max_new_tools": count_of,
    "max_tools": count_of,
    "attempts": at_least_one_of,
    "max_steps": at_least_one_of,
    "run_wall_s": seconds_of,
    "stream": flag_of,
    "context_tokens": at_least_one_of,
    "local_servers": text_of,
    "packages_days": days_of,
    "packages_cooldown_days": days_of,
    "untrusted": paths_of,
    "layers": flag_of,
    "embeddings": text_of,
    "embeddings_base_url": text_of,
    "store": store_of,
    "store_region": text_of,
    "store_s3_url": url_of,
    "store_dynamodb_url": url_of,
    "store_streams": flag_of,
    "signer": reference_of,
    "sandbox.profile": choice_of("auto", "full", "landlock"),
    "sandbox.box": choice_of("auto", "linux", "container"),
    "sandbox.engine": text_of,
    "sandbox.image": text_of,
    "sandbox.runtime": text_of,
    "sandbox.weakest": choice_of("full", "container", "landlock"),
    "tools.functions": references_of,
    "tools.mcp": servers_of,
    "policy": text_of,
    "approvals.away": choice_of("deny", "pause"),
    "approvals.timeout_s": seconds_of,
    "serve.hosts": hosts_of,
    "serve.body_bytes": at_least_one_of,
    "serve.receive_s": seconds_of,
    "serve.requests_per_minute": at_least_one_of,
    "serve.requests": at_least_one_of,
    "serve.runs": at_least_one_of,
    "serve.grace_s": seconds_of,
    "clients.catalogue": choice_of("fixed", "promoted", "no-powers"),
    "clients.listed": count_of,
    "clients.every_s": seconds_of,
    "clients.approvals": choice_of("client", "home"),
    "keep.traces_days": days_of,
    "keep.values_days": days_of,
    "keep.prompts_days": days_of,
    "limits.profile": choice_of("default", "strict"),
    "limits.wall_s": seconds_of,
    "limits.cpu_s": seconds_of,
    "limits.load_s": seconds_of,
    "limits.memory_bytes": count_of,
    "limits.answer_bytes": count_of,
    "limits.list_bytes": count_of,
    "limits.output_bytes": count_of,
    "limits.files_bytes": count_of,
    "limits.files_count": count_of,
    "limits.written_bytes": count_of,
    "limits.threads": count_of,
    "limits.processes": at_least_one_of,
    "limits.sandboxes": at_least_one_of,
    "limits.calls_per_minute": at_least_one_of,
    **{f"budget.{one.name}": dollars_of if one.name.endswith("_dollars") else count_of for one in fields(Budget)},
}
"""Every setting by its dotted name in `config.toml`, with its reader; `$TOOLWRIGHT_MAX_TOOLS` sets `max_tools` too."""


_OF_ALL_CALLS = ("sandboxes", "calls_per_minute")
"""Limits that are not one call's."""

SHORT = "sandbox"
"""One word for box and profile, in each place where a setting may stand; `--sandbox` is the option."""

_BOXES: Mapping[str, Mapping[str, str]] = {
    "auto": {"sandbox.box": "auto", "sandbox.profile": "auto"},
    "full": {"sandbox.box": "linux", "sandbox.profile": "full"},
    "landlock": {"sandbox.box": "linux", "sandbox.profile": "landlock"},
    "container": {"sandbox.box": "container"},
}


def load(home: str | Path | None = None, given: Mapping[str, Any] | None = None) -> Settings:
    """Settings of *home* with the environment over its file and *given* (dotted names; None is 'not given') over both.

    Raises SettingsError naming the file or variable, the key and the value.
    """
    place, said_by = find_home(home)
    if _there(place) and not place.is_dir():
        raise SettingsError(f"home {place} ({said_by}): is not a folder; name another one with --home DIR.")
    values: dict[str, tuple[Any, str]] = {}
    values.update(_from_file(place / CONFIG_FILE))
    values.update(_from_environment())
    values.update(_spelled({key: (value, "given") for key, value in (given or {}).items() if value is not None}))
    read = {key: read_setting(key, value, origin) for key, (value, origin) in values.items()}
    origins = {"home": said_by} | {key: origin for key, (_, origin) in values.items()}
    return _settings(place, read, origins)


def _spelled(found: dict[str, tuple[Any, str]]) -> dict[str, tuple[Any, str]]:
    """*found* with the settings that the short word `sandbox` stands for; one that is said by its own name wins."""
    if SHORT not in found:
        return found
    value, origin = found.pop(SHORT)
    if not isinstance(value, str) or value not in _BOXES:
        allowed = f"must be one of {', '.join(_BOXES)}"
        raise SettingsError(f"setting {SHORT} = {value!r} ({origin}): {allowed}.")
    return {key: (word, origin) for key, word in _BOXES[value].items()} | found


def _settings(home: Path, read: Mapping[str, Any], origins: Mapping[str, str]) -> Settings:
    named = {"approvals", "keep", "functions", "mcp", "clients", "sandbox", "serve", "origins", "said", *ROLES}
    others = {"home", "policy", "limits", "budget", *_OF_ALL_CALLS, *named}
    plain = {one.name for one in fields(Settings)} - others
    return Settings(
        home=home,
        orchestrator=RoleModel(read.get("model"), read.get("base_url")),
        generator=RoleModel(read.get("generator.model"), read.get("generator.base_url")),
        examiner=RoleModel(read.get("examiner.model"), read.get("examiner.base_url")),
        policy=read_policy(Path(read["policy"]).expanduser()) if "policy" in read else home_policy(home),
        limits=_limits(read),
        sandboxes=read.get("limits.sandboxes"),
        calls_per_minute=read.get("limits.calls_per_minute"),
        approvals=Answering(**_table(read, "approvals.")),
        keep=Keep(**_table(read, "keep.")),
        serve=Serving(**_table(read, "serve.")),
        sandbox=BoxSettings(**_table(read, "sandbox.")),
        budget=Budget(**_table(read, "budget.")),
        functions=_functions(read),
        mcp=read.get("tools.mcp", ()),
        clients=Clients(**_table(read, "clients.")),
        origins=origins,
        said=read,
        **{key: value for key, value in read.items() if key in plain},
    )


def _functions(read: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    named = [(key.removeprefix(TOOLS), value) for key, value in read.items() if names_a_tool(key)]
    return (*(("", reference) for reference in read.get("tools.functions", ())), *named)


def names_a_tool(key: str) -> bool:
    """Whether *key* is `tools.NAME`, which registers a function under that name."""
    return key.startswith(TOOLS) and key not in KEYS and key.removeprefix(TOOLS).isidentifier()


def home_policy(home: Path) -> Policy:
    """The policy in the home's own file, or the defaults. SettingsError."""
    path = home / "policy.toml"
    return read_policy(path) if _there(path) else Policy()


def _there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}.") from error


def read_policy(path: Path) -> Policy:
    """The policy in a TOML file. SettingsError with the line for what does not parse."""
    document, text = _toml(path)
    return policy_from(document, str(path), text)


def _toml(path: Path) -> tuple[dict[str, Any], str]:
    try:
        return read_toml(path.read_bytes())
    except FileNotFoundError:
        raise SettingsError(f"{path}: there is no such file.") from None
    except (UnreadableError, OSError) as error:
        raise SettingsError(f"{path}: cannot be read: {error}.") from error


def _table(read: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {key.removeprefix(prefix): value for key, value in read.items() if key.startswith(prefix)}


def _limits(read: Mapping[str, Any]) -> Limits:
    own = {key: value for key, value in _table(read, "limits.").items() if key not in _OF_ALL_CALLS}
    return replace(STRICT_LIMITS if own.pop("profile", "default") == "strict" else Limits(), **own)


def _from_file(path: Path) -> dict[str, tuple[Any, str]]:
    if not _there(path):
        return {}
    found: dict[str, tuple[Any, str]] = {}
    for key, value in _toml(path)[0].items():
        if isinstance(value, dict):
            found.update({f"{key}.{name}": (inner, str(path)) for name, inner in value.items()})
        else:
            found[key] = (value, str(path))
    found = _spelled(found)
    for key in found:
        if key not in KEYS and not names_a_tool(key):
            like = difflib.get_close_matches(key, KEYS, 1)
            hint = f"did you mean {like[0]!r}?" if like else "docs/settings.md lists them."
            raise SettingsError(f"{path}: unknown setting {key!r}; {hint}")
    return found


def variable_of(key: str) -> str:
    """The environment variable that sets *key*: `TOOLWRIGHT_LIMITS_WALL_S` for `limits.wall_s`."""
    return ENV_PREFIX + key.upper().replace(".", "_")


def _from_environment() -> dict[str, tuple[Any, str]]:
    names = {variable_of(key): key for key in (*KEYS, SHORT)}
    return _spelled({key: (os.environ[name], f"${name}") for name, key in names.items() if os.environ.get(name)})


def read_setting(key: str, value: Any, origin: str = "given") -> Any:
    """*value* as the setting *key* takes it. SettingsError with key, value and *origin* for one that cannot be."""
    if key not in KEYS and not names_a_tool(key):
        raise SettingsError(f"unknown setting {key!r}.")
    try:
        return KEYS[key](value) if key in KEYS else reference_of(value)
    except (ValueError, TypeError, OverflowError) as error:
        raise SettingsError(f"setting {key} = {without_passwords(repr(value))} ({origin}): {error}.") from None


def without_passwords(text: str) -> str:
    """*text* with `***` for the user name and password of each address in it."""
    # Up to the last @ before the path: a password may hold one that nobody encoded, or a # or ?.
    return re.sub(r"(?<=://)[^/\s]+@", "***@", text)
