"""What a launcher does: a plan comes in on the control channel, and this process, or a child of it, is a zygote."""

from __future__ import annotations

import _signal  # type: ignore[import-not-found] # signal itself costs as much as all other imports here
import os

from toolwright.sandbox import mounts, syscalls, wall, zygote
from toolwright.sandbox.control import Control

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

_NAMESPACES = (
    syscalls.CLONE_NEWNS | syscalls.CLONE_NEWPID | syscalls.CLONE_NEWNET | syscalls.CLONE_NEWIPC | syscalls.CLONE_NEWUTS
)


def main(control_fd: int) -> NoReturn:
    """Be the zygote that the first message describes, or the parent of one that is the first of its pid namespace."""
    # A host may ignore or block signals, and that is handed on; without this one we could not wait for guests.
    _signal.signal(_signal.SIGCHLD, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_SETMASK, ())
    control = Control(control_fd)
    plan, codec = control.hear()
    proc = os.open("/proc", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if plan["profile"] == "full":
            _enclose(plan, proc)
        zygote.serve(control, plan, codec, proc)
    except EOFError:
        os._exit(0)
    except OSError as error:
        control.tell(stage="failed", why=str(error))
    os._exit(1)


def _enclose(plan: dict[str, Any], proc: int) -> None:
    """Into namespaces of its own. Only a child can be in a new pid namespace: this process waits and ends with it."""
    if plan["rooted"]:
        syscalls.unshare(_NAMESPACES)
    else:
        ids = os.getuid(), os.getgid()
        syscalls.unshare(_NAMESPACES | syscalls.CLONE_NEWUSER)
        wall.map_ids(proc, ids, ids)
    child = os.fork()
    if child:
        syscalls.close_range(3, 2**31 - 1)
        os.waitpid(child, 0)
        os._exit(0)
    syscalls.prctl(syscalls.PR_SET_PDEATHSIG, syscalls.SIGKILL)
    if os.uname().nodename != "box":  # a container that was started with this name may not let us say it again
        syscalls.set_host_name("box")
    mounts.common_root(plan)
