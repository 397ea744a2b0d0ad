"""Arguments go to canonical JSON, to Python by real type hints, back, and fit; `same` holds what it promises."""

import collections
import dataclasses
import datetime
import decimal
import enum
import http.server
import json
import math
import pathlib
import threading
import typing
import uuid

import pytest
import referencing.exceptions
from hypothesis import given, settings
from hypothesis import strategies as st

from toolwright._codec import bind, decode, encode
from toolwright.schema import annotation_schema, canonical, fits, same

_DATES = st.dates()
_SCALARS = [
    ("int", int, st.integers(-(2**60), 2**60)),
    ("float", float, st.floats(allow_nan=False, allow_infinity=False)),
    ("bool", bool, st.booleans()),
    ("str", str, st.text(st.characters(exclude_categories=("Cs",)), max_size=8)),
    ("None", type(None), st.none()),
    ("bytes", bytes, st.binary(max_size=8)),
    ("date", datetime.date, _DATES),
    ("time", datetime.time, st.times()),
    ("datetime", datetime.datetime, st.datetimes() | st.datetimes(timezones=st.just(datetime.UTC))),
    ("timedelta", datetime.timedelta, st.timedeltas(datetime.timedelta(-9999), datetime.timedelta(9999))),
    ("Decimal", decimal.Decimal, st.decimals(allow_nan=False, allow_infinity=False, places=4)),
    ("UUID", uuid.UUID, st.uuids()),
    ("Path", pathlib.Path, st.sampled_from([pathlib.Path("a/b.csv"), pathlib.Path("/x"), pathlib.Path()])),
    ("Literal['a', 2, True]", typing.Literal["a", 2, True], st.sampled_from(["a", 2, True])),
]
_KEYS = [one for one in _SCALARS if one[0] in ("int", "str", "date", "UUID", "Decimal")]


@st.composite
def typed_values(draw, depth=2):
    """An annotation's text, the hint itself, and a strategy of its values."""
    if depth == 0 or draw(st.booleans()):
        return draw(st.sampled_from(_SCALARS))
    text, hint, values = draw(typed_values(depth=depth - 1))
    shape = draw(st.sampled_from(["list", "tuple", "tuples", "optional", "dict", "set"]))
    if shape == "list":
        return f"list[{text}]", list[hint], st.lists(values, max_size=4)
    if shape == "tuple":
        return f"tuple[{text}, int]", tuple[hint, int], st.tuples(values, st.integers(-9, 9))
    if shape == "tuples":
        return f"tuple[{text}, ...]", tuple[hint, ...], st.lists(values, max_size=4).map(tuple)
    if shape == "optional":
        return f"{text} | None", typing.Optional[hint], values | st.none()  # noqa: UP045
    key_text, key, keys = draw(st.sampled_from(_KEYS))
    if shape == "dict":
        return f"dict[{key_text}, {text}]", dict[key, hint], st.dictionaries(keys, values, max_size=3)
    return f"set[{key_text}]", set[key], st.sets(keys, max_size=4)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_value_survives_the_way_to_a_python_function_and_back(data):
    text, hint, values = data.draw(typed_values())
    value = data.draw(values)
    schema = annotation_schema(text)
    arguments = json.loads(json.dumps({"value": encode(value)}))
    assert fits(arguments["value"], schema) == ""

    def identity(value):
        return value

    identity.__annotations__ = {"value": hint, "return": hint}
    received = identity(**bind(identity, arguments))
    assert received == value
    answer = json.loads(json.dumps(encode(received)))
    assert fits(answer, schema) == ""
    assert same(arguments["value"], answer, schema)
    once = canonical(answer, schema)
    assert canonical(once, schema) == once
    assert same(once, answer, schema)


class Side(enum.Enum):
    BUY = "buy"
    SELL = datetime.date(2026, 1, 31)


class Rate(typing.TypedDict):
    day: datetime.date
    tags: typing.NotRequired[set[str]]


@dataclasses.dataclass
class Order:
    price: decimal.Decimal
    rates: list[Rate] = dataclasses.field(default_factory=list)
    side: Side = Side.BUY
    total: int = dataclasses.field(init=False, default=3)


class Pair(typing.NamedTuple):
    left: int
    right: datetime.date


@pytest.mark.parametrize(
    ("hint", "value", "form"),
    [
        (Side, Side.SELL, "2026-01-31"),
        (Rate, {"day": datetime.date(2026, 1, 31), "tags": {"b", "a"}}, {"day": "2026-01-31", "tags": ["a", "b"]}),
        (Rate, {"day": datetime.date(2026, 1, 31)}, {"day": "2026-01-31"}),
        (Order, Order(decimal.Decimal("1.5")), {"price": "1.5", "rates": [], "side": "buy", "total": 3}),
        (Pair, Pair(1, datetime.date(2026, 1, 31)), [1, "2026-01-31"]),
        (Order | Rate, {"day": datetime.date(2026, 1, 31)}, {"day": "2026-01-31"}),
        (int | str, "5", "5"),
        (str | int, 5, 5),
        (list[int] | list[str], ["a"], ["a"]),
        (collections.Counter[str], collections.Counter("aab"), {"a": 2, "b": 1}),
        (collections.deque[int], collections.deque([1]), [1]),
        (typing.NewType("Id", int), 5, 5),
        (dict[bool, int], {True: 1}, {"true": 1}),
        (float, 2.0, 2.0),
    ],
)
def test_types_of_a_source_are_decoded_to_themselves(hint, value, form):
    assert encode(value) == form
    decoded = decode(hint, form)
    assert decoded == value
    assert type(decoded) is type(value)


