"""`toolwright call NAME`: JSON or the tool's own flags go in, its answer comes out."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from toolwright.call import Status
from toolwright.cli.live import asides, print_json, working
from toolwright.cli.look import err, out, safe
from toolwright.cli.mapping import Mapped, arguments_in, exit_code, list_in
from toolwright.cli.naming import NOT_TO_BE_READ, at_home, complete_tool, named, near_misses
from toolwright.cli.options import box_options, open_toolwright, own_options
from toolwright.errors import EditedError, RetiredError, UserError
from toolwright.forms import outcome_as_json, own_tool

if TYPE_CHECKING:
    from toolwright.app import Toolwright
    from toolwright.call import Outcome
    from toolwright.cli.flags import Flag

EXIT = {Status.OK: 0, Status.DENIED: 4, Status.NEEDS_APPROVAL: 4, Status.BAD_CALL: 2, Status.FAULT: 7}
"""Exit codes by status; of any other it is 1."""


class CallCommand(click.Command):
    """A command whose own options may stand anywhere before `--`; every other word is the tool's."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Sort *args* into ours and the tool's; what stands behind `--` is the tool's."""
        own, others = self._sorted(args)
        return super().parse_args(ctx, [*own, "--", *others])

    def _sorted(self, args: Sequence[str]) -> tuple[list[str], list[str]]:
        options = {word: one for one in self.params if isinstance(one, click.Option) for word in one.opts}
        own: list[str] = []
        others: list[str] = []
        rest = list(args)
        while rest and (word := rest.pop(0)) != "--":
            option = options.get(word.partition("=")[0] if word.startswith("--") else word)
            if option is None:
                others.append(word)
                continue
            own.append(word)
            if not option.is_flag and "=" not in word and rest:
                own.append(rest.pop(0))
        return own, [*others, *rest]

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Our options, and the flags of the tool that is named already."""
        found = super().shell_complete(ctx, incomplete)
        taken = {item.value for item in found}
        for flag in _known_flags(ctx):
            for word in flag.forms.split(" / "):
                word = word.partition(" ")[0]
                if word.startswith(incomplete) and word not in taken:
                    found.append(CompletionItem(word, help=flag.about))
        return found


def _known_flags(ctx: click.Context) -> list[Flag]:
    from toolwright.cli.flags import flags_of

    name = ctx.params.get("name")
    # A shell has no place for complaints.
    with contextlib.suppress(*NOT_TO_BE_READ):
        if name and (home := at_home(ctx.params)):
            with home as tw:
                return flags_of(_schema(tw, *named(name)))
    return []


def _complete_word(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The choices of the flag that stands before the word that is being typed."""
    words = [*(ctx.params.get(param.name or "") or ())]
    last = words[-1].removeprefix("--").replace("-", "_") if words else ""
    choices = next((flag.choices for flag in _known_flags(ctx) if flag.name == last), [])
    return [CompletionItem(one) for one in choices if one.startswith(incomplete)]


@click.command(cls=CallCommand, add_help_option=False, context_settings={"ignore_unknown_options": True})
@click.argument("name", required=False, shell_complete=complete_tool)
@click.argument("words", nargs=-1, metavar="[JSON] [FLAGS OF THE TOOL]", shell_complete=_complete_word)
@click.option("-h", "--help", "helps", is_flag=True, help="Show this; with NAME, the flags of that tool.")
@click.option(
    "--file", "files", multiple=True, type=click.Path(path_type=Path), help="A file for the work folder; repeat."
)
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Where files go (./toolwright-files/ID/).")
@click.option(
    "--map", "many", metavar="FILE", help="Call once for each: a JSON list of objects, or one a line; - reads."
)
@own_options
@box_options
@click.pass_context
def call(ctx: click.Context, /, name: str | None, words: tuple[str, ...], helps: bool, **options: Any) -> None:
    """Call the tool NAME (or NAME@N) in the sandbox, with arguments as JSON or as its own flags.

    `toolwright call add '{"a": 1}'`, `toolwright call add --a 1`, or `-` for JSON on standard input. A list there, or
    in the file of `--map`, calls it once for each. `toolwright call NAME --help` shows the flags of NAME. A flag of the
    tool that is called like one of our options stands behind `--`.
    """
    if helps and name is None:
        click.echo(ctx.get_help())
        return
    if name is None:
        raise click.UsageError("Which tool? `toolwright tools` lists them.", ctx)
    wanted, number = named(name)
    with open_toolwright(options, asides(options["as_json"])) as tw, near_misses(tw, wanted):
        if helps:
            _print_help(ctx, tw, wanted, number)
            return
        places = {"version": number, "files": options["files"], "out": options["out"]}
        text = sys.stdin.read() if words[:1] == ("-",) else None
        several = _several(options["many"], text, words)
        if several is not None:
            found = Mapped(wanted, len(several), options["as_json"]).run(tw, several, **places)
            sys.exit(exit_code(found, EXIT))
        given = _given(tw, wanted, number, words if text is None else [text, *words[1:]])
        with working(f"{wanted} runs"):
            (outcome,) = tw.map(wanted, [given], **places)
    _report(outcome, options["as_json"])
    sys.exit(EXIT.get(outcome.status, 1))


