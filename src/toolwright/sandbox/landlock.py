"""Landlock: paths with what may be done below them go in, and this thread can do no more than that from then on."""

from __future__ import annotations

import ctypes
import os
import stat

from toolwright.sandbox.syscalls import call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

EXECUTE = 1 << 0
WRITE_FILE = 1 << 1
READ_FILE = 1 << 2
READ_DIR = 1 << 3
REMOVE_DIR = 1 << 4
REMOVE_FILE = 1 << 5
MAKE_CHAR = 1 << 6
MAKE_DIR = 1 << 7
MAKE_REG = 1 << 8
MAKE_SOCK = 1 << 9
MAKE_FIFO = 1 << 10
MAKE_BLOCK = 1 << 11
MAKE_SYM = 1 << 12
REFER = 1 << 13  # since ABI 2
TRUNCATE = 1 << 14  # 3
IOCTL_DEV = 1 << 15  # 5

READ = READ_FILE | READ_DIR
WRITE = READ | WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_REG | MAKE_FIFO | MAKE_SYM | REFER | TRUNCATE
_ON_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV

_BIND_TCP = 1 << 0
_CONNECT_TCP = 1 << 1
_SCOPE_ABSTRACT_UNIX = 1 << 0
_SCOPE_SIGNAL = 1 << 1

_RULE_PATH_BENEATH = 1
_RULE_NET_PORT = 2


class _Ruleset(ctypes.Structure):
    _fields_ = (("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent_fd", ctypes.c_int32))


class _NetPort(ctypes.Structure):
    _fields_ = (("allowed", ctypes.c_uint64), ("port", ctypes.c_uint64))


def abi() -> int:
    """The version of Landlock that this kernel has, 0 if none."""
    try:
        return call("landlock_create_ruleset", None, 0, 1)
    except OSError:
        return 0


def _all_of(version: int) -> int:
    rights = (1 << 13) - 1
    for since, right in ((2, REFER), (3, TRUNCATE), (5, IOCTL_DEV)):
        if version >= since:
            rights |= right
    return rights


def ruleset(paths: Iterable[tuple[str | int, int]], port: int = 0) -> int:
    """A descriptor of rules that allow what *paths* say and, if *port* is given, connecting to that TCP port.

    A descriptor may stand for a path; it is closed.
    """
    version = abi()
    rights = _all_of(version)
    handled = _Ruleset(rights, 0, 0)
    if version >= 4:
        handled.net = _BIND_TCP | _CONNECT_TCP
    if version >= 6:
        handled.scoped = _SCOPE_ABSTRACT_UNIX | _SCOPE_SIGNAL
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    descriptor = call("landlock_create_ruleset", ctypes.byref(handled), size, 0)
    for path, allowed in paths:
        _allow(descriptor, path, allowed & rights)
    if port and version >= 4:
        rule = _NetPort(_CONNECT_TCP, port)
        call("landlock_add_rule", descriptor, _RULE_NET_PORT, ctypes.byref(rule), 0)
    return descriptor


def restrict(descriptor: int) -> None:
    """Hold this thread to the rules of *descriptor*, which is closed. `no_new_privs` must be set."""
    call("landlock_restrict_self", descriptor, 0)
    os.close(descriptor)


def _allow(ruleset: int, path: str | int, allowed: int) -> None:
    target = path if isinstance(path, int) else os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISDIR(os.fstat(target).st_mode):
            allowed &= _ON_FILES
        rule = _PathBeneath(allowed, target)
        call("landlock_add_rule", ruleset, _RULE_PATH_BENEATH, ctypes.byref(rule), 0)
    finally:
        os.close(target)
