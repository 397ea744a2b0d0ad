"""Flags from a tool's schema: words go in, arguments come out, or an error that quotes the flag and the value."""

import gc
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolwright.cli.flags import arguments_from, flags_of
from toolwright.errors import UserError
from toolwright.schema import fits, tool_spec


def schema(parameters):
    return tool_spec(tool_name="f", description="d", input_params=parameters).input_schema


def read(parameters, *words):
    return arguments_from("f", schema(parameters), words)


@pytest.mark.parametrize(
    ("parameters", "words", "arguments"),
    [
        ("n: int", ["--n", "5"], {"n": 5}),
        ("n: int", ["--n=-5"], {"n": -5}),
        ("n: int", ["--n", "-5"], {"n": -5}),
        ("x: float", ["--x", "2"], {"x": 2}),
        ("x: float", ["--x", "-1.5e3"], {"x": -1500.0}),
        ("s: str", ["--s", "5"], {"s": "5"}),
        ("s: str", ["--s", "null"], {"s": "null"}),
        ("s: str", ["--s="], {"s": ""}),
        ("s: str", ["--s", "--t"], {"s": "--t"}),
        ("s: str", ["--s", "a=b"], {"s": "a=b"}),
        ("from_unit: str", ["--from-unit", "m"], {"from_unit": "m"}),
        ("from_unit: str", ["--from_unit", "m"], {"from_unit": "m"}),
        ("loud: bool", ["--loud"], {"loud": True}),
        ("loud: bool", ["--no-loud"], {"loud": False}),
        ("loud: bool", ["--loud=false"], {"loud": False}),
        ("loud: bool, s: str", ["--loud", "--s", "x"], {"loud": True, "s": "x"}),
        ("loud: bool, s: str", ["--loud", "true", "--s", "x"], {"loud": True, "s": "x"}),
        ("no_x: int, x: bool = False", ["--no-x", "3"], {"no_x": 3}),
        ("c: Literal['EUR', 'USD']", ["--c", "USD"], {"c": "USD"}),
        ("c: Literal[1, 2]", ["--c", "2"], {"c": 2}),
        ("xs: list[int]", ["--xs", "1", "--xs", "2"], {"xs": [1, 2]}),
        ("xs: list[int]", ["--xs", "[1, 2]"], {"xs": [1, 2]}),
        ("xs: list[int]", ["--xs", "[]"], {"xs": []}),
        ("xs: list[str]", ["--xs", "[a"], {"xs": ["[a"]}),
        ("xs: list[list[int]]", ["--xs", "[1, 2]", "--xs", "[3]"], {"xs": [[1, 2], [3]]}),
        ("xs: list[list[int]]", ["--xs", "[[1, 2], [3]]"], {"xs": [[1, 2], [3]]}),
        ("p: tuple[int, str]", ["--p", "1", "--p", "x"], {"p": [1, "x"]}),
        ("o: dict[str, float]", ["--o", '{"a": 1.5}'], {"o": {"a": 1.5}}),
        ("o: dict[str, float]", ["--o", "a=1.5", "--o", "b=2"], {"o": {"a": 1.5, "b": 2}}),
        ("n: int | None = None", ["--no-n"], {"n": None}),
        ("n: int | None = None", ["--n", "null"], {"n": None}),
        ("n: int | None = None", ["--n", "3"], {"n": 3}),
        ("n: int | None = None", ["{}"], {}),
        ("v: int | str", ["--v", "5"], {"v": 5}),
        ("v: int | str", ["--v", "five"], {"v": "five"}),
        ("v: Any", ["--v", '{"a": [1]}'], {"v": {"a": [1]}}),
        ("v: Any", ["--v", "plain"], {"v": "plain"}),
        ("a: int, b: int = 1", ['{"a": 2}', "--b", "3"], {"a": 2, "b": 3}),
        ("d: date", ["--d", "2026-03-01"], {"d": "2026-03-01"}),
        ("", [], {}),
    ],
)
def test_words_become_arguments(parameters, words, arguments):
    found = read(parameters, *words)
    assert found == arguments
    assert not fits(found, schema(parameters))


