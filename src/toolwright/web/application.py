"""A Toolwright goes in; the ASGI application that stands before it comes out, with the runs that it begins."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
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
from toolwright.whoasks import Names

if TYPE_CHECKING:
    from toolwright.app import Toolwright


def application(tw: Toolwright, names: Names, asks: bool = True) -> tuple[ASGIApp, Following]:
    """The application, which answers to *names* alone, and what it has under way. Made on the loop that serves it.

    Not *asks*: *tw* itself says yes to every power.
    """
    following = Following(tw, asks)
    routes = [Route(PATH, _document, methods=["GET"])]
    by_path: dict[str, dict[str, Operation]] = {}
    for one in OPERATIONS:
        by_path.setdefault(one.path, {})[one.method] = one
    # One route for each path: what it says to another method names all of its own.
    routes += [Route(path, _answering(some, tw, following), methods=list(some)) for path, some in by_path.items()]
    return Guard(Router(routes=routes, redirect_slashes=False), tw, names), following


def _answering(
    by_method: Mapping[str, Operation], tw: Toolwright, following: Following
) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        method = "GET" if request.method == "HEAD" else request.method
        return await by_method[method].answered(request, tw, following)

    return answer


async def _document(request: Request) -> Response:
    del request
    return Json(document(OPERATIONS))
