"""Runs in the locked-in guest: a source and then arguments come in as frames, an answer frame each goes out."""

from __future__ import annotations

import json
import os
import sys
import types
from typing import Any

from toolwright import _codec

_MODULE = "toolwright_tool"
_BAD_VALUE = "toolwright.BadValue"
_BAD_ARGUMENTS = "toolwright.BadArguments"
_MESSAGE_CAP = 4000
LOAD = -1
"""The item number of the frame that says how loading went."""


class _Source:
    """Gives tracebacks the source's lines: linecache asks a module's loader for them."""

    def __init__(self, text: str) -> None:
        self._text = text

    def get_source(self, _name: str) -> str:
        return self._text


def serve(items: int, answers: int) -> None:
    """Load the source in the first frame of *items*, answer each later frame on *answers*, return at the end."""
    reserve = bytearray(2**20)  # given back when memory runs out, so that there is enough left to say so
    first = json.loads(_read_frame(items) or b"null")
    if first is None:
        return
    path = f"/tool/{first['function']}.py"
    try:
        function = _load(first["source"], first["function"], path)
    except BaseException as error:  # noqa: BLE001 - a tool may raise anything, SystemExit and KeyboardInterrupt too
        _write_frame(answers, _failed(LOAD, error, path))
        return
    _write_frame(answers, {"item": LOAD, "ok": True, "value": None})
    item = 0
    while (frame := _read_frame(items)) is not None:
        try:
            answer = _answer(item, function, frame, path)
        except MemoryError as error:
            reserve = bytearray(0)
            answer = json.dumps(_failed(item, error, path)).encode()
        except BaseException as error:  # noqa: BLE001 - as above
            answer = json.dumps(_failed(item, error, path)).encode()
        _flush()
        _write(answers, answer)
        item += 1
    del reserve


def _load(source: str, name: str, path: str) -> Any:
    module = types.ModuleType(_MODULE)
    module.__file__ = path
    module.__loader__ = _Source(source)  # type: ignore[assignment]
    sys.modules[_MODULE] = module
    exec(compile(source, path, "exec", dont_inherit=True), module.__dict__)  # this is the box
    function = module.__dict__.get(name)
    if not callable(function):
        raise LookupError(f"the source defines no function {name!r}")
    return function


def _answer(item: int, function: Any, frame: bytes, path: str) -> bytes:
    try:
        arguments = _codec.bind(function, json.loads(frame))
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - hints are the tool's: evaluating them may raise anything
        return json.dumps(_failed(item, error, path, _BAD_ARGUMENTS)).encode()
    value = _call(function, arguments)
    try:
        form = _codec.encode(value)
        return json.dumps({"item": item, "ok": True, "value": form}, ensure_ascii=False).encode()
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - so is the value, and its __iter__
        return json.dumps(_failed(item, error, path, _BAD_VALUE)).encode()


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


def _write_frame(descriptor: int, answer: dict[str, Any]) -> None:
    _flush()
    _write(descriptor, json.dumps(answer).encode())


def _write(descriptor: int, data: bytes) -> None:
    left = memoryview(len(data).to_bytes(4, "big") + data)
    while left:
        left = left[os.write(descriptor, left) :]
