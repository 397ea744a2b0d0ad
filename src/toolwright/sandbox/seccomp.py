"""Which system calls a guest may make: an allow-list, as a binary search that the kernel runs on every call."""

from __future__ import annotations

import ctypes
import errno
import struct

from toolwright.sandbox.syscall_numbers import numbers
from toolwright.sandbox.syscalls import MACHINE, PR_SET_SECCOMP, prctl

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

_LD = 0x20  # load a word of seccomp_data
_AND = 0x54
_JEQ = 0x15
_JGE = 0x35
_JA = 0x05
_RET = 0x06

_ALLOW = 0x7FFF0000
_ERRNO = 0x00050000
_KILL = 0x80000000

_DENY = _ERRNO | errno.EPERM
_NO_SUCH_CALL = _ERRNO | errno.ENOSYS
_PRETEND = _ERRNO  # error 0: the call reports success and does nothing

_NEW_NAMESPACES = 0x7E020000 | 0x80
_CLONE_THREAD = 0x00010000 | 0x00000400  # with the same descriptors: their limit holds for all threads together
_OF_OTHERS = 0x00002000 | 0x00008000  # CLONE_PTRACE, CLONE_PARENT: a child that is not simply one's own
_SET_ID_BITS = 0o6000
_NAMELESS = 0o20000000  # of O_TMPFILE, without the O_DIRECTORY in it
_AF_UNIX, _AF_INET = 1, 2
_SOCK_STREAM, _SOCK_SEQPACKET = 1, 5  # no datagrams: one of a pair can send them to any address
_SOCK_FLAGS = 0o2004000  # SOCK_CLOEXEC and SOCK_NONBLOCK

_FCNTLS = (0, 1, 2, 3, 4, 5, 6, 7, 36, 37, 38, 1030, 1032)  # descriptors, flags, locks; no owner, no signal
_IOCTLS = (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451)  # is it a terminal, how much to read, flags; no TIOCSTI
_PRCTLS = (15, 16, 0x53564D41)  # names of threads and of memory

_SOL_SOCKET, _IPPROTO_TCP = 1, 6
_SOCKET_OPTIONS = (2, 7, 8, 9, 13, 20, 21)  # address reuse, buffers, keep-alive, linger, time-outs; no filter
_TCP_OPTIONS = (1, 4, 5, 6, 18)  # no delay, keep-alive, user time-out
_MSG_ODD = 0x20000001  # MSG_FASTOPEN connects by itself, MSG_OOB is out of band
_O_EXCL = 0o200  # of a pipe: a notification queue
_XATTRS = ("getxattr", "lgetxattr", "fgetxattr", "listxattr", "llistxattr", "flistxattr")

_OF_A_PROCESS = ("getpgid", "getsid", "sched_getaffinity", "sched_getparam", "sched_getscheduler")
"""Calls that would tell which other processes there are."""

_LATER = {"clone3": 435, "io_uring_setup": 425, "openat2": 437}
"""Calls that libraries try first and do without when the kernel is too old to have them."""
_MEMFD = {"x86_64": 319, "aarch64": 279}

_Code = list[tuple[int, int, int, int]]


def _ret(action: int) -> _Code:
    return [(_RET, 0, 0, action)]


def _argument(index: int, mask: int = 0xFFFFFFFF, high: bool = False) -> _Code:
    # Both machines are little-endian: the low word of a 64-bit argument comes first.
    code = [(_LD, 0, 0, 16 + 8 * index + 4 * high)]
    return code if mask == 0xFFFFFFFF else [*code, (_AND, 0, 0, mask)]


def _one_of(load: _Code, values: Sequence[int], then: _Code, otherwise: int = _DENY) -> _Code:
    """Run *then* (an action of its own) if what *load* loads is among *values*."""
    tests = [(_JEQ, len(values) - at, 0, value) for at, value in enumerate(values)]
    return [*load, *tests, *_ret(otherwise), *then]


