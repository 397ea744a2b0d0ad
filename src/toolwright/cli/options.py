"""Options that several commands share, and the Toolwright that they describe."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from toolwright.app import Toolwright
    from toolwright.trace import Sink

Command = TypeVar("Command", bound=Callable[..., Any])

_HOME = click.option(
    "--home", type=click.Path(path_type=Path), metavar="DIR", help="The folder that holds shelf and runs."
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON for scripts.")
_POLICY = click.option(
    "--policy", type=click.Path(path_type=str), metavar="FILE", help="Rules that allow, ask or deny."
)
_LIMITS = click.option("--limits", type=click.Choice(["default", "strict"]), help="What one call may use.")
_SANDBOX = click.option(
    "--sandbox", type=click.Choice(["auto", "full", "landlock", "container"]), help="The box, or its profile."
)
_YES = click.option("--yes", is_flag=True, help="Say yes to every power that is asked for.")
_MODEL = (
    click.option("--model", metavar="PROVIDER:NAME", help="The model; without it, the first one that can be had."),
    click.option("--base-url", metavar="URL", help="An OpenAI-compatible endpoint (chat completions)."),
    click.option("--generator-model", metavar="PROVIDER:NAME", help="Another model for writing tools."),
    click.option("--examiner-model", metavar="PROVIDER:NAME", help="Another model for setting held-back examples."),
    click.option("--surface", type=click.Choice(["native", "fixed"]), help="For runs: do new tools join the array?"),
    click.option("--max-new-tools", type=click.IntRange(0), metavar="N", help="New tools in one run (5)."),
    click.option("--max-cost", type=click.FloatRange(0), metavar="DOLLARS", help="What one run may cost (no cap)."),
)
_FUNCTION = (
    click.option("--name", "--function", "name", help="The function in it (default: the file's name)."),
    click.option("--description", "-d", help="One sentence, where the function has no docstring."),
    click.option("--input-params", "-p", help="As in a signature, where annotations are missing."),
    click.option("--return-type", "-r", help="An annotation, where it is missing."),
    click.option("--example", "-e", "examples", multiple=True, help="`f(1) == 2`; repeat."),
    click.option("--host", "hosts", multiple=True, help="A host that it may reach; repeat."),
    click.option("--package", "packages", multiple=True, help="A package that it needs; repeat."),
    click.option(
        "--secret", "secrets", multiple=True, metavar="BINDING", help="NAME@HOST/header/NAME or NAME@HOST/query/NAME."
    ),
    click.option("--plain-secret", "plain_secrets", multiple=True, metavar="NAME", help="Its value, itself; repeat."),
    click.option("--subprocess", is_flag=True, help="It may start other programs."),
    click.option(
        "--read",
        "reads",
        multiple=True,
        type=click.Path(resolve_path=True),
        metavar="DIR",
        help="A folder that it may read; repeat.",
    ),
    click.option(
        "--write",
        "writes",
        multiple=True,
        type=click.Path(resolve_path=True),
        metavar="DIR",
        help="A folder that it may write; repeat.",
    ),
)
_OWN = (
    click.option(
        "--tools", "own_tools", multiple=True, metavar="MODULE:FUNCTION", help="Your own function as a tool; repeat."
    ),
    click.option("--mcp", multiple=True, metavar="COMMAND|URL", help="An MCP server whose tools you bring; repeat."),
)
_SETTINGS = {
    "model": "model",
    "base_url": "base_url",
    "generator_model": "generator.model",
    "examiner_model": "examiner.model",
    "surface": "surface",
    "max_new_tools": "max_new_tools",
    "max_cost": "budget.run_dollars",
    "policy": "policy",
    "limits": "limits.profile",
    "sandbox": "sandbox",
    "max_steps": "max_steps",
    "away": "approvals.away",
}
"""Option name → name of the setting."""


def home_options(command: Command) -> Command:
    """`--home` and `--json`."""
    return _HOME(_JSON(command))


def own_options(command: Command) -> Command:
    """`--tools` and `--mcp`: what a person brings beside the shelf."""
    for option in reversed(_OWN):
        command = option(command)
    return command


def sandbox_options(command: Command) -> Command:
    """`home_options` and `--sandbox`."""
    return home_options(_SANDBOX(command))


def box_options(command: Command) -> Command:
    """`home_options` and what decides how a call runs."""
    return sandbox_options(_POLICY(_LIMITS(_YES(command))))


def function_options(command: Command) -> Command:
    """`box_options` and what can be said of a person's function."""
    for option in reversed(_FUNCTION):
        command = option(command)
    return box_options(command)


def power_options(command: Command) -> Command:
    """`home_options`, whose policy and limits hold, and the powers that something may ask for."""
    for option in reversed(_FUNCTION[5:]):
        command = option(command)
    return home_options(_POLICY(_LIMITS(command)))


def edit_options(command: Command) -> Command:
    """What can be said of the new text of a tool that is there: `function_options` without its name."""
    for option in reversed(_FUNCTION[1:]):
        command = option(command)
    return command


def about(options: dict[str, Any]) -> dict[str, Any]:
    """What `function_options` said, as keywords of `validate` and `import_file`."""
    words = ("description", "input_params", "return_type", "hosts", "packages", "secrets", "reads", "writes")
    return {"example": "\n".join(options["examples"])} | {
        word: options[word] for word in (*words, "plain_secrets", "subprocess")
    }


def model_options(command: Command) -> Command:
    """`box_options` and what chooses the model."""
    for option in reversed(_MODEL):
        command = option(command)
    return box_options(command)


def open_toolwright(options: dict[str, Any], sink: Sink | None = None, *, ask: bool = True) -> Toolwright:
    """The Toolwright that *options* describe; a person at the terminal answers for powers if *ask*."""
    from toolwright.app import Toolwright
    from toolwright.settings import load

    given = {name: options[key] for key, name in _SETTINGS.items() if options.get(key) is not None}
    approve = True if options.get("yes") else terminal_approval() if ask else None
    return Toolwright(
        settings=load(options.get("home"), given),
        approve=approve,
        sink=sink,
        record=options.get("record"),
        tools=options.get("own_tools") or (),
        mcp=options.get("mcp") or (),
    )


def terminal_approval() -> Callable[[Any], Any] | None:
    """Asks the person at the terminal; None if nobody sits there."""
    from toolwright.cli.look import err, on_terminal

    if not on_terminal():
        return None
    from toolwright.cli.approve import at_terminal

    return at_terminal(err())
