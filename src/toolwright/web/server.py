"""A Toolwright and an address go in; it is served there until it is told to stop, and what runs comes to an end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import uvicorn

from toolwright.errors import UserError
from toolwright.web.application import application
from toolwright.web.following import Following
from toolwright.web.patience import patient
from toolwright.whoasks import Names

if TYPE_CHECKING:
    from toolwright.app import Toolwright

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_TURN_S = 0.05
_THREADS = 64


def address_of(text: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`, `[::1]:PORT` or `:PORT`, which is loopback. UserError."""
    host, colon, port = text.strip().rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise UserError(f"{text!r} is no address; write HOST:PORT, such as 127.0.0.1:8765 (port 0: any that is free).")
    return host.removeprefix("[").removesuffix("]") or "127.0.0.1", int(port)


def listening(host: str, port: int) -> socket.socket:
    """A socket that is bound there. UserError where that cannot be."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        bound = socket.socket(family, kind, protocol)
        # Where any port will do, after it was chosen: else the kernel may give one to two that do not listen yet.
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, int(port != 0))
        bound.bind(address)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    except OSError as error:
        raise UserError(f"Nothing can listen at {host}:{port}: {error.strerror or error}.") from None
    return bound


class _Server(uvicorn.Server):
    """Leaves signals to us."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(
    tw: Toolwright, bound: socket.socket, host: str, ready: Callable[[], None], *, asks: bool = True
) -> int:
    """Serve *tw* on *bound* until SIGINT, SIGTERM or SIGHUP; how many runs had to be cut short then.

    Nothing new is begun after the first signal, and what is under way has `serve.grace_s` seconds; a second one cuts
    that short. *ready* is called when requests are answered. Not *asks*: *tw* itself says yes to every power, and no
    question is kept. The caller closes *tw*.
    """
    loop, own = asyncio.get_running_loop(), tw.settings.serve
    loop.set_default_executor(ThreadPoolExecutor(_THREADS, "toolwright-web"))
    named = f"[{host}]" if ":" in host else host
    app, following = application(tw, Names.of(named, own.hosts), asks)
    logging.getLogger("uvicorn").addHandler(logging.NullHandler())
    server = _Server(
        uvicorn.Config(
            app,
            http=patient(own.receive_s),
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=max(1, round(own.grace_s)),
        )
    )
    told, hurry = asyncio.Event(), asyncio.Event()
    for number in _SIGNALS:
        loop.add_signal_handler(number, lambda: hurry.set() if told.is_set() else told.set())
    serving = asyncio.ensure_future(server.serve(sockets=[bound]))
    while not server.started and not serving.done():
        await asyncio.sleep(_TURN_S)
    ready()
    waiting = asyncio.ensure_future(told.wait())
    await asyncio.wait([serving, waiting], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    return await _wound_up(server, serving, following, own.grace_s, hurry)


async def _wound_up(
    server: uvicorn.Server, serving: asyncio.Task[None], following: Following, grace_s: float, hurry: asyncio.Event
) -> int:
    """Bring requests and runs to their end, together."""
    server.should_exit = True

    async def hurried() -> None:
        await hurry.wait()
        server.force_exit = True

    hurrying = asyncio.ensure_future(hurried())
    cut = await following.close(grace_s, hurry)
    await serving
    hurrying.cancel()
    return cut
