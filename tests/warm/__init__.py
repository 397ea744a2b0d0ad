"""`toolwright` as a process of its own, without importing everything anew each time.

Importing what speaks with models takes two seconds of a processor, and the tests run the command many hundred times. So
each worker of the tests has one process that has imported it (`serving.py`). Each `python -m toolwright …` that a test
starts, and each program that opens a Toolwright, is a fork of it; it gets the words, environment, folder, streams, session
and terminal that it would get otherwise. With `TOOLWRIGHT_COLD_TESTS` set nothing is so; `toolwright`, the script, never is.
"""

from __future__ import annotations

import inspect
import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_PLAIN = subprocess.Popen
_CALL = inspect.signature(_PLAIN._execute_child)
_DEEDS = {"": [], "hears_ctrl_c": ["hears"], "_hears_ctrl_c": ["hears"], "_on_a_terminal": ["hears", "terminal"]}
"""What the functions of these names do in a new process."""
_READ_AT_START = re.compile("PYTHON[A-Z]|LC_|LANG|LD_|MALLOC_|OPENSSL_")
"""Variables that an interpreter or a library looks at when it starts (but `PYTHONUNBUFFERED`, which is seen to)."""
_OPENS_A_TOOLWRIGHT = re.compile(r"\bToolwright\(")
_lock = threading.Lock()
_server: list[socket.socket] = []


def install() -> None:
    """Have `subprocess` start the command so from now on."""
    if not os.environ.get("TOOLWRIGHT_COLD_TESTS"):
        subprocess.Popen = Warm  # type: ignore[misc]


class Warm(_PLAIN):  # type: ignore[type-arg]
    """A Popen; where the command is started by it, the process is a fork of the one that has the libraries."""

    _end: int | None = None

    def _execute_child(self, *given: Any, **named: Any) -> None:
        asked = _CALL.bind(self, *given, **named).arguments
        if not _fits(asked):
            super()._execute_child(*given, **named)
            return
        self._end, theirs = os.pipe2(os.O_CLOEXEC)
        try:
            self.pid = _forked(asked, theirs)
        finally:
            os.close(theirs)
        self._child_created = True
        self._close_pipe_fds(*(asked[f"{name}{end}"] for name, end in _PIPES))

    def _internal_poll(self, *given: Any, **named: Any) -> int | None:
        if self._end is None:
            return super()._internal_poll(*given, **named)
        if self.returncode is None and self._waitpid_lock.acquire(blocking=False):
            try:
                self._look(os.WNOHANG)
            finally:
                self._waitpid_lock.release()
        return self.returncode

    def _look(self, flags: int) -> None:
        pid, status = self._try_wait(flags)
        if pid:
            self._handle_exitstatus(status)

    def _try_wait(self, flags: int) -> tuple[int, int]:
        if self._end is None:
            return super()._try_wait(flags)
        os.set_blocking(self._end, not flags & os.WNOHANG)
        try:
            status = os.read(self._end, 8)
        except BlockingIOError:
            return 0, 0
        os.close(self._end)
        return self.pid, int(status or b"9")


_PIPES = [("p2c", "read"), ("p2c", "write"), ("c2p", "read"), ("c2p", "write"), ("err", "read"), ("err", "write")]


def _fits(asked: Mapping[str, Any]) -> bool:
    if _program(asked["args"]) is None:
        return False
    plain = all(asked[name] in (None, False, -1) for name in ("executable", "shell", "gid", "gids", "uid", "umask"))
    deed = getattr(asked["preexec_fn"], "__name__", "")
    there = os.environ if asked["env"] is None else asked["env"]
    return (
        plain and deed in _DEEDS and asked.get("process_group", -1) == -1 and _at_start(there) == _at_start(os.environ)
    )


def _program(words: object) -> dict[str, Any] | None:
    """What an interpreter is to run: a module, code or a file, with its words; None if it has to do without us."""
    if not isinstance(words, list) or len(words) < 2 or words[0] != sys.executable:
        return None
    match [str(one) for one in words[1:]]:
        case ["-m", "toolwright", *more]:
            return {"module": "toolwright", "words": more, "first": ""}
        case ["-P", "-m", "toolwright", *more]:
            return {"module": "toolwright", "words": more}
        case ["-c", code, *more] if _OPENS_A_TOOLWRIGHT.search(code) and "sys.modules" not in code:
            return {"code": code, "words": more, "first": ""}
        case [path, *more] if path.endswith(".py") and _OPENS_A_TOOLWRIGHT.search(Path(path).read_text("utf-8")):
            return {"path": path, "words": more, "first": os.path.dirname(os.path.realpath(path))}
    return None


def _at_start(variables: Mapping[str, str]) -> dict[str, str]:
    return {k: v for k, v in variables.items() if _READ_AT_START.match(k) and k != "PYTHONUNBUFFERED"}


def _forked(asked: Mapping[str, Any], end: int) -> int:
    streams = [own if own != -1 else number for number, own in enumerate(_streams(asked))]
    kept = sorted(asked["pass_fds"])
    message = {
        "program": _program(asked["args"]),
        "folder": os.path.abspath(asked["cwd"] or "."),
        "environment": dict(os.environ if asked["env"] is None else asked["env"]),
        "session": asked["start_new_session"],
        "deeds": _DEEDS[getattr(asked["preexec_fn"], "__name__", "")],
        "kept": kept,
    }
    packed = json.dumps(message).encode()
    with _lock:
        server = _served()
        socket.send_fds(server, [len(packed).to_bytes(8)], [*streams, end, *kept])
        server.sendall(packed)
        said = server.recv(16)
    assert said, "the process that has the libraries has ended"
    return int(said)


def _streams(asked: Mapping[str, Any]) -> tuple[int, int, int]:
    return asked["p2cread"], asked["c2pwrite"], asked["errwrite"]


def _served() -> socket.socket:
    if not _server:
        ours, theirs = socket.socketpair()
        with theirs:
            words = [sys.executable, "-P", str(Path(__file__).parent / "serving.py"), str(theirs.fileno())]
            _PLAIN(words, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, start_new_session=True).wait()
        _server.append(ours)
    return _server[0]
