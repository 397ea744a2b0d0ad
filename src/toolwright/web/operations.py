"""What can be asked of this door, one Operation each: its path, its scopes, what it takes and gives, who answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from starlette.requests import Request
from starlette.responses import Response

from toolwright.store.tokens import Scope, TokenInfo
from toolwright.web.problems import Problem
from toolwright.web.reading import read_body, read_query
from toolwright.web.shapes import SHAPES, Schema

if TYPE_CHECKING:
    from toolwright.app import Toolwright
    from toolwright.consent import Approve
    from toolwright.web.following import Following


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that was let in and read."""

    tw: Toolwright
    following: Following
    path: Mapping[str, str]
    query: Mapping[str, Any]
    body: Mapping[str, Any]
    request: Request
    token: TokenInfo | None

    @property
    def later(self) -> Approve | None:
        """Keeps questions about powers; None where they are answered without that."""
        return self.following.later

    @property
    def who(self) -> str:
        """Who asks, for the record."""
        return f"token {self.token.name}" if self.token else ""

    def also(self, scope: Scope) -> None:
        """Problem where the token is not good for *scope*, too."""
        if self.token is not None and scope not in self.token.scopes:
            raise _lacking(self.token, (scope,))


Answer = Callable[[Asked], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that can be asked. *scopes* are all needed; none: no token is."""

    name: str
    method: Literal["GET", "POST"]
    path: str
    summary: str
    answer: Answer
    gives: str
    scopes: tuple[Scope, ...] = ()
    takes: str = ""
    takes_nothing: bool = False
    """Whether the body may be left out."""
    query: Mapping[str, Schema] = field(default_factory=dict)
    status: int = 200
    at_once: str = ""
    """Of one that is answered with a run: what it gives where no run is needed, with 200."""
    problems: tuple[str, ...] = ()
    """Reasons that are its own; `no-token` and the like come by themselves."""
    media_type: str = "application/json"

    def __post_init__(self) -> None:
        assert {self.takes, self.at_once} <= {"", *SHAPES}

    async def answered(self, request: Request, tw: Toolwright, following: Following) -> Response:
        """The answer. Problem, ToolwrightError."""
        token = self._let_in(request)
        query = read_query(request, self.query)
        body: Mapping[str, Any] = {}
        if self.takes:
            own = tw.settings.serve
            needed = not self.takes_nothing
            body = await read_body(request, SHAPES[self.takes], own.body_bytes, own.receive_s, needed=needed)
        return await self.answer(Asked(tw, following, request.path_params, query, body, request, token))

    def _let_in(self, request: Request) -> TokenInfo | None:
        token: TokenInfo | None = request.scope["state"]["token"]
        if not self.scopes:
            return token
        if token is None:
            raise request.scope["state"]["missing"]
        if not set(self.scopes) <= set(token.scopes):
            raise _lacking(token, self.scopes)
        return token


def _lacking(token: TokenInfo, scopes: tuple[Scope, ...]) -> Problem:
    said = f"Token {token.name} is good for {', '.join(token.scopes)}, and this takes {' and '.join(scopes)}."
    header = f'Bearer realm="toolwright", error="insufficient_scope", scope="{" ".join(scopes)}"'
    return Problem("scope", said, {"WWW-Authenticate": header})
