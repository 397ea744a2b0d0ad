"""`toolwright completion`: prints the script that makes a shell complete our commands."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from toolwright.cli import COMPLETING, cli

_SWITCHED_ON = {
    "bash": 'eval "$(toolwright completion bash)"           # in ~/.bashrc',
    "zsh": 'eval "$(toolwright completion zsh)"            # in ~/.zshrc, behind compinit',
    "fish": "toolwright completion fish | source            # in ~/.config/fish/config.fish",
}


@click.command(
    epilog="\b\nTo switch it on, write the line of your shell:\n"
    + "\n".join(f"  {one}" for one in _SWITCHED_ON.values())
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script of SHELL: commands, options, tools, runs, settings and their values."""
    found = get_completion_class(shell)
    assert found is not None
    click.echo(found(cli, {}, "toolwright", COMPLETING).source())
