"""`toolwright make`: a tool without a task, from words, from flags, from a file, or question by question."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from toolwright.ceilings import reached
from toolwright.cli import checks, wanted
from toolwright.cli.live import print_json, progress, working
from toolwright.cli.look import dollars, err, on_terminal, out, safe
from toolwright.cli.options import model_options, open_toolwright
from toolwright.errors import RefusedError
from toolwright.forms import checks_as_json
from toolwright.trace import Cost, Event, Sink

if TYPE_CHECKING:
    from toolwright.app import Toolwright
    from toolwright.forge import Forged
    from toolwright.registry import ToolInfo
    from toolwright.tool import ToolSpec

POWERS = ("hosts", "packages", "secrets", "reads", "writes", "plain_secrets", "subprocess")
WAYS = """\
Say which tool to make, in one of these ways:
  toolwright make "convert celsius to fahrenheit"
  toolwright make NAME -d "What it does." -p "amount: float" -r float -e "NAME(2.0) == 4.0"
  toolwright make --spec FILE            (.toml, .json, .yaml; - is JSON on standard input)
  toolwright make                        (at a terminal: question by question)"""


@click.command()
@click.argument("words", nargs=-1, metavar="[NAME|WORDS]")
@click.option(
    "--spec", "file", type=click.Path(path_type=Path), metavar="FILE", help="A .toml, .json or .yaml file; - is JSON."
)
@click.option("--description", "-d", help="One clear sentence: what it does.")
@click.option("--input-params", "-p", help="As in a signature: \"amount: float, currency: str = 'USD'\".")
@click.option("--return-type", "-r", help='An annotation: "list[dict[str, str]]".')
@click.option("--example", "-e", "examples", multiple=True, help="`f(1) == 2`; repeat.")
@click.option("--host", "hosts", multiple=True, help="A host that it may reach; repeat.")
@click.option("--package", "packages", multiple=True, help="A package that it may use; repeat.")
@click.option("--secret", "secrets", multiple=True, metavar="BINDING", help="NAME@HOST/header/NAME or /query/NAME.")
@click.option("--plain-secret", "plain_secrets", multiple=True, metavar="NAME", help="Its value, itself; repeat.")
@click.option("--subprocess", is_flag=True, help="It may start other programs.")
@click.option(
    "--read",
    "reads",
    multiple=True,
    type=click.Path(resolve_path=True),
    metavar="DIR",
    help="A folder that it may read; repeat.",
)
@click.option(
    "--write",
    "writes",
    multiple=True,
    type=click.Path(resolve_path=True),
    metavar="DIR",
    help="A folder that it may write; repeat.",
)
@model_options
def make(words: tuple[str, ...], **options: Any) -> None:
    """Make a tool without a task: written by the model, proved, and put on the shelf.

    WORDS say in a sentence what it is to do; a model words the request, which is shown before anything is made. NAME
    with -d says it in flags, --spec in a file. At a terminal, `toolwright make` alone asks question by question.
    """
    text, as_json = " ".join(words).strip(), options["as_json"]
    if text == "-":
        text = sys.stdin.read().strip()
    bill = Bill(progress(as_json))
    with open_toolwright(options, bill) as tw:
        if tw.settings.max_new_tools < 1:
            raise RefusedError(f"No new tool. {reached('new-tools', 0)}", "limit")
        spec = _spec(tw, text, options, asks=on_terminal() and not (options["yes"] or as_json))
        if spec is None:
            err().print("Nothing was made.", markup=False)
            sys.exit(4)
        forged = tw.make(spec)
    sys.exit(report(forged, as_json, bill.cost))


class Bill:
    """A sink that adds up what is spent, and hands every event on."""

    def __init__(self, on: Sink | None) -> None:
        self._on = on
        self._by_run: dict[str, Cost] = {}

    def emit(self, event: Event) -> None:
        """Note a cost; it is that of its run so far."""
        if event.kind == "cost":
            known = {key: event.data[key] for key in ("tokens_in", "tokens_out", "dollars", "calls")}
            self._by_run[event.run_id] = Cost(**known)
        if self._on is not None:
            self._on.emit(event)

    @property
    def cost(self) -> Cost:
        """All of it."""
        return sum(self._by_run.values(), Cost())


def _spec(tw: Toolwright, text: str, options: dict[str, Any], *, asks: bool) -> ToolSpec | None:
    """What is to be made, by whichever way it was said; None after a person's no."""
    from toolwright.requests import spec_of
    from toolwright.specfile import read_spec

    said = _said(options)
    if options["file"] is not None:
        said = read_spec(options["file"]) | said | ({"tool_name": text} if text else {})
    elif "description" in said and text:
        said["tool_name"] = text
    elif text and not text.isidentifier():
        return _from_words(tw, text, said, options["as_json"], asks=asks)
    elif asks:
        return _from_questions(tw, text, said)
    else:
        missing = "There is no description (-d), and nobody to ask for it. " if text else ""
        raise click.UsageError(missing + WAYS)
    spec = spec_of(said, tw.settings.namespace)
    return _not_alike(tw, spec, asks=asks)


