"""The words around a block of code go in, the powers and packages that they declare line by line come out."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import Any

KINDS = ("hosts", "reads", "writes", "secrets", "plain_secrets", "tcp", "subprocess")
MAX_TEXT = 2**16

_LINE = re.compile(
    r"^[ \t>*#-]*(?P<label>hosts?|reads?|writes?|secrets?|plain[ _]secrets?|tcp|subprocess|packages?|dependencies)"
    r"[ \t*`]*:[ \t*]*(?P<said>\S.*)$",
    re.IGNORECASE | re.MULTILINE,
)
_FENCED = re.compile(r"^[ \t]*(`{3,}|~{3,}).*?(?:^[ \t]*\1[ \t]*$|\Z)", re.DOTALL | re.MULTILINE)
_NONE = frozenset(
    {"", "none", "no", "nothing", "n/a", "-", "[]", "{}", "null", "standard library", "standard library only"}
)
_LISTED = re.compile(r"\A[\w./:*@~<>=!\[\]-]+\Z")


def declared_in(text: str) -> dict[str, Any]:
    """`{"powers": {…}, "packages": […]}` as far as lines such as `Hosts: api.example.com` outside any block say it.

    A line whose value is a sentence declares nothing: it tells about the code.
    """
    powers: dict[str, list[str]] = {}
    packages: list[str] | None = None
    for found in _LINE.finditer(_FENCED.sub("", text[:MAX_TEXT])):
        label, values = found["label"].lower().replace(" ", "_"), _values(found["said"])
        label = label if label == "subprocess" else label.rstrip("s")
        if values is None:
            continue
        if label in ("package", "dependencie"):
            packages = [*(packages or ()), *values]
        else:
            powers.setdefault(label if label in KINDS else f"{label}s", []).extend(values)
    said: dict[str, Any] = {"powers": powers} if powers else {}
    return said if packages is None else {**said, "packages": packages}


def header_in(toml: str) -> dict[str, Any]:
    """The same out of a script header: `dependencies`, and the `powers` of its `[tool.toolwright]` table."""
    try:
        table = tomllib.loads(toml)
    except tomllib.TOMLDecodeError:
        return {}
    listed = table.get("dependencies")
    tool = table.get("tool")
    own = tool.get("toolwright") if isinstance(tool, Mapping) else None
    said: dict[str, Any] = {}
    if isinstance(listed, list):
        said["packages"] = [one for one in listed if isinstance(one, str)]
    if isinstance(own, Mapping):
        given = own.get("powers")
        said["powers"] = given if isinstance(given, Mapping) else {key: own[key] for key in KINDS if key in own}
    return said


def _values(said: str) -> list[str] | None:
    """The list that *said* is; empty for a word that means nothing, None for a sentence."""
    words = said.strip().strip("[]`*. ").lower()
    if words in _NONE:
        return []
    values = [one.strip().strip("`'\"[]() ") for one in re.split(r"[,;]| and ", said.strip().rstrip("."))]
    return values if all(_LISTED.match(one) for one in values) else None
