"""The root that a guest sees: a read-only tmpfs with what was named bound into it, and a work folder of its own."""

from __future__ import annotations

import os

from toolwright.sandbox import idmap
from toolwright.sandbox import syscalls as sys
from toolwright.sandbox.syscalls import mount, mount_setattr

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

STAGING = "/proc"
"""Where the new root grows, in a mount namespace of its own: every machine has it, and nothing that is bound."""

_READ_ONLY = sys.MOUNT_ATTR_RDONLY | sys.MOUNT_ATTR_NOSUID | sys.MOUNT_ATTR_NODEV
_WRITABLE = sys.MOUNT_ATTR_NOSUID | sys.MOUNT_ATTR_NODEV
_NO_DEVICES = sys.MS_NOSUID | sys.MS_NODEV


def granted(plan: Mapping[str, Any]) -> list[str]:
    """The host paths in *plan* that belong to the person: a guest of a root keeper sees them as its own."""
    pairs = [*plan["grafts"], *plan["inputs"]]
    return [*(source for source, _ in pairs), *plan["writes"]]


def build(plan: Mapping[str, Any], namespaces: Mapping[idmap.Owner, int]) -> int:
    """Make the root that *plan* describes the root of this process; a descriptor of the work folder comes back.

    *plan*: `binds` and `grafts` [[host path, path]], `masks`, `devices`, `writes`, `empties` [path], `work` (path),
    `inputs` [[host path, path in the work folder]], `work_bytes`, `work_inodes`, `owner` (numeric id or None).
    *namespaces* give the `granted` paths another owner. Raises OSError.
    """
    mount("none", "/", flags=sys.MS_REC | sys.MS_PRIVATE)
    mount("tmpfs", STAGING, "tmpfs", _NO_DEVICES, "size=1m,nr_inodes=4k,mode=755")
    work = plan["work"]
    later = [graft for graft in plan["grafts"] if graft[1].startswith(work + "/")]
    earlier = [[*graft, namespaces] for graft in plan["grafts"] if graft not in later]
    for source, path, ids in sorted([*earlier, *([*bind, None] for bind in plan["binds"])], key=lambda one: one[1]):
        _mount_point(source, STAGING + path)
        _bind(source, STAGING + path, ids)
    for path in plan["masks"]:
        mount("tmpfs", STAGING + path, "tmpfs", _NO_DEVICES, "size=4k,nr_inodes=1,mode=755")
    os.makedirs(STAGING + work, exist_ok=True)
    for path in [*plan["writes"], *plan["devices"]]:
        _mount_point(path, STAGING + path)
    for path in plan["empties"]:
        os.makedirs(STAGING + path, exist_ok=True)
    mount_setattr(STAGING, _READ_ONLY)
    for path in plan["devices"]:
        mount(path, STAGING + path, flags=sys.MS_BIND)
    folder = _folder(work, plan)
    for path in plan["empties"]:
        _mount_point("/", STAGING + path, plan["owner"])
        os.close(_folder(path, plan))
    # What lies below the work folder would be hidden by it, had it been there before.
    on_top = [[source, f"{work}/{path}"] for source, path in plan["inputs"]] + later
    for source, path in sorted(on_top, key=lambda one: one[1]):
        _graft(source, STAGING + path, namespaces, _READ_ONLY, plan["owner"])
    for path in sorted(plan["writes"]):
        _graft(path, STAGING + path, namespaces, _WRITABLE, plan["owner"])
    _enter(STAGING)
    return folder


def _folder(path: str, plan: Mapping[str, Any]) -> int:
    """A folder of the guest's own at *path*, as large as its work folder; a descriptor of it."""
    options = f"size={plan['work_bytes']},nr_inodes={plan['work_inodes']},mode=700"
    if plan["owner"] is not None:
        options += f",uid={plan['owner']},gid={plan['owner']}"
    mount("tmpfs", STAGING + path, "tmpfs", _NO_DEVICES | sys.MS_NOEXEC, options)
    return os.open(STAGING + path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


def _graft(source: str, target: str, namespaces: Mapping[idmap.Owner, int], attributes: int, owner: int | None) -> None:
    _mount_point(source, target, owner)
    _bind(source, target, namespaces)
    mount_setattr(target, attributes)


def _bind(source: str, target: str, namespaces: Mapping[idmap.Owner, int] | None) -> None:
    """Bind *source* on *target*. *namespaces* are for what was granted; None: the interpreter's own files."""
    if namespaces is None:
        mount(source, target, flags=sys.MS_BIND | sys.MS_REC)
        return
    if namespaces:
        try:
            idmap.bind(source, target, namespaces)
            return
        except OSError:  # a file system that cannot do it: the guest gets what anybody gets
            pass
    idmap.bind(source, target, {})


def _mount_point(source: str, target: str, owner: int | None = None) -> None:
    """Make *target* a folder or an empty file, whichever *source* is; what exists already is left alone."""
    if os.path.lexists(target):
        return
    folder = target if os.path.isdir(source) else os.path.dirname(target)
    missing = []
    while not os.path.lexists(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    for one in reversed(missing):
        os.mkdir(one, 0o755)
        if owner is not None:
            os.chown(one, owner, owner)
    if not os.path.isdir(source):
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW, 0o444))


def _enter(root: str) -> None:
    os.chdir(root)
    sys.call("pivot_root", b".", b".")
    sys.call("umount2", b".", sys.MNT_DETACH)
    os.chdir("/")
