"""Host and Origin headers of a request go in; whether the server may answer to it comes out: the same at each door."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


@dataclass(frozen=True, slots=True)
class Names:
    """What a server is called, and which pages may ask it beside its own."""

    hosts: frozenset[str]
    origins: frozenset[str] = frozenset()

    @classmethod
    def of(cls, own: str, hosts: Iterable[str] = (), origins: Iterable[str] = ()) -> Names:
        """Those of loopback and *own* (where it listens), and *hosts* with a port or without; *origins* as browsers
        send them (`https://page.example`)."""
        named = (*LOOPBACK, own, *hosts)
        return cls(
            frozenset(one.strip().lower() for one in named),
            frozenset(one.strip().lower().rstrip("/") for one in origins),
        )

    def is_host(self, said: Sequence[str]) -> bool:
        """Whether the Host headers *said* are one, and a name of this server.

        A page that has its own name point here (DNS rebinding) sends that name.
        """
        return len(said) == 1 and bool({_whole(said[0]), _without_port(said[0])} & self.hosts)

    def is_origin(self, said: Sequence[str], host: str) -> bool:
        """Whether the Origin headers *said* are none, or one: that of a page of *host* itself or of a known page."""
        if not said:
            return True
        origin = _whole(said[0])
        return len(said) == 1 and (origin.partition("://")[2] == _whole(host) or origin in self.origins)


def _whole(text: str) -> str:
    return text.strip().lower()


def _without_port(host: str) -> str:
    name, colon, port = _whole(host).rpartition(":")
    return name if colon and (not port or port.isdecimal()) else _whole(host)
