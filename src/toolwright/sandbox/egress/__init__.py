"""Requests of a guest go in through a listener in its box; those to granted hosts go out, all others get a 403."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from toolwright.powers import SecretBinding, host_power, is_tcp
from toolwright.sandbox import Job
from toolwright.sandbox.egress.exchange import Exchange, turn_away
from toolwright.sandbox.egress.forwarding import Forwarding
from toolwright.sandbox.egress.outer_proxy import OuterProxies
from toolwright.sandbox.egress.placing import Placing
from toolwright.sandbox.egress.relay import Stopped, Switch
from toolwright.sandbox.egress.rules import Meter, Rules

_Serve = Callable[[socket.socket], None]
_Refuse = Callable[[socket.socket, str], None]


class Egress:
    """The one way out of a box: plain HTTP and CONNECT to the host:port pairs of a grant, and to nothing else.

    Lives in the host process, one for each guest with a host grant. Names are looked up here, and the address that
    was checked is the one connected to. A private, loopback or otherwise special address is reached only when the
    grant names that very address. `max_bytes` counts both directions of all requests together; times are seconds.
    Proxy settings come from *environment* (by default this process's) and are used for public addresses only.

    *secrets*: bindings with their values. On requests to the bound host, `secret://NAME` in the bound place becomes the
    value; for such hosts TLS ends here, by a certificate of the *authority* (a folder), and the host's own is checked.
    SpecError for a value that no request takes.

    `max_bytes` and `max_requests` are for one call: *calls* as many share them, or *call* tells the number of the call
    that is under way, and each has them anew.
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
        secrets: Sequence[tuple[SecretBinding, str]] = (),
        authority: Path | None = None,
        calls: int = 1,
        call: Callable[[], int] | None = None,
    ) -> None:
        powers = tuple(host_power(host) for host in hosts)
        self._rules = Rules(
            hosts=tuple(one for one in powers if not is_tcp(one)),
            outer=OuterProxies.of(environment),
            max_bytes=max_bytes * calls,
            max_requests=max_requests * calls,
            connect_s=connect_timeout,
            idle_s=idle_timeout,
            request_s=request_timeout,
            secrets=Placing(secrets),
            authority=authority,
            calls=calls,
        )
        self._raw = replace(self._rules, hosts=tuple(one for one in powers if is_tcp(one)))
        self._max_connections = max_connections
        self._slots = threading.BoundedSemaphore(max_connections)
        self._meter = Meter(call)
        self._switch = Switch()
        self._lock = threading.Lock()
        self._listeners: list[socket.socket] = []
        self._threads: set[threading.Thread] = set()

    @classmethod
    def of(cls, job: Job, call: Callable[[], int] | None = None) -> Egress:
        """The way out for the guest of *job*: its hosts, and its bound secrets in their places.

        *call* as above; where nobody can tell it, the calls of a batch share what they may use.
        """
        bound = [(one, job.secrets[one.name]) for one in job.grant.bindings if one.name in job.secrets]
        calls = 1 if call is not None else max(len(job.arguments), 1)
        return cls(job.grant.hosts, secrets=bound, authority=job.authority, calls=calls, call=call)

    def serve(self, listener: socket.socket) -> None:
        """Accept on *listener* (a listening socket, ours from now on) in a thread; returns at once."""

        def exchange(client: socket.socket) -> None:
            Exchange(self._rules, self._meter, self._switch, client).run()

        def refuse(client: socket.socket, why: str) -> None:
            with client:
                turn_away(self._switch, client, 503, why)

        self._listen(listener, exchange, refuse)

    def forward(self, listener: socket.socket, power: str) -> None:
        """Like `serve`, for connections to the granted host *power* (`tcp://name:port`), whatever they speak."""
        power = host_power(power)
        if not self._raw.grants(power):
            listener.close()
            raise ValueError(f"{power} is not among the hosts of this Egress: {', '.join(self._raw.hosts) or 'none'}")
        way = Forwarding(power, self._raw, self._meter, self._switch)
        self._listen(listener, way.serve, way.turn_away)

    def _listen(self, listener: socket.socket, serve: _Serve, refuse: _Refuse) -> None:
        listener.setblocking(False)
        with self._lock:
            if not self._switch.thrown:
                self._listeners.append(listener)
                self._start(partial(self._accept_on, serve=serve, refuse=refuse), listener)
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

    def _accept_on(self, listener: socket.socket, serve: _Serve, refuse: _Refuse) -> None:
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
            self._admit(client, serve, refuse)

    def _admit(self, client: socket.socket, serve: _Serve, refuse: _Refuse) -> None:
        """Give *client* a thread of its own, or an answer that there is none. Waits a while for a free place."""
        patience = time.monotonic() + self._rules.connect_s
        try:
            while not self._slots.acquire(blocking=False):
                if time.monotonic() > patience:
                    refuse(client, f"more than {self._max_connections} connections at once (fixed)")
                    return
                self._pause()
            with self._lock:
                if self._switch.thrown:
                    raise Stopped
                self._start(partial(self._serve_client, serve=serve), client)
        except Stopped:
            client.close()
            raise
        except RuntimeError:  # this machine gives no more threads
            self._slots.release()
            client.close()

    def _pause(self) -> None:
        with contextlib.suppress(TimeoutError):
            self._switch.wait({}, time.monotonic() + 0.02)

    def _serve_client(self, client: socket.socket, serve: _Serve) -> None:
        try:
            with client:
                serve(client)
        finally:
            self._slots.release()
