"""`python -P serving.py SOCKET`: holds what the command imports, and makes a fork that runs it for who asks."""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import gc
import importlib
import io
import json
import os
import runpy
import select
import signal
import socket
import sys
import termios
import threading
import time
import traceback
import types
from pathlib import Path
from typing import Any, NoReturn

LIBRARIES = (
    *("toolwright.cli", "toolwright.app", "toolwright.models.provider", "pydantic_ai.models.openai"),
    *("pydantic_ai.providers.openai", "rich.table", "rich.live", "rich.markdown"),
)


def main(number: int) -> dict[str, Any]:
    """Serve until nobody is there to ask; returns in a fork, with what it was asked for."""
    if os.fork():  # nobody's child: tests look at the children of their own process, and end some
        os._exit(0)
    for name in LIBRARIES:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    wake, woken = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
    ends: dict[int, int] = {}
    asking = socket.socket(fileno=number)
    while True:
        ready, _, _ = select.select([asking, wake], [], [])
        if wake in ready:
            os.read(wake, 4096)
            _bury(ends)
        if asking not in ready:
            continue
        said, handed, _, _ = socket.recv_fds(asking, 8, 64)
        if not said:
            os._exit(0)
        message = json.loads(_exactly(asking, int.from_bytes(said)))
        child = os.fork()
        if child == 0:
            asking.detach()
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _become(message, handed)
            return message
        ends[child] = handed[3]
        for one in (*handed[:3], *handed[4:]):
            os.close(one)
        asking.sendall(str(child).encode())


def _exactly(asking: socket.socket, length: int) -> bytes:
    packed = b""
    while len(packed) < length:
        packed += asking.recv(length - len(packed))
    return packed


def _bury(ends: dict[int, int]) -> None:
    while ends:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        end = ends.pop(pid)
        os.write(end, str(status).encode())
        os.close(end)


def _become(message: dict[str, Any], handed: list[int]) -> None:
    """What lies between a fork and the first line of a program."""
    if message["session"]:
        os.setsid()
    moved = dict(zip(message["kept"], handed[4:], strict=True))
    high = [fcntl.fcntl(one, fcntl.F_DUPFD, 200) for one in (*handed[:3], *moved.values())]
    os.closerange(3, 200)
    for number, one in zip((0, 1, 2, *moved), high, strict=True):
        os.dup2(one, number)
        os.close(one)
    if "hears" in message["deeds"]:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    if "terminal" in message["deeds"]:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    os.chdir(message["folder"])
    os.environ.clear()
    os.environ.update(message["environment"])
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        setattr(sys, name, _stream(getattr(sys, name), mode))
        setattr(sys, f"__{name}__", getattr(sys, name))
    time.tzset()
    program = message["program"]
    sys.argv = [program.get("path") or ("-c" if "code" in program else "toolwright"), *program["words"]]
    if "first" in program:
        sys.path.insert(0, program["first"])


def _stream(like: io.TextIOWrapper, mode: str) -> io.TextIOWrapper:
    number = like.fileno()
    stream = open(number, mode, encoding=like.encoding, errors=like.errors, closefd=False)  # noqa: SIM115
    in_lines = mode == "w" and (number == 2 or os.isatty(number))
    stream.reconfigure(line_buffering=in_lines, write_through=mode == "w" and "PYTHONUNBUFFERED" in os.environ)
    return stream


def _run(program: dict[str, Any]) -> None:
    if "module" in program:
        runpy.run_module(program["module"], run_name="__main__", alter_sys=True)
        return
    main_module = sys.modules["__main__"] = types.ModuleType("__main__")
    path = program.get("path")
    if path:
        main_module.__file__ = path
    code = Path(path).read_bytes() if path else program["code"]
    exec(compile(code, path or "<string>", "exec", dont_inherit=True), main_module.__dict__)


def _lived(program: dict[str, Any]) -> int:
    """From the first line of *program* to the exit code that an interpreter would end with."""
    try:
        _run(program)
    except SystemExit as left:
        if left.code is None or isinstance(left.code, int):
            return (left.code or 0) & 255
        print(left.code, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        traceback.print_exc()
        return -signal.SIGINT
    except BaseException:  # noqa: BLE001 - as the interpreter would end
        traceback.print_exc()
        return 1
    return 0


def _ended(code: int) -> NoReturn:
    """As the interpreter ends, but that the memory is left to the kernel: freeing it all takes long."""
    threading._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


if __name__ == "__main__":
    _ended(_lived(main(int(sys.argv[1]))["program"]))
