"""Words of a command line go in; one JSON text, which the footer of a tool file takes, stands in their place.

Standard library only, no import of Toolwright: it is read as text and must stay whole when it is indented.
"""

import json
import re
import sys
from typing import Any

_WHOLE = re.compile(r"[+-]?[0-9]+\Z")
_KINDS: dict[Any, Any] = {
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
    "object": dict,
    "null": type(None),
}
_NONE = object()


def ready(about: dict[str, Any]) -> None:
    """Make `sys.argv` what the footer takes. *about* has `usage`, `help`, `schema`; help and wrong use end here."""
    words = sys.argv[1:]
    if words[:1] in (["-h"], ["--help"]):
        print(f"usage: {about['usage']}\n\n{about['help']}")
        raise SystemExit(0)
    if not words and not sys.stdin.isatty():
        return  # JSON on standard input
    if len(words) == 1 and not words[0].startswith("--"):
        return
    try:
        found = _flags(about["schema"], words)
        missing = [_flag(one) for one in about["schema"].get("required", ()) if one not in found]
        if missing:
            raise ValueError(f"{', '.join(missing)} must be given too")
    except ValueError as error:
        print(json.dumps({"error": {"type": "UsageError", "message": f"{error}; --help says what is taken"}}))
        raise SystemExit(2) from None
    sys.argv[1:] = [json.dumps(found)]


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _flags(schema: dict[str, Any], words: list[str]) -> dict[str, Any]:
    by_flag = {_flag(name): name for name in schema["properties"]}
    given: dict[str, list[str]] = {}
    found: dict[str, Any] = {}
    rest = list(words)
    while rest:
        word, has_value, value = rest.pop(0).partition("=")
        name = by_flag.get(word.replace("_", "-"))
        negated = by_flag.get(word.replace("_", "-").replace("--no-", "--", 1)) if name is None else None
        if name is None and negated is not None and not has_value:
            kinds = [one.get("type") for one in _options(schema["properties"][negated], schema)]
            found[negated] = None if "null" in kinds else False
        elif name is None:
            raise ValueError(f"{word!r} is no flag; there are {', '.join(by_flag) or 'none'}")
        elif has_value:
            given.setdefault(name, []).append(value)
        elif _is_switch(schema["properties"][name], schema) and rest[:1] not in (["true"], ["false"]):
            found[name] = True
        elif not rest:
            raise ValueError(f"{word} needs a value")
        else:
            given.setdefault(name, []).append(rest.pop(0))
    return found | {name: _value(name, schema, texts) for name, texts in given.items()}


def _options(one: Any, whole: dict[str, Any], depth: int = 0) -> list[dict[str, Any]]:
    """The alternatives of a schema, those that stand elsewhere in *whole* put in their place."""
    if not isinstance(one, dict) or depth > 9:
        return [{}]
    if "$ref" in one:
        found: Any = whole
        for part in str(one["$ref"]).removeprefix("#/").split("/"):
            found = found.get(part, {}) if isinstance(found, dict) else {}
        return _options(found, whole, depth + 1)
    if "anyOf" in one:
        return [each for some in one["anyOf"] for each in _options(some, whole, depth + 1)]
    return [one]


def _is_switch(one: Any, whole: dict[str, Any]) -> bool:
    return [each.get("type") for each in _options(one, whole)] == ["boolean"]


def _value(name: str, whole: dict[str, Any], texts: list[str]) -> Any:
    options = _options(whole["properties"][name], whole)
    for one in sorted(options, key=lambda option: option.get("type") == "null"):
        if len(texts) == 1:
            found = _read(one, texts[0])
            if found is not _NONE:
                return found
        if one.get("type") == "array":
            items = [_item(one.get("items", {}), whole, text) for text in texts]
            if _NONE not in items:
                return items
    wanted = " or ".join(json.dumps(one["enum"]) if "enum" in one else str(one.get("type")) for one in options)
    raise ValueError(f"{_flag(name)} {' '.join(map(repr, texts))}: it takes {wanted}")


def _item(schema: Any, whole: dict[str, Any], text: str) -> Any:
    return next((found for one in _options(schema, whole) if (found := _read(one, text)) is not _NONE), _NONE)


def _read(schema: dict[str, Any], text: str) -> Any:
    """*text* as a value of *schema*, which has one type; `_NONE` if it is none."""
    if "enum" in schema:
        return next((one for one in schema["enum"] if text in (one, json.dumps(one))), _NONE)
    kind = schema.get("type")
    if kind == "string":
        return text
    if kind == "integer" and not _WHOLE.match(text):
        return _NONE
    try:
        value = json.loads(text.removeprefix("+") if kind in ("integer", "number") else text)
    except (ValueError, RecursionError):
        return _NONE if kind else text
    if kind in _KINDS and (not isinstance(value, _KINDS[kind]) or (isinstance(value, bool) and kind != "boolean")):
        return _NONE
    return value
