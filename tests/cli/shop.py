"""What the tests of the doors share: processes with and without a terminal, a stocked shelf, and speakers."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Collection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from outside.endpoint import Reply, Request, calls, says

TOOLWRIGHT = [sys.executable, "-m", "toolwright"]
PATIENCE_S = 60.0

NAP = '''
import time


def nap(word: str) -> str:
    """Say a word, and never come to it if it is 'sleep'."""
    while word == "sleep":
        time.sleep(0.01)
    return word
'''
ADD = '''
def add(a: int, b: int = 1) -> int:
    """Add two whole numbers.

    >>> add(2, 3)
    5
    """
    return a + b
'''
FAIL = '''
def fail(word: str) -> str:
    """Say a word of letters, and refuse any other."""
    if not word.isalpha():
        raise ValueError(f"{word!r} is not made of letters")
    return word
'''
PAINT = '''
def paint(word: str) -> str:
    """Put escape codes around a word."""
    print("\\x1b[2J" + word)
    return "\\x1b]0;owned\\x07" + word
'''


def environ(home: Path, **more: str) -> dict[str, str]:
    """An environment without anybody's keys and settings, whose data folders are below *home*."""
    kept = {k: v for k, v in os.environ.items() if not k.endswith("_API_KEY") and not k.startswith("TOOLWRIGHT_")}
    # Workers of pytest-xdist set a size; the rest is the taste of the person who runs the tests.
    for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "PAGER", "LESS", "VISUAL", "EDITOR"):
        kept.pop(name, None)
    return kept | {"HOME": str(home), "XDG_DATA_HOME": str(home / "data"), "TERM": "xterm-256color"} | more


