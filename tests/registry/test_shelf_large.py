"""A large shelf is searched with tantivy, which only proposes: behind, torn, gone or not installed, the answers stay."""

from __future__ import annotations

import importlib.util
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from shelf import Shelf, verdict_of

from toolwright import Toolwright
from toolwright.cli import cli, look
from toolwright.registry import Registry
from toolwright.search import FtsRetriever, LargeIndex
from toolwright.search.large import LARGE
from toolwright.shelves import trust_of
from toolwright.store.home import Home
from toolwright.store.local import LocalStore

WORDS = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "theta", "kappa", "lambda", "omicron", "sigma", "omega"]


def open_large(folder: Path, large: int = 5, tail: int = 3) -> Shelf:
    home = Home.open(folder)
    store = LocalStore(folder, FtsRetriever(large=LargeIndex(folder / "index.tantivy", large=large, tail=tail)))
    return Shelf(home, store, Registry(store, home.calls, home.audit, trust=trust_of(folder)))


def fill(shelf: Shelf, words: list[str]) -> None:
    for word in words:
        shelf.registry.admit(verdict_of(f"count_{word}", f"Count the {word} of a flock."))


def found(shelf: Shelf, query: str) -> list[str]:
    return [match.info.name for match in shelf.registry.search(query)]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    shelf = open_large(tmp_path / "home")
    fill(shelf, WORDS)
    shelf.close()
    return tmp_path / "home"


def proposes(home: Path) -> bool:
    """Whether the large index answers by itself."""
    db = sqlite3.connect(home / "index.db")
    try:
        (shelf,) = db.execute("SELECT shelf FROM shelves").fetchone()
        return LargeIndex(home / "index.tantivy").candidates(db, shelf, [(("alpha",), 9)]) is not None
    finally:
        db.close()


def test_a_small_shelf_has_no_large_index(tmp_path: Path) -> None:
    shelf = open_large(tmp_path / "home", large=100)
    fill(shelf, WORDS)
    assert not (tmp_path / "home/index.tantivy").exists()
    assert shelf.registry.hint() == ""
    assert found(shelf, "omega") == ["count_omega"]
    shelf.close()


def test_the_twenty_thousandth_tool_brings_the_large_index_and_nobody_has_to_ask_for_it(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with Toolwright(home=home) as tw:
        tw.registry.admit(verdict_of("count_alpha", "Count the alpha of a flock."))
    with closing(sqlite3.connect(home / "index.db")) as db, db:
        # As many as there would be, of which one is enough to be found.
        db.execute("UPDATE shelves SET tools = ?", (LARGE - 2,))
    for number, there in ((LARGE - 1, False), (LARGE, True)):
        with Toolwright(home=home) as tw:
            tw.registry.admit(verdict_of(f"count_{number}", "Count the sheep of a flock."))
            assert tw.registry.search("alpha")[0].info.name == "count_alpha"
        assert (home / "index.tantivy").exists() == there, number
    assert LARGE == 20_000
    assert proposes(home)


def test_what_is_admitted_and_retired_is_found_at_once_and_not_any_more(home: Path) -> None:
    shelf = open_large(home)
    assert proposes(home)
    fill(shelf, ["swan"])
    assert found(shelf, "swan") == ["count_swan"]
    shelf.registry.retire("count_gamma")
    assert found(shelf, "gamma") == []
    fill(shelf, ["goose", "duck", "crane", "stork"])
    assert [found(shelf, word) for word in ("goose", "stork", "alpha")] == [
        ["count_goose"], ["count_stork"], ["count_alpha"],
    ]  # fmt: skip
    assert proposes(home)
    shelf.close()


def gone(folder: Path) -> None:
    shutil.rmtree(folder)


def torn(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[:7])


def of_another(folder: Path) -> None:
    (inner,) = folder.iterdir()
    inner.rename(folder / "0000")


def without_its_mark(folder: Path) -> None:
    """As a kill leaves it that came before the commit."""
    import tantivy

    from toolwright.search import large

    (inner,) = folder.iterdir()
    shutil.rmtree(inner)
    inner.mkdir()
    tantivy.Index(large._schema(tantivy), str(inner))


@pytest.mark.parametrize("harm", [gone, torn, of_another, without_its_mark])
def test_an_index_that_came_to_harm_is_not_asked_and_comes_back_with_the_next_write(home: Path, harm: Any) -> None:
    harm(home / "index.tantivy")
    shelf = open_large(home)
    assert not proposes(home)
    assert found(shelf, "omega") == ["count_omega"]
    fill(shelf, ["swan"])
    assert proposes(home)
    shelf.registry.rebuild()
    assert proposes(home)
    assert found(shelf, "omega") == ["count_omega"]
    shelf.close()


def test_another_process_that_is_behind_reads_what_is_new(home: Path) -> None:
    one, other = open_large(home), open_large(home)
    assert found(one, "alpha") == ["count_alpha"]
    fill(other, ["swan", "goose", "duck", "crane", "stork"])
    other.registry.retire("count_beta")
    assert found(one, "stork") == ["count_stork"]
    assert found(one, "beta") == []
    one.close()
    other.close()


def test_where_it_is_not_installed_a_hint_names_it_and_words_find_as_before(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "tantivy" else real(name, *more)
    )
    shelf = open_large(home)
    assert "toolwright[search]" in shelf.registry.hint()
    assert found(shelf, "omega") == ["count_omega"]
    shelf.close()


def test_the_command_that_searches_hints_from_the_twenty_thousandth_tool_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    with Toolwright(home=home) as tw:
        tw.registry.admit(verdict_of("count_alpha", "Count the alpha of a flock."))
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "tantivy" else real(name, *more)
    )
    for tools, told in ((LARGE - 1, False), (LARGE, True)):
        with closing(sqlite3.connect(home / "index.db")) as db, db:
            db.execute("UPDATE shelves SET tools = ?", (tools,))
        for console in (look.out, look.err):
            # Each is made for the standard output of its time, which is another one in each of these runs.
            console.cache_clear()
        done = CliRunner().invoke(cli, ["search", "alpha", "--home", str(home)], catch_exceptions=False)
        assert ("count_alpha" in done.output, "pip install 'toolwright[search]'" in done.output) == (True, told)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from([*WORDS, "count", "flock", "zebra", "the", '"', "AND", ". Then", "\ud800"]), max_size=9)
)
def test_both_ways_find_the_same(words: list[str]) -> None:
    one, other = _BOTH.opened()
    query = " ".join(words)
    assert [(m.info.name, m.score) for m in one.registry.search(query)] == [
        (m.info.name, m.score) for m in other.registry.search(query)
    ]


class _Both:
    """The same tools on a shelf with a large index and on one without, for all examples of the property above."""

    def __init__(self) -> None:
        self._both: tuple[Shelf, Shelf] | None = None

    def opened(self) -> tuple[Shelf, Shelf]:
        if self._both is None:
            import tempfile

            folder = Path(tempfile.mkdtemp())
            self._both = open_large(folder / "large"), open_large(folder / "small", large=1000)
            for shelf in self._both:
                fill(shelf, WORDS)
            assert proposes(folder / "large")
        return self._both


_BOTH = _Both()
