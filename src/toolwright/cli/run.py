"""`toolwright run`: a task in, the answer on standard output, progress on standard error."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from toolwright.cli.completing import complete_run
from toolwright.cli.live import print_json, progress
from toolwright.cli.look import dollars, duration, err, out, safe
from toolwright.cli.options import model_options, open_toolwright, own_options
from toolwright.errors import UserError
from toolwright.trace import is_run_id

if TYPE_CHECKING:
    from toolwright.runs import RunResult

EXIT_CODES = {"complete": 0, "incomplete": 3, "needs-approval": 8, "failed": 5, "cancelled": 130}


class _GoingOn(click.Command):
    """A command whose `--continue` takes the word behind it only if that is the id of a run."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """The arguments, read after each bare `--continue` was written out."""
        end = args.index("--") if "--" in args else len(args)
        written: list[str] = []
        for word in args[:end]:
            if written[-1:] == ["--continue="] and is_run_id(word):
                written[-1] += word
            else:
                written.append("--continue=" if word == "--continue" else word)
        return super().parse_args(ctx, written + args[end:])


@click.command(cls=_GoingOn)
@click.argument("task", nargs=-1)
@click.option(
    "--file", "files", multiple=True, type=click.Path(path_type=Path), help="A file for the work folder; repeat."
)
@click.option(
    "--untrusted-file",
    "untrusted",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="The same, for a file whose text nobody vouches for; repeat.",
)
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Where files go (./toolwright-files/RUN/).")
@click.option(
    "--resume",
    metavar="RUN",
    help="Go on with a run that was cut short, or waited for a person; last: the newest.",
    shell_complete=complete_run,
)
@click.option(
    "--continue",
    "continues",
    metavar="[ID]",
    help="Go on with the conversation of the run ID, or of the newest one.",
)
@click.option(
    "--record", type=click.Path(path_type=Path), metavar="FILE", help="Write the model's answers as a script."
)
@click.option("--max-steps", type=click.IntRange(1), metavar="N", help="Model steps in one run (15).")
@click.option(
    "--pause",
    "away",
    flag_value="pause",
    help="Where nobody can be asked: keep the question, end with exit code 8, go on with --resume.",
)
@own_options
@model_options
def run(task: tuple[str, ...], **options: Any) -> None:
    """Do TASK; make the tools that it lacks, in the sandbox, and keep them.

    TASK may be given without quotes, or as - to be read from standard input. With --continue it goes on with an earlier
    conversation, its files and its tools.
    """
    words = " ".join(task)
    if words == "-":
        words = sys.stdin.read().strip()
    if not words and not options["resume"]:
        raise UserError('There is no task. Write it behind `toolwright run`, such as: toolwright run "USD to ILS now"')
    if options["resume"]:
        _check_resume(words, options)
    as_json = options["as_json"]
    with open_toolwright(options, progress(as_json)) as tw:
        if options["resume"]:
            options["resume"] = tw.run_record(options["resume"]).id
        before = tw.newest_conversation() if options["continues"] == "" else options["continues"]
        given = {key: options[key] for key in ("files", "untrusted", "out", "resume")}
        result = tw.run(words, **given, history=before)
    if as_json:
        print_json(as_result(result))
    else:
        show_result(result)
    sys.exit(EXIT_CODES[result.status])


def _check_resume(words: str, options: dict[str, Any]) -> None:
    given = {"TASK": words, "--file": options["files"], "--out": options["out"], "--max-steps": options["max_steps"]}
    given |= {"--continue": None if options["continues"] is None else options["continues"] or "the newest"}
    given |= {"--untrusted-file": options["untrusted"]}
    given |= {"--surface": options["surface"], "--max-new-tools": options["max_new_tools"]}
    for name, value in given.items():
        if value not in (None, "", ()):
            raise UserError(f"--resume goes on with what its run was given; leave out {name} ({value!r}).")


def as_result(result: RunResult) -> dict[str, Any]:
    """The last JSON line of a run."""
    return {"type": "result", **result.to_json()}


def show_result(result: RunResult) -> None:
    """The answer on standard output; what it took on standard error, if somebody watches."""
    if result.output:
        out().print(safe(result.output), markup=False)
    for path in result.files:
        out().print(f"file {path}", markup=False)
    if result.status != "complete":
        goes_on = result.status in ("failed", "cancelled") or result.stopped
        again = f" `toolwright run --resume {result.run_id}` goes on." if goes_on else ""
        err().print(f"{result.status}: {safe(result.reason)}{again}", style="yellow", markup=False)
    if sys.stderr.isatty():
        made, reused = ", ".join(result.made) or "nothing", ", ".join(result.reused) or "nothing"
        tokens = result.cost.tokens_in + result.cost.tokens_out
        spent = f"{dollars(result.cost.dollars)} ({tokens:,} tokens), {duration(result.wall_s)}"
        err().print(f"made {made}; reused {reused}; {spent}; run {result.run_id}", style="dim", markup=False)