def toolwright(
    home: Path, *words: str, code: int = 0, stdin: str = "", **more: str
) -> subprocess.CompletedProcess[str]:
    """Run the command to its end without a terminal; its exit code is *code* and there is no traceback."""
    command = [*TOOLWRIGHT, *words]
    done = subprocess.run(
        command, capture_output=True, text=True, input=stdin, env=environ(home, **more), cwd=home, timeout=PATIENCE_S
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def as_json(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The last line of its output."""
    last: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return last


def at_model(url: str) -> list[str]:
    return ["--model", "openai:anything", "--base-url", url]


def hears_ctrl_c() -> None:
    """For a child: whoever runs the tests in the background has signals ignored, and that would be inherited."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def _on_a_terminal() -> None:
    hears_ctrl_c()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


OPEN: list[Terminal] = []
"""Terminals of the running test, so that one which fails leaves no process to the next."""


class Terminal:
    """A command in a pseudo-terminal of its own; `screen` is all that it printed so far."""

    def __init__(self, home: Path, *words: str, columns: int = 100, rows: int = 40, **more: str) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.process = subprocess.Popen(
            [*TOOLWRIGHT, *words],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environ(home, **more),
            cwd=home,
            start_new_session=True,
            preexec_fn=_on_a_terminal,
        )
        os.close(slave)
        OPEN.append(self)
        self.raw = b""
        self._seen = 0

    @property
    def screen(self) -> str:
        text = self.raw.decode("utf-8", "replace").replace("\r\n", "\n")
        return re.sub(r"\x1b\[[0-9;]*m", "", text)

    def wait_for(self, text: str) -> str:
        """Read on until *text* stands behind what was waited for last."""
        deadline = time.monotonic() + PATIENCE_S
        while text not in self.screen[self._seen :]:
            assert time.monotonic() < deadline, f"{text!r} did not come:\n{self.screen}"
            assert self._read(1.0) or self.process.poll() is None, f"{text!r} did not come:\n{self.screen}"
        self._seen = self.screen.index(text, self._seen) + len(text)
        return self.screen

    def _read(self, seconds: float) -> bool:
        ready, _, _ = select.select([self._master], [], [], seconds)
        if not ready:
            return False
        try:
            got = os.read(self._master, 65536)
        except OSError:  # the other side is closed
            return False
        self.raw += got
        return bool(got)

    def send(self, text: str) -> None:
        os.write(self._master, text.encode())

    def end(self) -> tuple[int, str]:
        """Its exit code and the whole screen."""
        deadline = time.monotonic() + PATIENCE_S
        while self.process.poll() is None:
            assert time.monotonic() < deadline, self.screen
            self._read(0.1)
        while self._read(0.1):
            pass
        os.close(self._master)
        assert "Traceback" not in self.screen, self.screen
        assert "Fatal Python error" not in self.screen, self.screen
        return self.process.returncode, self.screen


def family(pid: int) -> set[tuple[int, str]]:
    """Every process below *pid*, with the time at which it was started."""
    parents: dict[int, tuple[int, str]] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                fields = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents[int(entry)] = (int(fields[1]), fields[19])
    found: set[tuple[int, str]] = set()
    wanted = {pid}
    while wanted:
        below = {one for one, (parent, _) in parents.items() if parent in wanted}
        found |= {(one, parents[one][1]) for one in below}
        wanted = below
    return found


def napping(pid: int, but: Collection[tuple[int, str]] = ()) -> set[tuple[int, str]]:
    """The guests below *pid* that run `nap`, or anything else that wakes again and again: others wait, and do not.

    *but* are processes that were there before: the zygote of another test has woken often, too.
    """
    return {one for one in family(pid) if one not in but and _wakes(one[0]) >= 20}


def _wakes(pid: int) -> int:
    try:
        below = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    return 0 if below.strip() else int(status.partition("\nvoluntary_ctxt_switches:")[2].split()[0])


def alive(processes: set[tuple[int, str]]) -> set[int]:
    left = set()
    for pid, started in processes:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if fields[19] == started and fields[0] != "Z":
            left.add(pid)
    return left


def interrupted(process: subprocess.Popen[Any], number: int = signal.SIGINT) -> float:
    """Send the signal to its whole process group, as a terminal does; the seconds until it was gone."""
    began = time.monotonic()
    with contextlib.suppress(ProcessLookupError):  # an earlier signal has ended it already
        os.killpg(process.pid, number)
    process.wait(PATIENCE_S)
    return time.monotonic() - began


class OneCall:
    """Calls one tool of the shelf and then says what it read."""

    def __init__(self, name: str, **arguments: Any) -> None:
        self.name, self.arguments = name, arguments

    def __call__(self, request: Request) -> Reply:
        if request.results:
            return says(f"It says {request.results[-1]}")
        return calls(("run_tool", {"name": self.name, "arguments": self.arguments}))


class Page:
    """A page on loopback, for tools with a host to fetch; `hits` counts them."""

    def __init__(self) -> None:
        page = self
        self.hits = 0

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                page.hits += 1
                self.send_response(200)
                self.send_header("Content-Length", "5")
                self.end_headers()
                self.wfile.write(b"hello")

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Page:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def fetcher(name: str, host: str, description: str = "Say the length of a page.") -> tuple[dict[str, Any], str]:
    """A request for a tool that fetches a page from *host*, and its source."""
    asked = {
        "tool_name": name,
        "description": description,
        "input_params": "path: str",
        "return_type": "int",
        "example": f"{name}('a') == 5",
        "powers": {"hosts": [host], "why": {host: "the page is there"}},
    }
    source = (
        f'import urllib.request\n\nHOST = "{host}"\n\n\ndef {name}(path: str) -> int:\n    """{description}"""\n'
        + "".join(f"    # remark {number}\n" for number in range(30))
        + '    with urllib.request.urlopen(f"http://{HOST}/{path}") as answer:\n        return len(answer.read())\n'
    )
    return asked, source


class Maker:
    """Asks for the tools one after the other, then says how it went; writes each from the given sources in turn."""

    def __init__(self, *wanted: tuple[dict[str, Any], str | list[tuple[str, list[str]]]]) -> None:
        self.wanted = [asked for asked, _ in wanted]
        self.sources = {asked["tool_name"]: source for asked, source in wanted}
        self.tries: dict[str, int] = {}

    def __call__(self, request: Request) -> Reply:
        if request.role == "examiner":
            return says('{"examples": [], "properties": []}')
        if request.role == "generator":
            return says(json.dumps(self._written(request)))
        if len(request.results) < len(self.wanted):
            return calls(("request_new_tool", self.wanted[len(request.results)]))
        return says("That is all.")

    def _written(self, request: Request) -> dict[str, Any]:
        name = next(name for name in self.sources if name in request.user[-1].splitlines()[0])
        sources = self.sources[name]
        hosts = next(one for one in self.wanted if one["tool_name"] == name).get("powers", {}).get("hosts", [])
        if not isinstance(sources, str):
            number = self.tries[name] = self.tries.get(name, -1) + 1
            sources, hosts = sources[min(number, len(sources) - 1)]
        return {"source": sources, "packages": [], "powers": {"hosts": hosts}, "notes": ""}