@pytest.mark.parametrize(
    ("hint", "form"),
    [
        (int, True),
        (int, 1.5),
        (float, "1"),
        (float, True),
        (str, 1),
        (type(None), 0),
        (list[int], ["a"]),
        (dict, []),
        (Rate, {"tags": []}),
        (Rate, {"day": "2026-01-31", "other": 1}),
        (typing.Literal[1], True),
        (int | None, "x"),
        (tuple[int, int], [1]),
        (datetime.date, 5),
        (bytes, "*"),
        (Side, "hold"),
    ],
)
def test_a_form_that_a_hint_has_no_value_for_is_refused(hint, form):
    with pytest.raises((ValueError, TypeError)):
        decode(hint, form)


def test_generators_ranges_and_views_are_lists():
    assert encode([range(2), {"a": 1}.keys(), {"a": 1}.values(), (n for n in (1, 2))]) == [[0, 1], ["a"], [1], [1, 2]]


def test_a_value_without_a_form_is_named_with_its_type():
    with pytest.raises(TypeError, match=r"builtins\.object has no JSON form"):
        encode({"a": [object()]})
    with pytest.raises(TypeError, match="same JSON form"):
        encode({1: "a", "1": "b"})
    circle = []
    circle.append(circle)
    with pytest.raises(TypeError, match="holds itself"):
        encode(circle)


class Scalar:
    """Stands where numpy's scalars do: `.item()` and an empty shape."""

    shape = ()

    def item(self):
        return 7


def test_a_numpy_scalar_is_its_number():
    assert encode([Scalar()]) == [7]


@pytest.mark.parametrize(
    ("value", "annotation", "said"),
    [
        (True, "int", "the value: True is not a whole number"),
        (True, "float", "is not a number"),
        (1.5, "int", "1.5 is not a whole number"),
        ("x", "float", "'x' is not a number"),
        ("yesterday", "date", "'yesterday' is not a date such as '2026-01-31'"),
        ("20260131", "date", "is not a date"),
        ("NaT", "datetime", "is not a date and time"),
        ("25:00", "time", "is not a time"),
        ("1,5", "Decimal", "is not a decimal number"),
        ("NaN", "Decimal", "is not a decimal number"),
        (1.5, "Decimal", "1.5 is not a text"),
        ("*", "bytes", "'*' is not base64"),
        ("x", "UUID", "is not a UUID"),
        ("a\0", "Path", "is not a path"),
        ({"a": [1, "x"]}, "dict[str, list[int]]", "a[1]: 'x' is not a whole number"),
        ([1, 2, 1], "set[int]", "the value: [1, 2, 1]"),
        ([1], "tuple[int, int]", "the value: [1]"),
        ("c", "Literal['a', 'b']", "'c' is not one of ['a', 'b']"),
        ({"x": 1}, "dict[int, int]", "'x'"),
        ([1.0, math.nan], "list[float]", "[1] is nan"),
        (math.inf, "Any", "the value is inf"),
        ({"a": math.nan}, "dict", "a is nan"),
        ((1, 2), "list", "of type tuple, which is no JSON"),
        ({1: 2}, "dict", "has the key 1"),
        (["a\ud800"], "list[str]", "[0] is 'a\\ud800', which holds half a character"),
        ({"\ud800": 1}, "dict", "has the key '\\ud800'"),
    ],
)
def test_what_does_not_fit_is_told_with_its_place_and_value(value, annotation, said):
    assert said in fits(value, annotation_schema(annotation))


@pytest.mark.parametrize(
    ("value", "annotation"),
    [
        (1.0, "int"),
        (1, "float"),
        (math.nan, "Annotated[float, 'nan']"),
        ("NaN", "Annotated[float, 'nan']"),
        ("2026-01-31T10:00:00Z", "datetime"),
        ("1E+2", "Decimal"),
        (10**400, "int"),
        ([True, 1], "set[Any]"),
        (None, "float | None"),
    ],
)
def test_what_fits_is_passed_in_silence(value, annotation):
    assert fits(value, annotation_schema(annotation)) == ""


def test_unknown_and_missing_names_are_quoted():
    schema = {"type": "object", "properties": {"a": {}}, "required": ["a"], "additionalProperties": False}
    assert "'a' missing in {}" in fits({}, schema)
    assert "'b' is not known here; known are a" in fits({"a": 1, "b": 2}, schema)


