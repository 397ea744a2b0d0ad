"""The root that a guest sees: a read-only tmpfs with what was named bound into it, and a work folder of its own."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping
from typing import Any

from toolwright.sandbox import syscalls as sys
from toolwright.sandbox.syscalls import mount, mount_setattr

STAGING = "/proc"
"""Where the new root grows, in a mount namespace of its own: every machine has it, and nothing that is bound."""

_READ_ONLY = sys.MOUNT_ATTR_RDONLY | sys.MOUNT_ATTR_NOSUID | sys.MOUNT_ATTR_NODEV
_WRITABLE = sys.MOUNT_ATTR_NOSUID | sys.MOUNT_ATTR_NODEV


def build(plan: Mapping[str, Any]) -> int:
    """Make the root that *plan* describes the root of this process; a descriptor of the work folder comes back.

    *plan*: `binds` [[host path, path]], `masks` [path], `devices` [path], `writes` [path], `work` (path), `inputs`
    [[host path, path in the work folder]], `work_bytes`, `work_inodes`, `owner` (numeric id or None). Raises OSError.
    """
    mount("none", "/", flags=sys.MS_REC | sys.MS_PRIVATE)
    mount("tmpfs", STAGING, "tmpfs", sys.MS_NOSUID | sys.MS_NODEV, "size=1m,nr_inodes=4k,mode=755")
    binds = sorted(plan["binds"], key=lambda bind: bind[1])
    for source, path in binds:
        _bind(source, path)
    for path in plan["masks"]:
        mount("tmpfs", STAGING + path, "tmpfs", sys.MS_NOSUID | sys.MS_NODEV, "size=0,nr_inodes=1,mode=755")
    work = STAGING + plan["work"]
    os.makedirs(work, exist_ok=True)
    for path in [*plan["writes"], *plan["devices"]]:
        _mount_point(path, STAGING + path)
    mount_setattr(STAGING, _READ_ONLY)
    for path in plan["devices"]:
        mount(path, STAGING + path, flags=sys.MS_BIND)
    folder = _work_folder(work, plan)
    for path in sorted(plan["writes"]):
        _mount_point(path, STAGING + path)
        mount(path, STAGING + path, flags=sys.MS_BIND | sys.MS_REC)
        mount_setattr(STAGING + path, _WRITABLE)
    _enter(STAGING)
    return folder


def _work_folder(work: str, plan: Mapping[str, Any]) -> int:
    options = f"size={plan['work_bytes']},nr_inodes={plan['work_inodes']},mode=700"
    if plan["owner"] is not None:
        options += f",uid={plan['owner']},gid={plan['owner']}"
    mount("tmpfs", work, "tmpfs", sys.MS_NOSUID | sys.MS_NODEV | sys.MS_NOEXEC, options)
    folder = os.open(work, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    for source, path in plan["inputs"]:
        target = f"{work}/{path}"
        _mount_point(source, target, plan["owner"])
        mount(source, target, flags=sys.MS_BIND)
        mount_setattr(target, _READ_ONLY)
    for path in _below_work(plan):
        # A granted folder inside the work folder would be hidden by it: bind it once more, on top.
        _mount_point(path, STAGING + path, plan["owner"])
        mount(path, STAGING + path, flags=sys.MS_BIND | sys.MS_REC)
        mount_setattr(STAGING + path, _READ_ONLY)
    return folder


def _below_work(plan: Mapping[str, Any]) -> Iterable[str]:
    return sorted(path for path in plan["reads"] if path.startswith(plan["work"] + "/"))


def _bind(source: str, path: str) -> None:
    target = STAGING + path
    _mount_point(source, target)
    mount(source, target, flags=sys.MS_BIND | sys.MS_REC)


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
        with contextlib.suppress(FileExistsError):
            os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o444))


def _enter(root: str) -> None:
    os.chdir(root)
    sys.call("pivot_root", b".", b".")
    sys.call("umount2", b".", sys.MNT_DETACH)
    os.chdir("/")
