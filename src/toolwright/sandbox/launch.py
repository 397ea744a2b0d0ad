"""What the launcher does: a plan comes in on the control channel, the guest's birth, wall and death go out on it."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found] # signal itself costs as much as all other imports here
import _socket as socket
import ctypes
import fcntl
import marshal
import os
import select
import struct
import sys

from toolwright.sandbox import guest, idmap, mounts, syscalls, wall

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

_NAMESPACES = (
    syscalls.CLONE_NEWNS | syscalls.CLONE_NEWPID | syscalls.CLONE_NEWNET | syscalls.CLONE_NEWIPC | syscalls.CLONE_NEWUTS
)
_M_ARENA_MAX = -8
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1
_PLAN_CAP = 2**22


class Control:
    """The channel to the keeper: one marshalled dict a packet, with descriptors beside it."""

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=descriptor)

    def tell(self, descriptors: tuple[int, ...] = (), **words: Any) -> None:
        """Send *words*."""
        beside = struct.pack(f"{len(descriptors)}i", *descriptors)
        kind = (socket.SOL_SOCKET, socket.SCM_RIGHTS, beside)
        self._socket.sendmsg([marshal.dumps(words)], [kind] if descriptors else [])

    def hear(self) -> Any:
        """The next packet; the process ends if the keeper has gone."""
        data = self._socket.recv(_PLAN_CAP)
        if not data:
            os._exit(1)
        return marshal.loads(data)

    def fileno(self) -> int:
        """For poll."""
        return self._socket.fileno()


def main(control_fd: int, items: int, answers: int) -> NoReturn:
    """Run one guest from birth to death."""
    syscalls.prctl(syscalls.PR_SET_PDEATHSIG, syscalls.SIGKILL)
    # A host may ignore or block signals, and that is handed on; without this one we could not wait for the guest.
    _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
    control = Control(control_fd)
    plan = control.hear()
    try:
        proc = os.open("/proc", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        handed = _enclose(plan, proc) if plan["profile"] == "full" else ()
    except OSError as error:
        control.tell(stage="failed", why=str(error))
        os._exit(1)
    control.tell(handed, stage="built")
    for descriptor in handed:
        os.close(descriptor)
    control.hear()  # the files are in the work folder
    _run(control, plan, proc, items, answers)
    os._exit(0)


def _enclose(plan: dict[str, Any], proc: int) -> tuple[int, ...]:
    namespaces: dict[idmap.Owner, int] = {}
    if plan["owner"] is None:
        ids = os.getuid(), os.getgid()
        syscalls.unshare(_NAMESPACES | syscalls.CLONE_NEWUSER)
        wall.map_ids(proc, ids, ids)
    else:
        namespaces = idmap.user_namespaces(mounts.granted(plan), plan["owner"])
        syscalls.unshare(_NAMESPACES)
    handed = []
    if plan["hosts"]:
        listener = loopback_listener()
        plan["port"] = listener.getsockname()[1]
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
            plan["environment"][name] = f"http://127.0.0.1:{plan['port']}"
        handed.append(listener.detach())
    return (mounts.build(plan, namespaces), *handed)


def loopback_listener() -> socket.socket:
    """A listening socket on the loopback of this network namespace, which has nothing else."""
    any_socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    request = struct.pack("16sH14x", b"lo", 0)
    flags = struct.unpack("16sH14x", fcntl.ioctl(any_socket.fileno(), _SIOCGIFFLAGS, request))[1]
    fcntl.ioctl(any_socket.fileno(), _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | _IFF_UP))
    any_socket.close()
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.bind(("127.0.0.1", 0))
    listener.listen(64)
    return listener


def _run(control: Control, plan: dict[str, Any], proc: int, items: int, answers: int) -> None:
    report, reported = os.pipe()
    born = os.fork()
    if born == 0:
        _be_guest(plan, proc, items, answers, reported)
    for descriptor in (proc, items, answers, reported, 1, 2):
        os.close(descriptor)
    end = syscalls.call("pidfd_open", born, 0)
    why = _read_all(report)
    if why:
        control.tell(stage="failed", why=why)
    else:
        control.tell((end,), stage="locked", pid=born)
    waiting = select.poll()
    waiting.register(end, select.POLLIN)
    waiting.register(control, 0)  # hang-up only: a keeper that is gone takes its guest along
    while end not in [ready for ready, _ in waiting.poll()]:
        os.kill(born, syscalls.SIGKILL)
        waiting.unregister(control)
    _, status, used = os.wait4(born, 0)
    control.tell(stage="ended", status=status, cpu=used.ru_utime + used.ru_stime, peak=used.ru_maxrss * 1024)


def _read_all(descriptor: int) -> str:
    parts = []
    while part := os.read(descriptor, 4096):
        parts.append(part)
    os.close(descriptor)
    return b"".join(parts).decode("utf-8", "replace")


def _be_guest(plan: dict[str, Any], proc: int, items: int, answers: int, reported: int) -> NoReturn:
    try:
        wall.settle((items, answers, reported, proc))
        items, answers, reported, proc = 3, 4, 5, 6
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 2)  # an arena for each thread would eat the address space
        wall.close_in(plan, proc)
    except BaseException as error:  # noqa: BLE001 - whatever it is, nothing untrusted may run after it
        os.write(reported, f"{type(error).__name__}: {error}".encode()[:4000])
        os._exit(1)
    os.close(reported)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    code = 0
    try:
        guest.serve(items, answers)
    except BaseException:  # noqa: BLE001 - the keeper sees the exit code and the torn channel
        code = 70
    os._exit(code)