def test_a_hostile_value_ends_in_a_sentence():
    deep = json.loads("[" * 900 + "]" * 900)
    assert "nested" in fits(deep, {})
    assert "nested" in fits(deep, annotation_schema("list[list[Any]]"))
    assert len(fits("x" * 10**6, {"type": "number"})) < 500
    assert same(deep, deep, {}) in (True, False)


def test_a_reference_out_of_a_schema_reaches_no_network():
    asked = []

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"type": "integer"}')

    server = http.server.HTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with pytest.raises(referencing.exceptions.Unresolvable):
            fits(1, {"$ref": f"http://127.0.0.1:{server.server_port}/x.json"})
    finally:
        server.shutdown()
        server.server_close()
    assert asked == []


SAME = [
    (1, 1.0, "float"),
    (1, 1.0, "Any"),
    (1.0, 1.0 + 5e-7, "float"),
    (0.0, 5e-10, "float"),
    (0.1 + 0.2, 0.3, "list[float] | float"),
    ([3, 1, 2], [1, 2, 3], "set[int]"),
    ([9.9999999999, 5.0], [5.0, 10.0], "set[float]"),
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}, "dict"),
    ("2026-01-31T10:00:00+00:00", "2026-01-31T12:00:00+02:00", "datetime"),
    ("2026-01-31T10:00:00Z", "2026-01-31T10:00:00+00:00", "datetime"),
    ("1.50", "1.5", "Decimal"),
    ("100", "1E+2", "Decimal | None"),
    ("12345678123456781234567812345678", "12345678-1234-5678-1234-567812345678", "UUID"),
    (math.nan, math.nan, "float"),
    (math.nan, "NaN", "Annotated[float, 'nan']"),
    (10**400, 10**400, "int"),
    ([["a", 1]], [["a", 1.0]], "list[tuple[str, int]]"),
    (None, None, "None"),
]
DIFFERENT = [
    (True, 1, "Any"),
    (True, 1.0, "float"),
    (False, 0, "int"),
    (1.0, 1.00001, "float"),
    ("1", 1, "Any"),
    (None, 0, "Any"),
    (None, False, "Any"),
    ([1, 2], [2, 1], "list[int]"),
    ([1], [1, 1], "list[int]"),
    ([1, 2], [1, 3], "set[int]"),
    ({"a": 1}, {"a": 1, "b": None}, "dict"),
    ("1.50", "1.5", "str"),
    ("2026-01-31T10:00:00", "2026-01-31T10:00:00Z", "datetime"),
    ("a", "A", "str"),
    (10**400, 10**300, "int"),
    (12586269025, 12586269024, "int"),
    (1_000_001, 1_000_000, "float"),
    ([], {}, "Any"),
    (math.inf, -math.inf, "float"),
]


@pytest.mark.parametrize(("left", "right", "annotation"), SAME)
def test_values_that_stand_for_the_same_are_the_same(left, right, annotation):
    schema = annotation_schema(annotation)
    assert same(left, right, schema)
    assert same(right, left, schema)


@pytest.mark.parametrize(("left", "right", "annotation"), DIFFERENT)
def test_values_that_differ_are_not_the_same(left, right, annotation):
    schema = annotation_schema(annotation)
    assert not same(left, right, schema)
    assert not same(right, left, schema)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
_ANNOTATIONS = [
    "Any",
    "float",
    "int | str | None",
    "set[Any]",
    "dict[str, Any]",
    "date | Decimal | None",
    "list[float]",
]


@settings(max_examples=150, deadline=None)
@given(_JSON, _JSON, st.sampled_from(_ANNOTATIONS))
def test_same_is_reflexive_and_symmetric_and_fits_never_raises(left, right, annotation):
    schema = annotation_schema(annotation)
    assert same(left, left, schema)
    assert same(left, json.loads(json.dumps(left)), schema)
    assert same(left, right, schema) == same(right, left, schema)
    assert isinstance(fits(left, schema), str)


_JSON_ITEMS = st.recursive(
    st.sampled_from([None, True, False, 0, 1, 1.0, 2**70, float(2**70), "", "a", "1", "bool"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
    max_leaves=6,
)


@given(st.lists(_JSON_ITEMS, max_size=5))
def test_items_are_unique_by_what_json_says_is_the_same(items):
    from jsonschema import Draft202012Validator

    schema = {"type": "array", "uniqueItems": True}
    assert (fits(items, schema) == "") == Draft202012Validator(schema).is_valid(items)


def test_a_large_answer_of_mixed_items_does_not_occupy_the_host():
    # Compared each with each, these would take minutes.
    mixed = [one for number in range(25_000) for one in (number, str(number))]
    schema = annotation_schema("set[int | str]")
    assert fits(mixed, schema) == ""
    assert "unique" in fits([*mixed, 7], schema)
    assert "is not a whole number" in fits(["x"] * 100_000, annotation_schema("list[int]"))
