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
_MOVE_MOUNT_F_EMPTY_PATH = 4

Owner = tuple[int, int]


def user_namespaces(paths: Iterable[str], guest: int) -> dict[Owner, int]:
    """For each owner (user, group) of *paths*, a descriptor of a user namespace in which it is id *guest* outside.

    To be called before this process leaves its pid namespace: it forks.
    """
    owners = {(status.st_uid, status.st_gid) for status in map(os.stat, paths)}
    return {owner: _user_namespace(owner, guest) for owner in owners}


def bind(source: str, target: str, namespaces: Mapping[Owner, int]) -> None:
    """Bind *source* on *target*; what belongs to the owner of *source* belongs to the guest there, both ways.

    Without *namespaces*, owners stay as they are. Raises OSError where the file system of *source* cannot do that, and
    where a symbolic link stands in the way.
    """
    found = syscalls.open_direct(source)
    try:
        flags = _OPEN_TREE_CLONE | syscalls.AT_RECURSIVE | syscalls.AT_EMPTY_PATH
        tree = call("open_tree", found, b"", flags)
    finally:
        os.close(found)
    try:
        if namespaces:
            syscalls.idmap_mount(tree, _of_owner(tree, namespaces))
        call("move_mount", tree, b"", syscalls.AT_FDCWD, target.encode(), _MOVE_MOUNT_F_EMPTY_PATH)
    finally:
        os.close(tree)


def _of_owner(tree: int, namespaces: Mapping[Owner, int]) -> int:
    status = os.fstat(tree)
    if (status.st_uid, status.st_gid) not in namespaces:
        raise OSError("what was granted has another owner than a moment ago")
    return namespaces[status.st_uid, status.st_gid]


def _user_namespace(owner: Owner, guest: int) -> int:
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
        for name, inside in (("uid_map", owner[0]), ("gid_map", owner[1])):
            with open(f"/proc/{child}/{name}", "w", encoding="ascii") as file:
                file.write(f"{inside} {guest} 1")
        return os.open(f"/proc/{child}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(told)
        os.kill(child, syscalls.SIGKILL)
        os.waitpid(child, 0)
