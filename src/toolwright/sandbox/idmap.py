"""Binds of files that belong to somebody else than the guest, shown to it as its own: for a keeper that is root."""

from __future__ import annotations

import os
import time

from toolwright.sandbox import syscalls
from toolwright.sandbox.syscalls import call

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_OPEN_TREE_CLONE = 1

Owner = tuple[int, int]


def user_namespaces(paths: Iterable[str], host: str, guest: int, proc: int) -> dict[Owner, int]:
    """For each owner (user, group) of *paths* below *host*, a descriptor of a user namespace: there it is id *guest*.

    *proc* is an open /proc of the host.
    """
    owners = {(status.st_uid, status.st_gid) for status in (os.stat(host + path) for path in paths)}
    return {owner: _user_namespace(owner, guest, proc) for owner in owners}


def bind(source: str, target: str, namespaces: Mapping[Owner, int]) -> None:
    """Bind *source* on *target*; what belongs to the owner of *source* belongs to the guest there, both ways.

    Without *namespaces*, owners stay as they are. Raises OSError where the file system of *source* cannot do that, and
    where a symbolic link stands in the way.
    """
    tree = cloned(source)
    try:
        if namespaces:
            syscalls.idmap_mount(tree, _of_owner(tree, namespaces))
        syscalls.attach(tree, target)
    finally:
        os.close(tree)


def cloned(source: str) -> int:
    """A descriptor of a mount of its own of what is at *source*, attached nowhere yet."""
    found = syscalls.open_direct(source)
    try:
        return call("open_tree", found, b"", _OPEN_TREE_CLONE | syscalls.AT_RECURSIVE | syscalls.AT_EMPTY_PATH)
    finally:
        os.close(found)


def _of_owner(tree: int, namespaces: Mapping[Owner, int]) -> int:
    status = os.fstat(tree)
    if (status.st_uid, status.st_gid) not in namespaces:
        raise OSError("what was granted has another owner than a moment ago")
    return namespaces[status.st_uid, status.st_gid]


def _user_namespace(owner: Owner, guest: int, proc: int) -> int:
    told, tell = os.pipe()
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        try:
            syscalls.unshare(syscalls.CLONE_NEWUSER)
            syscalls.prctl(syscalls.PR_SET_PDEATHSIG, syscalls.SIGKILL)
            os.write(tell, b"x")
            while os.getppid() == parent:  # it may have been killed before it could take us along
                time.sleep(60)
        finally:
            os._exit(0)
    try:
        os.close(tell)
        if not os.read(told, 1):
            raise OSError("no user namespace can be had for the owners of granted files")
        held = call("pidfd_open", child, 0)
        known = pid_outside(held, proc)
        os.close(held)
        for name, inside in (("uid_map", owner[0]), ("gid_map", owner[1])):
            with open(os.open(f"{known}/{name}", os.O_WRONLY | os.O_CLOEXEC, dir_fd=proc), "w") as file:
                file.write(f"{inside} {guest} 1")
        return os.open(f"{known}/ns/user", os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc)
    finally:
        os.close(told)
        os.kill(child, syscalls.SIGKILL)
        os.waitpid(child, 0)


def pid_outside(held: int, proc: int) -> int:
    """What the process of pidfd *held* is called where /proc was opened as *proc*, which may be outside of here."""
    opened = os.open(f"self/fdinfo/{held}", os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc)
    try:
        return int(os.read(opened, 1024).partition(b"Pid:")[2].split()[0])
    finally:
        os.close(opened)
