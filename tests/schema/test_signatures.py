"""A function's head is read from source by `ast` alone, and compared with what was asked for by what fits it."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolwright.errors import SpecError
from toolwright.schema import accepts, annotation_schema, same_schema, signature_of, tool_spec, within

SOURCE = '''
from __future__ import annotations

import typing as t
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date as d
from enum import Enum, IntEnum, StrEnum, auto

try:
    from typing import NotRequired
except ImportError:
    from typing_extensions import NotRequired

BASE = "USD"
Rates = t.Dict[str, float]
Id = t.NewType("Id", int)
Point = t.TypedDict("Point", {"x": float, "y": "NotRequired[float]"}, total=False)


class Side(str, Enum):
    BUY = "buy"
    SELL = "sell"


class Level(IntEnum):
    LOW = auto()
    HIGH = auto()


class Colour(StrEnum):
    RED = auto()


class Row(t.TypedDict):
    day: d
    rate: NotRequired[float]


class Wide(Row, total=False):
    note: t.Required[str]
    more: int


@dataclass
class Order:
    kind: t.ClassVar[str] = "order"
    price: float
    rows: list[Row] = field(default_factory=list)


@dataclass(frozen=True)
class Big(Order):
    side: Side = Side.BUY


class Pair(t.NamedTuple):
    left: int
    right: d


def helper(x):
    return x


def f(amount: float, when: d, currency: str = BASE, side: Side = Side.BUY, *, n: int = 3) -> list[Row]:
    """Say it."""
    return []
'''


def head(annotation, extra=""):
    source = f"{SOURCE}\n{extra}\ndef g(value: {annotation}) -> {annotation}: ...\n"
    return signature_of(source, "g").output_schema


def test_a_head_is_read_with_its_imports_and_definitions():
    read = signature_of(SOURCE, "f")
    assert read.parameters.startswith("amount: float, when: d")
    assert read.returns == "list[Row]"
    assert read.docstring == "Say it."
    assert read.unannotated == ()
    properties = read.input_schema["properties"]
    assert properties["when"] == {"type": "string", "format": "date"}
    assert properties["currency"] == {"type": "string", "default": "USD"}
    assert properties["side"] == {"type": "string", "enum": ["buy", "sell"]}
    assert properties["n"] == {"type": "integer", "default": 3}
    assert read.input_schema["required"] == ["amount", "when"]
    assert read.output_schema["items"]["required"] == ["day"]
    assert SOURCE.splitlines()[read.line - 1].startswith("def f(")


OBJECT = {"type": "object", "additionalProperties": False}
ROW = {
    **OBJECT,
    "properties": {"day": {"type": "string", "format": "date"}, "rate": {"type": "number"}},
    "required": ["day"],
}


@pytest.mark.parametrize(
    ("annotation", "schema"),
    [
        ("Rates", {"type": "object", "additionalProperties": {"type": "number"}}),
        ("Id", {"type": "integer"}),
        ("Point", {**OBJECT, "properties": {"x": {"type": "number"}, "y": {"type": "number"}}, "required": []}),
        ("Side", {"type": "string", "enum": ["buy", "sell"]}),
        ("Level", {"type": "integer", "enum": [1, 2]}),
        ("Colour", {"type": "string", "enum": ["red"]}),
        ("Row", ROW),
        ("'Row'", ROW),
        ("t.Optional['Row']", {"anyOf": [ROW, {"type": "null"}]}),
        (
            "Wide",
            {
                **OBJECT,
                "properties": {**ROW["properties"], "note": {"type": "string"}, "more": {"type": "integer"}},
                "required": ["day", "note"],
            },
        ),
        (
            "Big",
            {
                **OBJECT,
                "properties": {
                    "price": {"type": "number"},
                    "rows": {"type": "array", "items": ROW},
                    "side": {"type": "string", "enum": ["buy", "sell"]},
                },
                "required": ["price"],
            },
        ),
        (
            "Pair",
            {
                "type": "array",
                "prefixItems": [{"type": "integer"}, {"type": "string", "format": "date"}],
                "minItems": 2,
                "maxItems": 2,
            },
        ),
        ("Sequence[t.Mapping[str, d]]", annotation_schema("list[dict[str, date]]")),
    ],
)
def test_definitions_of_the_source_have_their_schema(annotation, schema):
    assert head(annotation) == schema


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def f(x: int) -> int: return x", "There is no function 'g'"),
        ("async def g(): ...", "async"),
        ("def g(*args): ...", "'*args'"),
        ("def g(**kw): ...", "'**kw'"),
        ("def g(a, /): ...", "drop the '/'"),
        ("def g(a: date): ...", "Parameter 'a': Annotation 'date' has no JSON form"),
        ("class A: pass\ndef g(a: A): ...", "make it a TypedDict, a dataclass or an Enum"),
        ("from __future__ import annotations\nA = list[A]\ndef g() -> A: ...", "'A' holds itself"),
        ("import typing\nclass A(typing.TypedDict):\n  a: 'list[A]'\ndef g() -> A: ...", "'A' holds itself"),
        ("def g(a: list[DataFrame]): ...", "list[dict[str, Any]]"),
        ("from enum import Enum\nclass E(Enum):\n  pass\ndef g(a: E): ...", "has no members"),
        ("def g(:", "line 1"),
        ("\0", "cannot contain null bytes"),
        ("def g(): pass\n" + "#" * 300_000, "256 KiB"),
        ("def g(a=" + "(" * 5000, "parser|parentheses"),
        ("def g(a: " + "list[" * 60 + "int" + "]" * 60 + "): ...", "nested"),
    ],
)
def test_a_head_without_a_form_is_answered_with_the_place_and_the_cure(source, said):
    with pytest.raises(SpecError) as caught:
        signature_of(source, "g")
    assert any(one in str(caught.value) for one in said.split("|"))


def test_missing_annotations_are_listed_and_mean_anything():
    read = signature_of("def g(a, b: int, c=1): return a", "g")
    assert read.unannotated == ("a", "c", "return")
    assert read.returns == ""
    assert read.input_schema["properties"] == {"a": {}, "b": {"type": "integer"}, "c": {"default": 1}}
    assert read.output_schema == {}


def test_a_default_that_is_no_plain_value_leaves_the_parameter_optional():
    read = signature_of("import os\ndef g(a: int = os.cpu_count(), b: list[int] = None): ...", "g")
    assert read.input_schema["required"] == []
    assert read.input_schema["properties"]["a"] == {"type": "integer"}
    assert read.input_schema["properties"]["b"]["default"] is None


def test_the_last_of_several_functions_of_a_name_counts():
    assert signature_of("def g() -> int: ...\ndef g() -> str: ...", "g").returns == "str"


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from([*"()[]:,=*|'\"\n\0 ", "def g", "class g", "int", "->", "import x as g"]), max_size=30))
@pytest.mark.filterwarnings("ignore::SyntaxWarning", "ignore::DeprecationWarning")
def test_any_text_has_a_signature_or_a_sentence(pieces):
    # Anything but a SpecError fails the test by itself.
    with contextlib.suppress(SpecError):
        assert signature_of("".join(pieces), "g").name == "g"


SAME = [
    ("int | None", "Optional[int]"),
    ("str | int", "int | str"),
    ("int | float", "float"),
    ("list", "list[Any]"),
    ("dict", "dict[str, Any]"),
    ("bool", "Literal[True, False]"),
    ("Literal['a', 'b']", "Literal['b', 'a']"),
    ("tuple[int, ...]", "list[int]"),
    ("Annotated[int, 'x']", "int"),
    ("list[int | str]", "list[str | int]"),
]
NARROWER = [
    ("int", "float"),
    ("int", "int | str"),
    ("date", "str"),
    ("Literal['a']", "str"),
    ("Literal[1]", "int"),
    ("tuple[int, str]", "list[int | str]"),
    ("tuple[int, str]", "list"),
    ("set[int]", "list[int]"),
    ("dict[str, int]", "dict[str, float]"),
    ("dict[str, int]", "dict"),
    ("dict[int, str]", "dict[str, str]"),
    ("float", "Any"),
    ("list[int] | None", "list[float] | None"),
    ("float", "Annotated[float, 'nan']"),
]
APART = [
    ("int", "str"),
    ("date", "datetime"),
    ("bytes", "date | None"),
    ("list[int]", "dict[str, int]"),
    ("bool", "int"),
]


@pytest.mark.parametrize(("left", "right"), SAME)
def test_schemas_are_compared_and_not_spelled(left, right):
    left, right = annotation_schema(left), annotation_schema(right)
    assert same_schema(left, right)
    assert same_schema(right, left)


@pytest.mark.parametrize(("narrow", "wide"), NARROWER)
def test_an_answer_may_be_narrower_and_not_wider(narrow, wide):
    narrow, wide = annotation_schema(narrow), annotation_schema(wide)
    assert within(narrow, wide) == ""
    assert within(wide, narrow)
    assert not same_schema(narrow, wide)


@pytest.mark.parametrize(("left", "right"), APART)
def test_schemas_apart_say_what_is_and_what_is_asked_for(left, right):
    left, right = annotation_schema(left), annotation_schema(right)
    assert within(left, right)
    assert within(right, left)


def test_a_typed_dict_lies_within_a_dict_and_names_what_it_lacks():
    assert within(head("Row"), annotation_schema("dict[str, Any]")) == ""
    assert "'day'" in within(annotation_schema("dict[str, Any]"), head("Row"))
    assert "rate" in within(head("Row"), annotation_schema("dict[str, str]"))


def asked(parameters):
    return tool_spec(tool_name="g", description="Goes.", input_params=parameters).input_schema


def offered(parameters):
    return signature_of(f"from typing import *\ndef g({parameters}): ...", "g").input_schema


@pytest.mark.parametrize(
    ("spec", "candidate"),
    [
        ("a: float, b: str = 'USD'", "a: float, b: str = 'USD'"),
        ("a: int", "a: float"),
        ("a: str", "a: str | None = None"),
        ("a: str", "a"),
        ("a: int, b: int", "b: int, a: int"),
        ("a: int", "a: int, verbose: bool = False"),
        ("a: float = None", "a: float = None"),
        ("a: float = None", "a: Optional[float] = None"),
        ("a: list[int] = []", "a: list[int] | None = None"),
        ("a: float = 1", "a: float = 1.0"),
        ("a: int = 1", "a: int = abs(-1)"),
        ("a: Any", "a: int"),
        ("a", "a: float | None = None"),
        ("a: list", "a: list[float]"),
        ("a: list | None = None", "a: list[float] | None = None"),
        ("a: list[dict]", "a: list[dict[str, float]]"),
        ("a: dict[str, Any]", "a: dict[str, list[int]]"),
        ("a: dict[str, list]", "a: Dict[str, List[int]]"),
        ("a: set", "a: set[int]"),
        ("a: list", "a: tuple[float, float]"),
        ("a: list", "a: Sequence[float]"),
        ("", ""),
    ],
)
def test_a_candidate_that_takes_every_call_is_accepted(spec, candidate):
    assert accepts(asked(spec), offered(candidate)) == ""


@pytest.mark.parametrize(
    ("spec", "candidate", "said"),
    [
        ("a: float", "a: int", "a is number where integer"),
        ("a: str", "b: str", "'a' is missing; there are 'b'"),
        ("a: str", "a: str, key: str", "'key' was not asked for"),
        ("a: str = 'USD'", "a: str", "needs its default 'USD'"),
        ("a: str = 'USD'", "a: str = 'EUR'", "it must be 'USD'"),
        ("a: str = 'USD'", "a: str | None = None", "it must be 'USD'"),
        ("a: list[float]", "a: list[int]", "a[] is number"),
        ("a: float | None", "a: float", "a is null where number is asked for"),
        ("a: str", "", "there are none"),
        ("a: list", "a: dict", "a is list where object"),
        ("a: list | None", "a: list[float]", "a is null where"),
        ("a: list[dict]", "a: list[list[int]]", "a[] is object where list"),
        ("a: dict[str, str]", "a: dict[int, str]", "each name of a"),
    ],
)
def test_a_candidate_that_would_refuse_a_call_is_told_which(spec, candidate, said):
    reason = accepts(asked(spec), offered(candidate))
    assert said in reason


_ANNOTATIONS = st.recursive(
    st.sampled_from(["int", "float", "str", "bool", "None", "Any", "date", "bytes", "Literal['a', 1]", "dict", "list"]),
    lambda inner: st.one_of(
        inner.map(lambda one: f"list[{one}]"),
        inner.map(lambda one: f"dict[str, {one}]"),
        inner.map(lambda one: f"set[{one}]"),
        st.tuples(inner, inner).map(lambda two: f"{two[0]} | {two[1]}"),
        st.tuples(inner, inner).map(lambda two: f"tuple[{two[0]}, {two[1]}]"),
    ),
    max_leaves=4,
).map(annotation_schema)


@settings(max_examples=150, deadline=None)
@given(_ANNOTATIONS, _ANNOTATIONS, _ANNOTATIONS)
def test_within_is_an_order(one, two, three):
    assert within(one, one) == ""
    if not within(one, two) and not within(two, three):
        assert within(one, three) == ""


LAUGHS = "T0 = int\n" + "".join(f"T{level + 1} = tuple[{f'T{level}, ' * 20}]\n" for level in range(8))
LATTICE = "from typing import TypedDict\nclass A0(TypedDict): x: int\nclass B0(TypedDict): y: int\n" + "".join(
    f"class {name}{level + 1}(A{level}, B{level}): {name}{level + 1}: int\n" for level in range(40) for name in "AB"
)


@pytest.mark.parametrize(("types", "wanted"), [(LAUGHS, "T8"), (LATTICE, "A40")], ids=["aliases", "bases"])
def test_types_that_double_at_each_line_are_refused_before_they_fill_memory(types, wanted):
    with pytest.raises(SpecError, match="stand for more than 5000 others"):
        signature_of(f"{types}def tool() -> {wanted}:\n    return 1\n", "tool")
