"""Every request goes in; those come out at the routes that may: by host, origin, token, pace. All else is a Problem."""

from __future__ import annotations

import asyncio
import logging
import math
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from toolwright.errors import ToolwrightError
from toolwright.web.problems import Problem, problem_of
from toolwright.web.rates import Rates
from toolwright.whoasks import Names

if TYPE_CHECKING:
    from toolwright.app import Toolwright
    from toolwright.store.tokens import TokenInfo

log = logging.getLogger("toolwright.web")
_BEARER = {"WWW-Authenticate": 'Bearer realm="toolwright"'}


class Guard:
    """Stands before *app*; the asker is in `scope["state"]`: their `token`, or the Problem `missing`."""

    def __init__(self, app: ASGIApp, tw: Toolwright, names: Names) -> None:
        self._app, self._tw, self._names = app, tw, names
        own = tw.settings.serve
        self._rates, self._most, self._within = Rates(own.requests_per_minute), own.requests, 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        sent = _Sent(send)
        try:
            if self._within >= self._most:
                raise Problem(
                    "busy", f"{self._most} requests are under way (setting serve.requests).", {"Retry-After": "1"}
                )
            self._within += 1
            try:
                await self._admit(scope)
                await self._app(scope, receive, sent)
            finally:
                self._within -= 1
        except Exception as error:
            if sent.begun:
                raise  # the connection is closed in the midst of an answer, which is all that can be said
            await _as_problem(error).response()(scope, receive, send)

    async def _admit(self, scope: Scope) -> None:
        headers = Headers(scope=scope)
        self._check_names(headers)
        token, missing = await self._token(headers)
        client = scope.get("client") or ("", 0)
        wait = self._rates.wait(f"token {token.name}" if token else f"address {client[0]}")
        if wait:
            most = self._tw.settings.serve.requests_per_minute
            said = f"More than {most} requests in a minute (setting serve.requests_per_minute)."
            raise Problem("too-many-requests", said, {"Retry-After": str(math.ceil(wait))})
        scope["app"] = self._app  # or the routes would answer to what they do not know in words of their own
        scope["state"] = {**scope.get("state", {}), "token": token, "missing": missing}

    def _check_names(self, headers: Headers) -> None:
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        if not self._names.is_host(hosts):
            known = ", ".join(sorted(self._names.hosts))
            given = hosts[0][:100] if hosts else ""
            raise Problem("host", f"The host is {given!r}; this server answers to {known} (setting serve.hosts).")
        if not self._names.is_origin(origins, hosts[0]):
            said = f"The origin is {origins[0][:100]!r}, and this server answers to pages of its own alone."
            raise Problem("origin", said)

    async def _token(self, headers: Headers) -> tuple[TokenInfo | None, Problem | None]:
        kind, _, text = headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not text.strip():
            said = "Send `Authorization: Bearer TOKEN`; `toolwright tokens add NAME --scope read` makes a token."
            return None, Problem("no-token", said, _BEARER)
        try:
            token = await asyncio.to_thread(self._tw.token, text.strip())
        except ToolwrightError as error:
            log.error("The tokens cannot be read: %s", error)  # where they lie is nobody's business yet
            said = "The tokens of this home cannot be read; the server has said more on its standard error."
            raise Problem("settings", said) from None
        if token is not None:
            return token, None
        said = "Nobody has this token here, or it was taken back, or its time is over; `toolwright tokens` lists them."
        return None, Problem(
            "bad-token", said, {"WWW-Authenticate": f'{_BEARER["WWW-Authenticate"]}, error="invalid_token"'}
        )


class _Sent:
    """Knows whether an answer has begun."""

    def __init__(self, send: Send) -> None:
        self._send, self.begun = send, False

    async def __call__(self, message: Message) -> None:
        self.begun = True
        await self._send(message)


def _as_problem(error: Exception) -> Problem:
    if isinstance(error, Problem):
        return error
    if isinstance(error, ToolwrightError):
        found = problem_of(error)
        if found.status >= 500:
            log.error("%s: %s", found.reason, error)
        return found
    if isinstance(error, HTTPException):
        allowed = (error.headers or {}).get("Allow", "")
        if error.status_code == 405:
            return Problem("method", f"This path takes {allowed} alone.", {"Allow": allowed})
        return Problem("no-such-path", "There is nothing at this path; /openapi.json lists what there is.")
    log.error("A request could not be answered.", exc_info=error)
    return Problem("fault", "This is a fault of Toolwright's; the server has said more on its standard error.")
