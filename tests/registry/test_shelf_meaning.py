"""With an embedding model a question finds tools that share no word with it; without one, all is as it was."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from embedding_server import EmbeddingServer, vector_of
from shelf import verdict_of

from toolwright import Toolwright
from toolwright import settings as settings_module
from toolwright.search import FtsRetriever, Meaning
from toolwright.search import meaning as meanings
from toolwright.store.home import Home
from toolwright.store.vectors import VectorBook
from toolwright.trace import Event

ASKED = "How many dollars do I get for my złoty?"
"""Shares no word with the tool that it wants."""
MANY = [f"tidy_{word}" for word in ("shelf", "desk", "garden", "cellar", "garage", "attic", "kitchen", "shed")]


class Heard:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def emit(self, event: Event) -> None:
        self.events.append(event)

    def warnings(self) -> list[str]:
        return [event.data["text"] for event in self.events if event.kind == "warning"]


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-test-123456")


@pytest.fixture
def server() -> Iterator[EmbeddingServer]:
    server = EmbeddingServer()
    with server:
        yield server


def opened(home: Path, server: EmbeddingServer | None, heard: Heard | None = None) -> Toolwright:
    named = {"embeddings": "openai:of-the-test", "embeddings_base_url": server.url if server else None}
    return Toolwright(settings=settings_module.load(home, named if server else {}), sink=heard or Heard())


@pytest.fixture
def home(tmp_path: Path) -> Path:
    with opened(tmp_path / "home", None) as tw:
        tw.registry.admit(verdict_of("fetch_exchange_rate", "Fetch the exchange rate of two currencies."))
        tw.registry.admit(verdict_of("draw_chart", "Draw a chart of numbers."))
        for name in MANY:
            tw.registry.admit(verdict_of(name, f"Tidy the {name.partition('_')[2]} up."))
    return tmp_path / "home"


def found(tw: Toolwright, query: str, run_id: str = "") -> list[str]:
    return [match.info.name for match in tw.registry.search(query, run_id=run_id)]


def test_what_shares_no_word_is_found_by_its_meaning_and_by_words_as_before(
    home: Path, server: EmbeddingServer
) -> None:
    with opened(home, None) as tw:
        assert found(tw, ASKED) == []
        assert not (home / "vectors.db").exists()
    with opened(home, server) as tw:
        assert found(tw, ASKED) == ["fetch_exchange_rate"]
        assert found(tw, "tidy the cellar")[0] == "tidy_cellar"
        assert {request["path"] for request in server.requests} == {"/v1/embeddings"}


def test_where_no_meaning_stands_out_no_tool_fits(home: Path, server: EmbeddingServer) -> None:
    with opened(home, server) as tw:
        assert found(tw, "Who reigned in Bohemia?") == []
        assert found(tw, "of the and") == []


def test_each_wish_of_a_task_is_heard_by_its_meaning_too(home: Path, server: EmbeddingServer) -> None:
    with opened(home, server) as tw:
        # The wish alone says 'dollars'; the whole story is about much else.
        asked = "My aunt lives far away and has seven cats, and how many dollars are these?"
        assert found(tw, asked) == ["fetch_exchange_rate"]
        assert "how many dollars are these?" in server.texts


def test_nothing_is_embedded_twice_by_whatever_process(home: Path, server: EmbeddingServer) -> None:
    with opened(home, server) as tw:
        assert found(tw, ASKED) == found(tw, ASKED) == ["fetch_exchange_rate"]
        tw.registry.rebuild()
    first = len(server.texts)
    assert len(set(server.texts)) == first
    with opened(home, server) as tw:
        assert found(tw, ASKED) == ["fetch_exchange_rate"]
        assert len(server.texts) == first
        tw.registry.admit(verdict_of("lend_money", "Lend a budget to a friend."))
        assert set(found(tw, ASKED)) == {"fetch_exchange_rate", "lend_money"}
    assert [text.partition(":")[0] for text in server.texts[first:]] == ["lend money"]


def test_an_endpoint_that_is_down_costs_the_meaning_and_one_warning(home: Path, server: EmbeddingServer) -> None:
    heard = Heard()
    server.fail = (500, {"error": {"message": "sk-of-the-test-123456 is out of order"}})
    with opened(home, server, heard) as tw:
        assert found(tw, ASKED) == []
        assert found(tw, "exchange of currencies") == ["fetch_exchange_rate"]
        assert len(server.requests) == 2  # one try more, and then nobody is asked for a while
    (warning,) = heard.warnings()
    assert warning.startswith("Searching goes on by words alone, without embeddings: ")
    assert "500" in warning
    assert "sk-of" not in warning


def test_an_endpoint_that_stays_down_is_spoken_of_once(
    home: Path, server: EmbeddingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(meanings, "AWAY_S", 0.0)
    heard = Heard()
    server.fail = (401, {"error": {"message": "bad key"}})
    with opened(home, server, heard) as tw:
        found(tw, ASKED)
        found(tw, "exchange of currencies")
    assert len(server.requests) > 1
    assert len(heard.warnings()) == 1


def test_a_broken_or_deleted_file_of_vectors_is_made_anew(home: Path, server: EmbeddingServer) -> None:
    for harm in (lambda path: path.write_bytes(b"no database" * 500), lambda path: path.unlink()):
        with opened(home, server) as tw:
            assert found(tw, ASKED) == ["fetch_exchange_rate"]
        for path in home.glob("vectors.db-*"):
            path.unlink()
        harm(home / "vectors.db")
    with opened(home, server) as tw:
        assert found(tw, ASKED) == ["fetch_exchange_rate"]
    assert (home / "vectors.db").stat().st_mode & 0o777 == 0o600


def test_values_of_secrets_are_not_sent(home: Path, server: EmbeddingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(home, server) as tw:
        tw._parts.home.hide({"BANK": "hunter2-hunter2"})
        found(tw, "dollars for hunter2-hunter2, and a chart for hunter2-hunter2")
    assert any("[secret BANK]" in text for text in server.texts)
    assert not any("hunter2" in text for text in server.texts)


def test_what_it_costs_is_on_the_books_of_the_run_and_unknown_where_nobody_knows(
    home: Path, server: EmbeddingServer
) -> None:
    heard = Heard()
    with opened(home, server, heard) as tw:
        found(tw, ASKED, run_id="20261125-101500-9f3a2c")
    books = Home.open(home)
    spent = books.ledger.spent("20261125-101500-9f3a2c")
    books.close()
    assert spent.cost.tokens_in == 7 * len(server.requests)
    assert spent.cost.dollars is None
    costs = [event.data for event in heard.events if event.kind == "cost"]
    assert costs[-1]["role"] == "embedder"
    assert costs[-1]["tokens_in"] == spent.cost.tokens_in


def test_of_very_many_tools_the_signs_find_those_whose_numbers_are_looked_at(tmp_path: Path) -> None:
    class Straight:
        name = "straight"

        def __call__(self, texts: list[str], run_id: str, *, asked: bool) -> list[list[float]]:
            return [vector_of(text) for text in texts]

    meaning = Meaning(Straight(), VectorBook.open(tmp_path / "vectors.db"))
    finder, db = FtsRetriever(meaning=meaning), sqlite3.connect(":memory:")
    finder.create(db)
    for key in range(3 * meanings.LEARNED):
        finder.put(db, key, "local", {"name": f"tidy_{key}", "description": "Tidy up."})
    finder.put(db, 9999, "local", {"name": "fetch_rate", "description": "The exchange rate."})

    def find() -> list[int]:
        return [key for key, _ in finder.find(db, ASKED, "local", 8)]

    for _ in range(4):
        seen = meaning.around(find, ASKED)
    assert seen == [9999]
    finder.drop(db, 9999)
    assert meaning.around(find, ASKED) == []
    meaning.close()
    db.close()


def test_the_command_says_why_it_searched_by_words(home: Path, server: EmbeddingServer) -> None:
    server.fail = (401, {"error": {"message": "bad key"}})
    (home / "config.toml").write_text(f'embeddings = "openai:of-the-test"\nembeddings_base_url = "{server.url}"\n')
    done = subprocess.run(
        [sys.executable, "-m", "toolwright", "search", "--home", str(home), "exchange", "rate", "--json"],
        capture_output=True, text=True, env=dict(os.environ), timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "fetch_exchange_rate" in done.stdout
    assert "by words alone" in done.stderr
    assert "OPENAI_API_KEY" in done.stderr
