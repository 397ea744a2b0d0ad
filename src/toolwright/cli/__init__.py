"""The command line: translates words into calls of `Toolwright` and results into lines, colours and exit codes."""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
import json
import os
import signal
import sys
from collections.abc import Mapping
from types import FrameType
from typing import NoReturn

import click

from toolwright.cli.grouping import Group
from toolwright.errors import FaultError, ToolwrightError

GROUPS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "Do a task": {
        "run": ("toolwright.cli.run:run", "Do a task; make the tools that it lacks."),
        "chat": ("toolwright.cli.chat:chat", "Talk: each message is a task that goes on from the ones before."),
        "runs": ("toolwright.cli.runs:runs", "List the runs, or tell the story of one."),
        "approvals": ("toolwright.cli.approvals:approvals", "Answer the questions that wait for a person."),
        "grants": ("toolwright.cli.grants:grants", "List every yes that holds; give one, take one back."),
        "costs": ("toolwright.cli.costs:costs", "Say what was spent: by day, run, tool, model."),
        "audit": ("toolwright.cli.audit:audit", "List what was decided here, and verify that no line was changed."),
        "demo": ("toolwright.cli.demo:demo", "Four tasks on a scripted model; everything else is real."),
    },
    "Use tools": {
        "tools": ("toolwright.cli.shelf:tools", "List the tools on the shelf."),
        "search": ("toolwright.cli.shelf:search", "Find the tools that fit some words."),
        "show": ("toolwright.cli.show:show", "Show a tool: code, schemas, verdict, history, calls."),
        "call": ("toolwright.cli.call:call", "Call a tool with JSON or flags, in the sandbox."),
        "export": ("toolwright.cli.export:export", "Take a tool along: as a script, a wheel, a skill, an MCP server."),
    },
    "Lend them to others": {
        "mcp": ("toolwright.cli.mcp:mcp", "Serve the shelf, and the making of tools, to an agent over MCP."),
    },
    "Make tools": {
        "make": ("toolwright.cli.make:make", "Make a tool from words, from a spec, or question by question."),
        "check": ("toolwright.cli.check:check", "Validate files with a function; register nothing."),
        "import": (
            "toolwright.cli.importing:import_",
            "Take a file, a skill, a hand-made registry, through the validator.",
        ),
        "edit": ("toolwright.cli.edit:edit", "Change a tool in your editor; it becomes the next version."),
    },
    "Keep the shelf": {
        "prune": ("toolwright.cli.prune:prune", "Propose tools to retire, with evidence."),
        "retire": ("toolwright.cli.prune:retire", "Take tools off the shelf; nothing is deleted."),
        "restore": ("toolwright.cli.prune:restore", "Put a retired tool back."),
        "registry": ("toolwright.cli.registry:registry", "Retire, restore, import, rebuild."),
    },
    "Let others in": {
        "serve": ("toolwright.cli.serve:serve", "Serve shelf, runs and questions over HTTP, on loopback."),
        "tokens": ("toolwright.cli.tokens:tokens", "Make, list and take back the tokens for `serve`."),
    },
    "Set it up": {
        "config": ("toolwright.cli.config:config", "Show and change the settings."),
        "policy": ("toolwright.cli.policy:policy", "Say which rule decides about a tool, and why."),
        "secrets": ("toolwright.cli.secrets:secrets", "Keep the secrets that tools may use and never see."),
        "doctor": ("toolwright.cli.doctor:doctor", "Say what works on this machine, and the cure for what does not."),
        "completion": ("toolwright.cli.completion:completion", "Print the completion script of a shell."),
        "scripted": ("toolwright.cli.scripted:scripted", "Serve a script of turns as a model, on loopback."),
    },
}
"""By purpose, each command with where it lives and its line of help; one is imported when it is used and not before."""

COMMANDS: Mapping[str, tuple[str, str]] = {name: found for group in GROUPS.values() for name, found in group.items()}


STOPPED = 128 + signal.SIGINT
"""Exit code of what was ended by a person; of what SIGTERM ended it is 143."""


COMPLETING = "_TOOLWRIGHT_COMPLETE"
"""The variable with which a shell asks for completions."""


class LazyGroup(Group):
    """A group whose commands are imported on use, so that `--help` stays light."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in the order of `COMMANDS`."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command; None for a name that is none."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The lists in `--help`, by purpose, without importing the commands."""
        longest = max(map(len, COMMANDS))
        for purpose, commands in GROUPS.items():
            with formatter.section(purpose):
                formatter.write_dl([(name.ljust(longest), line) for name, (_, line) in commands.items()])


