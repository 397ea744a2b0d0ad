"""`toolwright scripted`: serves a script as a model, until it is stopped."""

from __future__ import annotations

import threading
from pathlib import Path

import click


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--port", type=click.IntRange(0, 65535), default=0, metavar="N", help="Listen there; any free port if 0.")
def scripted(file: Path, port: int) -> None:
    """Serve the turns in FILE as an OpenAI-compatible model on 127.0.0.1; see docs/models.md for what a turn can say.

    Prints the address to give as --base-url; Ctrl-C ends it.
    """
    from toolwright.models.scripted import ScriptedServer

    server = ScriptedServer(file)
    try:
        url = server.start(port)
    except OSError as error:
        raise click.ClickException(f"--port {port}: cannot listen there: {error.strerror}.") from None
    ended = threading.Event()
    try:
        click.echo(f"{server.script.model} serves {len(server.script.turns)} turns: --base-url {url}")
        while not ended.wait(0.5):  # in pieces, so that a signal is heard whichever thread it lands on
            continue
    except KeyboardInterrupt:
        click.echo(f"{len(server.log)} requests were answered.", err=True)
    finally:
        server.close()
