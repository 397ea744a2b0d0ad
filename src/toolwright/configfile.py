"""Settings as a list, each with where it comes from; and one setting written into `config.toml`, or taken out of it."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolwright.errors import NotFoundError, SettingsError
from toolwright.models.address import checked_url
from toolwright.settings import (
    CONFIG_FILE,
    KEYS,
    TOOLS,
    Settings,
    names_a_tool,
    read_policy,
    read_setting,
    variable_of,
    without_passwords,
)
from toolwright.store.files import TEMP, locked, make_folder, sync_folder, write_new, writing

LEFT_OPEN: Mapping[str, str] = {
    "approvals.timeout_s": "for good",
    "model": "the first that can be had",
    "base_url": "the provider's",
    "generator.model": "as model",
    "generator.base_url": "as base_url",
    "examiner.model": "as model",
    "examiner.base_url": "as base_url",
    "context_tokens": "what the server reports, or 128,000",
    "embeddings": "off",
    "embeddings_base_url": "as base_url",
    "store_region": "as AWS's own settings say",
    "store_s3_url": "Amazon's",
    "store_dynamodb_url": "Amazon's",
    "signer": "a key of the home's own",
    "sandbox.engine": "the first that is found",
    "sandbox.image": "python:3.12-slim, pinned",
    "sandbox.runtime": "the engine's",
    "keep.traces_days": "for good",
    "keep.values_days": "for good",
    "keep.prompts_days": "for good",
    "policy": "policy.toml in the home",
    "limits.sandboxes": "4 for each core",
    "limits.calls_per_minute": "off",
    **{key: "no cap" for key in KEYS if key.startswith("budget.")},
}
"""What holds where the default is no value, in words."""

_LOCK = "config.lock"


@dataclass(frozen=True, slots=True)
class SettingValue:
    """One setting: what holds, where that comes from, and the default; no value is ever a password."""

    key: str
    value: Any
    """None where the default is left to circumstances; `LEFT_OPEN` says to which."""
    origin: str
    """`default`, the path of a file, `$VARIABLE`, `given` (a flag, or the caller), or `limits.profile`."""
    default: Any


def values(settings: Settings) -> list[SettingValue]:
    """Every setting of *settings*, in the order of the page of settings."""
    return [_value(settings, key) for key in dict.fromkeys([*KEYS, *settings.said])]


def value(settings: Settings, key: str) -> SettingValue:
    """The setting *key*. NotFoundError with names like it for one that is not there."""
    check_key(key, settings.said)
    return _value(settings, key)


def check_key(key: str, also: Sequence[str] | Mapping[str, Any] = ()) -> None:
    """NotFoundError with names like it, unless *key* is a setting, or one of *also*."""
    if key in KEYS or key in also or names_a_tool(key):
        return
    names = list(dict.fromkeys([*KEYS, *also]))
    like = difflib.get_close_matches(key, names, 3, 0.75) or [name for name in names if name.rpartition(".")[2] == key]
    hint = f"Did you mean {' or '.join(like)}?" if like else "`toolwright config list` shows all."
    raise NotFoundError(f"There is no setting {key!r}. {hint}")


def set_value(home: Path, key: str, text: str | Sequence[str]) -> Any:
    """Write *text* as the setting *key* into the home's `config.toml`; comments and order stay. What was read of it.

    A sequence is a list. A relative path of a policy is made whole, and its file must be one that can be read; a base
    URL must be an address without a password. NotFoundError for no such key, UserError for a value that cannot be, and
    SettingsError for a file that cannot be read.
    """
    check_key(key)
    read = read_setting(key, _listed(text))
    if key == "policy":
        read = str(Path(read).expanduser().absolute())
        read_policy(Path(read))
    elif key.rpartition(".")[2] == "base_url":
        checked_url(read)
    with _changed(home) as kept:
        kept[0] = _put(kept[0], key, _written(read))
    return read


def unset(home: Path, key: str) -> bool:
    """Take the setting *key* out of the home's `config.toml`; whether it stood there.

    A key that is no setting can be taken out, too: that is how a wrong one goes. NotFoundError if it is not there.
    """
    if not (home / CONFIG_FILE).exists():
        check_key(key)
        return False
    with _changed(home) as kept:
        without = _drop(kept[0], key)
        if without is None:
            check_key(key)
        else:
            kept[0] = without
    return without is not None


def overridden_by(key: str) -> str:
    """`$VARIABLE` if the environment says *key*, and so goes over any file; else ''."""
    name = variable_of(key)
    return f"${name}" if os.environ.get(name) else ""


def harmless(one: Any) -> Any:
    """*one* with the user name and password of any address in it left out."""
    if isinstance(one, str):
        return without_passwords(one)
    return [harmless(part) for part in one] if isinstance(one, (list, tuple)) else one


def _value(settings: Settings, key: str) -> SettingValue:
    origin = settings.origins.get(key, "default")
    default = _default(key)
    now = settings.said.get(key, default)
    if key.startswith("limits.") and key != "limits.profile":
        now = getattr(settings.limits, key.partition(".")[2], now)
        if origin == "default" and now != default:
            origin = "limits.profile"
    return SettingValue(key, harmless(list(now) if isinstance(now, tuple) else now), origin, default)


def _default(key: str) -> Any:
    plain = Settings(Path())
    if key == "limits.profile":
        return "default"
    if key.startswith(TOOLS):
        return None if names_a_tool(key) else []
    table, _, name = key.rpartition(".")
    return None if key in LEFT_OPEN else getattr(getattr(plain, table) if table else plain, name)


def _written(read: Any) -> Any:
    """*read* as TOML has it: a list for a tuple, 5 for 5.0."""
    if isinstance(read, float) and read.is_integer():
        return int(read)
    return list(read) if isinstance(read, tuple) else read


def _listed(text: str | Sequence[str]) -> Any:
    """A list that is written as one (`["a", "b"]`), else *text* as it is."""
    if not isinstance(text, str):
        return list(text)
    if text.strip()[:1] == "[":
        try:
            return tomllib.loads(f"x = {text}")["x"]
        except tomllib.TOMLDecodeError:
            return text
    return text


@contextmanager
def _changed(home: Path) -> Iterator[list[str]]:
    """The text of the home's file, alone in a list; what stands there when this ends is written, whole."""
    path = home / CONFIG_FILE
    with writing(path):
        make_folder(home, home)
        with locked(home / _LOCK):
            path = path.resolve()  # a link (into somebody's dotfiles) stays one
            before = _text(path)
            kept = [before]
            yield kept
            if kept[0] != before:
                _check(path, kept[0])
                _write(path, kept[0].replace("\r\n", "\n").replace("\n", "\r\n") if "\r\n" in before else kept[0])


