"""`toolwright edit NAME`: a source goes to the editor; what comes back is the next version, or is kept in a file."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from toolwright.cli.editor import edited_in, editor_words
from toolwright.cli.live import print_json
from toolwright.cli.look import err, on_terminal, safe
from toolwright.cli.make import report
from toolwright.cli.naming import name_argument, near_misses
from toolwright.cli.options import about, box_options, edit_options, open_toolwright
from toolwright.errors import EditedError, UserError
from toolwright.forms import own_tool

if TYPE_CHECKING:
    from toolwright.app import Toolwright
    from toolwright.forge import Forged
    from toolwright.tool import ToolVersion


@click.command()
@name_argument
@click.option(
    "--file", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Take this text; open no editor."
)
@edit_options
@box_options
def edit(name: str, file: Path | None, **options: Any) -> None:
    """Change the tool NAME in your editor ($VISUAL, $EDITOR); what passes the validator is its next version."""
    from toolwright.bringing import read_source

    with open_toolwright(options) as tw, near_misses(tw, name):
        if own_tool(tw, name) and not tw.registry.shelved(name):
            raise UserError(f"{name!r} is your own tool, which is not kept here: edit it where it stands.")
        before = tw.registry.as_recorded(name)
        if file is not None:
            made = tw.edit(name, read_source(file), **about(options))
            code = _told(made, before, options["as_json"])
            if code:
                _say_how_to_go_on(name, file, made)
        else:
            code = _by_hand(tw, before, options)
    sys.exit(code)


def _by_hand(tw: Toolwright, before: ToolVersion, options: dict[str, Any]) -> int:
    """Edit, validate, and again while the person wants to; the exit code."""
    words = editor_words()
    draft = _draft(tw.settings.home, before)
    text = before.candidate.source
    while True:
        text = edited_in(words, draft, text)
        if text == before.candidate.source and not any(about(options).values()):
            draft.unlink(missing_ok=True)
            why = _unchanged(tw, before)
            err().print(why, markup=False)
            if options["as_json"]:
                print_json({"type": "made", "made": str(before), "reason": why, "checks": []})
            return 0
        made = tw.edit(before.name, text, **about(options))
        code = _told(made, before, options["as_json"])
        if not code:
            draft.unlink(missing_ok=True)
            return 0
        if options["as_json"] or not (on_terminal() and _again()):
            _say_how_to_go_on(before.name, draft, made)
            return code


def _unchanged(tw: Toolwright, before: ToolVersion) -> str:
    try:
        tw.registry.get(before.name)
    except EditedError:
        cure = f"`toolwright registry adopt {before.name}` validates what stands in it"
        return f"Nothing was changed here. The file of {before} was edited by hand before; {cure}."
    return f"{before} is as it was: nothing was changed."


def _draft(home: Path, before: ToolVersion) -> Path:
    """A file of its own for the text that is being edited: it is there whatever becomes of editor and terminal."""
    from toolwright.trace import new_run_id

    folder = home / "edits"
    path = folder / f"{before.name}-{new_run_id()}.py"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_text(before.candidate.source, "utf-8")
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}. Use --file FILE, or another --home.") from error
    return path


def _told(made: Forged, before: ToolVersion, as_json: bool) -> int:
    """Print what came of it."""
    code = report(made, as_json)
    version = made.version
    if version is not None and not made.won:
        err().print(f"{version} is this very tool already: nothing was changed.", markup=False)
    elif version is not None and version.number > before.number + 1:
        between = (
            f"{version} was made from {before}; other versions came meanwhile, see `toolwright show {version.name}`."
        )
        err().print(between, style="yellow", markup=False)
    return code


def _say_how_to_go_on(name: str, file: Path, made: Forged) -> None:
    failed = made.verdicts[-1].failed if made.verdicts else None
    if failed is not None and failed.name == "examples":
        err().print("If it is to answer otherwise, say the new examples: --example 'f(1) == 2'.", markup=False)
    elif failed is not None and failed.name == "screen" and "declare" in failed.detail:
        err().print("What it needs is declared with --package, --host, --secret, --read, --write.", markup=False)
    on = f"toolwright edit {name} --file {shlex.quote(str(file))}"
    # Unbroken, so that it can be copied.
    err().print(f"Your text is kept. To go on: {safe(on)}", markup=False, soft_wrap=True)


def _again() -> bool:
    err().print("Edit again? [y/N] ", end="", markup=False)
    err().file.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")
