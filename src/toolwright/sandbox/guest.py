"""Runs in the locked-in guest: a source and then arguments come in as frames, an answer frame each goes out."""

from __future__ import annotations

import marshal
import os
import sys
import types

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_MODULE = "toolwright_tool"
_BAD_VALUE = "toolwright.BadValue"
_BAD_ARGUMENTS = "toolwright.BadArguments"
_MESSAGE_CAP = 4000
_DEEPEST = 100
_RESERVE_BYTES = 2**20
LOAD = -1
"""The item number of the frame that says how loading went."""


class _Source:
    """Gives tracebacks the source's lines: linecache asks a module's loader for them."""

    def __init__(self, text: str) -> None:
        self._text = text

    def get_source(self, _name: str) -> str:
        return self._text


class _Tool:
    """The function under its name, and the codec between JSON and Python, whose libraries are loaded when needed."""

    def __init__(self, source: str, name: str, path: str, codec: Any) -> None:
        self.path = path
        self._compiled_codec = codec
        self._codec: dict[str, Any] = {}
        module = types.ModuleType(_MODULE)
        module.__file__ = path
        module.__dict__["__loader__"] = _Source(source)
        sys.modules[_MODULE] = module
        exec(compile(source, path, "exec", dont_inherit=True), module.__dict__)  # this is the box
        self.function = module.__dict__.get(name)
        if not callable(self.function):
            raise LookupError(f"the source defines no function {name!r}")

    def bind(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The keyword arguments as the function's hints want them."""
        hints = getattr(self.function, "__annotations__", None)
        if isinstance(hints, dict) and all(_is_plain(hints.get(name), one) for name, one in arguments.items()):
            return {name: float(one) if hints[name] is float else one for name, one in arguments.items()}
        bound: dict[str, Any] = self._load_codec()["bind"](self.function, arguments)
        return bound

    def encode(self, value: Any) -> Any:
        """The canonical JSON of *value*."""
        return value if _is_json(value) else self._load_codec()["encode"](value)

    def _load_codec(self) -> dict[str, Any]:
        if not self._codec:
            names: dict[str, Any] = {"__name__": "toolwright_codec"}
            exec(self._compiled_codec, names)
            self._codec = names
        return self._codec


def _is_plain(hint: Any, value: Any) -> bool:
    """Whether *value* needs no decoding under *hint*, as the codec would decide as well."""
    if hint is float:
        return type(value) in (int, float)
    return hint in (int, str, bool) and type(value) is hint


def _is_json(value: Any, depth: int = 0) -> bool:
    """Whether *value* is its own canonical JSON, to be seen without the codec."""
    kind = type(value)
    if value is None or kind in (str, int, float, bool):
        return True
    if depth >= _DEEPEST:
        return False
    if kind is list:
        return all(_is_json(one, depth + 1) for one in value)
    return kind is dict and all(type(key) is str and _is_json(one, depth + 1) for key, one in value.items())


def serve(items: int, answers: int) -> None:
    """Load the source in the first frame of *items*, answer each later frame on *answers*, return at the end."""
    reserve = bytearray(_RESERVE_BYTES)  # given back when memory runs out, so that there is enough left to say so
    first = _read_frame(items)
    if first is None:
        return
    said = marshal.loads(first)
    path = f"/tool/{said['function']}.py"
    try:
        tool = _Tool(said["source"], said["function"], path, marshal.loads(said["codec"]))
    except BaseException as error:  # noqa: BLE001 - a tool may raise anything, SystemExit and KeyboardInterrupt too
        reserve = bytearray(0)
        _answer(answers, _failed(LOAD, error, path))
        return
    _answer(answers, {"item": LOAD, "ok": True, "value": None})
    item = 0
    while (frame := _read_frame(items)) is not None:
        try:
            data = _dumps({"item": item, "ok": True, "value": _value(tool, frame)})
        except MemoryError as error:
            reserve = bytearray(0)
            data = _dumps(_failed(item, error, path))
        except _Claimed as claimed:
            data = _dumps(_failed(item, claimed.cause, path, claimed.kind))
        except BaseException as error:  # noqa: BLE001 - as above
            data = _dumps(_failed(item, error, path))
        _flush()
        _write(answers, data)
        item += 1
    del reserve


class _Claimed(Exception):
    """What went wrong around the tool's function and not in it."""

    def __init__(self, kind: str, cause: BaseException) -> None:
        super().__init__()
        self.kind = kind
        self.cause = cause


def _value(tool: _Tool, frame: bytes) -> Any:
    try:
        arguments = tool.bind(marshal.loads(frame))
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - hints are the tool's: evaluating them may raise anything
        raise _Claimed(_BAD_ARGUMENTS, error) from None
    value = _call(tool.function, arguments)
    try:
        form = tool.encode(value)
        _dumps(form)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - so is the value, and its __iter__
        raise _Claimed(_BAD_VALUE, error) from None
    return form


def _call(function: Any, arguments: dict[str, Any]) -> Any:
    code = getattr(function, "__code__", None)
    leading = code.co_varnames[: code.co_posonlyargcount] if code is not None else ()
    # Arguments before a `/` can only be given by position; the first one left out ends them.
    given: list[Any] = []
    for name in leading:
        if name not in arguments:
            break
        given.append(arguments.pop(name))
    value = function(*given, **arguments)
    if isinstance(value, types.CoroutineType):
        import asyncio

        return asyncio.run(value)
    return value


def _failed(item: int, error: BaseException, path: str, kind: str = "") -> dict[str, Any]:
    try:
        message = str(error)[:_MESSAGE_CAP]
    except BaseException:  # noqa: BLE001 - an exception's own __str__ is the tool's code as well
        message = "(its message cannot be had)"
    message = message.encode("utf-8", "replace").decode()
    name = kind or "".join(letter for letter in type(error).__name__ if letter.isalnum() or letter == "_")[:100]
    return {"item": item, "ok": False, "error": {"type": name, "message": message, "line": _line(error, path)}}


def _line(error: BaseException, path: str) -> int:
    if isinstance(error, SyntaxError) and error.filename == path:
        return max(error.lineno or 0, 0)
    line = 0
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == path:
            line = trace.tb_lineno or 0
        trace = trace.tb_next
    return line


def _refuse(value: Any) -> Any:
    raise TypeError(f"a value of type {type(value).__name__} has no JSON form")


def _dumps(value: Any) -> bytes:
    try:
        # The encoder in C itself: the json package costs a guest's start more than all the rest of it.
        from _json import encode_basestring, make_encoder

        encode = make_encoder({}, _refuse, encode_basestring, None, ":", ",", False, False, True)
    except (ImportError, TypeError):
        import json

        return json.dumps(value, ensure_ascii=False).encode()
    return "".join(encode(value, 0)).encode()


def _answer(descriptor: int, answer: dict[str, Any]) -> None:
    _flush()
    _write(descriptor, _dumps(answer))


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BaseException:  # noqa: BLE001 - a tool may have put anything there
            continue


def _read_frame(descriptor: int) -> bytes | None:
    head = _read(descriptor, 4)
    return None if head is None else _read(descriptor, int.from_bytes(head, "big"))


def _read(descriptor: int, size: int) -> bytes | None:
    parts = []
    while size:
        part = os.read(descriptor, min(size, 2**20))
        if not part:
            return None
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


def _write(descriptor: int, data: bytes) -> None:
    left = memoryview(len(data).to_bytes(4, "big") + data)
    while left:
        left = left[os.write(descriptor, left) :]
