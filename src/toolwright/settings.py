"""A home's file, the environment and what a caller passes go in; one frozen Settings comes out, read once at a door."""

from __future__ import annotations

import difflib
import json
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal

from toolwright.errors import SettingsError
from toolwright.homes import find_home
from toolwright.policy import Policy, policy_from
from toolwright.powers import STRICT_LIMITS, Limits

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
    sandbox: Literal["auto", "full", "landlock"] = "auto"
    policy: Policy = field(default_factory=Policy)
    limits: Limits = field(default_factory=Limits)
    functions: tuple[tuple[str, str], ...] = ()
    """A person's own tools: the name to register each under (or ''), and `module:function`."""
    mcp: tuple[str, ...] = ()
    """MCP servers whose tools are a person's own: a command or an address each."""
    origins: Mapping[str, str] = field(default_factory=dict)
    said: Mapping[str, Any] = field(default_factory=dict)
    """What was said of each key that is not left to its default, as it was read."""


def _choice(*allowed: str) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in allowed:
            raise ValueError(f"must be one of {', '.join(allowed)}")
        return str(value)

    return read


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be a text that is not empty")
    return value.strip()


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return float("nan")
    try:
        return float(value)
    except (ValueError, OverflowError):
        return float("nan")


def _count(value: Any) -> int:
    number = _number(value)
    if not 0 <= number < 2**53 or number != int(number):
        raise ValueError("must be a whole number, 0 or more")
    return int(number)


def _at_least_one(value: Any) -> int:
    if (number := _number(value)) != number or number < 1:
        raise ValueError("must be a whole number, 1 or more")
    return _count(value)


def _seconds(value: Any) -> float:
    number = _number(value)
    if not 0 < number < float("inf"):
        raise ValueError("must be a number of seconds above 0")
    return number


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if str(value).lower() in ("1", "true", "yes", "on"):
        return True
    if str(value).lower() in ("0", "false", "no", "off"):
        return False
    raise ValueError("must be true or false")


def _reference(value: Any) -> str:
    text = _text(value)
    if ":" not in text:
        raise ValueError("must be module:function, such as billing:lookup")
    return text


def _references(value: Any) -> tuple[str, ...]:
    return tuple(map(_reference, _listed(value, None)))


def _servers(value: Any) -> tuple[str, ...]:
    return tuple(map(_text, _listed(value, "\n")))


def _listed(value: Any, separator: str | None) -> list[Any]:
    """A list; or a text, as in the environment: JSON of a list, or items between separators (None: white space)."""
    if isinstance(value, str):
        if not value.lstrip().startswith("["):
            return [item for item in value.split(separator) if item.strip()]
        value = json.loads(value)
    if not isinstance(value, list):
        raise ValueError("must be a list of texts")
    return value


def _name(value: Any) -> str:
    text = str(value)
    if not text.isidentifier() or not text.isascii():
        raise ValueError("must be letters, digits and underscores")
    return text


KEYS: Mapping[str, Callable[[Any], Any]] = {
    "model": _text,
    "base_url": _text,
    "generator.model": _text,
    "generator.base_url": _text,
    "examiner.model": _text,
    "examiner.base_url": _text,
    "surface": _choice("native", "fixed"),
    "namespace": _name,
    "max_new_tools": _count,
    "max_tools": _count,
    "attempts": _at_least_one,
    "max_steps": _at_least_one,
    "run_wall_s": _seconds,
    "stream": _flag,
    "context_tokens": _at_least_one,
    "local_servers": _text,
    "sandbox": _choice("auto", "full", "landlock"),
    "tools.functions": _references,
    "tools.mcp": _servers,
    "policy": _text,
    "limits.profile": _choice("default", "strict"),
    "limits.wall_s": _seconds,
    "limits.cpu_s": _seconds,
    "limits.load_s": _seconds,
    "limits.memory_bytes": _count,
    "limits.answer_bytes": _count,
    "limits.output_bytes": _count,
    "limits.files_bytes": _count,
    "limits.files_count": _count,
    "limits.threads": _count,
}
"""Every setting by its dotted name in `config.toml`, with its reader; `$TOOLWRIGHT_MAX_TOOLS` sets `max_tools` too."""


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
    values.update({key: (value, "given") for key, value in (given or {}).items() if value is not None})
    read = {key: read_setting(key, value, origin) for key, (value, origin) in values.items()}
    origins = {"home": said_by} | {key: origin for key, (_, origin) in values.items()}
    return _settings(place, read, origins)


def _settings(home: Path, read: Mapping[str, Any], origins: Mapping[str, str]) -> Settings:
    others = {"home", "policy", "limits", "functions", "mcp", "origins", "said", *ROLES}
    plain = {one.name for one in fields(Settings)} - others
    return Settings(
        home=home,
        orchestrator=RoleModel(read.get("model"), read.get("base_url")),
        generator=RoleModel(read.get("generator.model"), read.get("generator.base_url")),
        examiner=RoleModel(read.get("examiner.model"), read.get("examiner.base_url")),
        policy=read_policy(Path(read["policy"]).expanduser()) if "policy" in read else home_policy(home),
        limits=_limits(read),
        functions=_functions(read),
        mcp=read.get("tools.mcp", ()),
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
    return policy_from(_toml(path), str(path))


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"{path}: there is no such file.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise SettingsError(f"{path}: cannot be read: {error}.") from error


def _limits(read: Mapping[str, Any]) -> Limits:
    own = {key.removeprefix("limits."): value for key, value in read.items() if key.startswith("limits.")}
    return replace(STRICT_LIMITS if own.pop("profile", "default") == "strict" else Limits(), **own)


def _from_file(path: Path) -> dict[str, tuple[Any, str]]:
    if not _there(path):
        return {}
    found: dict[str, tuple[Any, str]] = {}
    for key, value in _toml(path).items():
        if isinstance(value, dict):
            found.update({f"{key}.{name}": (inner, str(path)) for name, inner in value.items()})
        else:
            found[key] = (value, str(path))
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
    names = {variable_of(key): key for key in KEYS}
    return {key: (os.environ[name], f"${name}") for name, key in names.items() if os.environ.get(name)}


def read_setting(key: str, value: Any, origin: str = "given") -> Any:
    """*value* as the setting *key* takes it. SettingsError with key, value and *origin* for one that cannot be."""
    if key not in KEYS and not names_a_tool(key):
        raise SettingsError(f"unknown setting {key!r}.")
    try:
        return KEYS[key](value) if key in KEYS else _reference(value)
    except (ValueError, TypeError, OverflowError) as error:
        raise SettingsError(f"setting {key} = {without_passwords(repr(value))} ({origin}): {error}.") from None


def without_passwords(text: str) -> str:
    """*text* with `***` for the user name and password of each address in it."""
    # Up to the last @ before the path: a password may hold one that nobody encoded, or a # or ?.
    return re.sub(r"(?<=://)[^/\s]+@", "***@", text)
