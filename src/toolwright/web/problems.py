"""What went wrong goes in; a problem (RFC 9457) with a machine-readable reason comes out, each of a known kind."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.responses import Response

from toolwright.errors import (
    EditedError,
    FaultError,
    NotFoundError,
    RefusedError,
    RetiredError,
    SettingsError,
    ToolwrightError,
    UserError,
)

MEDIA_TYPE = "application/problem+json"
PREFIX = "urn:toolwright:problem:"
"""Of the `type` of each problem; its reason stands behind it."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem: the status that it is answered with, and its title."""

    status: int
    title: str


KINDS: Mapping[str, Kind] = {
    "bad-request": Kind(400, "The request is not HTTP that can be read"),
    "bad-json": Kind(400, "The body is not JSON in UTF-8"),
    "no-token": Kind(401, "There is no bearer token"),
    "bad-token": Kind(401, "The bearer token is not known, or not any more"),
    "scope": Kind(403, "The token is not good for this"),
    "origin": Kind(403, "A page of another origin asked"),
    "refused": Kind(403, "Policy, a limit or a person said no"),
    "not-found": Kind(404, "Nothing answers to that name"),
    "no-such-path": Kind(404, "There is nothing at this path"),
    "method": Kind(405, "This path does not take this method"),
    "too-slow": Kind(408, "The request did not come in time"),
    "answered": Kind(409, "Somebody else answered first"),
    "timed-out": Kind(409, "The time for an answer is over"),
    "run-state": Kind(409, "The run is not in a state for this"),
    "edited": Kind(409, "The tool is not as it was validated"),
    "retired": Kind(410, "The tool was taken off the shelf"),
    "too-large": Kind(413, "The body is too large"),
    "media-type": Kind(415, "The body is not said to be JSON"),
    "host": Kind(421, "This server does not answer to that host"),
    "invalid": Kind(422, "What was asked cannot be done as it was said"),
    "too-many-requests": Kind(429, "Too many requests"),
    "too-many-runs": Kind(429, "Too many runs are under way"),
    "fault": Kind(500, "The machine, or this program, is at fault"),
    "settings": Kind(500, "The server is not set up for this"),
    "no-model": Kind(503, "No language model can be had here"),
    "busy": Kind(503, "The server has its hands full"),
    "stopping": Kind(503, "The server is being stopped"),
}
"""Every kind of problem by its reason."""

_REFUSED = ("answered", "timed-out")


class Problem(Exception):
    """Ends a request: *reason* is one of `KINDS`; *detail* says what happened, to which value, and what to do."""

    def __init__(self, reason: str, detail: str, headers: Mapping[str, str] | None = None, cause: str = "") -> None:
        super().__init__(detail)
        self.reason, self.detail, self.headers, self.cause = reason, detail, dict(headers or {}), cause

    @property
    def status(self) -> int:
        """The status of the answer."""
        return KINDS[self.reason].status

    def body(self) -> bytes:
        """The JSON of it; `cause` is there where what refused has a reason of its own."""
        kind = KINDS[self.reason]
        found = {
            "type": PREFIX + self.reason,
            "title": kind.title,
            "status": kind.status,
            "detail": self.detail,
            "reason": self.reason,
            **({"cause": self.cause} if self.cause else {}),
        }
        return json.dumps(found, ensure_ascii=False).encode("utf-8", "replace")

    def response(self) -> Response:
        """The answer."""
        return Response(self.body(), self.status, self.headers, MEDIA_TYPE)


def problem_of(error: ToolwrightError) -> Problem:
    """The problem that an error of the house is."""
    said = str(error)
    if isinstance(error, RefusedError):
        reason = error.reason if error.reason in _REFUSED else "refused"
        return Problem(reason, said, cause="" if reason == error.reason else error.reason)
    if isinstance(error, EditedError):
        return Problem("edited", said, cause="" if error.reason == "edited" else error.reason)
    for kind, reason in (
        (RetiredError, "retired"),
        (NotFoundError, "not-found"),
        (SettingsError, "settings"),
        (UserError, "invalid"),
        (FaultError, "fault"),
    ):
        if isinstance(error, kind):
            return Problem(reason, said)
    return Problem("fault", said)
