"""A door and an address go in; it is served over streamable HTTP to whoever brings the token, by a name it knows."""

from __future__ import annotations

import hmac
import ipaddress
import secrets
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from mcp.server.transport_security import TransportSecuritySettings
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from toolwright.errors import UserError
from toolwright.mcpdoor.server import Door
from toolwright.store.files import write_new, writing
from toolwright.whoasks import Names

PATH = "/mcp"
TOKEN_FILE = "mcp-token"
"""File of the home with the token, made at the first start."""
TOKEN_VARIABLE = "TOOLWRIGHT_MCP_TOKEN"
_SHORTEST = 16
_GRACE_S = 3
_READABLE = ("Mcp-Session-Id", "Mcp-Protocol-Version", "WWW-Authenticate")


@dataclass(frozen=True, slots=True)
class Place:
    """Where it listens, who may come: names in the Host header, pages in the Origin header, and the token if any."""

    host: str = "127.0.0.1"
    port: int = 0
    token: str | None = None
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()

    @property
    def is_loopback(self) -> bool:
        """Whether nobody but this machine can reach it."""
        try:
            return ipaddress.ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def named(self) -> str:
        """The host as it stands in an address."""
        host = self.host.strip("[]")
        return f"[{host}]" if ":" in host else host


def place_of(text: str, token: str | None, hosts: Sequence[str] = (), origins: Sequence[str] = ()) -> Place:
    """`HOST:PORT`, `PORT` or `[::1]:PORT`. UserError for what is none, and for an open door without a token."""
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise UserError(f"--http {text}: must be HOST:PORT, such as 127.0.0.1:8931.")
    place = Place(host or "127.0.0.1", int(port), token, tuple(hosts), tuple(origins))
    if token is None and not place.is_loopback:
        raise UserError(f"--http {text}: whoever reaches that address could use it; leave out --no-token.")
    return place


def token_of(home: Path, given: str | None) -> tuple[str, str]:
    """The token, and where a person finds it: *given*, or that of the home, made if there is none. UserError."""
    if given is not None:
        if len(given) < _SHORTEST:
            raise UserError(f"${TOKEN_VARIABLE} is too short: a token has {_SHORTEST} characters or more.")
        return given, f"${TOKEN_VARIABLE}"
    path = home / TOKEN_FILE
    with writing(path):
        if not path.exists():
            with suppress(FileExistsError):  # another server of this home was first
                write_new(path, f"{secrets.token_urlsafe(32)}\n".encode())
        token = path.read_text("utf-8").strip()
    if len(token) < _SHORTEST:
        raise UserError(f"{path} holds no token of {_SHORTEST} characters or more; remove it, and one is made.")
    return token, str(path)


def app_of(door: Door, place: Place) -> ASGIApp:
    """The door as an ASGI application. Host and Origin are checked wherever it listens, before anything else."""
    # The SDK's own check takes any page of this machine, and `NAME:anything` for a host; ours is that of `serve`.
    none = TransportSecuritySettings(enable_dns_rebinding_protection=False)
    app: ASGIApp = door.server.streamable_http_app(streamable_http_path=PATH, transport_security=none, host=place.host)
    if place.token is not None:
        app = Bearer(app, place.token)
    if place.origins:
        # What a browser asks before it sends a request of another page, and what that page may read of the answer.
        app = CORSMiddleware(
            app,
            allow_origins=place.origins,
            allow_methods=("GET", "POST", "DELETE"),
            allow_headers=("*",),
            expose_headers=_READABLE,
        )
    return Known(app, Names.of(place.named, place.hosts, place.origins))


class Known:
    """Lets nobody in who asks by a name that is none of ours, and no page of elsewhere."""

    def __init__(self, app: ASGIApp, names: Names) -> None:
        self._app, self._names = app, names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 421 or 403, or hand on."""
        if scope["type"] == "http" and (said := self._refusal(Headers(scope=scope))):
            await JSONResponse({"error": said[1]}, said[0])(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _refusal(self, headers: Headers) -> tuple[int, str] | None:
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        if not self._names.is_host(hosts):
            return 421, f"The host is {hosts[0][:100] if hosts else ''!r}; --allow-host NAME adds a name."
        if not self._names.is_origin(origins, hosts[0]):
            return 403, f"The origin is {origins[0][:100]!r}; --allow-origin URL lets a page of elsewhere in."
        return None


class Bearer:
    """Lets nobody in who does not bring the token."""

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app, self._token = app, token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 401, or hand on."""
        if scope["type"] == "http" and not self._knows(Headers(scope=scope).get("authorization", "")):
            body = {"error": "invalid_token", "error_description": "Send the header: Authorization: Bearer TOKEN"}
            refused = JSONResponse(body, 401, {"WWW-Authenticate": 'Bearer error="invalid_token"'})
            await refused(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _knows(self, header: str) -> bool:
        kind, _, token = header.partition(" ")
        return kind.lower() == "bearer" and hmac.compare_digest(token.strip().encode(), self._token)


def listening(place: Place) -> socket.socket:
    """A socket that listens at *place*. UserError."""
    host = place.host.strip("[]")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # Named as TCP: only then does asyncio send each piece at once, where a client would wait 40 ms for the second one.
    found = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind((host, place.port))
        found.listen(128)
    except OSError as error:
        found.close()
        raise UserError(f"--http {place.host}:{place.port}: cannot listen there: {error.strerror or error}.") from None
    return found


class _Uvicorn(uvicorn.Server):
    """Ends the streams of those who listen before it waits for requests to end: they would last for ever."""

    def __init__(self, config: uvicorn.Config, door: Door) -> None:
        super().__init__(config)
        self._door = door

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._door.listening.close()
        await super().shutdown(sockets)


async def serve(door: Door, place: Place, at: socket.socket) -> None:
    """Serve until a signal ends it."""
    config = uvicorn.Config(
        app_of(door, place), log_config=None, log_level="warning", timeout_graceful_shutdown=_GRACE_S, lifespan="on"
    )
    await _Uvicorn(config, door).serve(sockets=[at])