def _version(ctx: click.Context, _: click.Parameter, value: bool) -> None:
    if value:
        from toolwright import __version__

        click.echo(f"toolwright {__version__}")
        ctx.exit()


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_version, help="Print the version."
)
def cli() -> None:
    """An agent that writes the tool it is missing, proves it in a sandbox, keeps it, and uses it in the same run.

    Start with `toolwright demo`: it needs no key. `toolwright COMMAND --help` says what each command takes.

    Exit codes: 0 done, 1 failed, 2 wrong use or settings, 3 incomplete, 4 refused, 5 model, 6 no sandbox,
    7 fault of the machine, 8 waits for a person, 130 Ctrl-C.
    """


_LAST_WORDS_S = 1.0
"""Telemetry that is still to be sent keeps a command that was stopped from ending for so long at most."""


class _Ends:
    """Makes SIGTERM and SIGHUP end a command the way Ctrl-C does; `number` is the signal that came, or SIGINT."""

    def __init__(self) -> None:
        self.number = int(signal.SIGINT)
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is signal.SIG_DFL:  # not under nohup
                signal.signal(number, self._came)

    def leave(self) -> NoReturn:
        """End the process now: a further signal while the interpreter winds up would be a traceback or another code."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError):
                stream.flush()
        if (telemetry := sys.modules.get("toolwright.telemetry")) is not None:
            telemetry.end(_LAST_WORDS_S)
        os._exit(128 + self.number)

    def _came(self, number: int, frame: FrameType | None) -> None:
        del frame
        self.number = number
        raise KeyboardInterrupt


def main(command: click.Command = cli) -> None:
    """Run *command* and leave with its exit code; no traceback for what a person can mend."""
    if os.environ.get(COMPLETING):
        _complete(command)
    # Model libraries make some hundred thousand objects that stay: looking through them again and again, and at the end
    # once more, is a fifth of a command's time.
    gc.set_threshold(200_000, 30, 30)
    ends = _Ends()
    _open_what_is_closed()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # half a character in an answer is no reason to end
    try:
        code = _code(command)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader of a pipe left (`| head`): that is no error of ours; keep the interpreter from flushing into it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except OSError as error:
        if not _cannot_be_said(error):
            raise
        code = FaultError.exit_code
    except KeyboardInterrupt:
        _complain("stopped.")
        code = STOPPED
    if code == STOPPED:
        ends.leave()
    gc.freeze()
    sys.exit(code)


def _open_what_is_closed() -> None:
    """Give a command that was started without one of its three streams (`>&-`) one that takes everything."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:
                os.dup2(null, number)
                os.close(null)
            setattr(sys, name, open(number, "w" if number else "r", closefd=False))  # noqa: SIM115 -- for good


def _cannot_be_said(error: OSError) -> bool:
    """Whether it was the place of the output that failed, such as a full disk; then that is said, and it is let go."""
    if error.filename is not None:  # it was a file that has a name
        return False
    try:
        print(flush=True)  # a further line says whether it is that place
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        _complain(f"What it prints could not be written ({error.strerror}). Name another place for its output.")
        return True
    return False


def _complete(command: click.Command) -> NoReturn:
    """Answer a shell that completes words; it has no place for complaints: whatever fails is nothing to complete."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    try:
        command.main(prog_name="toolwright", complete_var=COMPLETING)
    except Exception:  # noqa: BLE001 -- the boundary to the shell: an error would be printed amid what is typed
        sys.exit(1)
    sys.exit(0)


def _code(command: click.Command) -> int:
    try:
        command.main(standalone_mode=False, prog_name="toolwright")
    except SystemExit as left:  # a command's own exit code
        return left.code if isinstance(left.code, int) else 1
    except click.exceptions.Abort:
        _complain("stopped.")
        return STOPPED
    except click.ClickException as error:
        from toolwright.masking import hushed

        vars(error)["message"] = hushed(error.message)  # it quotes what was typed
        error.show()
        _tell_scripts(error, error.format_message(), error.exit_code)
        return error.exit_code
    except ToolwrightError as error:
        from toolwright.cli.look import safe

        _complain(safe(str(error)))
        _tell_scripts(error, str(error), error.exit_code)
        return error.exit_code
    return 0


def _complain(text: str) -> None:
    if (look := sys.modules.get("toolwright.cli.look")) is not None:
        look.rest()
    with contextlib.suppress(OSError):  # the window was closed
        click.echo(f"toolwright: {text}", err=True)


def _tell_scripts(error: Exception, message: str, exit_code: int) -> None:
    if "--json" in sys.argv[1:]:
        body = {"type": "error", "error": type(error).__name__, "message": message, "exit_code": exit_code}
        click.echo(json.dumps(body))
