"""`toolwright mcp`: the shelf, and the making of tools, for the agents of others; and which tools they are shown."""

from __future__ import annotations

import asyncio
import importlib.util
import os
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

import click

from toolwright.cli.grouping import Group
from toolwright.cli.live import print_json
from toolwright.cli.look import err, out, safe
from toolwright.cli.naming import complete_tool, near_misses
from toolwright.cli.options import home_options, model_options, open_toolwright, own_options
from toolwright.errors import UserError

if TYPE_CHECKING:
    from toolwright.app import Toolwright
    from toolwright.listing import ToolInfo


@click.group(cls=Group, invoke_without_command=True)
@click.option(
    "--http",
    "address",
    metavar="HOST:PORT",
    help="Serve streamable HTTP there, with a token; a PORT alone: on loopback.",
)
@click.option("--no-token", is_flag=True, help="Let whoever reaches the port use it; on loopback only.")
@click.option(
    "--allow-host", "hosts", multiple=True, metavar="NAME", help="Another name that it is reached by; repeat."
)
@click.option("--allow-origin", "origins", multiple=True, metavar="URL", help="A web page that may use it; repeat.")
@own_options
@model_options
@click.pass_context
def mcp(ctx: click.Context, /, **options: Any) -> None:
    """Serve this home to an MCP client: on standard input and output, or over HTTP.

    The client's model finds tools, calls them, and has new ones made: of source that it hands in, without any key, or
    by a model of this home. What asks for powers is asked of the person at the client, or waits for
    `toolwright approvals`. The token is $TOOLWRIGHT_MCP_TOKEN, or that of the file mcp-token in the home.
    """
    if ctx.invoked_subcommand is not None:
        return
    if importlib.util.find_spec("mcp") is None:
        raise UserError("The MCP server needs the library mcp: pip install 'toolwright[mcp]' brings it.")
    if options["address"] is None and (options["no_token"] or options["hosts"] or options["origins"]):
        raise UserError(
            "--no-token, --allow-host and --allow-origin are for --http HOST:PORT; without it there is no port."
        )
    with open_toolwright(options, ask=False) as tw:
        _served(_at_stdio(tw, options) if options["address"] is None else _over_http(tw, options))


def _served(work: Coroutine[Any, Any, None]) -> None:
    """Run *work*; a signal ends it at once, since a thread that waits for standard input cannot be called off."""
    loop = asyncio.new_event_loop()
    loop.run_until_complete(work)
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


def _at_stdio(tw: Toolwright, options: dict[str, Any]) -> Coroutine[Any, Any, None]:
    from toolwright.mcpdoor import stdio
    from toolwright.mcpdoor.server import Door

    return stdio.serve(Door(tw, _warn, asks=not options["yes"]))


def _over_http(tw: Toolwright, options: dict[str, Any]) -> Coroutine[Any, Any, None]:
    from toolwright.mcpdoor import http
    from toolwright.mcpdoor.server import Door

    token, where = (
        (None, "") if options["no_token"] else http.token_of(tw.settings.home, os.environ.get(http.TOKEN_VARIABLE))
    )
    place = http.place_of(options["address"], token, options["hosts"], options["origins"])
    at = http.listening(place)
    url = f"http://{place.named}:{at.getsockname()[1]}{http.PATH}"
    if options["as_json"]:
        print_json({"type": "mcp-server", "url": url, "token": where})
    else:
        bearer = f"; the token is that of {where}" if where else "; it asks for no token"
        out().print(safe(f"serving {url}{bearer}"), markup=False, soft_wrap=True)
    return http.serve(Door(tw, _warn, asks=not options["yes"]), place, at)


def _warn(text: str) -> None:
    err().print(safe(text), style="yellow", markup=False)


@mcp.command()
@home_options
def catalogue(**options: Any) -> None:
    """List the tools that clients are shown beside the fixed ones: promoted by a person, or by the rule."""
    with open_toolwright(options, ask=False) as tw:
        found = tw.catalogue()
    if options["as_json"]:
        print_json({"type": "catalogue", "tools": [_as_json(one) for one in found]})
        return
    for one in found:
        out().print(safe(f"{one}  {one.description}"), markup=False, soft_wrap=True)
    if not found:
        err().print("Clients are shown the fixed tools alone.", markup=False)


@mcp.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=complete_tool)
@home_options
def promote(names: tuple[str, ...], **options: Any) -> None:
    """Put tools into the catalogue, whatever the rule says of them; clients that listen are told."""
    _changed(names, options, "promote", "is in the catalogue")


@mcp.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=complete_tool)
@home_options
def demote(names: tuple[str, ...], **options: Any) -> None:
    """Take tools out of the catalogue, whatever the rule says of them; they can be called all the same."""
    _changed(names, options, "demote", "is not in the catalogue")


def _changed(names: tuple[str, ...], options: dict[str, Any], deed: str, said: str) -> None:
    with open_toolwright(options, ask=False) as tw:
        changed: list[ToolInfo] = []
        for name in names:
            with near_misses(tw, name):
                changed.append(getattr(tw, deed)(name))
        shown = tw.catalogue()
    if options["as_json"]:
        print_json({"type": "catalogue", "tools": [_as_json(one) for one in shown]})
        return
    for one in changed:
        out().print(safe(f"{one} {said}"), markup=False, soft_wrap=True)


def _as_json(info: ToolInfo) -> dict[str, Any]:
    return {"name": info.name, "version": info.number, "description": info.description, "calls": info.calls}
