"""`toolwright serve --http HOST:PORT`: shelf, runs and questions of a home over HTTP, until it is stopped."""

from __future__ import annotations

import asyncio
from typing import Any

import click

from toolwright.cli.live import print_json
from toolwright.cli.look import err, out, safe
from toolwright.cli.options import model_options, open_toolwright, own_options
from toolwright.settings import load


@click.command()
@click.option(
    "--http",
    "address",
    metavar="HOST:PORT",
    default="127.0.0.1:8765",
    show_default=True,
    help="Where to listen; port 0 is any that is free.",
)
@own_options
@model_options
def serve(address: str, **options: Any) -> None:
    """Serve shelf, runs and questions over HTTP; `toolwright tokens add` lets somebody in.

    Ctrl-C ends it: nothing new is begun, and what runs is brought to its end (setting serve.grace_s); a second one cuts
    that short. /openapi.json says what can be asked.
    """
    from toolwright.web.server import address_of, listening
    from toolwright.web.server import serve as served

    host, port = address_of(address)
    if "approvals.away" not in load(options["home"]).origins:
        options["away"] = "pause"  # nobody sits at a terminal here, and there is a way to answer
    with open_toolwright(options, ask=False) as tw, listening(host, port) as bound:
        nobody = not tw.tokens()  # and one that cannot be read is said before anybody is served
        at = f"http://{f'[{host}]' if ':' in host else host}:{bound.getsockname()[1]}"

        def ready() -> None:
            if options["as_json"]:
                print_json({"type": "serving", "url": at, "home": str(tw.settings.home)})
            else:
                out().print(f"serving {safe(str(tw.settings.home))} at {at}", markup=False, soft_wrap=True)
            if host not in ("localhost", "::1") and not host.startswith("127."):
                said = "It can be reached from beyond this machine, in plain HTTP: put a proxy with TLS before it."
                err().print(said, style="yellow", markup=False, soft_wrap=True)
            if nobody:
                said = "Nobody can come in yet: `toolwright tokens add NAME --scope read` makes a token."
                err().print(said, style="yellow", markup=False, soft_wrap=True)

        cut = asyncio.run(served(tw, bound, host, ready, asks=not options["yes"]))
    if cut:
        err().print(f"{cut} runs were cut short; `toolwright run --resume RUN` goes on with one.", markup=False)
