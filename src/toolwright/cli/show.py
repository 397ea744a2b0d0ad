"""`toolwright show NAME`: everything that is known of a tool, for a person, for a script, or its source alone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from toolwright.call import COUNTS_AGAINST_TOOL
from toolwright.cli import checks, figures, provenance
from toolwright.cli.live import print_json
from toolwright.cli.look import dollars, duration, out, safe
from toolwright.cli.naming import name_argument, named, near_misses
from toolwright.cli.options import home_options, open_toolwright, own_options
from toolwright.cli.pages import paged, pager_option
from toolwright.errors import UserError
from toolwright.forms import tool_as_json

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

    from toolwright.app import Toolwright

_COUNTING = ["ok", *sorted(status.value for status in COUNTS_AGAINST_TOOL)]


@click.command()
@name_argument
@click.option("--code", is_flag=True, help="Print the source alone.")
@click.option("--script", is_flag=True, help="Print its one PEP 723 file: header, source, footer.")
@click.option(
    "--provenance", "signed", is_flag=True, help="Print who made, validated and promoted it, and whose word that is."
)
@pager_option
@own_options
@home_options
def show(name: str, code: bool, script: bool, signed: bool, **options: Any) -> None:
    """Show the tool NAME (or NAME@N): code, schemas, verdict, history, calls; or its provenance."""
    with open_toolwright(options, ask=False) as tw:
        if signed:
            wanted, number = named(name)
            with near_misses(tw, wanted):
                told = provenance.record(tw, wanted, number)
        else:
            record = _found(tw, name)
            file = _script(tw, record) if script and record["origin"] != "host" else ""
    if signed and options["as_json"]:
        print_json(told)
    elif signed:
        paged(*provenance.shown(told), pager=options["pager"])
    elif options["as_json"]:
        print_json(record)
    elif (code or script) and record["origin"] == "host":
        raise UserError(f"{name} is your own tool ({record['from']}): its code stands there, and not on the shelf.")
    elif script:
        click.echo(file, nl=False)
    elif code:
        # As it is for a pipe, so that `show --code > tool.py` is the tool; harmless on a terminal.
        paged(_code(record), pager=options["pager"]) if out().is_terminal else click.echo(record["source"], nl=False)
    else:
        paged(*_shown(record), pager=options["pager"])


def _script(tw: Toolwright, record: dict[str, Any]) -> str:
    """The text of the file, wherever the shelf keeps it; it was checked when the record was made."""
    return tw.registry.edited(record["name"], record["version"])[0]


def described(tw: Toolwright, name: str) -> list[RenderableType]:
    """The tool NAME or NAME@N as `show` prints it. NotFoundError with near misses; UserError."""
    return [*_shown(_found(tw, name))]


def _found(tw: Toolwright, name: str) -> dict[str, Any]:
    wanted, number = named(name)
    with near_misses(tw, wanted):
        return tool_as_json(tw, wanted, number)


def _shown(record: dict[str, Any]) -> Iterator[RenderableType]:
    own = record["origin"] == "host"
    title = record["name"] if own else f"{record['name']}@{record['version']}"
    yield _text(f"{title}  {record['description']}", "bold")
    yield from _head(record)
    yield from _schemas(record)
    if own:
        yield _line("calls", calls_in_words(record["calls"]))
        yield _text("Your own tool: it runs in this process, outside the sandbox; it is not kept on the shelf.", "dim")
        return
    yield _text("")
    yield _code(record)
    yield _text("")
    yield from _verdict(record)
    yield _text("")
    yield from _life(record)
    yield _text("`uv run` of its file runs it without the sandbox: that is your own act.", "dim")


def _head(record: dict[str, Any]) -> Iterator[RenderableType]:
    from toolwright.powers import Grant

    powers = Grant.from_json(record["powers"]).words() if record["powers"] else []
    powers += [f"package {line.split(' --hash')[0]}" for line in record["packages"]]
    yield _line("state", f"{record['state']}, by {record['origin']}")
    yield _line("powers", ", ".join(powers) or ("those of this process" if record["origin"] == "host" else "none"))
    yield _line("effect", record["effect"])
    if record["digest"]:
        yield _line("digest", record["digest"])
    if record["file"]:
        yield _line("file", record["file"])
    if record["shelf"]:
        yield _line("shelf", f"{record['shelf']}, which is only read from here")
    if record["from"]:
        yield _line("from", record["from"])


def _schemas(record: dict[str, Any]) -> Iterator[RenderableType]:
    yield _line("call", record["signature"])
    yield _line("takes", json.dumps(record["input_schema"], ensure_ascii=False))
    yield _line("gives", json.dumps(record["output_schema"], ensure_ascii=False))
    for text in record["examples"]:
        yield _line("example", text)


def _code(record: dict[str, Any]) -> RenderableType:
    from rich.syntax import Syntax

    return Syntax(safe(record["source"]), "python", background_color="default", word_wrap=out().is_terminal)


def _verdict(record: dict[str, Any]) -> Iterator[RenderableType]:
    for one in record["checks"]:
        line, style = checks.line(one["check"], one["passed"], one["wall_s"], one["detail"])
        yield _text(line, style)
        for note in one["notes"]:
            yield _text(f"{'':<9} note: {note}", "dim")
    for untested in record["untested"]:
        yield _text(f"untested  {untested}", "yellow")


def _life(record: dict[str, Any]) -> Iterator[RenderableType]:
    yield _line("made", " ".join(_made(record)))
    for text in dict.fromkeys(record["requests"]):
        yield _line("asked", text)
    by_hand = record["origin"] != "agent" and record["dollars"] is None
    yield _line("cost", "none: no model wrote it" if by_hand else f"{dollars(record['dollars'])} to make")
    yield _line("calls", calls_in_words(record["calls"]))
    for one in record["versions"]:
        yield _line("history", f"{record['name']}@{one['version']}  {_history(one)}")


def _made(record: dict[str, Any]) -> Iterator[str]:
    yield figures.date(record["created_at"])
    yield f"by {'a person' if record['origin'] == 'person' else 'an agent'}"
    if record["model"]:
        yield f"with {record['model']}"
    if record["run_id"] and record["origin"] == "agent":  # a person's errand is no run that could be shown
        yield f"in {record['run_id']}"
    if record["parent"]:
        yield f"from {record['parent'][:12]}"


def calls_in_words(calls: dict[str, Any]) -> str:
    """`12 calls (92% ok): 11 ok, 1 raised; not counted: 2 bad-call; 12 ms each; last 2026-03-01 14:05`."""
    by_status = calls.get("by_status", {})
    if not by_status:
        return "not called yet"
    how = figures.endings(by_status, _COUNTING)
    said = [f"{figures.counted(calls['calls'], 'call')} ({figures.percent(calls['success_rate'])} ok): {how}"]
    if calls["mean_wall_s"] is not None:
        said.append(f"{duration(calls['mean_wall_s'])} each")
    return "; ".join([*said, f"last {figures.date(calls['last_used'])}"])


def _history(one: dict[str, Any]) -> str:
    changes: Sequence[dict[str, Any]] = one["changes"]
    told = [
        f"{_WORDS.get(change['state'], change['state'])} {figures.date(change['at'])}{_by(change)}"
        for change in changes
    ]
    if told:
        told[0] = told[0].replace(_WORDS["active"], "made", 1)
    return f"{one['state']}: {', '.join(told)}"


_WORDS = {"active": "restored"}


def _by(change: dict[str, Any]) -> str:
    who = f" by {change['who']}" if change["who"] else ""
    why = f" ({change['why']})" if change["why"] and change["why"] != "admitted" else ""
    return who + why


def _line(what: str, text: str) -> Text:
    return _text(f"{what:<9} {text}")


def _text(text: str, style: str = "") -> Text:
    from rich.text import Text

    return Text(safe(text), style=style)
