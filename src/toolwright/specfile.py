"""A file that says which tool is wanted goes in; the keywords of `request_new_tool` come out, each key known."""

from __future__ import annotations

import difflib
import json
import sys
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from toolwright.errors import SpecError, UserError

KEYS = (
    "tool_name",
    "description",
    "input_params",
    "return_type",
    "example",
    "powers",
    "packages",
    "effect",
    "deterministic",
    "stateful",
    "reason",
)
"""What can be said of a tool that is wanted."""

_ALSO = {"name": "tool_name", "examples": "example"}
_LARGEST = 1 << 20


def read_spec(path: Path) -> dict[str, Any]:
    """What the file says, by its ending: `.toml`, `.json`, `.yaml` or `.yml`. UserError with place and cure.

    `-` is JSON on standard input.
    """
    if str(path) == "-":
        return checked(_parsed(json.loads, sys.stdin.read(), "standard input"), "standard input")
    readers: Mapping[str, Callable[[str], Any]] = {
        ".toml": tomllib.loads,
        ".json": json.loads,
        ".yaml": _yaml,
        ".yml": _yaml,
    }
    if path.suffix.lower() not in readers:
        raise UserError(f"{path}: a spec is a .toml, .json, .yaml or .yml file; or - for JSON on standard input.")
    return checked(_parsed(readers[path.suffix.lower()], _text(path), str(path)), str(path))


def checked(said: Any, where: str) -> dict[str, Any]:
    """*said* if it is a mapping of known keys only; SpecError with the key that was meant."""
    if not isinstance(said, Mapping):
        raise SpecError(f"{where}: a spec has keys with values ({', '.join(KEYS[:5])}, …), and this has none.")
    if said.get("type") == "spec":  # as `make --json` printed it
        said = {key: value for key, value in said.items() if key not in ("type", "alike")}
    found: dict[str, Any] = {}
    for key, value in said.items():
        known = _ALSO.get(str(key), str(key))
        if known not in KEYS:
            like = difflib.get_close_matches(str(key), [*KEYS, *_ALSO], 1)
            hint = f"Did you mean {like[0]!r}?" if like else f"The keys are {', '.join(KEYS)}."
            raise SpecError(f"{where}: a spec has no key {str(key)!r}. {hint}")
        if known in found:
            raise SpecError(f"{where}: {known!r} is said twice; leave one of them out.")
        found[known] = value
    return found


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST:
            raise UserError(f"{path} is larger than {_LARGEST >> 20} MiB (fixed); a spec is a few lines.")
        return path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read: {error}. Name a file of text in UTF-8.") from error


def _parsed(reader: Callable[[str], Any], text: str, where: str) -> Any:
    try:
        return reader(text)
    except (ValueError, RecursionError) as error:
        raise SpecError(f"{where}: cannot be read: {error}") from None


def _yaml(text: str) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from None
