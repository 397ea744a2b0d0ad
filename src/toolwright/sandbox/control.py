"""The channel between a keeper and its zygote: marshalled orders in, JSON out, descriptors beside both.

The keeper reads JSON alone: marshal trusts its writer, and the zygote is what stands next to the guests.
"""

from __future__ import annotations

import _socket as socket
import json
import marshal
import os
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PLAN_CAP = 2**20
_ORDER_CAP = 2**17
_DESCRIPTORS = 8
_BESIDE = socket.CMSG_SPACE(4 * _DESCRIPTORS)


class Control:
    """The zygote's end. What comes from it is the keeper's word: no guest ever holds this descriptor."""

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=descriptor)

    def tell(self, **words: Any) -> None:
        """Send *words*; a keeper that is gone hears nothing."""
        try:
            self._socket.send(json.dumps(words).encode())
        except OSError:
            os._exit(1)

    def hear(self) -> Any:
        """The next packet. EOFError if the keeper has gone."""
        return self.take(_PLAN_CAP)[0]

    def take(self, cap: int = _ORDER_CAP) -> tuple[Any, list[int]]:
        """The next packet and the descriptors beside it. EOFError if the keeper has gone."""
        try:
            data, beside, _, _ = self._socket.recvmsg(cap, _BESIDE, socket.MSG_CMSG_CLOEXEC)
        except ConnectionError:
            data, beside = b"", []
        if not data:
            raise EOFError
        found = [number for _, _, packed in beside for (number,) in struct.iter_unpack("i", packed)]
        return marshal.loads(data), found

    def fileno(self) -> int:
        """For poll."""
        return self._socket.fileno()


class Reply:
    """The zygote's end of what one guest is spoken of: its descriptors at its birth, then how it died."""

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=descriptor)

    def fileno(self) -> int:
        """For poll."""
        return self._socket.fileno()

    def tell(self, words: Any, descriptors: list[int] | None = None) -> None:
        """Send *words*; a keeper that has lost interest hears nothing."""
        beside = struct.pack(f"{len(descriptors or ())}i", *(descriptors or ()))
        kinds = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, beside)] if descriptors else []
        try:
            self._socket.sendmsg([json.dumps(words).encode()], kinds, socket.MSG_NOSIGNAL)
        except OSError:
            return

    def close(self) -> None:
        """Nothing more is said."""
        self._socket.close()
