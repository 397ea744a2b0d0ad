"""The one-file form of a tool: a ToolVersion goes in, `N.py` (header, body, footer) and `N.json` come out, and back.

The body stands in the file byte for byte; nothing of a file is executed to read it.
"""

from __future__ import annotations

import functools
import hashlib
import json
import textwrap
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolwright.errors import EditedError, SpecError, ToolwrightError
from toolwright.tool import ToolVersion, digest_of
from toolwright.toolrecord import record_of, version_of

BEGIN = "# ---- the tool's own code: everything from here to the footer is covered by its digest ----"
END = "# ---- footer, appended by Toolwright: JSON arguments in, JSON answer out ----"
_NOTE = (
    "# Made by Toolwright. Running this file yourself (`uv run FILE '{\"name\": value}'`) is your own act, outside\n"
    "# the sandbox: Toolwright itself never runs it so. Read it first; edits are noticed by the digest above."
)
_MAIN = """
    def answer(function):
        import contextlib
        import sys

        try:
            text = sys.argv[1] if sys.argv[1:] else sys.stdin.read()
            arguments = json.loads(text or "{}")
            if not isinstance(arguments, dict):
                raise TypeError("the arguments must be a JSON object of names and values")
            with contextlib.redirect_stdout(sys.stderr):
                value = encode(function(**bind(function, arguments)))
            print(json.dumps(json.loads(json.dumps(value), parse_constant=str)))
        except Exception as error:
            print(json.dumps({"error": {"type": type(error).__name__, "message": str(error)}}))
            return 1
        return 0

    return answer
"""


@dataclass(frozen=True, slots=True)
class ToolText:
    """The parts of a tool file: what its header says, the body, the footer, and the header as text."""

    source: str
    header: Mapping[str, Any]
    """`[tool.toolwright]`, with `python` (the range) and `dependencies` beside it."""
    footer: str
    head: str

    @property
    def digest(self) -> str:
        """The digest of what stands in this file; SpecError if its header cannot tell."""
        try:
            return digest_of(
                {
                    "name": self.header["name"],
                    "description": self.header["description"],
                    "source": self.source,
                    "input_schema": json.loads(self.header["input_schema"]),
                    "output_schema": json.loads(self.header["output_schema"]),
                    "powers": self.header["powers"],
                    "packages": sorted(self.header["lock"]),
                    "python": self.header["python"],
                }
            )
        except (KeyError, TypeError, ValueError) as error:
            raise SpecError(f"The header of this tool file cannot be read: {error!r}.") from None


def write(version: ToolVersion) -> str:
    """The text of `N.py`, UTF-8 with `\\n` line ends. SpecError for a body that no file can hold."""
    source = version.candidate.source
    try:
        source.encode("utf-8")
    except UnicodeEncodeError as error:
        raise SpecError(f"{version}: the source holds {error.object[error.start]!r}, which no file can.") from None
    return f"{_head(version)}{source}\n{END}\n{_footer(version.name)}"


