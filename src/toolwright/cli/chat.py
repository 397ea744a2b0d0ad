"""`toolwright chat`: a conversation at the terminal, or the lines of a pipe, one task after the other."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from toolwright.cli import STOPPED
from toolwright.cli.live import print_json, progress
from toolwright.cli.look import dollars, duration, err, on_terminal, out, rest, safe
from toolwright.cli.options import model_options, open_toolwright, own_options
from toolwright.cli.run import EXIT_CODES, as_result, show_result
from toolwright.errors import ToolwrightError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from toolwright.cli.chat_talk import Talk
    from toolwright.runs import RunResult


@click.command()
@click.option(
    "--file", "files", multiple=True, type=click.Path(path_type=Path), help="A file for the work folder; repeat."
)
@click.option("--out", type=click.Path(path_type=Path), metavar="DIR", help="Where files go (./toolwright-files/RUN/).")
@click.option(
    "--continue",
    "continues",
    is_flag=False,
    flag_value="",
    metavar="[ID]",
    help="Go on with the conversation of the run ID, or of the newest one.",
)
@click.option(
    "--record", type=click.Path(path_type=Path), metavar="FILE", help="Write the model's answers as a script."
)
@click.option("--max-steps", type=click.IntRange(1), metavar="N", help="Model steps in one turn (15).")
@own_options
@model_options
def chat(**options: Any) -> None:
    """Talk: each message is a task that goes on from the ones before, with their files and tools.

    /help lists the commands. Lines from a pipe are taken one by one, and the exit code is that of the last.
    """
    from toolwright.cli.chat_talk import talk

    with talk(open_toolwright(options, progress(options["as_json"], brief=on_terminal())), options) as begun:
        session = _Session(begun, options["as_json"])
        # A terminal that cannot move its cursor (TERM=dumb) is read like a pipe.
        code = session.at_terminal() if on_terminal() and not err().is_dumb_terminal else session.from_pipe()
    sys.exit(code)


class _Session:
    """Takes messages from wherever they come, and shows what comes of each; `code` is the exit code so far."""

    def __init__(self, talk: Talk, as_json: bool) -> None:
        self.talk, self.as_json = talk, as_json
        self.code = 0

    def at_terminal(self) -> int:
        """The chat with a person; its exit code."""
        from toolwright.cli.chat_commands import COMMANDS, Leave, words_behind
        from toolwright.cli.chat_prompt import Prompt, Words
        from toolwright.cli.chat_signals import Ending

        words = Words(COMMANDS, lambda command: words_behind(self.talk, command))
        prompt = Prompt(self.talk.tw.settings.home, lambda: self.talk.heading, words)
        self._greet()
        with Ending() as ending:
            while True:
                try:
                    self._take(prompt.ask(), self._watched)
                except (EOFError, Leave):
                    return 0
                except KeyboardInterrupt:
                    if ending.came:
                        return STOPPED
                except OSError:
                    if not ending.came:  # else the window was closed: nobody is there to be told
                        raise
                if ending.came:
                    return STOPPED

    def _greet(self) -> None:
        if (run := self.talk.last) is not None:
            err().print(f"goes on from run {safe(getattr(run, 'id', ''))}", style="dim", markup=False)
            err().print(safe(f"> {getattr(run, 'task', '')}"), markup=False)
            self._print(run.output)
        err().print("A message is a task. /help lists the commands, /quit ends.", style="dim", markup=False)

    def from_pipe(self) -> int:
        """Every line, one after the other; the exit code of the last."""
        from toolwright.cli.chat_commands import Leave

        try:
            for line in _lines():
                self._take(line, lambda turn: turn())
                if self.code == STOPPED:
                    break
        except Leave:
            pass
        return self.code

    def _take(self, line: str, around: Callable[[Callable[[], RunResult]], RunResult]) -> None:
        """Do what *line* says, a turn within *around*; what cannot be done is said, and the chat goes on."""
        from toolwright.cli.chat_commands import Again, obey

        try:
            if line.startswith("/"):
                try:
                    obey(self.talk, line)
                    self.code = 0
                except Again:
                    self._show(around(self.talk.again))
            else:
                self._show(around(lambda: self.talk.take_turn(line.strip())))
        except ToolwrightError as error:
            self._complain(error)

    def _watched(self, turn: Callable[[], RunResult]) -> RunResult:
        from toolwright.cli.chat_signals import keys_unseen, stoppable

        with stoppable(), keys_unseen():
            try:
                return turn()
            finally:
                rest()

    def _show(self, result: RunResult) -> None:
        self.code = EXIT_CODES[result.status]
        if self.as_json:
            print_json(as_result(result))
        elif not on_terminal():
            show_result(result)
        else:
            self._print(result.output)
            self._print_ending(result)

    def _print(self, output: str) -> None:
        if not output:
            return
        if out().is_terminal:
            from toolwright.cli.markdown import answer

            out().print(answer(output))
        else:
            out().print(safe(output), markup=False)

    def _print_ending(self, result: RunResult) -> None:
        for path in result.files:
            out().print(f"file {safe(str(path))}", markup=False)
        if result.status == "cancelled":
            err().print("The turn was stopped. /retry takes it again.", style="yellow", markup=False)
        elif result.status != "complete":
            err().print(f"{result.status}: {safe(result.reason)}", style="yellow", markup=False)
        parts = [f"made {', '.join(result.made)}"] if result.made else []
        parts += [f"reused {', '.join(result.reused)}"] if result.reused else []
        parts += [dollars(result.cost.dollars)] if result.cost.dollars is not None else []
        err().print("; ".join([*parts, duration(result.wall_s)]), style="dim", markup=False)

    def _complain(self, error: ToolwrightError) -> None:
        self.code = error.exit_code
        if self.as_json:
            body = {"type": "error", "error": type(error).__name__, "message": str(error)}
            print_json(body | {"exit_code": error.exit_code})
        err().print(safe(str(error)), style="yellow", markup=False)


def _lines() -> Iterator[str]:
    """The messages on standard input: a line each, or several that a backslash joins; blank ones are none."""
    held = ""
    for raw in sys.stdin.buffer:
        line = held + raw.decode("utf-8", "replace").rstrip("\r\n")
        if line.endswith("\\") and not line.endswith("\\\\"):
            held = line[:-1] + "\n"
            continue
        held = ""
        if line.strip():
            yield line
    if held.strip():
        yield held
