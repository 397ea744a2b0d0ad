"""The Linux system calls that Python lacks, through ctypes: each returns its result or raises OSError."""

from __future__ import annotations

import ctypes
import os

TYPE_CHECKING = False  # the launcher starts for every guest: what costs it a millisecond is imported for checks only
if TYPE_CHECKING:
    from typing import Any

MACHINE = os.uname().machine

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
_libc.syscall.argtypes = (ctypes.c_long, *[ctypes.c_void_p] * 6)
_libc.prctl.argtypes = (ctypes.c_int, *[ctypes.c_ulong] * 4)
_ZEROS = (0,) * 6

_NUMBERS = {  # the calls made here, by machine; those from 424 on have one number everywhere
    "x86_64": {
        "capset": 126,
        "pivot_root": 155,
        "mount": 165,
        "umount2": 166,
        "unshare": 272,
        "setns": 308,
        "sethostname": 170,
    },
    "aarch64": {
        "capset": 91,
        "pivot_root": 41,
        "mount": 40,
        "umount2": 39,
        "unshare": 97,
        "setns": 268,
        "sethostname": 161,
    },
}
_EVERYWHERE = {
    "pidfd_send_signal": 424,
    "open_tree": 428,
    "move_mount": 429,
    "fsopen": 430,
    "fsconfig": 431,
    "fsmount": 432,
    "pidfd_open": 434,
    "close_range": 436,
    "openat2": 437,
    "mount_setattr": 442,
    "landlock_create_ruleset": 444,
    "landlock_add_rule": 445,
    "landlock_restrict_self": 446,
}

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_NOSUID = 2
MS_NODEV = 4
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MS_SLAVE = 1 << 19
MNT_DETACH = 2

MOUNT_ATTR_RDONLY = 1
MOUNT_ATTR_NOSUID = 2
MOUNT_ATTR_NODEV = 4
MOUNT_ATTR_NOEXEC = 8
MOUNT_ATTR_IDMAP = 0x00100000
AT_RECURSIVE = 0x8000
AT_EMPTY_PATH = 0x1000
AT_FDCWD = -100

RESOLVE_NO_XDEV = 1
RESOLVE_NO_MAGICLINKS = 2
RESOLVE_NO_SYMLINKS = 4
RESOLVE_BENEATH = 8

SIGKILL = 9

PR_SET_PDEATHSIG = 1
PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
PR_CAPBSET_DROP = 24
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4

SUPPORTED = MACHINE in _NUMBERS
"""Whether this machine's system calls are known here."""


def call(name: str, *arguments: Any) -> int:
    """System call *name* with numbers, bytes, and what ctypes takes for an address. Raises OSError."""
    number = _EVERYWHERE.get(name)
    if number is None:
        number = _NUMBERS[MACHINE][name]
    result = int(_libc.syscall(number, *arguments, *_ZEROS[len(arguments) :]))
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{name}: {os.strerror(error)}")
    return result


def prctl(option: int, *arguments: int) -> int:
    """prctl(2); an address is given as a number."""
    result = int(_libc.prctl(option, *arguments, *_ZEROS[len(arguments) : 4]))
    if result < 0:
        error = ctypes.get_errno()
        raise OSError(error, f"prctl {option}: {os.strerror(error)}")
    return result


def set_host_name(name: str) -> None:
    """Be called *name* in this uts namespace."""
    call("sethostname", name.encode(), len(name))


def unshare(flags: int) -> None:
    """Leave the namespaces named by CLONE_ *flags* for new ones."""
    call("unshare", flags)


def setns(descriptor: int, kind: int) -> None:
    """Enter the namespace of CLONE_ *kind* that *descriptor* stands for."""
    call("setns", descriptor, kind)


def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    """mount(2)."""
    try:
        call(
            "mount",
            source.encode(),
            target.encode(),
            kind.encode() if kind else None,
            flags,
            data.encode() if data else None,
        )
    except OSError as error:
        raise OSError(error.errno, f"mount {kind or source} on {target}: {os.strerror(error.errno or 0)}") from None


