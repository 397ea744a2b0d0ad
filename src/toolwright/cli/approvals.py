"""`toolwright approvals`: the questions that wait for a person, and a yes or a no to each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Literal

import click

from toolwright.cli import figures
from toolwright.cli.grouping import Group
from toolwright.cli.live import print_json
from toolwright.cli.look import err, out, safe, short
from toolwright.cli.options import home_options
from toolwright.errors import NotFoundError
from toolwright.forms import question_as_json
from toolwright.moments import moment
from toolwright.moments import words as spelled
from toolwright.policy import ApprovalAnswer

if TYPE_CHECKING:
    from rich.console import RenderableType

    from toolwright.settings import Settings
    from toolwright.store.asked import Asked
    from toolwright.store.home import Home

_AROUND = 6
"""Rows for what stands around the question."""

until_option = click.option(
    "--until", metavar="WHEN", help="How long the yes holds: friday, 2026-12-04, 2026-12-04T18:00, 12h, 7d."
)


class _Approvals(Group):
    """Knows a number at the place of a command."""

    def hint(self, ctx: click.Context, name: str) -> str:
        """That a question is shown with `show`."""
        return f"Did you mean `toolwright approvals show {name}`?" if name.isdecimal() else super().hint(ctx, name)


@click.group(cls=_Approvals, invoke_without_command=True)
@click.option("--all", "every", is_flag=True, help="The answered ones, too.")
@home_options
@click.pass_context
def approvals(ctx: click.Context, /, every: bool, **options: Any) -> None:
    """List the questions that wait for a person, oldest first: who asks for what, since when, in which run."""
    if ctx.invoked_subcommand is not None:
        return
    with opened(options) as (home, settings):
        found = home.asked.list(settings.namespace, every=every)
    if options["as_json"]:
        print_json({"type": "questions", "questions": [question_as_json(one) for one in found]})
    elif found:
        out().print(*_listed(found), sep="\n", soft_wrap=not out().is_terminal)
    else:
        err().print("No question waits for an answer.", markup=False)


@approvals.command()
@click.argument("number", metavar="ID", type=int)
@click.option("--code", is_flag=True, help="All the code that asks and all that changed in it, below the question.")
@home_options
def show(number: int, code: bool, **options: Any) -> None:
    """Show question ID as the person at the terminal would see it: what it does, its powers, what changed, its cost."""
    with opened(options) as (home, settings):
        asked = home.asked.get(number, settings.namespace)
    if options["as_json"]:
        print_json({"type": "question", **question_as_json(asked, whole=True)})
        return
    _print_question(asked)
    if code:
        from toolwright.asking import in_full

        out().print(safe(in_full(asked.request)), markup=False)


@approvals.command()
@click.argument("number", metavar="ID", type=int)
@click.option(
    "--for",
    "scope",
    type=click.Choice(["tool", "host"]),
    default="tool",
    show_default=True,
    help="For this tool, or for every tool that asks for the same hosts and no more.",
)
@until_option
@home_options
def approve(number: int, scope: str, until: str | None, **options: Any) -> None:
    """Say yes to question ID. Its run goes on with `toolwright run --resume RUN`."""
    from toolwright.whoever import person_here

    meant: Literal["once", "host"] = "host" if scope == "host" else "once"
    at = None if until is None else moment(until)
    _answer(number, ApprovalAnswer(True, meant, who=person_here(), until=at), options)


@approvals.command()
@click.argument("number", metavar="ID", type=int)
@click.option("--why", default="", metavar="TEXT", help="The model reads it, and may ask for less.")
@home_options
def reject(number: int, why: str, **options: Any) -> None:
    """Say no to question ID. With a reason what asks may be written anew, in another way."""
    from toolwright.whoever import person_here

    _answer(number, ApprovalAnswer(False, reason=why.strip(), who=person_here()), options)


def _answer(number: int, answer: ApprovalAnswer, options: dict[str, Any]) -> None:
    with opened(options) as (home, settings):
        asked = home.asked.answer(number, answer, settings.namespace, strict=True)
        goes_on = _goes_on(home, asked)
    if options["as_json"]:
        print_json({"type": "question", **question_as_json(asked)})
        return
    scope = " and every tool that asks for its hosts" if answer.yes and answer.scope == "host" else ""
    until = "" if answer.until is None else f", until {spelled(answer.until)}"
    said = f"{'yes' if answer.yes else 'no'} to {asked.request.question.name}{scope}{until}"
    out().print(safe(f"{said}; {goes_on}"), markup=False, soft_wrap=True)


def _goes_on(home: Home, asked: Asked) -> str:
    """How a run goes on that asked."""
    try:
        run = home.runs.get(asked.run_id)
    except NotFoundError:  # a client of the MCP server asked: there is no run
        return "once the same is asked for again, it goes on"
    if run.settings.get("visiting"):
        again = "the agent that asked goes on when it makes that call again"
        return f"{again} in the same run; no other run heeds it" if asked.request.kind == "flow" else again
    return f"`toolwright run --resume {asked.run_id}` goes on"


@contextmanager
def opened(options: dict[str, Any], *, made: bool = False) -> Iterator[tuple[Home, Settings]]:
    """The home's books alone, and its settings: shelf and sandbox are not needed.

    NotFoundError where there is no home, unless it may be *made*.
    """
    from toolwright.errors import NotFoundError
    from toolwright.settings import load
    from toolwright.store.home import Home

    settings = load(options.get("home"))
    if not made and not (settings.home / "home.db").exists():
        raise NotFoundError(
            f"There is no home.db in {settings.home}: nobody was asked there, or said yes. "
            "Name the home with --home DIR."
        )
    with closing(Home.open(settings.home)) as home:
        yield home, settings


def _print_question(asked: Asked) -> None:
    from rich.text import Text

    from toolwright.asking import COLUMNS, ROWS, lines

    console = out()
    rows, columns = (console.height - _AROUND, console.width) if console.is_terminal else (ROWS, COLUMNS)
    until = "" if asked.until is None else f", until {spelled(asked.until)}"
    console.print(safe(f"question {asked.id} of run {asked.run_id}, asked {spelled(asked.at)}{until}"), markup=False)
    for text, style in lines(asked.request, columns, rows, "--code shows them"):
        console.print(Text(text, style=style), soft_wrap=True)
    answers = (
        asked.said()
        if asked.answer is not None
        else f"`toolwright approvals approve {asked.id}` says yes, `toolwright approvals reject {asked.id} --why …` no."
    )
    console.print("\n" + safe(answers), markup=False, soft_wrap=True)


def _listed(found: Sequence[Asked]) -> list[RenderableType]:
    return [_as_text(one) for one in found]


def _as_text(asked: Asked) -> str:
    question = asked.request.question
    powers = short(", ".join(question.words()) or "a call", 60)
    by = "" if asked.answer is None else f" by {short(asked.answer.who, 24)}"
    head = f"{asked.id:>4}  {asked.state}{by}  {figures.date(asked.at)}  {short(question.name, 30)}: {powers}"
    return safe(f"{head}  (run {asked.run_id})")
