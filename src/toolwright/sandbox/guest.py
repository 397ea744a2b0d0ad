"""Runs in the locked-in guest: a source and then arguments come in as frames, an answer frame each goes out."""

from __future__ import annotations

import errno
import marshal
import mmap
import os
import sys
import types

from toolwright.sandbox import fetching

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_MODULE = "toolwright_tool"
_BAD_VALUE = "toolwright.BadValue"
_BAD_ARGUMENTS = "toolwright.BadArguments"
_MESSAGE_CAP = 4000
_DEEPEST = 100
_CAUSES, _CAUSE_CAP = 10, 300
_WANTS = (errno.ENOMEM, errno.ENFILE, errno.EMFILE, errno.EFBIG, errno.ENOSPC, errno.EDQUOT)
_RESERVE_BYTES = 2**20
_CHUNK = 65536
_REHEARSAL = (
    "def rehearse(number: int, text: str, many: list[float]) -> dict[str, object]:\n    return {text: [number, many]}\n"
)
_CODEC: dict[str, Any] = {}
HEAD = 12
"""Bytes before the data of a frame: its length and its token."""
READY = b"ready"
"""The first frame of a guest: it is locked in."""
NO_TOKEN = bytes(8)
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

    def __init__(self, source: str, name: str, path: str) -> None:
        self.path = path
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
        bound: dict[str, Any] = _CODEC["bind"](self.function, arguments)
        return bound

    def encode(self, value: Any) -> Any:
        """The canonical JSON of *value*."""
        return value if _is_json(value) else _CODEC["encode"](value)


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


def prepare(codec: bytes) -> None:
    """Take in the compiled text of the codec, once in a zygote; it is our own code, as this is."""
    _CODEC["__name__"] = "toolwright_codec"
    exec(marshal.loads(codec), _CODEC)


def greet(answers: int) -> None:
    """Say that this guest is locked in; nothing untrusted has been read."""
    _write(answers, NO_TOKEN, READY)


def excuse(answers: int, error: BaseException) -> None:
    """Say that this guest could not be locked in."""
    _write(answers, NO_TOKEN, f"{type(error).__name__}: {error}".encode()[:_MESSAGE_CAP])


def rehearse() -> None:
    """Go the way of a call once, so that the next time its pages and its bytecode are there already."""
    tool = _Tool(_REHEARSAL, "rehearse", "/tool/rehearse.py")
    frame = marshal.dumps({"number": 1, "text": "x", "many": [1.5]})
    _value(tool, frame)
    _failed(0, ValueError("rehearsed"), tool.path)
    _flush()
    del sys.modules[_MODULE]
    fetching.rehearse()


def serve(items: int, answers: int) -> None:
    """Load the source in the first frame of *items*, answer each later frame on *answers*, return at the end.

    A frame is a length of 4 bytes, a token of 8, and that much data. An answer bears the token of its question: who
    writes to the channel without knowing it is found out.
    """
    reserve = mmap.mmap(-1, _RESERVE_BYTES)  # given back when memory runs out, so that enough is left to say so
    reader = _Frames(items)
    first = reader.next()
    if first is None:
        return
    token, data = first
    said = marshal.loads(data)
    os.environ.update(said["environment"])
    path = f"/tool/{said['function']}.py"
    try:
        tool = _Tool(said["source"], said["function"], path)
    except BaseException as error:  # noqa: BLE001 - a tool may raise anything, SystemExit and KeyboardInterrupt too
        reserve.close()
        _answer(answers, token, _failed(LOAD, error, path))
        return
    _answer(answers, token, {"item": LOAD, "ok": True, "value": None})
    item = 0
    while (frame := reader.next()) is not None:
        token, data = frame
        try:
            answer = b'{"item":%d,"ok":true,"value":%b}' % (item, _value(tool, data))
        except MemoryError as error:
            reserve.close()
            answer = _dumps(_failed(item, error, path))
        except _Claimed as claimed:
            answer = _dumps(_failed(item, claimed.cause, path, claimed.kind))
        except BaseException as error:  # noqa: BLE001 - as above
            answer = _dumps(_failed(item, error, path))
        _flush()
        _write(answers, token, answer)
        item += 1


class _Claimed(Exception):
    """What went wrong around the tool's function and not in it."""

    def __init__(self, kind: str, cause: BaseException) -> None:
        super().__init__()
        self.kind = kind
        self.cause = cause


def _value(tool: _Tool, frame: bytes) -> bytes:
    """The canonical JSON of what the tool returns for the arguments in *frame*."""
    try:
        arguments = tool.bind(marshal.loads(frame))
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - hints are the tool's: evaluating them may raise anything
        raise _Claimed(_BAD_ARGUMENTS, error) from None
    value = _call(tool.function, arguments)
    try:
        return _dumps(tool.encode(value))
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - so is the value, and its __iter__
        raise _Claimed(_BAD_VALUE, error) from None


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
        want = _want(error)[:_CAUSE_CAP]
        message = str(error)[: _MESSAGE_CAP - len(want)] + want
    except BaseException:  # noqa: BLE001 - an exception's own __str__ is the tool's code as well
        message = "(its message cannot be had)"
    message = message.encode("utf-8", "replace").decode()
    name = kind or "".join(letter for letter in type(error).__name__ if letter.isalnum() or letter == "_")[:100]
    return {"item": item, "ok": False, "error": {"type": name, "message": message, "line": _line(error, path)}}


def _want(error: BaseException) -> str:
    """What this guest ran out of, where *error* was raised because of that and says something else."""
    cause, depth = error.__cause__ or error.__context__, 0
    while cause is not None and depth < _CAUSES:
        if isinstance(cause, MemoryError) or (isinstance(cause, OSError) and cause.errno in _WANTS):
            return f" ({type(cause).__name__}: {cause})"
        cause, depth = cause.__cause__ or cause.__context__, depth + 1
    return ""


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
    return "".join(_ENCODER(value, 0)).encode()


def _encoder() -> Any:
    try:
        from _json import encode_basestring, make_encoder

        return make_encoder({}, _refuse, encode_basestring, None, ":", ",", False, False, True)
    except (ImportError, TypeError):
        import json

        return lambda value, _: [json.dumps(value, ensure_ascii=False, separators=(",", ":"))]


_ENCODER = _encoder()
"""The encoder in C itself: what the json package puts around it costs as much again for each answer."""


def _answer(descriptor: int, token: bytes, answer: dict[str, Any]) -> None:
    _flush()
    _write(descriptor, token, _dumps(answer))


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BaseException:  # noqa: BLE001 - a tool may have put anything there
            continue


class _Frames:
    """The frames that come on a descriptor; what has come behind one is kept for the next."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._held = bytearray()

    def next(self) -> tuple[bytes, bytes] | None:
        """Token and data of the next frame, None at the end."""
        while len(self._held) < HEAD:
            if not self._more(_CHUNK):
                return None
        size = int.from_bytes(self._held[:4], "big")
        while len(self._held) < HEAD + size:
            if not self._more(max(_CHUNK, HEAD + size - len(self._held))):
                return None
        token, data = bytes(self._held[4:HEAD]), bytes(self._held[HEAD : HEAD + size])
        del self._held[: HEAD + size]
        return token, data

    def _more(self, size: int) -> bool:
        part = os.read(self._descriptor, min(size, 2**20))
        self._held += part
        return bool(part)


def _write(descriptor: int, token: bytes, data: bytes) -> None:
    left = memoryview(len(data).to_bytes(4, "big") + token + data)
    while left:
        left = left[os.write(descriptor, left) :]
