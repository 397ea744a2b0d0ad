"""What each layer of the wall costs: put on alone in a process forked for it, timed inside; a script that prints JSON.

It runs in a small process of its own, as a zygote is small: what a fork costs grows with the memory it copies.
"""

from __future__ import annotations

import json
import os
import resource
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from toolwright.sandbox import landlock, seccomp, syscalls, wall

_Step = Callable[[], object]
_TMPFS = "size=17m,nr_inodes=320,mode=700"
_GUEST_ID = 61184
_READABLE = ("/usr", "/lib", "/etc", "/dev/null", "/dev/urandom")


def _nothing() -> None:
    pass


def _own(flags: int) -> None:
    """New namespaces; an ordinary user gets them by way of a user namespace."""
    if os.geteuid() == 0:
        syscalls.unshare(flags)
    else:
        _user_namespace(flags)


def _user_namespace(flags: int = 0) -> None:
    ids = os.getuid(), os.getgid()
    proc = os.open("/proc", os.O_PATH | os.O_DIRECTORY)
    syscalls.unshare(syscalls.CLONE_NEWUSER | flags)
    wall.map_ids(proc, ids, ids)
    os.close(proc)


def _may_unshare() -> None:
    if os.geteuid() != 0:
        _user_namespace()


def _may_mount() -> None:
    _own(syscalls.CLONE_NEWNS)
    syscalls.mount("none", "/", flags=syscalls.MS_REC | syscalls.MS_PRIVATE)


def _process_ids() -> None:
    syscalls.unshare(syscalls.CLONE_NEWPID)
    _fork()


def _fork() -> None:
    born = os.fork()
    if born == 0:
        os._exit(0)
    os.waitpid(born, 0)


def _bind() -> None:
    syscalls.mount("/usr", "/mnt", flags=syscalls.MS_BIND)
    syscalls.mount_setattr("/mnt", syscalls.MOUNT_ATTR_RDONLY | syscalls.MOUNT_ATTR_NOSUID)


def _ids() -> None:
    os.setgroups([])
    os.setresgid(_GUEST_ID, _GUEST_ID, _GUEST_ID)
    os.setresuid(_GUEST_ID, _GUEST_ID, _GUEST_ID)


def _descriptors() -> None:
    for number in range(4):
        os.dup2(0, 10 + number)
    syscalls.close_range(20, 2**31 - 1)
    os.setsid()


def _limits() -> None:
    for kind, value in (
        (resource.RLIMIT_AS, 2**30),
        (resource.RLIMIT_CPU, 5),
        (resource.RLIMIT_FSIZE, 2**24),
        (resource.RLIMIT_NOFILE, 256),
        (resource.RLIMIT_SIGPENDING, 64),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
        (resource.RLIMIT_NPROC, 18),
    ):
        resource.setrlimit(kind, (value, value))


def _flags() -> None:
    syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
    syscalls.prctl(syscalls.PR_SET_DUMPABLE, 0)
    syscalls.prctl(syscalls.PR_SET_PDEATHSIG, syscalls.SIGKILL)


def _rules() -> int:
    return landlock.ruleset([landlock.rule(path, landlock.READ) for path in _READABLE if os.path.exists(path)])


def _locked() -> None:
    syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)


def _layers() -> dict[str, tuple[_Step, _Step]]:
    """For each layer what comes before it, which is not timed, and the layer itself."""
    prepared: list[int] = []
    program = seccomp.program(1, landlock=landlock.abi())

    def rules_first() -> None:
        _locked()
        prepared.append(_rules())

    layers: dict[str, tuple[_Step, _Step]] = {
        "fork, exit, wait": (_nothing, _fork),
        "user namespace and its ids": (_nothing, _user_namespace),
        "mount namespace": (_may_unshare, lambda: syscalls.unshare(syscalls.CLONE_NEWNS)),
        "pid namespace (with a fork)": (_may_unshare, _process_ids),
        "network namespace": (_may_unshare, lambda: syscalls.unshare(syscalls.CLONE_NEWNET)),
        "ipc and uts namespaces": (
            _may_unshare,
            lambda: syscalls.unshare(syscalls.CLONE_NEWIPC | syscalls.CLONE_NEWUTS),
        ),
        "one read-only bind mount": (_may_mount, _bind),
        "tmpfs": (_may_mount, lambda: syscalls.mount("tmpfs", "/tmp", "tmpfs", syscalls.MS_NOSUID, _TMPFS)),
        "descriptors and session": (_nothing, _descriptors),
        "unprivileged ids": (_nothing, _ids),
        "capabilities": (_nothing, syscalls.drop_capabilities),
        "no_new_privs, not dumpable, parent's death": (_nothing, _flags),
        "rlimits": (_nothing, _limits),
        "landlock: making the rules": (_nothing, _rules),
        "landlock: taking them on": (rules_first, lambda: landlock.restrict(prepared[-1])),
        "seccomp: making the filter": (_nothing, lambda: seccomp.program(1, landlock=landlock.abi())),
        "seccomp: taking it on": (_locked, lambda: seccomp.install(program)),
    }
    if os.geteuid() != 0:
        del layers["unprivileged ids"]  # there is only the own one
    return layers


def _microseconds(before: _Step, layer: _Step) -> float | str:
    """How long *layer* took in a process of its own, or why it could not be put on."""
    read, write = os.pipe()
    born = os.fork()
    if born == 0:
        try:
            before()
            start = time.perf_counter_ns()
            layer()
            os.write(write, struct.pack("d", (time.perf_counter_ns() - start) / 1000))
        except OSError as error:
            os.write(write, f"not here: {error}".encode())
        except BaseException as error:  # noqa: BLE001 - whatever it is, it must be seen
            os.write(write, f"cannot be measured: {error!r}".encode())
        finally:
            os._exit(0)
    os.close(write)
    said = os.read(read, 4096)
    os.close(read)
    os.waitpid(born, 0)
    return float(struct.unpack("d", said)[0]) if len(said) == 8 else said.decode("utf-8", "replace")


def measure(samples: int) -> dict[str, float | str]:
    """The median microseconds of each layer; for one that this machine does not have, the reason."""
    layers = _layers()
    taken: dict[str, list[float]] = {name: [] for name in layers}
    missing: dict[str, str] = {}
    for _ in range(samples):
        for name, (before, layer) in layers.items():
            one = _microseconds(before, layer)
            if isinstance(one, str):
                missing[name] = one
            else:
                taken[name].append(one)
    return {name: sorted(times)[len(times) // 2] if times else missing[name] for name, times in taken.items()}


def in_a_process(samples: int) -> dict[str, float | str]:
    """`measure` in a small process of its own."""
    words = [sys.executable, "-P", str(Path(__file__)), str(samples)]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    found: dict[str, float | str] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))
