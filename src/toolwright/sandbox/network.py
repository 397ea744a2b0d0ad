"""The one way out of a network namespace that has none: a listener on its loopback, which the keeper accepts on."""

from __future__ import annotations

import _socket as socket
import fcntl
import os
import struct

from toolwright.sandbox import syscalls

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

PROXY = ("127.0.0.1", 3128)
"""Where a guest with a host grant finds its proxy: each has a loopback of its own."""

_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1
_SIOCSIFADDR, _SIOCSIFNETMASK = 0x8916, 0x891C


def listeners(addresses: Sequence[tuple[str, int]]) -> list[int]:
    """Descriptors of listeners on *addresses*, in a new network namespace that this process is in from now on."""
    syscalls.unshare(syscalls.CLONE_NEWNET)
    for number, host in enumerate(dict.fromkeys(host for host, _ in addresses if not host.startswith("127."))):
        _own_address(f"lo:{number}", host)
    return [loopback_listener((host, port)).detach() for host, port in addresses]


def loopback_listener(address: tuple[str, int] = ("127.0.0.1", 0)) -> socket.socket:
    """A listening socket on the loopback of this network namespace, which has nothing else."""
    any_socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    request = struct.pack("16sH14x", b"lo", 0)
    flags = struct.unpack("16sH14x", fcntl.ioctl(any_socket.fileno(), _SIOCGIFFLAGS, request))[1]
    fcntl.ioctl(any_socket.fileno(), _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | _IFF_UP))
    any_socket.close()
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.bind(address)
    listener.listen(64)
    return listener


def _own_address(name: str, host: str) -> None:
    """Let this network namespace be *host* to itself."""
    any_socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for request, address in ((_SIOCSIFADDR, host), (_SIOCSIFNETMASK, "255.255.255.255")):
        place = struct.pack("=HH4s8x", socket.AF_INET, 0, socket.inet_aton(address))
        fcntl.ioctl(any_socket.fileno(), request, struct.pack("16s16s8x", name.encode(), place))
    any_socket.close()


class Home:
    """The network namespace of this process: left for a moment, it can be come back to."""

    def __init__(self, proc: int) -> None:
        self._namespace = os.open("self/ns/net", os.O_RDONLY | os.O_CLOEXEC, dir_fd=proc)

    def enter(self) -> None:
        """Be in it again."""
        syscalls.setns(self._namespace, syscalls.CLONE_NEWNET)
