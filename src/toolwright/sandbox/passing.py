"""Why a box could not be built goes in; whether that may be otherwise a moment later comes out."""

from __future__ import annotations

import errno
import re

from toolwright.sandbox.spawning import TOO_SLOW, LayerError

_NUMBER = re.compile(r"\[Errno (\d+)\]")
_PASSING = frozenset(
    (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.EINTR, errno.EIO, errno.EDQUOT, errno.EBUSY)
)
_LIMITS = tuple(f"/proc/sys/user/max_{kind}_namespaces" for kind in ("user", "mnt", "pid", "net", "ipc", "uts"))


def passes(error: LayerError | OSError) -> bool:
    """Whether *error* says that something was used up or slow, and not that this machine does not allow it."""
    if isinstance(error, OSError):
        number = error.errno
    else:  # a zygote or a guest says it in words
        found = _NUMBER.search(str(error))
        number = int(found[1]) if found else None
    if number == errno.ENOSPC:  # also the kernel's word for: no namespaces for anybody
        return not any(_is_zero(path) for path in _LIMITS)
    if number is None:
        return any(words in str(error) for words in TOO_SLOW)
    return number in _PASSING


def _is_zero(path: str) -> bool:
    try:
        with open(path, encoding="ascii") as file:
            return file.read().strip() == "0"
    except OSError:
        return False
