"""A reply's words and structure go in; the one Python file that it meant comes out, as text, with what it declared."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from toolwright.answers.python import attempted, functions, is_outline, parsed, tidy

MAX_TEXT = 2**20
"""Characters of a reply that are looked at; a source over 256 KiB fails its first check anyway."""

_SOURCE_KEYS = ("source", "code", "python", "source_code", "python_code", "implementation", "function", "tool", "file")
_WRAPPERS = ("arguments", "parameters", "input", "answer", "result", "function", "tool", "data", "output", "final")
_THINKING = re.compile(r"<(think|thinking|reasoning)>.*?</\1>", re.DOTALL | re.IGNORECASE)
_FENCE = re.compile(r"[ \t>]*(`{3,}|~{3,})[ \t]*([^`]*)\Z")
_BROKEN_JSON = re.compile(
    r'"(?:source|code)"\s*:\s*"(.*?)"\s*(?:,\s*"(?:packages|powers|notes)"\s*:|\}\s*(?:```\s*)?\Z)', re.DOTALL
)
_NUMBERED = re.compile(r"[ \t]*\d+[ \t]*[|:](?: |$)?")
_LOOKS_LIKE_CODE = re.compile(r"^[ \t]*(?:async[ \t]+)?(?:def|class|import|from)[ \t]+\w", re.MULTILINE)
_HOLDS_CODE = re.compile(r"(?:def|class|import)[ \t]+\w")
_CODE_START = re.compile(
    r"(?:from\s+\w|import\s+\w|def\s+\w|async\s+def\s|class\s+\w|@\w|[A-Z_][A-Z_0-9]*\s*[:=]|#|\"{3}|'{3})"
)
_MAX_TRIES = 40


@dataclass(frozen=True, slots=True)
class CodeAnswer:
    """The file that a reply held (`source` '' if none, then `problem` says why), and what it declared, still raw."""

    source: str
    declared: Mapping[str, Any] = field(default_factory=dict)
    """The structured answer's own keys (`packages`, `powers`, `notes`); empty for a plain text."""
    problem: str = ""


def code_in(text: str, data: Mapping[str, Any] | None, function: str) -> CodeAnswer:
    """The file in a reply (its words *text*, its structure *data*) that best fits a tool called *function*.

    A piece that defines *function* comes first, then one that tries to, then any Python with a function, then whatever
    looks like code; of several blocks the later one, since models draft before they settle.
    """
    said = _THINKING.sub("", text[:MAX_TEXT])
    declared = _structure(said, data, depth=3) or dict(data or {})
    pieces = [piece for given in _sources(declared) for piece in _pieces(given[:MAX_TEXT])]
    source = _best(pieces, function)
    if not re.search(rf"\bdef\s+{re.escape(function)}\b", source):
        source = _best([*pieces, *_pieces(said)], function)
    if not source:
        return CodeAnswer("", declared, _nothing(said, declared))
    try:
        source.encode("utf-8")
    except UnicodeEncodeError:
        return CodeAnswer("", declared, "The code holds characters that are not Unicode text (lone surrogates).")
    return CodeAnswer(source, declared)


def _nothing(said: str, declared: Mapping[str, Any]) -> str:
    words = " ".join(said.split()) or (json.dumps(dict(declared), default=str) if declared else "")
    if not words:
        return "The answer was empty: it held no code."
    return f"The answer held no Python code. It began: {words[:300]!r}"


def _structure(text: str, data: Any, depth: int) -> dict[str, Any] | None:
    """The mapping that holds the source: *data*, something inside it, or JSON in *text*; None if there is none."""
    if isinstance(data, str):
        data = json_object(data)
    if isinstance(data, Mapping):
        if _sources(data):
            return dict(data)
        for key in _WRAPPERS if depth else ():
            inner = _structure("", data.get(key), depth - 1)
            if inner is not None:
                return inner
    if not text:
        return None
    return _structure("", json_object(text), depth) or _broken_structure(text)


def _broken_structure(text: str) -> dict[str, Any] | None:
    """The source out of JSON whose quotes were not escaped."""
    found = _BROKEN_JSON.search(text)
    return {"source": found.group(1)} if found else None


def _sources(declared: Mapping[str, Any]) -> list[str]:
    found = []
    for key in _SOURCE_KEYS:
        value = declared.get(key)
        if isinstance(value, (list, tuple)) and value and all(isinstance(line, str) for line in value):
            value = "\n".join(line.rstrip("\n") for line in value)
        if isinstance(value, str) and _HOLDS_CODE.search(value):
            found.append(value)
    return found