def read(text: str) -> ToolText:
    """The parts of a tool file; SpecError with what is missing if *text* is none. Its digest is not checked here."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    opening = text.find(f"\n{BEGIN}\n")
    if not text.startswith("# /// script\n") or opening < 0:
        raise SpecError("This is not a tool file: its header is missing.")
    begin = opening + len(BEGIN) + 2
    # The footer holds its first line only once: the last one is the true one, whatever the body says.
    end = text.rfind(f"\n{END}\n", begin)
    if end < 0:
        raise SpecError("This tool file is cut off: its footer is missing.")
    return ToolText(text[begin:end], _header(text[:opening]), text[end + 1 :], text[:begin])


def to_record(version: ToolVersion) -> dict[str, Any]:
    """The JSON object of `N.json`: what the version was judged on, its origin, and a sum for each part of its file."""
    return {"format": 1, **record_of(version), "file": _sums(read(write(version)))}


def from_record(text: str, record: Mapping[str, Any] | str | bytes, *, number: int) -> ToolVersion:
    """The version in the texts of `N.py` and `N.json`.

    EditedError, with the file's name, the part that changed and the cure, unless both are as they were written.
    """
    data = load_record(record, number)
    name = data["name"]
    here = f"tools/{name}/{number}.py"
    cure = f"restore it, or run `toolwright registry adopt {name}` to validate it as the next version."
    try:
        parts = read(text)
    except SpecError as error:
        raise EditedError(f"{here} was edited: {error} To go on, {cure}") from None
    if changed := [part for part, total in _sums(parts).items() if data["file"].get(part) != total]:
        raise EditedError(f"{here} was edited: its {' and '.join(changed)} changed. To go on, {cure}")
    try:
        version = version_of(data, parts.source, number)
        same = version.digest == data["digest"] == parts.header.get("digest")
    except (KeyError, TypeError, ValueError, AttributeError, ToolwrightError) as error:
        raise EditedError(f"tools/{name}/{number}.json cannot be read as its record ({error!r}). {_LOST}") from None
    if not same and any("@" not in one for one in data["powers"]["secrets"]):
        raise EditedError(
            f"{name}@{number} is from before secrets were bound to a host: its tool was handed their values. "
            f"`toolwright registry adopt {name}` validates it anew, with `plain_secrets`."
        )
    if not same:
        raise EditedError(f"{here} and its record {number}.json do not belong together: digests differ. {_LOST}")
    return version


_LOST = "Restore both files from a copy, or delete both and make the tool anew."


def load_record(record: Mapping[str, Any] | str | bytes, number: int) -> Mapping[str, Any]:
    """The object in the text of `N.json`; EditedError for torn JSON or anything else."""
    try:
        data = json.loads(record) if isinstance(record, (str, bytes)) else record
    except (ValueError, RecursionError) as error:
        raise EditedError(f"{number}.json is torn: {error}. {_LOST}") from None
    if (
        not isinstance(data, Mapping)
        or not isinstance(data.get("name"), str)
        or not isinstance(data.get("file"), Mapping)
    ):
        raise EditedError(f"{number}.json is not the record of a tool. {_LOST}")
    return data


def _sums(parts: ToolText) -> dict[str, str]:
    named = {"header": parts.head, "code": parts.source, "footer": parts.footer}
    return {name: hashlib.sha256(part.encode("utf-8", "surrogateescape")).hexdigest() for name, part in named.items()}


def _head(version: ToolVersion) -> str:
    candidate, spec = version.candidate, version.spec
    pins = [line.split(" --hash", 1)[0].strip() for line in candidate.lock]
    lines = [
        f"requires-python = {_toml(candidate.python)}",
        f"dependencies = {_toml(pins)}",
        "",
        "[tool.toolwright]",
        f"name = {_toml(spec.name)}",
        f"version = {version.number}",
        f"description = {_toml(spec.description)}",
        f"effect = {_toml(candidate.effect)}",
        f"digest = {_toml(version.digest)}",
        f"input_schema = {_toml(json.dumps(dict(spec.input_schema), ensure_ascii=False))}",
        f"output_schema = {_toml(json.dumps(dict(spec.output_schema), ensure_ascii=False))}",
        f"lock = {_toml(list(candidate.lock))}",
        "",
        "[tool.toolwright.powers]",
        *(f"{kind} = {_toml(powers)}" for kind, powers in candidate.grant.to_json().items()),
    ]
    block = "".join(f"# {line}".rstrip() + "\n" for text in lines for line in text.split("\n"))
    return f"# /// script\n{block}# ///\n\n{_NOTE}\n{BEGIN}\n"


def _toml(value: str | list[str] | bool) -> str:
    """`true` or `false`, a TOML string (a literal one where that is easier to read), or a list of them, one a line."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "[" + "".join(f"\n  {_toml(one)}," for one in value) + ("\n]" if value else "]")
    if value.isprintable() and "'" not in value and ('"' in value or "\\" in value):
        return f"'{value}'"
    text = json.dumps(value, ensure_ascii=False)
    return "".join(one if one.isprintable() else f"\\U{ord(one):08X}" for one in text)


def _header(head: str) -> dict[str, Any]:
    """What the header's TOML says; SpecError if it is none."""
    lines = head.split("\n")
    end = lines.index("# ///") if "# ///" in lines else 0
    try:
        data = tomllib.loads("\n".join(line.removeprefix("#").removeprefix(" ") for line in lines[1:end]))
        table = dict(data["tool"]["toolwright"])
        return {**table, "python": data["requires-python"], "dependencies": data["dependencies"]}
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise SpecError(f"The header of this tool file cannot be read: {error!r}.") from None


def codec() -> str:
    """Standard library text with `bind`, `decode` and `encode` (docs/types.md); it stands in every footer."""
    return Path(__file__).with_name("_codec.py").read_text(encoding="utf-8")


@functools.cache
def _machinery() -> str:
    """The footer's function: the codec, whole and indented, so that none of its names meets the tool's own."""
    return textwrap.indent(machinery(), "    ")


def machinery() -> str:
    """The same at module level: `_toolwright()(function)` answers a command line, and gives its exit code."""
    return "def _toolwright():\n" + textwrap.indent(codec(), "    ") + _MAIN


def _footer(name: str) -> str:
    body = _machinery()
    return f'if __name__ == "__main__":\n\n{body}\n    raise SystemExit(_toolwright()({name}))\n'
