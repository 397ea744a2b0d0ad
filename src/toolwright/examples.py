"""Example calls as a model writes them go in; canonical Examples that fit the schemas come out."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from typing import Any

from toolwright._codec import encode
from toolwright.annotations import annotation_schema
from toolwright.errors import SpecError, quoted
from toolwright.fitting import canonical, fits
from toolwright.literals import LONGEST_TEXT, literal, literal_text, parse_expression
from toolwright.parameters import Parameters
from toolwright.splitting import Piece, closing, split
from toolwright.tool import MISSING, Example

_MOST_EXAMPLES = 20
_SIGNS = re.compile(r"\s*(?:===?|=>|->|→|⇒|≈|~=|=|:|is|returns?\b|gives\b|yields\b)\s*(?P<value>.*)\Z", re.DOTALL)
_REMARK_SIGNS = re.compile(r"(?:==|=>|->|→|=|returns|e\.g\.)?\s*(?P<value>.*)\Z", re.DOTALL)
_LEADS = re.compile(r"(?:[\w\s.,:*>-]*?[\s:*>-])?(?:\w+\s*=\s*|await\s+|assert\s+|return\s+|print\(\s*|\w+\.)*\Z")


def examples_from(given: Any, name: str, parameters: Parameters, output: Mapping[str, Any]) -> tuple[Example, ...]:
    """The examples in *given* (text, or mappings with `arguments` and `expected`) for tool *name*.

    Text holds one call a line or between `;`, each optionally with its value: `f(1) == 2`, `f(1) -> 2`, `f(1)  # 2`.
    Raises SpecError that quotes what cannot be read or does not fit, and says what to write instead.
    """
    listed = _listed(given)
    examples: list[Example] = []
    for one in listed[: _MOST_EXAMPLES + 1]:
        if isinstance(one, Mapping):
            examples.append(_from_mapping(one, name, parameters, output))
        else:
            examples += [_from_piece(piece, name, parameters, output) for piece in _pieces(str(one), name)]
    if len(examples) > _MOST_EXAMPLES:
        raise SpecError(f"example holds more than {_MOST_EXAMPLES} calls (fixed); give the few that say most.")
    return tuple(examples)


def _listed(given: Any) -> list[Any]:
    if given is None or given == "":
        return []
    if isinstance(given, str) and given.strip()[:1] in ("{", "[") and len(given) <= LONGEST_TEXT:
        try:
            given = json.loads(given)
        except (ValueError, RecursionError):
            return [given]
    return list(given) if isinstance(given, (list, tuple)) else [given]


def _pieces(text: str, name: str) -> list[Piece]:
    """One piece a call; Markdown fences and doctest prompts are taken off."""
    if len(text) > LONGEST_TEXT:
        raise SpecError(f"example has {len(text):,} characters; at most {LONGEST_TEXT:,} are read (fixed).")
    lines = [line for line in text.splitlines() if not line.strip().startswith("```")]
    prompted = any(line.lstrip().startswith(">>>") for line in lines)
    plain = "\n".join(re.sub(r"^\s*(?:>>>|\.\.\.)\s?", "", line) for line in lines)
    pieces: list[Piece] = []
    for piece in split(plain, "\n;"):
        answers = prompted and pieces and not pieces[-1].comment and not re.search(rf"\b{name}\s*\(", piece.text)
        if answers:  # the line under a doctest prompt is the value
            pieces[-1] = Piece(pieces[-1].text, piece.text)
        else:
            pieces.append(Piece(piece.text.strip("`").strip(), piece.comment))
    return [piece for piece in pieces if piece.text]


def _from_piece(piece: Piece, name: str, parameters: Parameters, output: Mapping[str, Any]) -> Example:
    text = piece.text
    found = re.search(rf"\b{name}\s*\(", text)
    end = closing(text, found.end() - 1) if found else -1
    if found is None or end < 0 or not _LEADS.match(text[: found.start()][-200:]):
        raise SpecError(f"example {quoted(text)} is no call of {name!r}; write {_pattern(name, parameters)}.")
    call = text[found.start() : end + 1]
    rest = text[end + 1 :].strip()
    if rest and text[: found.start()].rstrip().endswith("print("):
        rest = rest.removeprefix(")").strip()
    arguments = _bound(call, name, parameters)
    expected = _expected(_trimmed(rest), piece.comment, call, name, parameters)
    return _example(arguments, expected, text, parameters, output)


def _trimmed(rest: str) -> str:
    """*rest* without the comma or full stop that ends a list item or a sentence."""
    return rest if rest.endswith("...") else rest.rstrip(".,")


def _expected(rest: str, comment: str, call: str, name: str, parameters: Parameters) -> Any:
    """The value that stands behind a call, or else in its comment; MISSING if neither says one."""
    if not rest:
        return _in_comment(comment)
    found = _SIGNS.match(rest)
    if found is None or not found["value"]:
        raise SpecError(
            f"example {quoted(f'{call} {rest}')}: {quoted(rest)} cannot be read; write {_pattern(name, parameters)}."
        )
    value = found["value"]
    if value == "...":
        return MISSING
    try:
        return literal_text(value, "example value")
    except SpecError:
        if _is_annotation(value):
            return _in_comment(comment)
        raise


def _in_comment(comment: str) -> Any:
    found = _REMARK_SIGNS.match(comment)
    if not comment or found is None or not found["value"]:
        return MISSING
    try:
        return literal_text(found["value"].strip("`"), "comment")
    except SpecError:  # a remark in words
        return MISSING


def _is_annotation(text: str) -> bool:
    try:
        annotation_schema(text)
    except SpecError:
        return False
    return True


def _bound(call: str, name: str, parameters: Parameters) -> dict[str, Any]:
    """The arguments of a call by parameter name, as Python values."""
    node = parse_expression(call, "example")
    if not isinstance(node, ast.Call) or any(isinstance(one, ast.Starred) for one in node.args):
        raise SpecError(f"example {quoted(call)} cannot be read; write {_pattern(name, parameters)}.")
    if len(node.args) > len(parameters.names):
        raise SpecError(
            f"example {quoted(call)} gives {len(node.args)} arguments; {name!r} takes {len(parameters.names)}: "
            f"({parameters.text})."
        )
    bound = {key: literal(one, f"argument {key!r}:") for key, one in zip(parameters.names, node.args, strict=False)}
    for word in node.keywords:
        if word.arg is None or word.arg in bound:
            raise SpecError(f"example {quoted(call)} gives {word.arg or '**'!r} twice or not by name.")
        bound[word.arg] = literal(word.value, f"argument {word.arg!r}:")
    return bound


def _from_mapping(one: Mapping[Any, Any], name: str, parameters: Parameters, output: Mapping[str, Any]) -> Example:
    """`{"arguments": {...}, "expected": ...}`, or the arguments alone."""
    arguments: Any = one
    expected: Any = MISSING
    for key in ("arguments", "args", "input", "inputs"):
        if key in one and key not in parameters.names:
            arguments = one[key]
    for key in ("expected", "output", "result", "returns"):
        if key in one and arguments is not one:
            expected = one[key]
    if isinstance(arguments, (list, tuple)):
        arguments = dict(zip(parameters.names, arguments, strict=False))
    if not isinstance(arguments, Mapping):
        raise SpecError(f"example {quoted(dict(one))} cannot be read; write {_pattern(name, parameters)}.")
    words = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
    text = f"{name}({words})" + ("" if expected is MISSING else f" == {expected!r}")
    return _example(dict(arguments), expected, text, parameters, output)


def _example(
    arguments: dict[str, Any], expected: Any, text: str, parameters: Parameters, output: Mapping[str, Any]
) -> Example:
    """An Example in canonical JSON, held against the schemas."""
    try:
        forms = encode(arguments)
        answer = MISSING if expected is MISSING else encode(expected)
    except TypeError as error:
        raise SpecError(f"example {quoted(text)}: {error}.") from None
    forms = {key: _lenient(one, parameters.schema["properties"].get(key, {})) for key, one in forms.items()}
    if misfit := fits(forms, parameters.schema):
        raise SpecError(f"example {quoted(text)} does not fit the parameters ({parameters.text}): {misfit}")
    if answer is not MISSING:
        answer = _lenient(answer, output)
        if misfit := fits(answer, output):
            raise SpecError(f"example {quoted(text)}: its value does not fit return_type: {misfit}")
        answer = canonical(answer, output)
    return Example(canonical(forms, parameters.schema), answer, text)


def _lenient(form: Any, schema: Mapping[str, Any]) -> Any:
    """A number where a decimal is meant becomes its text: people write 12.5 for Decimal('12.5')."""
    plain_number = isinstance(form, (int, float)) and not isinstance(form, bool)
    return str(form) if plain_number and schema.get("format") == "decimal" else form


def _pattern(name: str, parameters: Parameters) -> str:
    values = {"string": "'…'", "integer": "1", "number": "1.5", "boolean": "True", "array": "[…]", "object": "{…}"}
    shown = [values.get(one.get("type", ""), "…") for one in parameters.schema["properties"].values()]
    return f"the call alone, {name}({', '.join(shown)}), or with its value: {name}({', '.join(shown)}) == …"
