"""Tools in the forms of the vendors: what their own types take, in an order that only grows at its end."""

from __future__ import annotations

import json
import subprocess
import sys

import mcp_types
import pytest
from openai.types.chat import ChatCompletionFunctionToolParam
from openai.types.responses import FunctionToolParam
from pydantic import TypeAdapter
from pydantic_ai import FunctionToolset, Tool

from cli.shop import environ
from python_door.odd_shelf import PLAIN, ask, greet, stocked
from toolwright import Toolwright
from toolwright.errors import NotFoundError, UserError

FORMS = ["openai-chat", "openai-responses", "anthropic", "mcp", "gemini"]
FIXED = ["search_tools", "request_new_tool", "run_tool"]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    place = tmp_path_factory.mktemp("odd")
    with Toolwright(home=place) as tw:
        stocked(tw)
    return place


@pytest.fixture
def tw(home):
    with Toolwright(home=home, tools=[greet]) as one:
        yield one


def names_of(form, tools):
    if form == "gemini":
        (one,) = tools
        return [tool["name"] for tool in one["functionDeclarations"]]
    return [tool["function"]["name"] if form == "openai-chat" else tool["name"] for tool in tools]


def arguments_of(form, tools):
    if form == "gemini":
        tools = tools[0]["functionDeclarations"]
    key = {"openai-responses": "parameters", "anthropic": "input_schema", "mcp": "inputSchema"}
    found = [one["function"]["parameters"] if form == "openai-chat" else one for one in tools]
    if form == "openai-chat":
        return found
    return [one["parametersJsonSchema" if form == "gemini" else key[form]] for one in found]


def every_schema(schema):
    """It and all in it; what stands under `properties` is no schema itself."""
    if isinstance(schema, list):
        for one in schema:
            yield from every_schema(one)
    elif isinstance(schema, dict):
        yield schema
        for key, value in schema.items():
            if key in ("properties", "$defs"):
                for one in value.values():
                    yield from every_schema(one)
            elif key in ("items", "anyOf", "oneOf", "additionalProperties"):
                yield from every_schema(value)


@pytest.mark.parametrize("form", FORMS)
def test_the_fixed_come_first_then_ones_own_then_the_shelf_as_it_grew(tw, form):
    assert names_of(form, tw.schemas(form)) == [*FIXED, "greet", "zeta", "odd", "add"]


@pytest.mark.parametrize("form", FORMS)
def test_what_is_made_stands_at_the_end_and_a_new_version_in_its_tools_place(tmp_path, form):
    with Toolwright(home=tmp_path) as tw:
        stocked(tw)
        before = tw.schemas(form)
        ask(tw, "aaa", PLAIN["add"].replace("add", "aaa"), reason="it comes first by its name")
        after = tw.schemas(form)
        if form == "gemini":
            (before,), (after,) = ([one["functionDeclarations"] for one in each] for each in (before, after))
        assert json.dumps(after[:-1]) == json.dumps(before), "a prompt's prefix that a provider keeps stays as it is"
        assert names_of("mcp", [after[-1].get("function", after[-1])]) == ["aaa"]
        assert tw.edit("zeta", PLAIN["zeta"].replace("Give one", "Give 1")).version.number == 2
        assert names_of(form, tw.schemas(form)) == [*FIXED, "zeta", "odd", "add", "aaa"]
        assert "Give 1 and its word." in json.dumps(tw.schemas(form))
        tw.retire("odd")
        assert names_of(form, tw.schemas(form)) == [*FIXED, "zeta", "add", "aaa"]


def test_the_same_shelf_gives_the_same_bytes_in_any_process(tw, home):
    code = """
import json, sys
from python_door.odd_shelf import greet
from toolwright import Toolwright
with Toolwright(home=sys.argv[1], tools=[greet]) as tw:
    print(json.dumps({form: tw.schemas(form, source=True) for form in sys.argv[2:]}))
"""
    said = set()
    for seed in ("1", "2"):
        own = environ(home, PYTHONHASHSEED=seed, PYTHONPATH=":".join(sys.path))
        done = subprocess.run(
            [sys.executable, "-c", code, str(home), *FORMS], capture_output=True, text=True, env=own, timeout=60
        )
        assert done.returncode == 0, done.stderr
        said.add(done.stdout)
    assert said == {json.dumps({form: tw.schemas(form, source=True) for form in FORMS}) + "\n"}


def test_openais_types_take_them_and_no_array_is_without_items(tw):
    for form, kind in (("openai-chat", ChatCompletionFunctionToolParam), ("openai-responses", FunctionToolParam)):
        tools = tw.schemas(form)
        assert TypeAdapter(list[kind]).validate_python(tools) == tools, "no key that the type does not know"
        for arguments in arguments_of(form, tools):
            assert arguments["type"] == "object"
            for one in every_schema(arguments):
                assert one.get("type") != "array" or isinstance(one["items"], dict)
                assert "prefixItems" not in one
    (odd,) = tw.schemas("openai-responses", names=["odd"])[3:]
    pair = odd["parameters"]["properties"]["pair"]
    assert pair == {"type": "array", "minItems": 2, "maxItems": 2, "items": {"type": "integer"}}
    assert odd["strict"] is False, "left out, Responses takes it as strict"


