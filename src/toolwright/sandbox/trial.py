"""One layer of the wall, attacked in a process of its own that has put it on, or in one that has not.

The process prints what the attack gained, or what stopped it, and ends with `GAINED`, `STOPPED`, or `NOT_BUILT` where
the layer could not be put on. An attack that gains nothing without its layer either proves nothing.
"""

from __future__ import annotations

import ctypes
import os
import resource
import socket
import sys
from collections.abc import Callable
from typing import NamedTuple

from toolwright.sandbox import landlock, network, seccomp, syscalls, wall

STOPPED, GAINED, NOT_BUILT = 0, 1, 2
BARE = "bare:"
"""Before the name of a layer: attack without it."""
OWN_ID = "guest's own user id"
_UNUSED_IDS = (61184, 65534)
"""As the guests of a root keeper get them: one that no account has, or nobody's."""
_OUTSIDE = "/etc/passwd"
_IPC_PRIVATE, _IPC_RMID = 0, 0

Attack = Callable[[], str]
"""Says what it gained; OSError is what stopped it."""


class Trial(NamedTuple):
    """What is tried: the attack in words, and how it is made ready, given whether the layer is to be put on."""

    words: str
    ready: Callable[[bool], Attack]


def _namespace(flags: int) -> None:
    """Into new namespaces, as an ordinary user by way of a user namespace."""
    if os.geteuid() == 0:
        syscalls.unshare(flags)
        return
    _own_ids(flags)


def _own_ids(flags: int = 0) -> None:
    ids = os.getuid(), os.getgid()
    proc = os.open("/proc", os.O_PATH | os.O_DIRECTORY)
    syscalls.unshare(flags | syscalls.CLONE_NEWUSER)
    wall.map_ids(proc, ids, ids)


def _user(on: bool) -> Attack:
    if on:
        _own_ids()

    def attack() -> str:
        os.setresuid(4242, 4242, 4242)
        return "it became another user of this machine"

    return attack


def _mount(on: bool) -> Attack:
    if on:
        _namespace(syscalls.CLONE_NEWNS)
        syscalls.mount("none", "/", flags=syscalls.MS_REC | syscalls.MS_PRIVATE)
        syscalls.mount("tmpfs", "/proc", "tmpfs", data="size=64k")
        syscalls.mount_setattr("/proc", syscalls.MOUNT_ATTR_RDONLY)

    def attack() -> str:
        if not os.path.ismount("/proc") or not os.path.exists("/proc/self"):
            os.mkdir("/proc/x")
            return "it wrote to a read-only mount"
        return "it saw the host's /proc"

    return attack


def _process_ids(on: bool) -> Attack:
    outside = os.getpid()
    if on:
        _namespace(syscalls.CLONE_NEWPID)

    def attack() -> str:
        return _in_child(lambda: os.kill(outside, 0), "it could signal a process outside")

    return attack


def _network(on: bool) -> Attack:
    outside = socket.create_server(("127.0.0.1", 0))
    if on:
        _namespace(syscalls.CLONE_NEWNET)
        inside = network.loopback_listener()
        socket.create_connection(inside.getsockname(), timeout=2).close()

    def attack() -> str:
        socket.create_connection(outside.getsockname(), timeout=2).close()
        return "it reached the host's loopback"

    return attack


def _others(on: bool) -> Attack:
    libc = ctypes.CDLL(None, use_errno=True)
    segment = libc.shmget(_IPC_PRIVATE, 4096, 0o600)
    if segment < 0:
        raise OSError(ctypes.get_errno(), "shmget")
    child = os.fork()
    if child:
        status = os.waitpid(child, 0)[1]
        libc.shmctl(segment, _IPC_RMID, None)
        os._exit(os.waitstatus_to_exitcode(status) if os.WIFEXITED(status) else GAINED)
    if on:
        _namespace(syscalls.CLONE_NEWIPC | syscalls.CLONE_NEWUTS)

    def attack() -> str:
        libc.shmat.restype = ctypes.c_void_p
        if libc.shmat(segment, None, 0) == ctypes.c_void_p(-1).value:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        return "it attached shared memory from outside"

    return attack


def _landlock(on: bool) -> Attack:
    if on:
        _restrict()

    def attack() -> str:
        os.close(os.open(_OUTSIDE, os.O_RDONLY))
        return f"it read {_OUTSIDE}"

    return attack


def _sockets(on: bool) -> Attack:
    outside = socket.socket(socket.AF_UNIX)
    outside.bind("")  # an abstract name that the kernel makes up
    outside.listen()
    if on:
        if landlock.abi() < 6:
            raise OSError("this kernel's Landlock knows no abstract sockets and signals: seccomp alone forbids them")
        _restrict()

    def attack() -> str:
        with socket.socket(socket.AF_UNIX) as inside:
            inside.connect(outside.getsockname())
        return "it reached an abstract socket from outside"

    return attack


