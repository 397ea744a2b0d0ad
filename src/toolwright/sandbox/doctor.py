"""The layers of the wall that this machine gives, each attacked with it on and with it off; the cure for each gap."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from toolwright.sandbox import Layer, bundle, cgroup, limittrial, proxytrial
from toolwright.sandbox.boxtrial import Run, boxes
from toolwright.sandbox.landlock import abi
from toolwright.sandbox.root import root
from toolwright.sandbox.trial import BARE, GAINED, NOT_BUILT, OWN_ID, STOPPED, TRIALS

Say = Callable[[str], None]
_WAIT_S = 20
_NOT_TRIED = -1


def layers(profile: str, runs: Mapping[str, Run], say: Say | None = None) -> tuple[Layer, ...]:
    """A Layer for each; *runs* runs a job in the whole box of each profile, *profile* is the one in use.

    *say* hears what is attacked, in a few words.
    """
    heard = say or _nobody
    found = []
    for name in TRIALS:
        heard(f"{name}: {TRIALS[name].words}")
        found.append(_tried(name))
    heard("cgroups")
    found.append(_cgroups())
    heard("the way out")
    found.append(proxytrial.layer())
    found += boxes(profile, runs, heard)
    found += limittrial.layers(runs, heard)
    return tuple(found)


def _nobody(words: str) -> None:
    del words


def _tried(name: str) -> Layer:
    """The layer *name*, attacked with it on; and with it off, for an attack that never works proves nothing."""
    words = TRIALS[name].words
    code, said = _attacked(name)
    if code == NOT_BUILT:
        return Layer(name, False, f"cannot be had: {said}", _cure(name), words)
    if code == _NOT_TRIED:
        return Layer(name, False, said, "end what keeps this machine busy, and try again", words, tested=False)
    if code != STOPPED:
        return Layer(name, False, f"broken: {said}" if code == GAINED else said, _cure(name), words)
    bare, gained = _attacked(BARE + name)
    without = f"without it, {gained}" if bare == GAINED else f"without it too, here: {gained}"
    return Layer(name, True, f"{_known(name)}stopped: {said}; {without}", "", words)


def _known(name: str) -> str:
    if name == "landlock":
        return f"version {abi()}; "
    if name == OWN_ID:
        return f"the keeper is {'root' if os.geteuid() == 0 else 'no root, which has nothing to give up'}; "
    return ""


def _attacked(name: str) -> tuple[int, str]:
    try:
        words, code = bundle.command(root().interpreter, "try", name, trial=True)
        ended = subprocess.run(
            words, pass_fds=(code,), capture_output=True, text=True, timeout=_WAIT_S, env={}, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return _NOT_TRIED, f"could not be tried: {error}"
    said = (ended.stdout + ended.stderr).strip().splitlines()
    return ended.returncode, said[-1] if said else f"exit {ended.returncode}"


def _cgroups() -> Layer:
    """Whether cgroup v2 holds tools with `subprocess` too. Limits hold without it, and nothing here tests it."""
    name, words = "cgroup v2", "take more memory than a group of its own may have"
    place, why = cgroup.looked_for()
    if place is None:
        said = f"{why}; limits are held without it"
    else:
        said = f"tools with `subprocess` get groups below {place}, and limits are held without them as well"
    return Layer(name, False, f"untested here: {said}", "", words, tested=False)


def _cure(name: str) -> str:
    if name.startswith("landlock"):
        return "boot a kernel from 5.13 on (6.12 for sockets) with `landlock` in the `lsm=` list"
    if name == OWN_ID:
        return "map more ids into the user namespace that this runs in, or run it as an ordinary user"
    if name in ("seccomp", "memory limit", "file size limit", "capabilities", "not dumpable"):
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


def _setting(path: str) -> str:
    try:
        return Path("/proc/sys", path).read_text(encoding="ascii").strip()
    except OSError:
        return ""