_FSOPEN_CLOEXEC, _FSMOUNT_CLOEXEC = 1, 1
_FSCONFIG_SET_STRING, _FSCONFIG_CMD_CREATE = 1, 6
_MOVE_MOUNT_F_EMPTY_PATH = 4


def detached_tmpfs(attributes: int, **options: object) -> int:
    """A descriptor of a new tmpfs that is mounted nowhere yet; *options* are those of its mount. Raises OSError."""
    opened = call("fsopen", b"tmpfs", _FSOPEN_CLOEXEC)
    try:
        for name, value in options.items():
            call("fsconfig", opened, _FSCONFIG_SET_STRING, name.encode(), str(value).encode(), 0)
        call("fsconfig", opened, _FSCONFIG_CMD_CREATE, None, None, 0)
        return call("fsmount", opened, _FSMOUNT_CLOEXEC, attributes)
    finally:
        os.close(opened)


def attach(mounted: int, target: str) -> None:
    """Mount what descriptor *mounted* holds, as `detached_tmpfs` gives it, on *target*."""
    call("move_mount", mounted, b"", AT_FDCWD, target.encode(), _MOVE_MOUNT_F_EMPTY_PATH)


class _MountAttr(ctypes.Structure):
    _fields_ = (
        ("attr_set", ctypes.c_uint64),
        ("attr_clr", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    )


def mount_setattr(path: str, attributes: int, *, recursive: bool = True) -> None:
    """Set MOUNT_ATTR_ *attributes* on the mount at *path* and, unless told otherwise, on all mounts below it."""
    attr = _MountAttr(attributes, 0, 0, 0)
    flags = AT_RECURSIVE if recursive else 0
    call("mount_setattr", AT_FDCWD, path.encode(), flags, ctypes.byref(attr), ctypes.sizeof(attr))


def idmap_mount(mount_fd: int, userns_fd: int) -> None:
    """Show the files of detached mount *mount_fd* with the owners that user namespace *userns_fd* gives them."""
    attr = _MountAttr(MOUNT_ATTR_IDMAP, 0, 0, userns_fd)
    call("mount_setattr", mount_fd, b"", AT_EMPTY_PATH | AT_RECURSIVE, ctypes.byref(attr), ctypes.sizeof(attr))


class _OpenHow(ctypes.Structure):
    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


def open_beneath(folder: int, path: str, flags: int, mode: int = 0) -> int:
    """Open *path* below descriptor *folder*: no way out, no symbolic link, no other mount. Raises OSError."""
    resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV
    how = _OpenHow(flags | os.O_CLOEXEC, mode, resolve)
    return call("openat2", folder, os.fsencode(path), ctypes.byref(how), ctypes.sizeof(how))


def open_direct(path: str, flags: int = os.O_PATH) -> int:
    """A descriptor of absolute *path*, which holds no symbolic link anywhere. Raises OSError.

    For what was granted or handed in: a link that a guest has put in its place must not lead anywhere else.
    """
    how = _OpenHow(flags | os.O_CLOEXEC, 0, RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS)
    return call("openat2", AT_FDCWD, os.fsencode(path), ctypes.byref(how), ctypes.sizeof(how))


def close_range(first: int, last: int) -> None:
    """Close all descriptors from *first* to *last*, both included."""
    if first <= last:
        call("close_range", first, last, 0)


class _CapHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


def drop_bounds() -> None:
    """Make sure that no capability can ever be had again, as far as we may: that takes one itself."""
    for number in range(64):
        if _libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0) < 0:
            break  # past the last one this kernel knows, or without the right to drop any


_CAPABILITIES = _CapHeader(0x20080522, 0)
_NONE = (ctypes.c_uint32 * 6)()


def drop_capabilities() -> None:
    """Give up every capability, in every set."""
    drop_bounds()
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    call("capset", ctypes.byref(_CAPABILITIES), _NONE)
