"""The calls of a soak: honest ones with their answers, and hostile ones with the ways they may end."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from toolwright.powers import Limits
from toolwright.sandbox import Ending, Job

_SMALL = Limits(
    wall_s=0.5, cpu_s=0.5, load_s=5.0, memory_bytes=64 * 2**20, files_bytes=2**20, files_count=32, threads=4
)
_PATIENT = replace(_SMALL, wall_s=10.0)
"""For what ends by itself: on a busy machine half a second can pass before it has begun."""
_HEAD = "import ctypes, mmap, os, signal, socket, threading, time\n\ndef tool(n: int) -> int:\n"
_ENDED = frozenset({Ending.EXITED, Ending.SIGNALLED, Ending.TIMEOUT, Ending.MEMORY, Ending.OUTPUT, Ending.FILES})
"""What a guest can do to itself; a fault would be ours."""


@dataclass(frozen=True)
class Hostile:
    """A tool that does harm, and how the call of it may end."""

    name: str
    body: str
    endings: frozenset[Ending] = _ENDED
    limits: Limits = field(default=_SMALL)

    @property
    def source(self) -> str:
        """The tool."""
        body = "\n".join(f"    {line}" for line in self.body.splitlines())
        return f"{_HEAD}{body}\n    return n\n"

    def job(self, number: int) -> Job:
        """One call."""
        return Job(self.source, "tool", ({"n": number},), limits=self.limits)


_TIMEOUT = frozenset({Ending.TIMEOUT})
_EXITED = frozenset({Ending.EXITED})
HOSTILE = (
    Hostile("crash", "ctypes.string_at(0)", frozenset({Ending.SIGNALLED}), _PATIENT),
    Hostile("exit", "os._exit(3)", _EXITED, _PATIENT),
    Hostile("kill itself", "os.kill(os.getpid(), signal.SIGKILL)\nos._exit(9)"),
    Hostile("stop itself", "os.kill(os.getpid(), signal.SIGSTOP)\ntime.sleep(60)", _TIMEOUT),
    Hostile("hang", "time.sleep(60)", _TIMEOUT),
    Hostile("spin", "while True:\n    pass", _TIMEOUT),
    Hostile("memory", "many = []\nwhile True:\n    many.append(bytearray(2**20))"),
    Hostile("shared memory", "for _ in range(400):\n    mmap.mmap(-1, 2**22).write(b'x' * 2**22)"),
    Hostile("memfd", "for _ in range(64):\n    os.write(os.memfd_create('x'), b'x' * 2**21)"),
    Hostile("fork", "try:\n    while True:\n        os.fork() or time.sleep(60)\nexcept OSError:\n    pass"),
    Hostile("threads", "while True:\n    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()"),
    Hostile("garbage", "os.write(4, os.urandom(5000))\ntime.sleep(60)"),
    Hostile("half an answer", "os.write(4, b'\\0\\0\\x01\\0' + bytes(20))\nos._exit(0)", _EXITED, _PATIENT),
    Hostile("output", "while True:\n    os.write(1, b'x' * 65536)", frozenset({Ending.OUTPUT, Ending.TIMEOUT})),
    Hostile("descriptors", "while True:\n    os.open('/dev/null', os.O_RDONLY)"),
    Hostile("disk", "with open('full', 'wb') as file:\n    while True:\n        file.write(b'x' * 65536)"),
    Hostile("inodes", "for number in range(10**6):\n    open(f'f{number}', 'w').close()"),
    Hostile("sockets", "many = [socket.socket() for _ in range(100)]"),
    Hostile("close all", "os.closerange(0, 1024)"),
    Hostile("deep", "def down(): return down()\ndown()", _EXITED, _PATIENT),
    Hostile("ignore signals", "signal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(60)", _TIMEOUT),
    Hostile("interval", "signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)\ntime.sleep(60)"),
)

HONEST = (
    "def tool(n: int) -> int:\n    return n + 1\n",
    "import json\n\ndef tool(n: int) -> int:\n    return json.loads(json.dumps([n + 1]))[0]\n",
    "def tool(n: int) -> int:\n    open('note', 'w').write(str(n))\n    return int(open('note').read()) + 1\n",
)
"""Sources of honest tools: each adds one."""


def honest(number: int) -> Job:
    """One call that is answered with *number* + 1."""
    return Job(HONEST[number % len(HONEST)], "tool", ({"n": number},))
