"""Which processes are below another one, by the kernel's own lists; any of them may end while it is looked at."""

import contextlib
import os
from pathlib import Path


def children(pid):
    """The pids of the processes that *pid* began and that it has not waited for; none once it has ended."""
    found = []
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError):
                found += map(int, Path(f"/proc/{pid}/task/{thread}/children").read_text().split())
    return found


def descendants(pid):
    """All of them below *pid*, each before its own."""
    return [one for child in children(pid) for one in (child, *descendants(child))]
