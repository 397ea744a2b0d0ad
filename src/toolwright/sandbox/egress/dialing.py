"""A host of the grant goes in; a connection to one of its checked addresses, straight or by a proxy, comes out."""

from __future__ import annotations

import contextlib
import socket
import time
from dataclasses import dataclass

from toolwright.errors import SettingsError
from toolwright.powers import is_tcp
from toolwright.sandbox.egress.addresses import Place, look_up, why_not_public
from toolwright.sandbox.egress.http import MAX_HEAD, BadRequest, Request, answer_status
from toolwright.sandbox.egress.outer_proxy import Proxy
from toolwright.sandbox.egress.relay import Switch, connect, read_until_empty_line, send_all
from toolwright.sandbox.egress.rules import Refused, Rules, said

_UNREACHED = (502, 503, 504)
"""What a proxy says of an address that it cannot reach: the host may have another one."""


@dataclass(frozen=True, slots=True)
class Line:
    """A connection to *place*, and what its far side has said already."""

    sock: socket.socket
    place: Place
    ahead: bytes = b""


@dataclass(frozen=True, slots=True)
class Dialer:
    """Makes connections by the rules. Refused says why there is none; Stopped when the switch is thrown."""

    rules: Rules
    switch: Switch

    def open(self, request: Request, host: str, deadline: float, *, secure: bool) -> Line:
        """A connection to the host of *request* (canonical: *host*), for TLS or not."""
        places, proxy = self.checked(request.name, request.port, host, secure=secure)
        line = self.dial(places, proxy, host, deadline)
        if line.ahead and not secure:
            line.sock.close()
            raise Refused(502, f"host {host} spoke before it was asked")
        return line

    def checked(self, name: str, port: int, host: str, *, secure: bool) -> tuple[list[Place], Proxy | None]:
        """All addresses of *name*, none of which is forbidden, and the proxy that leads to them; looked up here.

        A proxy is never handed the name, which it might look up to another address: who knows a name there only
        cannot have it.
        """
        try:
            proxy = self.rules.outer.way(name, port, secure=secure)
        except SettingsError as error:
            raise Refused(502, str(error)) from None
        try:
            places = look_up(name, port, self.rules.connect_s, self.switch)
        except OSError as error:
            why = f"host {host} cannot be looked up: {said(error)}"
            if proxy is not None:
                why += (
                    f"; this machine must know the name itself, since the proxy {proxy.authority} is asked for checked "
                    "addresses only"
                )
            raise Refused(502, why) from None
        own = [one for one in places if why_not_public(one.address)]
        for one in own:
            if not self.rules.grants_address(one.address, port):
                by_address = ("tcp://" if is_tcp(host) else "") + one.authority
                raise Refused(
                    403,
                    f"host {host} leads to {one.address}, {why_not_public(one.address)}, "
                    f"which is not granted by its address ({by_address})",
                )
        return (own, None) if own else (places, proxy)  # a proxy is for public addresses

    def dial(self, places: list[Place], proxy: Proxy | None, host: str, deadline: float) -> Line:
        """A connection to the first of *places* that can be had."""
        if proxy is None:
            return self._straight(places, host, deadline)
        try:
            near = look_up(proxy.name, proxy.port, self.rules.connect_s, self.switch)
        except OSError as error:
            raise Refused(502, f"the proxy {proxy.authority} cannot be looked up: {said(error)}") from None
        why = f"host {host} has no address"
        for tried, place in enumerate(places):
            until = _share(deadline, len(places) - tried)
            with contextlib.ExitStack() as closing:
                sock = closing.enter_context(self._straight(near, f"the proxy {proxy.authority}", until).sock)
                try:
                    status, ahead = self._ask(sock, proxy, place.authority, until)
                except TimeoutError:
                    why = f"the proxy {proxy.authority} gave no answer about {host} at {place.authority} in time"
                    continue
                if 200 <= status < 300:
                    closing.pop_all()
                    return Line(sock, place, ahead)
            why = f"the proxy {proxy.authority} answered {status} about {host} at {place.authority}"
            if status not in _UNREACHED:
                why += _advice(status, place)
                break
        raise Refused(502, why)

    def _ask(self, sock: socket.socket, proxy: Proxy, target: str, deadline: float) -> tuple[int, bytes]:
        """Ask *proxy* for a tunnel: its status, and what the far side has said already. TimeoutError at *deadline*."""
        lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
        lines += [f"{name}: {value}" for name, value in proxy.headers]
        try:
            send_all(self.switch, sock, "\r\n".join([*lines, "", ""]).encode(), deadline)
            head, rest = read_until_empty_line(self.switch, sock, MAX_HEAD, deadline)
            return answer_status(head), rest
        except TimeoutError:
            raise
        except (BadRequest, ValueError, OSError) as error:
            raise Refused(502, f"the proxy {proxy.authority} gave no answer: {said(error)}") from None

    def _straight(self, places: list[Place], what: str, deadline: float) -> Line:
        why = "no address"
        for tried, place in enumerate(places):
            until = _share(deadline, len(places) - tried)
            try:
                return Line(connect(self.switch, place.family, place.sockaddr, until), place)
            except TimeoutError:
                why = f"nothing within {self.rules.connect_s:g} s"
            except OSError as error:
                why = said(error)
        raise Refused(502, f"no connection to {what}: {why}")


def _share(deadline: float, left: int) -> float:
    """The deadline of one of *left* attempts: a silent address must not use up the time of the rest."""
    now = time.monotonic()
    return now + (deadline - now) / left


def _advice(status: int, place: Place) -> str:
    if status not in (403, 405):
        return ""
    port = place.sockaddr[1]
    if port != 443:
        return f"; it has to allow tunnels to port {port}, or the request has to be for https://"
    return "; it has to allow tunnels to addresses, not to names alone"