def _checks(pid: int, network: bool, namespaces: bool, landlock: int, processes: bool) -> dict[str, _Code]:
    """For each call that depends on its arguments, the code that decides."""
    allow = _ret(_ALLOW)
    no_set_id = 0xFFFFFFFF & _SET_ID_BITS
    own = _one_of(_argument(0), (pid,), allow)
    stream = 0xFFFFFFFF & ~_SOCK_FLAGS
    checks = {
        "ioctl": _one_of(_argument(1), _IOCTLS, allow, _ERRNO | errno.ENOTTY),
        "fcntl": _one_of(_argument(1), _FCNTLS, allow),
        "prctl": _one_of(_argument(0), _PRCTLS, allow),
        "kill": own,
        "tgkill": own,
        "tkill": own,
        **dict.fromkeys(_OF_A_PROCESS, _one_of(_argument(0), (0, pid), allow)),
        "getpriority": _one_of(_argument(1), (0, pid), allow),
        # Only asking: the address of new limits must be null.
        "prlimit64": _one_of(
            _argument(0), (0, pid), _one_of(_argument(2), (0,), _one_of(_argument(2, high=True), (0,), allow))
        ),
        # Threads only, and no namespace.
        "clone": _one_of(
            _argument(0, _CLONE_THREAD), (_CLONE_THREAD,), _one_of(_argument(0, _NEW_NAMESPACES), (0,), allow)
        ),
        "socketpair": _one_of(
            _argument(0),
            (_AF_UNIX,),
            _one_of(_argument(1, stream), (_SOCK_STREAM, _SOCK_SEQPACKET), allow),
        ),
        "open": _one_of(_argument(2, no_set_id), (0,), allow),
        "openat": _one_of(_argument(3, no_set_id), (0,), allow),
        "pipe2": _one_of(_argument(1, _O_EXCL), (0,), allow),
        "sendto": _one_of(_argument(3, _MSG_ODD), (0,), allow),
        "sendmsg": _one_of(_argument(2, _MSG_ODD), (0,), allow),
        "socket": _ret(_DENY),
        "connect": _ret(_DENY),
        "setsockopt": _ret(_DENY),
        "truncate": _ret(_ALLOW if namespaces or landlock >= 3 else _DENY),
    }
    if network:
        checks["socket"] = _one_of(
            _argument(0),
            (_AF_INET,),
            _one_of(_argument(1, stream), (_SOCK_STREAM,), _one_of(_argument(2), (0, 6), allow)),
        )
        checks["connect"] = allow
        on_tcp = _one_of(_argument(1), (_IPPROTO_TCP,), _one_of(_argument(2), _TCP_OPTIONS, allow))
        on_any = _one_of(_argument(2), _SOCKET_OPTIONS, allow)
        checks["setsockopt"] = [*_argument(1), (_JEQ, 0, len(on_any), _SOL_SOCKET), *on_any, *on_tcp]
    if processes:
        # Its pid namespace holds its own processes and no others.
        checks |= dict.fromkeys(("kill", "tgkill", "tkill", *_OF_A_PROCESS), allow)
        checks["clone"] = _one_of(_argument(0, _NEW_NAMESPACES & ~0xFF | _OF_OTHERS), (0,), allow)
    for name, mode in (("chmod", 1), ("fchmod", 1), ("fchmodat", 2), ("fchmodat2", 2)):
        # Landlock knows nothing of modes and times: without a root of its own, a guest must not change any.
        checks[name] = _one_of(_argument(mode, no_set_id), (0,), allow) if namespaces else _ret(_PRETEND)
    if not namespaces:
        for name, flags in (("open", 1), ("openat", 2)):
            # A file without a name is not seen by those who count what lies in the work folder.
            checks[name] = _one_of(_argument(flags, _NAMELESS), (0,), checks[name], _ERRNO | errno.EOPNOTSUPP)
        checks |= dict.fromkeys(_XATTRS, _ret(_ERRNO | errno.ENOTSUP))
    for name in ("utime", "utimes", "futimesat", "utimensat"):
        checks[name] = _ret(_ALLOW if namespaces else _PRETEND)
    return checks


def _tree(ranges: Sequence[tuple[int, _Code]]) -> _Code:
    """A binary search over *ranges*, each from its first number to the next one's."""
    if len(ranges) == 1:
        return ranges[0][1]
    middle = len(ranges) // 2
    low, high = _tree(ranges[:middle]), _tree(ranges[middle:])
    pivot = ranges[middle][0]
    if len(low) < 256:
        return [(_JGE, len(low), 0, pivot), *low, *high]
    return [(_JGE, 0, 1, pivot), (_JA, 0, 0, len(low)), *low, *high]


def _ranges(decisions: Iterable[tuple[int, _Code]]) -> list[tuple[int, _Code]]:
    ranges: list[tuple[int, _Code]] = [(0, _ret(_DENY))]
    expected = 0
    for number, code in sorted(decisions, key=lambda one: one[0]):
        if number != expected:
            _append(ranges, expected, _ret(_DENY))
        _append(ranges, number, code)
        expected = number + 1
    _append(ranges, expected, _ret(_DENY))
    return ranges


def _append(ranges: list[tuple[int, _Code]], start: int, code: _Code) -> None:
    if ranges[-1][0] == start:
        ranges.pop()
    if not ranges or ranges[-1][1] != code:
        ranges.append((start, code))


def program(
    pid: int, *, network: bool = False, namespaces: bool = True, landlock: int = 0, processes: bool = False
) -> bytes:
    """The filter for the guest that is *pid* to itself; *landlock* is the kernel's version of it, 0 for none.

    *processes*: it may start others and run programs, which it needs a pid namespace of its own for.
    """
    checks = _checks(pid, network, namespaces, landlock, processes)
    known = numbers(MACHINE, processes=processes)
    decisions = [(number, checks.get(name, _ret(_ALLOW))) for name, number in known.items()]
    decisions += [(number, _ret(_NO_SUCH_CALL)) for number in (*_LATER.values(), _MEMFD[MACHINE])]
    code = [
        (_LD, 0, 0, 4),
        (_JEQ, 1, 0, _AUDIT_ARCH[MACHINE]),
        (_RET, 0, 0, _KILL),
        (_LD, 0, 0, 0),
        *_tree(_ranges(decisions)),
    ]
    return b"".join(struct.pack("=HBBI", *one) for one in code)


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))


def install(code: bytes) -> None:
    """Put the filter on this thread, for good. `no_new_privs` must be set. Raises OSError."""
    filled = _Program(len(code) // 8, code)
    prctl(PR_SET_SECCOMP, 2, ctypes.addressof(filled))
