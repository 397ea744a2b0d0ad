"""A group of commands that answers a name which is none with those that look like it."""

from __future__ import annotations

import difflib

import click


class Group(click.Group):
    """A click group with near misses."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that *args* begins with; UsageError with what it may have meant."""
        name = str(args[0])
        # A shell completes words, and an option at this place is click's own business.
        if not ctx.resilient_parsing and name[:1] != "-" and self.get_command(ctx, name) is None:
            raise click.UsageError(f"There is no command {name!r}. {self.hint(ctx, name)}", ctx)
        return super().resolve_command(ctx, args)

    def hint(self, ctx: click.Context, name: str) -> str:
        """What *name* may have meant."""
        like = difflib.get_close_matches(name, self.list_commands(ctx), 3)
        return f"Did you mean {' or '.join(like)}?" if like else f"`{ctx.command_path} --help` lists the commands."
