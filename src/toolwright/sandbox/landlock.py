"""Landlock: paths with what may be done below them go in, and this thread can do no more than that from then on."""

from __future__ import annotations

import ctypes
import functools
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


@functools.cache
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


Rule = tuple[int, int]
"""A descriptor of a path, and what may be done there and below."""


def rule(path: str | int, allowed: int) -> Rule:
    """What *allowed* comes to for *path*, a descriptor or a name that is opened here; files know fewer rights."""
    target = path if isinstance(path, int) else os.open(path, os.O_PATH | os.O_CLOEXEC)
    if not stat.S_ISDIR(os.fstat(target).st_mode):
        allowed &= _ON_FILES
    return target, allowed & _all_of(abi())


def ruleset(rules: Iterable[Rule], ports: Iterable[int] = ()) -> int:
    """A descriptor of *rules* that also allow connecting to the TCP *ports*."""
    version = abi()
    handled = _Ruleset(
        _all_of(version),
        _BIND_TCP | _CONNECT_TCP if version >= 4 else 0,
        _SCOPE_ABSTRACT_UNIX | _SCOPE_SIGNAL if version >= 6 else 0,
    )
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    descriptor = call("landlock_create_ruleset", ctypes.byref(handled), size, 0)
    path_rule = _PathBeneath()
    address = ctypes.byref(path_rule)
    for target, allowed in rules:
        path_rule.parent_fd, path_rule.allowed = target, allowed
        call("landlock_add_rule", descriptor, _RULE_PATH_BENEATH, address, 0)
    for port in ports if version >= 4 else ():
        port_rule = _NetPort(_CONNECT_TCP, port)
        call("landlock_add_rule", descriptor, _RULE_NET_PORT, ctypes.byref(port_rule), 0)
    return descriptor


def restrict(descriptor: int) -> None:
    """Hold this thread to the rules of *descriptor*, which is closed. `no_new_privs` must be set."""
    call("landlock_restrict_self", descriptor, 0)
    os.close(descriptor)
