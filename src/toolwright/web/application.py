"""A Toolwright goes in; the ASGI application that stands before it comes out, with the runs that it begins."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp

from toolwright.web.answers import Json
from toolwright.web.following import Following
from toolwright.web.guard import Guard
from toolwright.web.openapi import PATH, document
from toolwright.web.operations import Operation
from toolwright.web.table import OPERATIONS

if TYPE_CHECKING:
    from toolwright.app import Toolwright


def application(tw: Toolwright, hosts: Sequence[str]) -> tuple[ASGIApp, Following]:
    """The application, which answers to *hosts* alone, and what it has under way. Made on the loop that serves it."""
    following = Following(tw)
    routes = [Route(PATH, _document, methods=["GET"])]
    routes += [Route(one.path, _answering(one, tw, following), methods=[one.method]) for one in OPERATIONS]
    return Guard(Router(routes=routes, redirect_slashes=False), tw, hosts), following


def _answering(one: Operation, tw: Toolwright, following: Following) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        return await one.answered(request, tw, following)

    return answer


async def _document(request: Request) -> Response:
    del request
    return Json(document(OPERATIONS))
