"""`toolwright show NAME`: everything that is known of a tool, for a person, for a script, or its source alone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from toolwright.call import COUNTS_AGAINST_TOOL
from toolwright.cli import checks, figures, provenance
from toolwright.cli.live import print_json
from toolwright.cli.look import dollars, duration, out, safe
from toolwright.cli.naming import name_argument, named, near_misses, own_tool
from toolwright.cli.options import home_options, open_toolwright, own_options
from toolwright.cli.pages import paged, pager_option
from toolwright.errors import EditedError, NotFoundError, UserError

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

    from toolwright.app import Toolwright
    from toolwright.registry import ToolInfo
    from toolwright.store.calls import Stats
    from toolwright.tool import ToolVersion

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
        own = own_tool(tw, wanted) if number in (None, 0) else None
        return _own_record(tw, own) if own else _record(tw, _seen(tw, wanted, number))


def _seen(tw: Toolwright, name: str, number: int | None) -> ToolVersion:
    """The version as `get` gives it, or one that waits to be promoted, for reading."""
    try:
        return tw.registry.get(name, number)
    except EditedError as error:
        if error.reason != "not-promoted":
            raise
        with suppress(NotFoundError):
            return tw.registry.waiting(name, number)[0]
        raise


def _record(tw: Toolwright, version: ToolVersion) -> dict[str, Any]:
    """What is known of a version; its keys are those of `show --json`."""
    candidate, spec = version.candidate, version.spec
    stats = tw.registry.stats(version.name, version.number)
    history = [info for info in tw.registry.history(version.name) if info.origin != "host"]
    shelf = next((info.shelf for info in history if info.number == version.number), "")
    return {
        "type": "tool",
        "name": version.name,
        "version": version.number,
        "description": spec.description,
        "digest": version.digest,
        "origin": version.origin,
        "state": version.state,
        "effect": candidate.effect,
        "powers": candidate.grant.to_json(),
        "packages": list(candidate.lock),
        "signature": f"{spec.name}({spec.parameters}) -> {spec.returns}",
        "input_schema": dict(spec.input_schema),
        "output_schema": dict(spec.output_schema),
        "examples": [example.text for example in spec.examples],
        "source": candidate.source,
        "checks": checks.as_json(version.verdict),
        "untested": list(version.verdict.untested),
        "created_at": version.created_at,
        "run_id": version.run_id,
        "model": version.model,
        "requests": list(version.requests),
        "parent": candidate.parent,
        "calls": _calls(stats),
        "history": [f"{info.name}@{info.number} {info.state}" for info in history],
        "versions": [_version(tw, info) for info in history],
        "dollars": next((info.dollars for info in history if info.number == version.number), None),
        "file": str(_file(Path(shelf) if shelf else tw.settings.home, version)),
        "shelf": shelf,
        "from": "",
    }


def _calls(stats: Stats) -> dict[str, Any]:
    return {**stats.to_json(), "success_rate": stats.ok / stats.calls if stats.calls else None}


def _version(tw: Toolwright, info: ToolInfo) -> dict[str, Any]:
    changes = tw.registry.changes(info.name, info.number)
    return {
        "version": info.number,
        "state": info.state,
        "origin": info.origin,
        "created_at": info.created_at,
        "dollars": info.dollars,
        "changes": [{"state": one.state, "at": one.at, "who": one.who, "why": one.why} for one in changes],
    }


def _file(home: Path, version: ToolVersion) -> Path:
    from toolwright.store.files import tool_folder

    return tool_folder(home, version.namespace, version.name) / f"{version.number}.py"


def _own_record(tw: Toolwright, info: ToolInfo) -> dict[str, Any]:
    """What is known of a person's own tool: it is not stored, so it has no verdict and no history."""
    return {
        "type": "tool",
        "name": info.name,
        "version": info.number,
        "description": info.description,
        "digest": info.digest,
        "origin": info.origin,
        "state": info.state,
        "effect": info.effect,
        "powers": {},
        "packages": [],
        "signature": f"{info.name}({info.parameters})",
        "input_schema": dict(info.input_schema),
        "output_schema": dict(info.output_schema),
        "examples": [],
        "source": "",
        "checks": [],
        "untested": [],
        "created_at": info.created_at,
        "run_id": "",
        "model": "",
        "requests": [],
        "parent": None,
        "calls": _calls(tw.registry.stats(info.name, info.number)),
        "history": [],
        "versions": [],
        "dollars": None,
        "file": "",
        "shelf": "",
        "from": getattr(tw.registry.find(info.name), "source", ""),
    }


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
