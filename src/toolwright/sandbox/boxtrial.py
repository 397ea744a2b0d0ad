"""A whole box goes in, a Layer comes out: a tool that attacks everything around it ran there, or ran too long."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any

from toolwright.powers import Limits
from toolwright.sandbox import Ending, Exit, Job, Layer, claims
from toolwright.sandbox.loopback import listening

Run = Callable[[Job], Exit]

_WORDS = "read files, variables and memory of the host, reach it by network and signal, write outside, run for ever"
ATTACK = """
def attack(pid, port):
    import ctypes, os, socket

    def gained(name, work):
        try:
            if work() is not False:
                found.append(name)
        except BaseException:
            pass

    def child():
        if os.fork() == 0:
            os._exit(0)

    def connect():
        socket.create_connection(("127.0.0.1", port), timeout=2).close()

    def run():
        try:
            os.execv("/nowhere", ["x"])
        except FileNotFoundError:
            pass

    def write():
        open("/var/tmp/toolwright-trial", "x").close()
        os.unlink("/var/tmp/toolwright-trial")

    found = []
    gained("read /etc/passwd", lambda: open("/etc/passwd").close())
    gained("listed /home", lambda: os.listdir("/home"))
    gained("read the variables of the host", lambda: open(f"/proc/{pid}/environ", "rb").close())
    gained("signalled the host", lambda: os.kill(pid, 0))
    gained("read the memory of the host", lambda: open(f"/proc/{pid}/mem", "rb").close())
    gained("reached the loopback of the host", connect)
    gained("forked", child)
    gained("ran a program", run)
    gained("wrote beside its work folder", write)
    gained("made a namespace", lambda: ctypes.CDLL(None, use_errno=True).unshare(0x10000000) == 0)
    return found
"""
_FOR_EVER = "def attack():\n    while True:\n        pass\n"


def boxes(profile: str, runs: Mapping[str, Run], say: Callable[[str], None]) -> list[Layer]:
    """A Layer for each of *runs*; *profile* is the one in use."""
    found = []
    for name, run in runs.items():
        say(f"the whole box, {name}")
        found.append(_box(name, run, " (in use)" if name == profile else ""))
    return found


def _box(profile: str, run: Run, chosen: str) -> Layer:
    name = f"box {profile}"
    try:
        with listening() as server:
            given = {"pid": os.getpid(), "port": server.getsockname()[1]}
            ended = run(Job(ATTACK, "attack", (given,)))
        gained = _answer(ended)
        if gained is None:
            why = f"{ended.ending.value}: {ended.detail} {ended.output}".strip()
            return Layer(name, False, f"cannot be had: {why}{chosen}", "see the layers above", _WORDS)
        if gained:
            return Layer(name, False, f"broken: it {', '.join(gained)}{chosen}", "do not run tools here", _WORDS)
        late = run(Job(_FOR_EVER, "attack", ({},), limits=Limits(wall_s=0.3, cpu_s=0.3)))
    except OSError as error:
        return Layer(name, False, f"cannot be had: {error}{chosen}", "see the layers above", _WORDS)
    if late.ending is not Ending.TIMEOUT:
        said = f"broken: a tool without an end ended as {late.ending.value}: {late.detail}"
        return Layer(name, False, said + chosen, "do not run tools here", _WORDS)
    said = f"stopped: a tool in it gained nothing, and was ended when its time was up{chosen}"
    return Layer(name, True, said, "", _WORDS)


def _answer(ended: Exit) -> list[Any] | None:
    claim = claims.parse(ended.claims[0], 0) if ended.loaded and ended.claims else None
    return claim.value if claim is not None and claim.ok and isinstance(claim.value, list) else None
