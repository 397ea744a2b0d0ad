"""A sentence finds the tools that fit; a spec finds the tools that look like it; nothing that is asked breaks it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alike import DIFFERENT, SAME
from hypothesis import given, settings
from hypothesis import strategies as st
from shelf import Shelf, open_shelf, spec_of, verdict_of

from toolwright.search import NEAR, FtsRetriever, Likeness, Sketch


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    opened = open_shelf(tmp_path_factory.mktemp("search") / "home")
    admit = opened.registry.admit
    admit(verdict_of("fetch_exchange_rate", "Fetch the current exchange rate between two currencies."))
    admit(verdict_of("list_trending_repositories", "List the repositories that are trending on GitHub."))
    admit(
        verdict_of("generate_password", "Generate a random password."), requests=["I need a new secret for my login."]
    )
    admit(
        verdict_of(
            "compute_sha256", "Compute a SHA-256 hash.", input_params="fileName: str, blockSize: int", body="1.0"
        )
    )
    admit(verdict_of("old_weather", "Fetch the weather of a city."))
    opened.registry.retire("old_weather")
    yield opened
    opened.close()


def found(shelf: Shelf, query: str) -> list[str]:
    return [match.info.name for match in shelf.registry.search(query)]


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("exchange rates", "fetch_exchange_rate"),
        ("What is the CURRENCY rate today?", "fetch_exchange_rate"),
        ("trending repository", "list_trending_repositories"),
        ("passwords", "generate_password"),
        ("sha256", "compute_sha256"),
        ("fetchExchangeRate", "fetch_exchange_rate"),
    ],
)
def test_words_find_a_tool_by_stems_and_parts_of_names(shelf: Shelf, query: str, name: str) -> None:
    assert found(shelf, query)[0] == name


def test_a_request_that_led_to_a_tool_finds_it_again(shelf: Shelf) -> None:
    assert found(shelf, "a new secret for the login") == ["generate_password"]


def test_parameters_are_searched_too(shelf: Shelf) -> None:
    assert found(shelf, "block size of a file") == ["compute_sha256"]


@pytest.mark.parametrize("query", ["", "   ", "the of and", "zebra", "!!!", "weather in Paris"])
def test_where_no_tool_fits_nothing_is_found(shelf: Shelf, query: str) -> None:
    assert found(shelf, query) == []


def test_one_word_in_a_long_story_is_no_fit(shelf: Shelf) -> None:
    story = " ".join(f"word{letter}" for letter in "abcdefghijklmnopqrstuvwxyz") * 2
    assert found(shelf, story + " size") == []


def test_a_word_that_every_tool_holds_still_finds_them() -> None:
    retriever, db = FtsRetriever(), sqlite3.connect(":memory:")
    retriever.create(db)
    for key in range(60):
        retriever.put(db, key, "local", {"name": f"make_invoice_{key}", "description": "Make an invoice."})
    assert len(retriever.find(db, "invoices", "local", 8)) == 8
    assert retriever.find(db, "invoice 41", "local", 1)[0][0] == 41
    db.close()


def test_matches_are_at_most_as_many_as_asked_for_and_best_first(shelf: Shelf) -> None:
    matches = shelf.registry.search("fetch random trending exchange hash password", limit=3)
    assert len(matches) == 3
    assert [match.score for match in matches] == sorted((match.score for match in matches), reverse=True)
    assert shelf.registry.search("password", limit=0) == []


@pytest.mark.parametrize(
    "query",
    [
        '"', "'", "a OR", "NOT password", "name : password", "password*", "^password", "NEAR(a b, 3)", "{name} : x",
        "password\0hash", "\ud800 password", "); DROP TABLE texts; --", "shelf : x", "-" * 10_000, "pass" * 50_000,
        "\u202epassword", "(((", "password AND", "+", "NULL",
    ],
)  # fmt: skip
def test_hostile_words_are_only_words(shelf: Shelf, query: str) -> None:
    found(shelf, query)
    assert found(shelf, "password") == ["generate_password"]


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=200))
def test_no_text_breaks_the_search(query: str) -> None:
    _TEXTS.search(query)


class _Texts:
    """One shelf for all examples of the property above, opened with the first one."""

    def __init__(self) -> None:
        self._shelf: Shelf | None = None

    def search(self, query: str) -> None:
        if self._shelf is None:
            import tempfile

            self._shelf = open_shelf(Path(tempfile.mkdtemp()) / "home")
            self._shelf.registry.admit(verdict_of("one", "Do one thing with OR and NOT and a quote."))
        self._shelf.registry.search(query)
        self._shelf.registry.near(spec_of("two", "Do " + "".join(c for c in query if c.isprintable())))


_TEXTS = _Texts()


def sketch(tool: tuple[str, str, str, str]) -> Sketch:
    name, description, parameters, returns = tool
    spec = spec_of(name, description, input_params=parameters, return_type=returns)
    return Sketch(spec.name, spec.description, spec.input_schema, spec.output_schema)


def alike(pairs: list[Any]) -> list[bool]:
    likeness = Likeness()
    return [likeness.of(sketch(one), sketch(other)) >= NEAR for one, other in pairs]


def test_most_tools_asked_for_in_other_words_are_seen_as_the_same() -> None:
    seen = alike(SAME)
    assert sum(seen) >= 0.9 * len(seen)


def test_hardly_any_different_tool_of_the_same_field_is_seen_as_the_same() -> None:
    seen = alike(DIFFERENT)
    assert sum(seen) <= 0.05 * len(seen)


def test_likeness_is_the_same_from_both_sides() -> None:
    likeness = Likeness()
    for one, other in SAME + DIFFERENT:
        assert likeness.of(sketch(one), sketch(other)) == likeness.of(sketch(other), sketch(one))
        assert likeness.of(sketch(one), sketch(one)) == 1.0


def test_a_near_duplicate_is_offered_before_anything_is_written(shelf: Shelf) -> None:
    near = shelf.registry.near(spec_of("get_exchange_rate", "Get the exchange rate between two currencies."))
    assert [match.info.name for match in near] == ["fetch_exchange_rate"]
    assert NEAR <= near[0].score <= 1
    assert shelf.registry.near(spec_of("weather", "Fetch the weather of a city.")) == []
    text = spec_of("get_exchange_rate", "Get the exchange rate between two currencies.", return_type="str")
    assert shelf.registry.near(text) == []
