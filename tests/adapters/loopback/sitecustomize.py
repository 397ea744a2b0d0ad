"""First on the path of a Python program: whatever it would reach beyond this machine is refused, and noted in $REACHED."""

import ipaddress
import os
import sys

_HERE = ("", "localhost", "::1")
_NOTES = os.environ.get("REACHED", "")


def _local(host: object) -> bool:
    name = host.decode() if isinstance(host, bytes) else str(host or "")
    try:
        return name in _HERE or ipaddress.ip_address(name.partition("%")[0]).is_loopback
    except ValueError:
        return False


def _watch(event: str, given: tuple[object, ...]) -> None:
    if event == "socket.connect" or event == "socket.sendto":
        host = given[1][0] if isinstance(given[1], tuple) else ""  # a socket of the file system stays here
    elif event == "socket.getaddrinfo" or event == "socket.gethostbyname":
        host = given[0]
    else:
        return
    if not _local(host):
        with open(_NOTES, "a") as notes:
            notes.write(f"{event} {host}\n")
        raise OSError(f"{host} is not this machine")


if _NOTES:
    sys.addaudithook(_watch)