def json_object(text: str) -> dict[str, Any] | None:
    """The first JSON object in *text* that is not empty: the whole of it, in a fence, or with prose around it."""
    decoder = json.JSONDecoder(strict=False)
    text = _THINKING.sub("", text[:MAX_TEXT])
    start = text.find("{")
    for _ in range(_MAX_TRIES):
        if start < 0:
            break
        try:
            found, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            end = start + 1
        else:
            if found:
                return dict(found)
        start = text.find("{", end)
    return None


def _best(pieces: Sequence[str], function: str) -> str:
    trees = [(piece, functions(tree)) for piece in pieces if (tree := parsed(piece)) is not None]
    named = re.compile(rf"^[ \t]*(?:async[ \t]+)?def[ \t]+{re.escape(function)}\b", re.MULTILINE)
    ranks = (
        (piece for piece, own in trees if function in own and not is_outline(own[function])),
        (piece for piece in pieces if parsed(piece) is None and named.search(piece)),
        (piece for piece, own in trees if own),
        (piece for piece in pieces if _LOOKS_LIKE_CODE.search(piece)),
    )
    return next((piece for rank in ranks for piece in rank), "")


def _pieces(text: str) -> list[str]:
    """Every reading of *text* as a file: its fenced blocks, a bare run of code, itself; then with slips undone."""
    whole = parsed(tidy(text))
    if whole is not None and functions(whole):
        return [tidy(text)]
    blocks = _blocks(text)
    found = [tidy(piece) for piece in [*blocks, *([] if blocks else [_bare(text)]), text]]
    for piece in list(found):
        tree = parsed(piece)
        if piece and (tree is None or not functions(tree)):
            undone = _unescaped(piece)
            mended = [_without_numbers(piece), piece.replace("\u00a0", " ")]
            found += [tidy(one) for one in [*(_blocks(undone) or [_bare(undone), undone]), *mended]]
    return [piece for piece in found if piece]


def _blocks(text: str) -> list[str]:
    """The fenced blocks of *text*, the last one first."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    fences = [(index, found) for index, line in enumerate(lines) if (found := _FENCE.match(line))]
    blocks: list[str] = []
    position = 0
    while position < len(fences) and len(blocks) < _MAX_TRIES:
        start, opening = fences[position]
        closings = [one for one in range(position + 1, len(fences)) if _closes(fences[one][1], opening)][:8]
        # The nearest fence that leaves whole Python behind it: a docstring may hold a fence of its own.
        bodies = ["\n".join(lines[start + 1 : fences[one][0]]) for one in closings]
        whole = next((index for index, body in enumerate(bodies) if parsed(tidy(body)) is not None), 0)
        blocks.append(bodies[whole] if bodies else "\n".join(lines[start + 1 :]))
        position = closings[whole] + 1 if closings else len(fences)
    return blocks[::-1]


def _closes(fence: re.Match[str], opening: re.Match[str]) -> bool:
    mark, own = fence.group(1), opening.group(1)
    return mark[0] == own[0] and len(mark) >= len(own) and not fence.group(2).strip()


def _unescaped(text: str) -> str:
    """*text* with JSON's escapes undone where it is written with them, else ''."""
    stripped = text.strip()
    if "\\n" not in stripped:
        return ""
    whole = len(stripped) > 1 and stripped[0] == stripped[-1] == '"'
    try:
        undone = json.loads(stripped if whole else f'"{_quotes_escaped(stripped)}"', strict=False)
    except ValueError:
        return ""
    return undone if isinstance(undone, str) else ""


def _quotes_escaped(text: str) -> str:
    return re.sub(r'(\\.)|"', lambda found: found.group(1) or '\\"', text, flags=re.DOTALL)


def _without_numbers(text: str) -> str:
    """*text* without the line numbers in front of every line, as a repair shows them; else ''."""
    lines = [line for line in text.split("\n") if line.strip()]
    if not lines or not all(_NUMBERED.match(line) for line in lines):
        return ""
    return "\n".join(_NUMBERED.sub("", line, count=1) for line in text.split("\n"))


def _bare(text: str) -> str:
    """The first run of lines that is Python with a function in it: code without a fence, prose around it."""
    lines = text.replace("\r\n", "\n").split("\n")
    starts = [index for index, line in enumerate(lines) if _CODE_START.match(line)]
    for start in starts[:8]:
        for end in _ends(lines, start):
            tree = parsed("\n".join(lines[start:end]))
            if tree is not None and functions(tree):
                return "\n".join(lines[start:end])
    return ""


def _ends(lines: Sequence[str], start: int) -> Iterator[int]:
    """Where a run from *start* may end: at the end, then before each unindented line at which reading stopped."""
    end = len(lines)
    for _ in range(_MAX_TRIES):
        yield end
        stopped = start + max(attempted("\n".join(lines[start:end]))[1] - 1, 0)
        end = next((at for at in range(min(stopped, end - 1), start, -1) if lines[at][:1].strip()), start)
        if end == start:
            return
