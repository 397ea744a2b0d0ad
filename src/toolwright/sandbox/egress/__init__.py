"""Requests of a guest go in through a listener in its box; those to granted hosts go out, all others get a 403."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from collections.abc import Callable, Mapping

from toolwright.powers import host_power
from toolwright.sandbox.egress.exchange import Exchange, Meter, Rules, turn_away
from toolwright.sandbox.egress.outer_proxy import OuterProxies
from toolwright.sandbox.egress.relay import Stopped, Switch


class Egress:
    """The one way out of a box: plain HTTP and CONNECT to the host:port pairs of a grant, and to nothing else.

    Lives in the host process, one for each guest with a host grant. Names are looked up here, and the address that
    was checked is the one connected to. A private, loopback or otherwise special address is reached only when the
    grant names that very address. `max_bytes` counts both directions of all requests together; times are seconds.
    Proxy settings come from *environment* (by default this process's) and are used for public addresses only.
    """

    def __init__(
        self,
        hosts: tuple[str, ...],
        *,
        max_bytes: int = 100_000_000,
        max_connections: int = 64,
        max_requests: int = 2000,
        connect_timeout: float = 10.0,
        idle_timeout: float = 60.0,
        request_timeout: float = 300.0,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._rules = Rules(
            hosts=tuple(host_power(host) for host in hosts),
            outer=OuterProxies.of(environment),
            max_bytes=max_bytes,
            max_requests=max_requests,
            connect_s=connect_timeout,
            idle_s=idle_timeout,
            request_s=request_timeout,
        )
        self._max_connections = max_connections
        self._slots = threading.BoundedSemaphore(max_connections)
        self._meter = Meter()
        self._switch = Switch()
        self._lock = threading.Lock()
        self._listeners: list[socket.socket] = []
        self._threads: set[threading.Thread] = set()

    def serve(self, listener: socket.socket) -> None:
        """Accept on *listener* (a listening socket, ours from now on) in a thread; returns at once."""
        listener.setblocking(False)
        with self._lock:
            if not self._switch.thrown:
                self._listeners.append(listener)
                self._start(self._accept_on, listener)
                return
        listener.close()

    @property
    def log(self) -> tuple[str, ...]:
        """One line a request: `allowed host:port bytes status` or `refused host:port why`."""
        return self._meter.lines

    def close(self) -> None:
        """End listeners and connections and wait for the threads; the log stays. May be called again."""
        with self._lock:
            if self._switch.thrown:
                return
            self._switch.throw()
            threads = tuple(self._threads)
        for thread in threads:
            thread.join()
        for listener in self._listeners:
            listener.close()
        self._switch.release()

    def _start(self, work: Callable[[socket.socket], None], sock: socket.socket) -> None:
        """Run *work* on *sock* in a thread that close() waits for. Under the lock, before the switch is thrown."""
        thread = threading.Thread(target=self._run, args=(work, sock), name="egress", daemon=True)
        thread.start()
        self._threads.add(thread)

    def _run(self, work: Callable[[socket.socket], None], sock: socket.socket) -> None:
        try:
            with contextlib.suppress(Stopped):
                work(sock)
        finally:
            with self._lock:
                self._threads.discard(threading.current_thread())

    def _accept_on(self, listener: socket.socket) -> None:
        while True:
            try:
                self._switch.wait({listener.fileno(): select.POLLIN}, time.monotonic() + 3600)
                client, _ = listener.accept()
            except (TimeoutError, BlockingIOError):
                continue
            except OSError:  # no descriptor left, or the client has gone: neither may become a busy loop
                self._pause()
                continue
            client.setblocking(False)
            self._admit(client)

    def _admit(self, client: socket.socket) -> None:
        """Give *client* a thread of its own, or an answer that there is none. Waits a while for a free place."""
        patience = time.monotonic() + self._rules.connect_s
        try:
            while not self._slots.acquire(blocking=False):
                if time.monotonic() > patience:
                    with client:
                        turn_away(self._switch, client, 503, f"more than {self._max_connections} connections at once")
                    return
                self._pause()
            with self._lock:
                if self._switch.thrown:
                    raise Stopped
                self._start(self._serve_client, client)
        except Stopped:
            client.close()
            raise
        except RuntimeError:  # this machine gives no more threads
            self._slots.release()
            client.close()

    def _pause(self) -> None:
        with contextlib.suppress(TimeoutError):
            self._switch.wait({}, time.monotonic() + 0.02)

    def _serve_client(self, client: socket.socket) -> None:
        try:
            with client:
                Exchange(self._rules, self._meter, self._switch, client).run()
        finally:
            self._slots.release()
