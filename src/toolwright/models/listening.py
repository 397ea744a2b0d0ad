"""An ASGI application in, a thread that serves it out, one that stops within milliseconds of being told to."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
import time
from typing import Any

import uvicorn

from toolwright.errors import FaultError

START_S = 10.0


class _Server(uvicorn.Server):
    """Waits for the word to stop instead of looking for it ten times a second."""

    _loop: asyncio.AbstractEventLoop | None = None

    async def main_loop(self) -> None:
        """Serve until `stop`."""
        self._loop, self._told = asyncio.get_running_loop(), asyncio.Event()
        await self.on_tick(0)  # sets the headers that every answer has
        if not self.should_exit:  # told before there was an event to set
            await self._told.wait()

    def stop(self) -> None:
        """Say stop, from any thread; answers under way are dropped."""
        self.should_exit = self.force_exit = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._told.set)


class Listening:
    """*app* served on a bound *sock*, from construction until `close`. FaultError when it does not start."""

    def __init__(self, app: Any, sock: socket.socket) -> None:
        # What the server has to say about answers that are torn on purpose is not for a person's terminal.
        logging.getLogger("uvicorn").addHandler(logging.NullHandler())
        config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", ws="none")
        self._server = _Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [sock]}, name="toolwright-listening", daemon=True
        )
        self._thread.start()
        until = time.monotonic() + START_S
        while not self._server.started:
            if time.monotonic() > until or not self._thread.is_alive():
                raise FaultError("The scripted model did not start to listen.")
            time.sleep(0.002)

    def close(self) -> None:
        """Stop, and wait until the thread has ended."""
        self._server.stop()
        self._thread.join(5)