def _said(options: dict[str, Any]) -> dict[str, Any]:
    """What the flags say, as keywords of `request_new_tool`."""
    said = {key: options[key] for key in ("description", "input_params", "return_type") if options[key] is not None}
    if options["examples"]:
        said["example"] = "\n".join(options["examples"])
    if powers := {kind: options[kind] for kind in POWERS if options[kind]}:
        said["powers"] = powers
    return said


def _not_alike(tw: Toolwright, spec: ToolSpec, *, asks: bool) -> ToolSpec | None:
    """*spec*, unless the person would rather use what looks like it."""
    if spec.name in tw.registry:
        return spec  # the forge says what has the name, and asks no model
    found = wanted.alike(tw, spec)
    wanted.say_alike(found)
    if found and asks:
        from toolwright.cli.questions import yes

        return spec if yes(f"Make {spec.name} all the same?") else None
    return spec


def _from_words(tw: Toolwright, text: str, said: dict[str, Any], as_json: bool, *, asks: bool) -> ToolSpec | None:
    choice = tw.model()
    if err().is_terminal:
        err().print(safe(f"model  {choice}  ({choice.why})"), style="dim", markup=False)
    if asks and (found := _alike_words(tw, text)):
        from toolwright.cli.questions import yes

        wanted.say_alike(found)
        if not yes("Make another one all the same?"):
            return None
    with working("the model words the request"):
        spec = tw.spec(text, **said)
    if asks:
        from toolwright.cli.questions import settle

        return settle(tw, spec)
    found = wanted.alike(tw, spec)
    if as_json:
        print_json(wanted.as_json(spec, found))
    else:
        wanted.show(spec)
        wanted.say_alike(found)
    return spec


def _alike_words(tw: Toolwright, text: str) -> list[ToolInfo]:
    """What the shelf has that does just what the words say: for that no model need be asked."""
    from toolwright.errors import SpecError
    from toolwright.schema import tool_spec

    name = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:60].strip("_")
    try:
        sketch = tool_spec(tool_name=name, description=text[:500], namespace=tw.settings.namespace)
    except SpecError:  # words in another script, say: the model's name for it is compared later
        return []
    found: list[ToolInfo] = []
    for one in (match.info for match in tw.registry.search(text, limit=3)):
        same = replace(sketch, input_schema=one.input_schema, output_schema=one.output_schema)
        found += [match.info for match in tw.registry.near(same, limit=3) if match.info == one]
    return found


def _from_questions(tw: Toolwright, name: str, said: dict[str, Any]) -> ToolSpec | None:
    from toolwright.cli.questions import ask_all, settle
    from toolwright.requests import spec_of

    tw.model()  # before anything is typed
    begun = wanted.Answers()
    if said or name:
        # What the flags say is read now, so that a wrong one is told before the first question.
        begun = wanted.Answers.of(
            spec_of({"tool_name": name or "a_tool", "description": "To be said.", **said}, "local")
        )
        begun.rename(name)
        begun.description = said.get("description", "")
        begun.return_type = said.get("return_type", "")
    ask_all(tw, begun)
    return settle(tw, begun.spec(tw.settings.namespace))


def report(forged: Forged, as_json: bool, cost: Cost | None = None) -> int:
    """Print what came of making, and the exit code: 0 made, 1 not made, 4 refused, 7 a fault."""
    version = forged.version
    verdict = forged.verdicts[-1] if forged.verdicts else None
    if as_json:
        name = str(version) if version else None
        ran = checks_as_json(verdict) if verdict else []
        spent = {} if cost is None else {"cost": _cost_as_json(cost)}
        print_json({"type": "made", "made": name, "fresh": forged.won, "reason": forged.reason, "checks": ran, **spent})
    elif version is not None:
        for note in (note for one in version.verdict.checks for note in one.notes):
            err().print(f"note   {safe(note)}", style="dim", markup=False)
        word = "made" if forged.won else "there already:"
        out().print(f"{word} {version}", style="bold green", markup=False)
        if version.state == "validated":
            err().print(safe(forged.reason), style="yellow", markup=False)
    else:
        if verdict is not None:
            checks.table(verdict)
        err().print(f"not made: {safe(forged.reason)}", style="yellow", markup=False)
    if cost is not None and cost.calls and err().is_terminal and not as_json:
        spent_text = (
            f"{dollars(cost.dollars)} ({cost.tokens_in + cost.tokens_out:,} tokens in {cost.calls} model calls)"
        )
        err().print(spent_text, style="dim", markup=False)
    if version is not None:
        return 0
    return checks.exit_code(verdict) if verdict is not None else 1


def _cost_as_json(cost: Cost) -> dict[str, Any]:
    spent = {"tokens_in": cost.tokens_in, "tokens_out": cost.tokens_out}
    return {**spent, "dollars": cost.dollars, "model_calls": cost.calls}
