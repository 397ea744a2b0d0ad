"""The layers of the wall that this machine gives, each found by using it, with the cure for each that it does not."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from toolwright.sandbox import Layer, bundle, plan
from toolwright.sandbox.landlock import abi
from toolwright.sandbox.root import root

_WAIT_S = 20
_NAMES = (
    "user namespace",
    "mount namespace",
    "pid namespace",
    "net namespace",
    "ipc, uts namespaces",
    "landlock",
    "seccomp",
    "memory limit",
)


def layers(profile: str, boxes: dict[str, str]) -> tuple[Layer, ...]:
    """A Layer for each; *boxes* says for each profile that was built whole what went wrong with it, '' if nothing."""
    found = [_tried(name) for name in _NAMES]
    found.append(_keeper())
    for name, why in boxes.items():
        chosen = " (in use)" if name == profile else ""
        found.append(
            Layer(f"box {name}", not why, (why or "a call was made in it") + chosen, "" if not why else _box())
        )
    return tuple(found)


def _tried(name: str) -> Layer:
    try:
        words, code = bundle.command(root().interpreter, "try", name, trial=True)
        ended = subprocess.run(
            words,
            pass_fds=(code,),
            capture_output=True,
            text=True,
            timeout=_WAIT_S,
            env={},
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Layer(name, False, str(error))
    if ended.returncode == 0:
        return Layer(name, True, f"version {abi()}" if name == "landlock" else "tried: it holds")
    said = (ended.stdout + ended.stderr).strip().splitlines()
    return Layer(name, False, said[-1] if said else f"exit {ended.returncode}", _cure(name))


def _keeper() -> Layer:
    if os.geteuid() != 0:
        return Layer("guest's own user id", True, "the keeper is no root: nothing to give up")
    own = plan.owner()
    if own is None:
        return Layer("guest's own user id", True, "the keeper is root of its user namespace only")
    return Layer("guest's own user id", True, "the keeper is root: guests get an id that owns nothing")


def _cure(name: str) -> str:
    if name == "landlock":
        return "boot a kernel from 5.13 on with `landlock` in the `lsm=` list"
    if name in ("seccomp", "memory limit"):
        return "use a Linux kernel with seccomp filters on x86_64 or aarch64"
    for path, bad, cure in (
        ("kernel/apparmor_restrict_unprivileged_userns", "1", "kernel.apparmor_restrict_unprivileged_userns=0"),
        ("kernel/unprivileged_userns_clone", "0", "kernel.unprivileged_userns_clone=1"),
        ("user/max_user_namespaces", "0", "user.max_user_namespaces=15000"),
    ):
        if _setting(path) == bad:
            return f"sudo sysctl -w {cure}"
    if os.path.exists("/.dockerenv") or os.path.exists("/run/.containerenv"):
        return "start the container with --security-opt seccomp=unconfined --security-opt apparmor=unconfined"
    return "allow unprivileged user namespaces on this machine"


def _box() -> str:
    return "see the layers above"


def _setting(path: str) -> str:
    try:
        return Path("/proc/sys", path).read_text(encoding="ascii").strip()
    except OSError:
        return ""
