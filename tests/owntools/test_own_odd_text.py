"""Half characters, in what a person's code raises and in what a model asks for, end no run: they are spelled out."""

import os

import pytest

from outside.endpoint import calls
from owntools.own_stage import last_result

HALF = "\ud800"


def read_it(name: str) -> str:
    """Read the file of that name, which may be written in any encoding."""
    with open(os.fsdecode(b"/nowhere/caf\xe9")) as file:
        return file.read()


def test_an_error_that_quotes_a_file_name_in_another_encoding_is_an_outcome(stage):
    with stage.open(tools=[read_it]) as tw:
        outcome = tw.call("read_it", {"name": "x"})
    assert outcome.status.value == "raised"
    assert "caf\\udce9" in outcome.detail


@pytest.mark.parametrize(
    "call",
    [
        ("run_tool", {"name": "read_value", "arguments": {"handle": HALF}}),
        ("read_it", {"name": {"$value": HALF}}),
        ("read_it", {"name": HALF}),
        ("run_tool", {"name": HALF}),
        ("search_tools", {"query": HALF}),
        (
            "request_new_tool",
            {
                "tool_name": "f",
                "description": HALF,
                "input_params": f"x: str = '{HALF}'",
                "return_type": "str",
                "example": f"f('{HALF}') == '{HALF}'",
                "reason": HALF,
            },
        ),
    ],
    ids=["handle", "value", "argument", "name", "query", "request"],
)
def test_half_a_character_in_what_a_model_asks_for_ends_no_run(stage, call):
    stage.speaks(calls(call), last_result, sources={"f": "def f(x: str) -> str:\n    return x\n"})
    result = stage.run(tools=[read_it])
    # A tool that could not be made leaves a gap, which the status says; the model has read why all the same.
    assert result.status in ("complete", "incomplete")
    assert result.output.startswith("It gave ")