def test_a_description_is_as_long_as_openai_takes(tw, home):
    with Toolwright(home=home, tools=[greet]) as other:
        ask(other, "wordy", PLAIN["add"].replace("add", "wordy"), description="word " * 300, reason="it is wordy")
        try:
            for form, most in (("openai-chat", 1024), ("openai-responses", 1024), ("anthropic", 1499)):
                (one,) = other.schemas(form, names=["wordy"])[3:]
                assert len(one.get("function", one)["description"]) == most
        finally:
            other.retire("wordy")


def test_mcps_types_take_them_with_outputs_and_hints(tw):
    tools = [mcp_types.Tool.model_validate(one) for one in tw.schemas("mcp")]
    for one, given in zip(tools, tw.schemas("mcp"), strict=True):
        assert one.model_dump(by_alias=True, exclude_none=True) == given
    known = {one.name: one for one in tools}
    assert known["zeta"].output_schema["properties"]["result"]["prefixItems"][0] == {"type": "integer"}
    assert known["odd"].output_schema["additionalProperties"] == {"type": "integer"}, "an object travels as it is"
    assert known["add"].annotations.read_only_hint
    assert known["greet"].annotations.destructive_hint, "nobody said that it is harmless"
    assert known["run_tool"].output_schema is None


def test_gemini_is_given_what_it_reads_and_told_the_rest(tw):
    known = {
        "$defs",
        "$ref",
        "type",
        "format",
        "description",
        "enum",
        "items",
        "minItems",
        "maxItems",
        "anyOf",
    }
    known |= {"properties", "required", "additionalProperties", "default"}
    (tools,) = tw.schemas("gemini")
    for arguments in arguments_of("gemini", [tools]):
        for one in every_schema(arguments):
            assert set(one) <= known
            assert all(isinstance(value, str | int) for value in one.get("enum", ()))
    odd = next(one for one in tools["functionDeclarations"] if one["name"] == "odd")["parametersJsonSchema"]
    assert odd["properties"]["raw"]["description"] == "Encoding: base64."
    assert "Format: seconds." in json.dumps(odd["properties"]["wait"])
    assert odd["properties"]["pair"]["items"] == {"type": "integer"}


@pytest.mark.parametrize("form", FORMS)
def test_a_choice_at_the_top_and_a_reference_in_a_schema_of_ones_own(tmp_path, form):
    tree = {"type": "object", "properties": {"kids": {"type": "array", "items": {"$ref": "#/$defs/tree"}}}}
    schema = {
        "anyOf": [{"required": ["tree"]}, {"required": ["text"]}],
        "type": "object",
        "properties": {
            "tree": {"$ref": "#/$defs/tree", "description": "One."},
            "text": {"oneOf": [True, {"const": 1}]},
        },
        "$defs": {"tree": tree},
    }
    walk = Tool.from_schema(lambda **_: "", "walk", "Walk a tree.", schema)
    with Toolwright(home=tmp_path, toolsets=[FunctionToolset([walk])]) as tw:
        arguments = arguments_of(form, tw.schemas(form))[3]
    kids = arguments["$defs"]["tree"]["properties"]["kids"]
    assert kids == {"type": "array", "items": {"$ref": "#/$defs/tree"}}
    if form != "mcp":
        assert arguments["type"] == "object"
        assert "anyOf" not in arguments
    if form == "gemini":
        assert arguments["properties"] == {"tree": {"$ref": "#/$defs/tree"}, "text": {"anyOf": [{}, {"enum": [1]}]}}


def test_an_own_tool_stands_for_the_one_of_its_name_on_the_shelf(home):
    def zeta() -> str:
        """Say something else."""
        return "mine"

    with Toolwright(home=home, tools=[zeta]) as tw:
        assert names_of("mcp", tw.schemas("mcp")) == [*FIXED, "zeta", "odd", "add"]
        assert tw.schemas("mcp")[3]["description"] == "Say something else."
        assert tw.call("zeta").value == "mine"


def test_which_and_how_many_can_be_said(tw):
    assert names_of("mcp", tw.schemas("mcp", limit=2)) == [*FIXED, "greet", "zeta"]
    assert names_of("mcp", tw.schemas("mcp", limit=0)) == FIXED
    assert names_of("mcp", tw.schemas("mcp", names=["add", "greet", "add"])) == [*FIXED, "add", "greet"]
    with pytest.raises(NotFoundError, match="'nobody'"):
        tw.schemas("mcp", names=["nobody"])
    with pytest.raises(UserError, match="'openai' is no form of a tool; those are openai-chat, openai-responses"):
        tw.schemas("openai")
    with pytest.raises(UserError, match="limit=-1"):
        tw.schemas("mcp", limit=-1)


def test_a_model_is_asked_for_the_source_where_it_is_to_write_it(tw):
    asked = [arguments_of("mcp", tw.schemas("mcp", source=source))[1] for source in (False, True)]
    assert ["source" in one["properties"] for one in asked] == [False, True]
    assert asked[1]["required"] == ["tool_name"]
    assert set(asked[0]["properties"]) < set(asked[1]["properties"])
