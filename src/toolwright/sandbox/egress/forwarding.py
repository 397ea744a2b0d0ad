"""A connection of a guest to a granted `tcp://` host goes in; its bytes pass to the one address that was checked."""

from __future__ import annotations

import socket
import threading
import time

from toolwright.powers import split_host
from toolwright.sandbox.egress.addresses import Place
from toolwright.sandbox.egress.dialing import Dialer, Line
from toolwright.sandbox.egress.outer_proxy import Proxy
from toolwright.sandbox.egress.relay import Flow, Stopped, Switch, linger, relay
from toolwright.sandbox.egress.rules import Cut, Meter, Refused, Rules, said


class Forwarding:
    """All connections to one `tcp://name:port` of the grant. Thread-safe.

    The name is looked up once: the address that was checked then is the one for every later connection, too. It is a
    public one, or one that the grant names as `tcp://ADDRESS:port`. Where this machine sits behind a proxy, a public
    host is reached by a tunnel through that.
    """

    def __init__(self, power: str, rules: Rules, meter: Meter, switch: Switch) -> None:
        """*rules*: those of the grant's `tcp://` hosts alone."""
        self.power = power
        self._rules, self._meter, self._switch = rules, meter, switch
        self._lock = threading.Lock()
        self._pinned: tuple[list[Place], Proxy | None] | None = None

    def serve(self, client: socket.socket) -> None:
        """Pass the bytes of *client* both ways until an end or a limit; one line in the log. The caller closes it."""
        try:
            self._serve(client)
        except Refused as error:
            self._meter.note(f"refused {self.power} {error}")
            linger(self._switch, client)
        except OSError as error:  # the guest went away meanwhile
            self._meter.note(f"refused {self.power} {said(error)}")

    def turn_away(self, client: socket.socket, why: str) -> None:
        """Close *client* without a word, which no protocol would understand."""
        self._meter.note(f"refused {self.power} {why}")
        client.close()

    def _serve(self, client: socket.socket) -> None:
        self._meter.begin()
        if self._meter.requests > self._rules.max_requests:
            raise Refused(403, self._rules.over_requests("requests and connections"))
        if self._meter.bytes >= self._rules.max_bytes:
            raise Refused(403, self._rules.over_bytes())
        line = self._connected()
        with line.sock:
            self._pass(client, line.sock, line.ahead)
        linger(self._switch, client)

    def _pass(self, client: socket.socket, server: socket.socket, ahead: bytes) -> None:
        moved = 0

        def spend(count: int) -> None:
            nonlocal moved
            moved += count
            if self._meter.spend(count) > self._rules.max_bytes:
                raise Cut(self._rules.over_bytes())

        up, down, why = Flow(client, server), Flow(server, client, pending=bytearray(ahead)), ""
        deadline = time.monotonic() + self._rules.request_s
        try:
            spend(len(ahead))
            relay(self._switch, up, down, idle_s=self._rules.idle_s, deadline=deadline, spend=spend)
        except (TimeoutError, Cut) as error:
            why = f" cut: {error}"
        except OSError as error:
            why = f" broken off: {said(error)}"
        except Stopped:
            why = " ended with the call"
            raise
        finally:
            self._meter.note(f"allowed {self.power} {moved} -{why}")

    # -- out -------------------------------------------------------------------------------------------------------

    def _connected(self) -> Line:
        name, port = split_host(self.power)
        dialer, deadline = Dialer(self._rules, self._switch), time.monotonic() + self._rules.connect_s
        with self._lock:
            if self._pinned is None:
                self._pinned = dialer.checked(name, port, self.power, secure=True)
            places, proxy = self._pinned
        line = dialer.dial(places, proxy, self.power, deadline)
        with self._lock:
            self._pinned = [line.place], proxy  # the one address, from now on
        return line