def _restrict() -> None:
    if not landlock.abi():
        raise OSError("this kernel has no Landlock, or it is switched off")
    syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
    landlock.restrict(landlock.ruleset([]))


def _seccomp(on: bool) -> Attack:
    if on:
        if not syscalls.SUPPORTED:
            raise OSError(f"system calls of {syscalls.MACHINE} are not known here")
        syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
        seccomp.install(seccomp.program(os.getpid()))

    def attack() -> str:
        gained = [name for name, forbidden in _FORBIDDEN.items() if _works(forbidden)]
        if not gained:
            raise PermissionError(f"none of {', '.join(_FORBIDDEN)}")
        return f"it could: {', '.join(gained)}"

    return attack


def _fork() -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


_FORBIDDEN: dict[str, Callable[[], object]] = {
    "fork a process": _fork,
    "open a socket": lambda: socket.socket(socket.AF_INET).close(),
    "run a program": lambda: os.execve("/nowhere", ["x"], {}),
    "signal its group": lambda: os.kill(0, 0),
    "make a namespace": lambda: syscalls.unshare(syscalls.CLONE_NEWUSER),
}


def _works(forbidden: Callable[[], object]) -> bool:
    try:
        forbidden()
    except FileNotFoundError:
        return True  # there is no such program, and it was looked for
    except OSError:
        return False
    return True


def _capabilities(on: bool) -> Attack:
    if on:
        syscalls.drop_bounds()
        syscalls.drop_capabilities()
        syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)

    def attack() -> str:
        os.chroot("/")
        return "it changed its root folder"

    return attack


def _dumpable(on: bool) -> Attack:
    syscalls.drop_capabilities()  # who has them all is kept from nothing
    ready, tell = os.pipe()
    child = os.fork()
    if child == 0:
        syscalls.prctl(syscalls.PR_SET_PDEATHSIG, syscalls.SIGKILL)
        syscalls.prctl(syscalls.PR_SET_DUMPABLE, 0 if on else 1)
        os.write(tell, b".")
        _pause()
    os.read(ready, 1)

    def attack() -> str:
        try:
            os.close(os.open(f"/proc/{child}/mem", os.O_RDONLY))
        finally:
            os.kill(child, syscalls.SIGKILL)
        return "another process of the same user read its memory"

    return attack


def _pause() -> None:
    import time

    time.sleep(60)


def _memory(on: bool) -> Attack:
    if on:
        resource.setrlimit(resource.RLIMIT_AS, (2**28, 2**28))

    def attack() -> str:
        try:
            bytearray(2**29)
        except MemoryError:
            raise OSError("there is no more memory for it") from None
        return "it got twice the memory of its limit"

    return attack


def _file_size(on: bool) -> Attack:
    if on:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))
    file = os.memfd_create("trial")

    def attack() -> str:
        os.ftruncate(file, 2**21)
        return "it made a file twice as large as its limit"

    return attack


def _own_id(on: bool) -> Attack:
    if on and os.geteuid() == 0:
        _be_nobody_known()

    def attack() -> str:
        os.setresuid(0, 0, 0)
        return "it was root"

    return attack


def _be_nobody_known() -> None:
    for owner in _UNUSED_IDS:
        try:
            wall.give_up(owner)
        except OSError:  # not mapped here
            continue
        return
    raise OSError("this root knows no other id: its guests are who it is, without its capabilities")


def _in_child(work: Callable[[], object], gained: str) -> str:
    """*gained* if *work* works in a child, which alone is in a new pid namespace."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except OSError as error:
            os._exit(error.errno or 255)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code:
        raise OSError(code, os.strerror(code))
    return gained


TRIALS: dict[str, Trial] = {
    "user namespace": Trial("become another user", _user),
    "mount namespace": Trial("see what is mounted outside, and write to it", _mount),
    "pid namespace": Trial("signal a process outside", _process_ids),
    "net namespace": Trial("reach the loopback of this machine", _network),
    "ipc, uts namespaces": Trial("attach shared memory from outside", _others),
    "landlock": Trial(f"read {_OUTSIDE}", _landlock),
    "landlock sockets": Trial("reach an abstract socket from outside", _sockets),
    "seccomp": Trial(", ".join(_FORBIDDEN), _seccomp),
    "capabilities": Trial("change the root folder", _capabilities),
    "not dumpable": Trial("read its memory from another process of the same user", _dumpable),
    "memory limit": Trial("take twice the memory", _memory),
    "file size limit": Trial("make a file twice as large", _file_size),
    OWN_ID: Trial("be root", _own_id),
}


def main(name: str) -> None:
    """Attack layer *name*; prints what came of it and ends with one of the codes above."""
    bare = name.startswith(BARE)
    try:
        attack = TRIALS[name.removeprefix(BARE)].ready(not bare)
    except OSError as error:
        print(error)
        sys.exit(NOT_BUILT)
    try:
        print(attack())
        code = GAINED
    except OSError as error:
        print(error.strerror or error)
        code = STOPPED
    sys.stdout.flush()
    os._exit(code)