def _text(path: Path) -> str:
    try:
        with open(path, encoding="utf-8", newline="") as file:
            text = file.read()
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: cannot be read: {error}. Nothing was changed; mend it first.") from None
    _check(path, text)
    return text


def _check(path: Path, text: str) -> None:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path}: cannot be read: {error}. Nothing was changed; mend it first.") from None


def _write(path: Path, text: str) -> None:
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o600
    temp = path.parent / f"{TEMP}{path.name}"
    temp.unlink(missing_ok=True)  # of a writer that was killed: the lock is ours
    write_new(temp, text.encode("utf-8"))
    temp.chmod(mode)
    os.replace(temp, path)
    sync_folder(path.parent)


def _put(text: str, key: str, new: Any) -> str:
    import tomlkit
    from tomlkit.items import Table

    document = tomlkit.parse(text)
    table, _, name = key.rpartition(".")
    inside: Any = document.get(table) if table else document
    if inside is None:
        document[table] = {name: new}
    elif not isinstance(inside, dict):
        raise SettingsError(f"{CONFIG_FILE}: {table!r} is no table; `toolwright config unset {table}` takes it out.")
    elif isinstance(inside.get(name), dict):
        raise SettingsError(f"{CONFIG_FILE}: {key!r} is a table; `toolwright config unset {key}` takes it out.")
    elif not table and name not in inside:
        return _before_tables(text, f"{name} = {tomlkit.item(new).as_string()}")
    elif name in inside or not isinstance(inside, Table):
        inside[name] = new
    else:
        # What stands at a table's end (a comment, most of all) belongs to the next table: the new line goes before it.
        body, tail = inside.value.body, list[Any]()
        while body and body[-1][0] is None:
            tail.insert(0, body.pop())
        inside[name] = new
        body.extend(tail)
    return tomlkit.dumps(document)


def _before_tables(text: str, line: str) -> str:
    """*text* with *line* before its first table and the comments above that."""
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    at = next(
        (number for number, one in enumerate(lines) if one.lstrip()[:1] == "[" and _is_whole(lines[:number])), None
    )
    if at is None:
        return "".join([*lines, f"{line}\n"])
    while at and lines[at - 1].lstrip()[:1] == "#":
        at -= 1
    while at and not lines[at - 1].strip():
        at -= 1
    apart = [] if lines[at].strip() == "" else ["\n"]
    return "".join([*lines[:at], f"{line}\n", *apart, *lines[at:]])


def _is_whole(lines: list[str]) -> bool:
    """Whether a value ends with *lines*: a line that begins with `[` may stand within one."""
    try:
        tomllib.loads("".join(lines))
    except tomllib.TOMLDecodeError:
        return False
    return True


def _drop(text: str, key: str) -> str | None:
    """*text* without *key*; None if it is not there."""
    import tomlkit
    from tomlkit.items import Comment, Table

    document = tomlkit.parse(text)
    table, _, name = key.rpartition(".")
    inside: Any = document.get(table) if table else document
    if key in document:
        inside, table, name = document, "", key
    if not isinstance(inside, dict) or name not in inside:
        return None
    del inside[name]
    commented = isinstance(inside, Table) and any(isinstance(one, Comment) for _, one in inside.value.body)
    if table and not inside and not commented:
        del document[table]
    return f"{tomlkit.dumps(document).rstrip()}\n".lstrip("\n")
