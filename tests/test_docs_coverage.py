"""Each command, option, exit code and call of Python is shown in the docs, with output that was compared."""

import ast
import inspect
import json
import re
from dataclasses import dataclass

import pytest

from docs_support.command_tree import all_commands, options_of, spelled, uses
from docs_support.console import commands
from docs_support.options_table import with_tables
from docs_support.pages import PAGES, ROOT, code, page
from docs_support.play import output_of
from toolwright import Toolwright

OVERVIEW = page("docs/commands.md")
OPTIONS = page("docs/options.md")


@dataclass(frozen=True)
class Shown:
    """A console command of a page; whether it shows something that is compared."""

    page: str
    where: str
    text: str
    exit_code: int
    compared: bool

    @property
    def uses(self):
        return uses(self.text)


def shown_commands():
    for one in PAGES:
        for block in one.blocks:
            if block.language == "console":
                for command in commands(block):
                    compared = block.compared and any(line.strip() for line in command.shown)
                    where = f"{one.name}:{command.line}"
                    yield Shown(one.name, where, command.text, command.exit_code, compared)


SHOWN = list(shown_commands())
LINKED = {OVERVIEW.name} | {f"docs/{link.partition('#')[0]}" for link in OVERVIEW.links}


@pytest.mark.parametrize("name", all_commands())
def test_each_command_is_shown_with_output_on_the_page_of_commands_or_one_that_it_links(name):
    places = [one for one in SHOWN if one.compared and one.page in LINKED and name in [use.name for use in one.uses]]
    assert places, f"no page shows what `toolwright {name}` prints"


@pytest.mark.parametrize("name", all_commands())
def test_each_option_says_what_it_means(name):
    without = [option.opts[0] for option in options_of(all_commands()[name]) if not (option.help or "").strip()]
    assert not without


@pytest.mark.parametrize("shown", [pytest.param(one, id=one.where) for one in SHOWN if "toolwright " in one.text])
def test_what_a_page_types_in_is_a_command_with_such_options(shown):
    for use in shown.uses:
        if use.name:
            command = all_commands()[use.name]
            unknown = [one for one in use.options if one not in spelled(command)]
            assert not unknown or takes_any(command), f"`toolwright {use.name}` has no {unknown}"
        else:
            assert set(use.rest) <= {"--help", "-h", "--version", "$"}, f"{use.rest} is no command"


def takes_any(command):
    """Whether options come from elsewhere too, such as a tool's schema."""
    return command.ignore_unknown_options or command.context_settings.get("ignore_unknown_options", False)


EVERY = set().union(*map(spelled, all_commands().values()), {"--version"})


OF_OTHERS = {
    "--enable-auto-tool-choice",
    "--max-model-len",
    "--jinja",
    "--amount",
    "--strict",
    "--header",
    "--outside-the-wall",
    "--transport",
}
"""vLLM's, llama.cpp's, the flag of a tool, those of the MCP Inspector, of a client, and of an exported server."""


OF_OTHER_COMMANDS = {"docs/benchmarks.md", "docs/containers.md", "docs/escape.md"}


@pytest.mark.parametrize("one", [pytest.param(one, id=one.name) for one in PAGES if one.name not in OF_OTHER_COMMANDS])
def test_an_option_that_a_page_names_exists(one):
    named = {span.split()[0].partition("=")[0] for span in code(one.prose_with_code) if span.startswith("--")}
    of_commands = {use for span in code(one.prose_with_code) if span.startswith("toolwright ") for use in uses_of(span)}
    assert not named - EVERY - OF_OTHERS, "no command has such options"
    for use in of_commands:
        assert (
            not use.name or takes_any(all_commands()[use.name]) or set(use.options) <= spelled(all_commands()[use.name])
        )


def uses_of(span):
    try:
        return uses(span)
    except ValueError:  # a piece of a command
        return []


def test_every_option_stands_in_the_table_as_the_program_says_it():
    assert with_tables(OPTIONS.text) == OPTIONS.text, "`python tests/docs_support/refresh.py docs/options.md` mends it"


@pytest.mark.parametrize("row", OVERVIEW.table("code"), ids=lambda row: row["code"])
def test_each_exit_code_is_shown_with_a_command_that_ends_with_it(row):
    ending = [one for one in SHOWN if one.page == OVERVIEW.name and one.exit_code == int(row["code"]) and one.compared]
    assert [one for one in ending if one.uses]


# -- Python ------------------------------------------------------------------------------------------------------------

CALLS = [
    name
    for name, value in inspect.getmembers(Toolwright)
    if not name.startswith("_") and (callable(value) or isinstance(value, property))
]


def shown_calls():
    """The names that are looked up on `tw` in Python blocks whose output is shown."""
    found = set()
    for one in PAGES:
        for number, block in enumerate(one.blocks):
            output = output_of(one, number)
            if block.language == "python" and block.runs and output is not None and output.text.strip():
                tree = compile(block.text, str(block), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | ast.PyCF_ONLY_AST)
                for node in ast.walk(tree):
                    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "tw":
                        found.add(node.attr)
    return found


@pytest.mark.parametrize("name", CALLS)
def test_each_call_of_python_stands_in_the_table(name):
    spans = [span for row in page("docs/python.md").table("call") for span in code(row["call"])]
    assert any(re.search(rf"\btw\.{name}\b", span) for span in spans), f"docs/python.md's table lacks tw.{name}"


@pytest.mark.parametrize("name", CALLS)
def test_each_call_of_python_is_run_in_a_block_with_output(name):
    awaited = name.removeprefix("a") in CALLS  # the twin of another one, with the same result
    shown = shown_calls()
    assert name in shown or (awaited and name.removeprefix("a") in shown), f"no page shows what tw.{name} gives"


# -- JSON --------------------------------------------------------------------------------------------------------------


JSON_SCHEMA = {"object", "string", "integer", "number", "boolean", "array", "null"}


def types_in_the_source():
    """Each `"type": "NAME"` in a dict of the commands, those of JSON Schema left out."""
    for path in sorted((ROOT / "src" / "toolwright" / "cli").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Dict):
                pairs = [(key, value) for key, value in zip(node.keys, node.values, strict=True) if is_text(key, value)]
                yield from (value.value for key, value in pairs if key.value == "type")


def is_text(*nodes):
    return all(isinstance(node, ast.Constant) and isinstance(node.value, str) for node in nodes)


def test_every_type_that_is_printed_has_a_schema():
    schemas = json.loads(page("docs/json.md").of("json")[0].text)["$defs"]
    assert set(types_in_the_source()) - JSON_SCHEMA <= set(schemas)
