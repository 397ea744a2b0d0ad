"""Bytes of a connection go in, requests come out, if they are there in time; else a Problem, and the end."""

from __future__ import annotations

import asyncio
from typing import Any

from h11 import LocalProtocolError
from uvicorn.protocols.http.h11_impl import H11Protocol

from toolwright.web.problems import MEDIA_TYPE, Problem


def patient(receive_s: float) -> type[asyncio.Protocol]:
    """A protocol for uvicorn that waits *receive_s* seconds for the head of a request, however slowly it drips."""

    class Patient(H11Protocol):
        _late: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._late = self.loop.call_later(receive_s, self._too_late)

        def data_received(self, data: bytes) -> None:
            try:
                super().data_received(data)
            except LocalProtocolError:  # nonsense behind an answer that has begun: there is nothing to say any more
                self.transport.abort()
                return
            if self._waits():
                if self._late is None:
                    self._late = self.loop.call_later(receive_s, self._too_late)
            else:
                self._in_time()

        def connection_lost(self, exc: Exception | None) -> None:
            self._in_time()
            super().connection_lost(exc)

        def send_400_response(self, msg: str) -> None:
            self._refuse(Problem("bad-request", msg))

        def _waits(self) -> bool:
            """Whether no request is being answered."""
            return self.cycle is None or self.cycle.response_complete

        def _in_time(self) -> None:
            if self._late is not None:
                self._late.cancel()
                self._late = None

        def _too_late(self) -> None:
            self._late = None
            if self._waits() and not self.transport.is_closing():
                said = f"The head of the request was not there within {receive_s:g} s (setting serve.receive_s)."
                self._refuse(Problem("too-slow", said))

        def _refuse(self, problem: Problem) -> None:
            if self.cycle is None or self.cycle.response_complete:
                body = problem.body()
                head = f"HTTP/1.1 {problem.status} {problem.reason}\r\nContent-Type: {MEDIA_TYPE}\r\n"
                head += f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
                self.transport.write(head.encode("ascii") + body)
            self.transport.close()

    return Patient
