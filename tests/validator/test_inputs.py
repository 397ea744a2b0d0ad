"""Generated inputs: enough of them, the same each time, near the examples, of their form."""

from __future__ import annotations

import datetime
import json
import random
import re
from typing import Any

import pytest

from toolwright import schema
from toolwright.validator.forms import like
from toolwright.validator.inputs import generated_inputs


def made(params: str, example: str = "", count: int = 40, seed: str = "seed") -> list[dict[str, Any]]:
    spec = schema.tool_spec(tool_name="f", description="D.", input_params=params, example=example)
    return generated_inputs(spec.input_schema, [dict(one.arguments) for one in spec.examples], seed, count)


SIGNATURES = [
    ("x: int", "f(5)"),
    ("x: float, y: float = 1.5", "f(2.5)"),
    ("text: str, limit: int = 10", "f('Hello, World!')"),
    ("flag: bool", "f(True)"),
    ("xs: list[int]", "f([3, 1, 2])"),
    ("rows: list[dict[str, str]]", "f([{'a': 'b'}])"),
    ("m: list[list[float]]", "f([[1.0, 2.0]])"),
    ("pair: tuple[int, str]", "f((1, 'a'))"),
    ("tags: set[str]", "f({'a', 'b'})"),
    ("unit: Literal['C', 'F', 'K']", "f('C')"),
    ("day: date, at: datetime", "f('2024-01-31', '2024-01-31T10:00:00')"),
    ("price: Decimal", "f('12.50')"),
    ("data: bytes", "f(b'abc')"),
    ("path: Path", "f('a/b.txt')"),
    ("x: int | None = None", ""),
    ("x: int | str", "f('a')"),
    ("data: dict", "f({'a': {'b': 1}})"),
    ("data: dict[str, list[int]]", "f({'a': [1]})"),
    ("value: Any", "f([1, 'x'])"),
    ("value: Any", ""),
    ("id: UUID, wait: timedelta", ""),
    ("", ""),
]


@pytest.mark.parametrize(("params", "example"), SIGNATURES)
def test_nearly_all_inputs_fit_the_schema(params: str, example: str) -> None:
    spec = schema.tool_spec(tool_name="f", description="D.", input_params=params)
    inputs = made(params, example)
    assert len(inputs) == 40
    assert sum(not schema.fits(one, spec.input_schema) for one in inputs) >= 35


@pytest.mark.parametrize(("params", "example"), SIGNATURES)
def test_the_same_seed_gives_the_same_inputs(params: str, example: str) -> None:
    assert made(params, example) == made(params, example)


def test_another_seed_gives_other_inputs() -> None:
    assert made("x: int, y: str", seed="a") != made("x: int, y: str", seed="b")


def test_whole_numbers_stay_near() -> None:
    assert all(abs(one["x"]) <= 1010 for one in made("x: int", "f(5)", 200))
    assert max(one["x"] for one in made("x: int", "f(50000)", 200)) <= 56_000


def test_lengths_stay_within_twenty_or_the_shown_one() -> None:
    assert all(len(one["xs"]) <= 20 for one in made("xs: list[int]", "f([1])", 200))
    assert all(len(one["t"]) <= 24 for one in made("t: str", "f('abc')", 200))


def test_what_is_optional_is_left_out_now_and_then() -> None:
    inputs = made("x: int, y: int = 3", "f(1)")
    assert 0 < sum("y" in one for one in inputs) < len(inputs)


def test_every_value_of_an_enumeration_comes() -> None:
    assert {one["unit"] for one in made("unit: Literal['C', 'F', 'K']")} == {"C", "F", "K"}


def test_texts_keep_the_form_of_the_example() -> None:
    days = [one["day"] for one in made("day: str", "f('2024-02-28')", 100)]
    assert sum(re.fullmatch(r"\d{4}-\d\d-\d\d", day) is not None for day in days) > 70
    assert len(set(days)) > 20
    codes = [one["code"] for one in made("code: str", "f('USD')", 100)]
    assert codes.count("USD") > 40
    urls = [one["url"] for one in made("url: str", "f('https://example.com/a?b=1')", 100)]
    assert sum(url.startswith("https://") for url in urls) > 70


@pytest.mark.parametrize("text", ["2024-02-28T10:00:00", "12.50", '{"a": 1}', "<p>x</p>", "Hello big World", "ab", " "])
def test_a_text_like_another_is_a_text(text: str) -> None:
    chance = random.Random(1)
    texts = [like(text, chance) for _ in range(50)]
    assert all(isinstance(one, str) for one in texts)
    if text[:2] == "20":
        assert all(datetime.datetime.fromisoformat(one) for one in texts)
    if text.startswith("{"):
        assert sum(_is_json(one) for one in texts) > 25


def test_where_no_type_was_asked_for_values_are_built_like_the_shown_ones() -> None:
    for one in made("doc: dict, value: Any", "f({'user': {'name': 'A', 'age': 3, 'tags': ['x', 'y']}}, [1, 2])", 100):
        user = one["doc"]["user"]
        assert user.keys() == {"name", "age", "tags"}
        assert isinstance(user["name"], str)
        assert isinstance(user["age"], int)
        assert all(isinstance(tag, str) for tag in user["tags"])
        assert all(isinstance(number, int) for number in one["value"])


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
