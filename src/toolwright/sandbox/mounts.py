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

HOST = "/.host"
"""Where a zygote that gives out folders of the host keeps the host's tree; a guest's own root does not have it."""
_STAGING = "/proc"
"""Where a new root grows, in a mount namespace of its own: every machine has it, and nothing that is bound."""

_READ_ONLY = sys.MOUNT_ATTR_RDONLY | sys.MOUNT_ATTR_NOSUID | sys.MOUNT_ATTR_NODEV
_WRITABLE = sys.MOUNT_ATTR_NOSUID | sys.MOUNT_ATTR_NODEV
_FOLDER = _WRITABLE | sys.MOUNT_ATTR_NOEXEC
_NO_DEVICES = sys.MS_NOSUID | sys.MS_NODEV


class StaleError(OSError):
    """What was granted is another folder than this zygote sees: something was mounted there since."""


def granted(plan: Mapping[str, Any]) -> list[str]:
    """The host paths in *plan* that belong to the person: a guest of a root keeper sees them as its own."""
    pairs = [*plan["grafts"], *plan["inputs"]]
    return [*(source for source, _ in pairs), *plan["writes"]]


def work_folder(plan: Mapping[str, Any]) -> int:
    """A descriptor of a folder as large as *plan* says (`work_bytes`, `work_inodes`), for id `owner`; not mounted."""
    options = {"size": plan["work_bytes"], "nr_inodes": plan["work_inodes"], "mode": "700"}
    if plan["owner"] is not None:
        options |= {"uid": plan["owner"], "gid": plan["owner"]}
    return sys.detached_tmpfs(_FOLDER, **options)


def common_root(plan: Mapping[str, Any]) -> None:
    """Make the root that all guests of a zygote have in common the root of this process. Raises OSError.

    *plan*: `binds` and `grafts` [[host path, path]], `masks`, `devices`, `texts` {path: content}, `work` (path),
    `wide`: whether the host's tree stays at hand for `guest_root`.
    """
    # A zygote that gives out folders sees what is mounted on the host later; nothing of its own gets out.
    mount("none", "/", flags=sys.MS_REC | (sys.MS_SLAVE if plan["wide"] else sys.MS_PRIVATE))
    _base(plan, "", _STAGING, {})
    if plan["wide"]:
        os.mkdir(_STAGING + HOST)
    mount_setattr(_STAGING, _READ_ONLY)
    _devices(plan, "", _STAGING)
    _enter(_STAGING, HOST.strip("/") if plan["wide"] else "")


def guest_root(plan: Mapping[str, Any], proc: int, work: int) -> None:
    """Make a root of its own for this guest, with the folder *work* in it: for what is granted or handed in.

    *plan* as in `common_root`, and: `names` (more `texts`), `links` [[to, path]], `writes`, `empties` [path], `inputs`
    [[host path, path in the work folder]], and for `owner` `work_bytes` and `work_inodes`. *proc* is the host's /proc.
    """
    for path, seen in plan["seen"].items():
        status = os.stat(HOST + path)
        if [status.st_dev, status.st_ino] != seen:
            raise StaleError(f"{path} was mounted over since")
    namespaces = {} if plan["owner"] is None else idmap.user_namespaces(granted(plan), HOST, plan["owner"], proc)
    staging, folder = HOST + _STAGING, plan["work"]
    later = [graft for graft in plan["grafts"] if graft[1].startswith(folder + "/")]
    earlier = [graft for graft in plan["grafts"] if graft not in later]
    _base({**plan, "grafts": earlier, "texts": plan["texts"] | plan["names"]}, HOST, staging, namespaces)
    for path in plan["writes"]:
        _mount_point(HOST + path, staging + path)
    for path in plan["empties"]:
        os.makedirs(staging + path, exist_ok=True)
    for to, path in plan["links"]:
        if not os.path.lexists(staging + path):
            os.symlink(to, staging + path)
    mount_setattr(staging, _READ_ONLY)
    _devices(plan, HOST, staging)
    empties = _empties(plan, staging + folder) if plan["empties"] else {}
    sys.attach(work, staging + folder)
    for path, empty in empties.items():
        _mount_point("/", staging + path, plan["owner"])
        sys.attach(empty, staging + path)
        os.close(empty)
    # What lies below the work folder would be hidden by it, had it been there before.
    on_top = [[source, f"{folder}/{path}"] for source, path in plan["inputs"]] + later
    for source, path in sorted(on_top, key=lambda one: one[1]):
        _graft(HOST + source, staging + path, namespaces, _READ_ONLY, plan["owner"])
    for path in sorted(plan["writes"]):
        _graft(HOST + path, staging + path, namespaces, _WRITABLE, plan["owner"])
    _enter(staging, "")


def _empties(plan: Mapping[str, Any], passing: str) -> dict[str, int]:
    """Empty folders of the guest's own, attached nowhere yet: together they hold no more than the work folder does.

    They are parts of one folder, which stands at *passing* for as long as it takes to share it out.
    """
    whole = work_folder(plan)
    sys.attach(whole, passing)
    os.close(whole)
    parts = {}
    for number, path in enumerate(plan["empties"]):
        part = f"{passing}/{number}"
        os.mkdir(part, 0o700)
        if plan["owner"] is not None:
            os.chown(part, plan["owner"], plan["owner"])
        parts[path] = idmap.cloned(part)
    sys.call("umount2", passing.encode(), sys.MNT_DETACH)
    return parts


def _base(plan: Mapping[str, Any], host: str, staging: str, namespaces: Mapping[idmap.Owner, int]) -> None:
    """The interpreter's files and what is grafted in, in a new tmpfs on *staging*; *host*: where the host's tree is."""
    mount("tmpfs", staging, "tmpfs", _NO_DEVICES, "size=8m,nr_inodes=4k,mode=755")
    trees = [*([*graft, namespaces] for graft in plan["grafts"]), *([*bind, None] for bind in plan["binds"])]
    for source, path, ids in sorted(trees, key=lambda one: str(one[1])):
        _mount_point(host + source, staging + path)
        _bind(host + source, staging + path, ids)
    for path in plan["masks"]:
        mount("tmpfs", staging + path, "tmpfs", _NO_DEVICES, "size=4k,nr_inodes=1,mode=755")
    os.makedirs(staging + plan["work"], exist_ok=True)
    for path, text in plan["texts"].items():
        os.makedirs(os.path.dirname(staging + path), exist_ok=True)
        with open(staging + path, "x", encoding="latin-1") as file:
            file.write(text)
    for path in plan["devices"]:
        _mount_point(host + path, staging + path)


def _devices(plan: Mapping[str, Any], host: str, staging: str) -> None:
    for path in plan["devices"]:
        mount(host + path, staging + path, flags=sys.MS_BIND)


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


def _enter(root: str, old: str) -> None:
    """Make *root* the root; the tree that was there before is kept at *old* below it, or let go."""
    os.chdir(root)
    sys.call("pivot_root", b".", old.encode() or b".")
    if not old:
        sys.call("umount2", b".", sys.MNT_DETACH)
    os.chdir("/")
