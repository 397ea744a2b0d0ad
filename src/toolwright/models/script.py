"""A YAML file of turns in, a Script out; what cannot be read is a UserError that names the file and the line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from toolwright.errors import UserError
from toolwright.models.template import TemplateError, check

FaultKind = Literal["status", "malformed", "cut", "empty", "hang"]
Ids = Literal["", "missing", "empty", "repeated"]

_TEXT_KEYS = ("role", "system", "last_user", "conversation", "last_result", "result_of")
_NUMBER_KEYS = ("step", "results")
_LIST_KEYS = ("offered", "not_offered")
_TURN_KEYS = ("when", "text", "calls", "json", "fenced", "times", "usage", "delay", "finish", "fault", "ids", "plain")
_CALL_KEYS = ("name", "arguments", "id")


@dataclass(frozen=True, slots=True)
class When:
    """What must be true of a request for a turn to answer it; what is not said matches everything."""

    text: Mapping[str, re.Pattern[str]] = field(default_factory=dict)
    """By matcher (`role`, `system`, `last_user`, `conversation`, `last_result`, `result_of`): what is searched for."""
    numbers: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    offered: tuple[str, ...] = ()
    not_offered: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ScriptedCall:
    """One tool call of a turn; `id` None means that the server makes one up."""

    name: str
    arguments: Any = field(default_factory=dict)
    """An object, or a string that is sent as it stands."""
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """How a turn misbehaves."""

    kind: FaultKind
    status: int = 500
    retry_after: str | None = None
    message: str = "scripted fault"


@dataclass(frozen=True, slots=True)
class Turn:
    """One answer of the scripted model, and when it is given."""

    number: int
    """From 1, in the order of the file."""
    line: int
    when: When = field(default_factory=When)
    text: str = ""
    calls: tuple[ScriptedCall, ...] = ()
    times: int | None = None
    """How often it may answer; None is without end."""
    usage: Mapping[str, float | None] = field(default_factory=dict)
    delay_s: float = 0.0
    finish: str = ""
    fault: Fault | None = None
    ids: Ids = ""
    data: Any = None
    """An object that is written into the text, as JSON."""
    fenced: bool = False
    plain: bool = False
    """Braces are braces: nothing in the answer is a template."""


@dataclass(frozen=True, slots=True)
class Script:
    """A whole file: the model's name and its turns, of which the first that matches and is not used up answers."""

    turns: tuple[Turn, ...]
    model: str = "scripted"
    source: str = "the script"


def load_script(script: str | Path | Mapping[str, Any]) -> Script:
    """The Script in a file (or in an object of the same form)."""
    if isinstance(script, Mapping):
        return _Reader("the script", {}).script(script)
    path = Path(script)
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise UserError(f"{path}: is not text in UTF-8.") from None
    return parse_script(text, str(path))