@pytest.mark.parametrize(
    ("parameters", "words", "said"),
    [
        ("n: int", ["--n", "5x"], ["--n '5x'", "not a whole number"]),
        ("n: int", ["--n", "5.0"], ["--n '5.0'"]),
        ("n: int", ["--n", "1_000"], ["--n '1_000'"]),
        ("x: float", ["--x", "nan"], ["--x 'nan'", "not a number"]),
        ("n: int", ["--n"], ["--n needs a value: INTEGER"]),
        ("n: int", ["--m", "5"], ["no flag '--m'", "--n"]),
        ("amount: int", ["--amuont", "5"], ["'--amuont'", "Did you mean --amount?"]),
        ("n: int", ["--n", "1", "--n", "2"], ["--n was given twice: '1' and '2'"]),
        ("n: int", ["--n", "1", "2"], ["'2' belongs to no flag", "--n INTEGER"]),
        ("n: int", ['{"n": 1}', "--n", "2"], ["--n was given", "JSON too"]),
        ("n: int, m: int", ["--n", "1"], ["needs --m too"]),
        ("n: int", [], ["needs --n too"]),
        ("c: Literal['EUR', 'USD']", ["--c", "GBP"], ["--c 'GBP'", "none of EUR, USD"]),
        ("xs: list[int]", ["--xs", "1", "--xs", "x"], ["--xs '1', 'x'"]),
        ("o: dict[str, float]", ["--o", "a"], ["--o 'a'"]),
        ("loud: bool", ["--loud=maybe"], ["--loud 'maybe'"]),
        ("loud: bool", ["--no-loud=true"], ["--no-loud takes no value", "'true'"]),
        ("n: int", ["--no-n"], ["no flag '--no-n'"]),
        ("d: date", ["--d", "1.3.2026"], ["--d '1.3.2026'"]),
        ("n: int", ["{n: 1}"], ["'{n: 1}'", "not JSON"]),
        ("n: int", ["[1]"], ["JSON object"]),
    ],
)
def test_what_cannot_be_is_quoted_with_its_flag(parameters, words, said):
    with pytest.raises(UserError) as caught:
        read(parameters, *words)
    assert all(one in str(caught.value) for one in said), str(caught.value)


@pytest.mark.parametrize(
    ("schema", "words", "value"),
    [
        ({"$ref": "#/$defs/Unit"}, ["--user-id", "km"], "km"),
        ({"anyOf": [{"$ref": "#/$defs/Unit"}, {"type": "null"}]}, ["--no-user-id"], None),
        ({"type": ["integer", "null"]}, ["--user_id", "5"], 5),
        ({"oneOf": [{"type": "integer"}, {"type": "boolean"}]}, ["--user-id", "true"], True),
        (True, ["--user-id", "[1]"], [1]),
        ({}, ["--user-id", "x"], "x"),
        ({"type": "array", "items": {"$ref": "#/$defs/Unit"}}, ["--user-id", '["km"]'], ["km"]),
    ],
)
def test_schemas_that_a_server_brings_are_read_too(schema, words, value):
    shared = {"Unit": {"type": "string", "enum": ["km", "mi"]}, "Loop": {"$ref": "#/$defs/Loop"}}
    whole = {"type": "object", "properties": {"user-id": schema}, "$defs": shared}
    assert arguments_from("f", whole, words) == {"user-id": value}
    gc.collect()  # what other tests left is not ended in the depth of what follows
    endless = {"properties": {"user-id": {"$ref": "#/$defs/Loop"}}, "$defs": shared}
    with pytest.raises(UserError, match="--user-id '5'"):
        arguments_from("f", endless, ["--user-id", "5"])


JSON_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
VALUES = {
    "int": st.integers(-(10**12), 10**12),
    "float": st.floats(allow_nan=False, allow_infinity=False),
    "str": JSON_TEXT,
    "bool": st.booleans(),
    "list[int]": st.lists(st.integers(-99, 99), max_size=4),
    "list[str]": st.lists(JSON_TEXT, max_size=4),
    "dict[str, int]": st.dictionaries(JSON_TEXT, st.integers(-99, 99), max_size=3),
    "int | None": st.none() | st.integers(-99, 99),
}


@given(st.data(), st.sampled_from(sorted(VALUES)))
def test_every_value_of_a_type_can_be_said_as_a_flag(data, kind):
    value = data.draw(VALUES[kind])
    text = value if kind == "str" else json.dumps(value)
    assert read(f"v: {kind}", f"--v={text}") == {"v": value}


@given(st.lists(JSON_TEXT.filter(lambda text: not text.startswith("[")), min_size=1, max_size=4))
def test_a_list_of_texts_can_be_said_one_by_one(texts):
    words = [word for text in texts for word in ("--v", text)]
    assert read("v: list[str]", *words) == {"v": texts}


def test_help_says_type_default_and_how_null_is_said():
    flags = {
        flag.name: flag for flag in flags_of(schema("a: int, b: str = 'x', c: bool = False, d: float | None = None"))
    }
    assert (flags["a"].forms, flags["a"].about) == ("--a INTEGER", "required")
    assert (flags["b"].forms, flags["b"].about) == ("--b TEXT", 'default "x"')
    assert flags["c"].forms == "--c / --no-c"
    assert (flags["d"].forms, flags["d"].about) == ("--d NUMBER / --no-d", "default null; --no-d gives null")
    (items,) = flags_of(schema("xs: list[int]"))
    assert (items.forms, items.about) == ("--xs LIST OF INTEGER", "required; as JSON, or repeated")