def _several(path: str | None, text: str | None, words: Sequence[str]) -> list[Any] | None:
    """The list of arguments that `--map` or standard input holds; None for a single call."""
    if path is not None:
        if words:
            raise UserError(f"--map {path} brings all arguments; leave out {words[0]!r}.")
        return arguments_in(path)
    found = list_in(text) if text is not None else None
    if found is not None and len(words) > 1:
        raise UserError(f"A list on standard input brings all arguments; leave out {words[1]!r}.")
    return None if found is None else [one if isinstance(one, dict) else _not_one(one) for one in found]


def _not_one(item: Any) -> Any:
    raise UserError(f"The list on standard input holds {json.dumps(item)[:60]}, which is not a JSON object.")


def _schema(tw: Toolwright, name: str, number: int | None) -> dict[str, Any]:
    own = own_tool(tw, name) if number is None else None
    return dict(own.input_schema if own else tw.registry.get(name, number).spec.input_schema)


def _given(tw: Toolwright, name: str, number: int | None, words: Sequence[str]) -> dict[str, Any]:
    from toolwright.cli.flags import arguments_from

    try:
        schema = _schema(tw, name, number)
    except (EditedError, RetiredError):
        return {}  # the call itself is answered with that
    return arguments_from(name, schema, words)


def _print_help(ctx: click.Context, tw: Toolwright, name: str, number: int | None) -> None:
    """The tool's flags with types and defaults, and where ours are."""
    from toolwright.cli.flags import flags_of

    flags = flags_of(_schema(tw, name, number))
    own = own_tool(tw, name) if number is None else None
    description = own.description if own else tw.registry.get(name, number).spec.description
    ours = {word for one in ctx.command.params if isinstance(one, click.Option) for word in one.opts}
    formatter = ctx.make_formatter()
    formatter.write_usage(f"toolwright call {safe(name)}", "[JSON] [FLAGS] [OPTIONS]")
    formatter.write_paragraph()
    with formatter.indentation():
        formatter.write_text(safe(description))
    rows = [(safe(f"-- {flag.forms}" if flag.word in ours else flag.forms), safe(flag.about)) for flag in flags]
    with formatter.section("Flags"):
        formatter.write_dl(rows or [("none", "it takes no arguments")])
    with formatter.section("Options"):
        listed = [one.get_help_record(ctx) for one in ctx.command.params if isinstance(one, click.Option)]
        formatter.write_dl([one for one in listed if one is not None])
    click.echo(formatter.getvalue(), nl=False)


def _report(outcome: Outcome, as_json: bool) -> None:
    if as_json:
        print_json({"type": "outcome", **outcome_as_json(outcome)})
        return
    if outcome.ok:
        out().print(safe(json.dumps(outcome.value, ensure_ascii=False, indent=2)), markup=False)
        if outcome.detail:
            err().print(safe(outcome.detail), style="yellow", markup=False)
    else:
        err().print(f"{outcome.status.value}: {safe(outcome.detail)}", style="yellow", markup=False)
    for file in outcome.files:
        out().print(f"file {safe(file.path)}", markup=False)