def parse_script(text: str, source: str) -> Script:
    """The Script that *text* holds; *source* is how messages call it."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{source}, line {mark.line + 1}" if mark is not None else source
        raise UserError(f"{where}: not YAML: {getattr(error, 'problem', None) or error}.") from None
    lines: dict[tuple[Any, ...], int] = {}
    if node is not None:
        _note_lines(node, (), lines)
    return _Reader(source, lines).script(document)


def _note_lines(node: yaml.Node, path: tuple[Any, ...], lines: dict[tuple[Any, ...], int]) -> None:
    lines[path] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            _note_lines(value, (*path, key.value), lines)
            # An error about a key stands where the key does, which is above a block that follows it.
            lines[(*path, key.value)] = key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for number, value in enumerate(node.value):
            _note_lines(value, (*path, number), lines)


class _Reader:
    """Reads the parts of one document; every complaint names the nearest line that is known."""

    def __init__(self, source: str, lines: Mapping[tuple[Any, ...], int]) -> None:
        self._source, self._lines = source, lines

    def _line(self, path: tuple[Any, ...]) -> int:
        while path and path not in self._lines:
            path = path[:-1]
        return self._lines.get(path, 1)

    def _bad(self, path: tuple[Any, ...], problem: str) -> UserError:
        where = f", line {self._line(path)}" if self._lines else f", at {'.'.join(map(str, path))}" if path else ""
        return UserError(f"{self._source}{where}: {problem}.")

    def _keys(self, path: tuple[Any, ...], value: Any, known: tuple[str, ...]) -> Mapping[str, Any]:
        if not isinstance(value, Mapping):
            raise self._bad(path, f"must be a mapping with {', '.join(known)}, not {value!r}")
        for key in value:
            if key not in known:
                raise self._bad((*path, key), f"unknown key {key!r}; known are {', '.join(known)}")
        return value

    def script(self, document: Any) -> Script:
        table = self._keys((), document, ("model", "turns"))
        turns = table.get("turns")
        if not isinstance(turns, list) or not turns:
            raise self._bad(("turns",), "'turns' must be a list with at least one turn")
        read = tuple(self._turn(("turns", number), turn, number + 1) for number, turn in enumerate(turns))
        return Script(read, str(table.get("model", "scripted")), self._source)

    def _turn(self, path: tuple[Any, ...], value: Any, number: int) -> Turn:
        table = self._keys(path, value, _TURN_KEYS)
        if not any(key in table for key in ("text", "calls", "json", "fenced", "fault")):
            raise self._bad(path, "a turn needs one of text, calls, json, fenced, fault")
        data = table.get("json", table.get("fenced"))
        plain = table.get("plain", False)
        if not isinstance(plain, bool):
            raise self._bad((*path, "plain"), f"plain must be true or false, not {plain!r}")
        try:
            check([] if plain else [table.get("text", ""), data, table.get("calls", [])])
        except TemplateError as error:
            raise self._bad(path, str(error)) from None
        return Turn(
            number=number,
            line=self._line(path),
            when=self._when((*path, "when"), table.get("when", {})),
            text=self._string((*path, "text"), table.get("text", "")),
            calls=self._calls((*path, "calls"), table.get("calls", [])),
            times=self._times((*path, "times"), table.get("times")),
            usage=self._usage((*path, "usage"), table.get("usage", {})),
            delay_s=self._seconds((*path, "delay"), table.get("delay", 0)),
            finish=self._string((*path, "finish"), table.get("finish", "")),
            fault=self._fault((*path, "fault"), table.get("fault")),
            ids=self._ids((*path, "ids"), table.get("ids", "")),
            data=data,
            fenced="fenced" in table,
            plain=plain,
        )

    def _when(self, path: tuple[Any, ...], value: Any) -> When:
        table = self._keys(path, value, (*_TEXT_KEYS, *_NUMBER_KEYS, *_LIST_KEYS))
        names = {key: self._strings((*path, key), table[key]) for key in _LIST_KEYS if key in table}
        return When(
            text={key: self._pattern((*path, key), table[key]) for key in _TEXT_KEYS if key in table},
            numbers={key: self._numbers((*path, key), table[key]) for key in _NUMBER_KEYS if key in table},
            offered=names.get("offered", ()),
            not_offered=names.get("not_offered", ()),
        )

    def _pattern(self, path: tuple[Any, ...], value: Any) -> re.Pattern[str]:
        if isinstance(value, str):
            whole = path[-1] in ("role", "result_of")
            return re.compile(rf"\A{re.escape(value)}\Z" if whole else re.escape(value))
        table = self._keys(path, value, ("regex",))
        try:
            return re.compile(self._string(path, table.get("regex")), re.DOTALL)
        except re.error as error:
            raise self._bad(path, f"not a regular expression: {error}") from None

    def _calls(self, path: tuple[Any, ...], value: Any) -> tuple[ScriptedCall, ...]:
        if not isinstance(value, list):
            raise self._bad(path, "'calls' must be a list")
        read = []
        for number, one in enumerate(value):
            table = self._keys((*path, number), one, _CALL_KEYS)
            name = table.get("name")
            if not isinstance(name, str) or not name:
                raise self._bad((*path, number), "a call needs a name")
            call_id = table.get("id")
            read.append(ScriptedCall(name, table.get("arguments", {}), None if call_id is None else str(call_id)))
        return tuple(read)

    def _fault(self, path: tuple[Any, ...], value: Any) -> Fault | None:
        if value is None:
            return None
        if isinstance(value, str):
            if value not in ("malformed", "cut", "empty", "hang"):
                raise self._bad(path, f"fault {value!r} is not one of malformed, cut, empty, hang, {{status: N}}")
            return Fault(value)  # type: ignore[arg-type]
        table = self._keys(path, value, ("status", "retry_after", "message"))
        status = table.get("status")
        if not isinstance(status, int) or isinstance(status, bool) or not 400 <= status <= 599:
            raise self._bad(path, f"status must be a number from 400 to 599, not {status!r}")
        after = table.get("retry_after")
        return Fault(
            "status", status, None if after is None else str(after), str(table.get("message", "scripted fault"))
        )

    def _ids(self, path: tuple[Any, ...], value: Any) -> Ids:
        if value not in ("", "missing", "empty", "repeated"):
            raise self._bad(path, f"ids {value!r} is not one of missing, empty, repeated")
        return value  # type: ignore[no-any-return]

    def _usage(self, path: tuple[Any, ...], value: Any) -> Mapping[str, float | None]:
        table = self._keys(path, value, ("input", "output", "cost"))
        for key, number in table.items():
            # Also below 0, or without end: what an endpoint should not say is there to be tried.
            known = key == "cost" and number is None
            if not known and (not isinstance(number, int | float) or isinstance(number, bool)):
                raise self._bad((*path, key), f"{key} must be a number")
        return table

    def _string(self, path: tuple[Any, ...], value: Any) -> str:
        if not isinstance(value, str):
            raise self._bad(path, f"must be text, not {value!r}")
        return value

    def _strings(self, path: tuple[Any, ...], value: Any) -> tuple[str, ...]:
        if isinstance(value, str):
            return (value,)
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise self._bad(path, "must be a name or a list of names")
        return tuple(value)

    def _numbers(self, path: tuple[Any, ...], value: Any) -> tuple[int, ...]:
        values = value if isinstance(value, list) else [value]
        if not all(isinstance(one, int) and not isinstance(one, bool) for one in values):
            raise self._bad(path, "must be a whole number or a list of them")
        return tuple(values)

    def _times(self, path: tuple[Any, ...], value: Any) -> int | None:
        if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
            raise self._bad(path, f"times must be a whole number from 1, not {value!r}")
        return value

    def _seconds(self, path: tuple[Any, ...], value: Any) -> float:
        if not isinstance(value, int | float) or isinstance(value, bool) or value < 0:
            raise self._bad(path, "delay must be a number of seconds")
        return float(value)
