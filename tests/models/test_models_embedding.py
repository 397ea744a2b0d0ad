"""The embedding model stands behind the same books as every other: debited first, tried again, unknown where unknown."""

import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from model_kit import QUICK, MemoryJournal, MemoryLedger

from toolwright.errors import ModelError, RefusedError
from toolwright.models import ModelSettings
from toolwright.models.models import Models

RUN = "20261125-101500-9f3a2c"


class Endpoint:
    """Answers each POST with the next of *answers* (status, body); the last one for ever."""

    def __init__(self, *answers):
        self.answers, self.asked = list(answers), []
        outer = self

        class Door(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_error(404)

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.asked.append((self.path, self.headers["Authorization"], body))
                status, said = outer.answers.pop(0) if len(outer.answers) > 1 else outer.answers[0]
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps(said).encode())

            def log_message(self, *_):
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Door)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"


@pytest.fixture
def endpoint():
    made = []

    def start(*answers):
        made.append(Endpoint(*answers))
        return made[-1]

    yield start
    for one in made:
        one.server.shutdown()
        one.server.server_close()


def vectors(*some, usage=True):
    data = [{"object": "embedding", "index": at, "embedding": list(one)} for at, one in enumerate(some)]
    counted = {"usage": {"prompt_tokens": 5, "total_tokens": 5}} if usage else {}
    return {"object": "list", "model": "m", "data": data, **counted}


def embed(url, ledger, texts=("one", "two"), model="openai:m", events=None, asked=False):
    settings = {"embedder": ModelSettings(model, url, retry=QUICK)}
    models = Models(settings, MemoryJournal(), ledger, (events if events is not None else []).append)
    return models.embedder()(list(texts), RUN, asked=asked), models


def test_texts_become_vectors_and_their_cost_is_the_runs(endpoint, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-mine-1234567890")
    one, ledger, events = endpoint((200, vectors((1, 0), (0.5, 0.5)))), MemoryLedger(), []
    found, models = embed(one.url, ledger, events=events)
    assert [list(vector) for vector in found] == [[1, 0], [0.5, 0.5]]
    (path, key, body) = one.asked[0]
    assert (path, key, body["input"], body["model"]) == (
        "/v1/embeddings", "Bearer sk-mine-1234567890", ["one", "two"], "m",
    )  # fmt: skip
    (entry,) = ledger.entries
    assert (entry.tried.role, entry.tried.place.run_id, entry.state) == ("embedder", RUN, "settled")
    assert (entry.tried.tokens_in, entry.tried.tokens_out, entry.cost.tokens_in) == (10, 0, 5)
    assert models.cost(RUN, role="embedder") == entry.cost
    assert [event.data["role"] for event in events if event.kind == "cost"] == ["embedder"]


def test_a_model_on_this_machine_is_free_and_a_price_that_is_not_known_is_none(endpoint):
    one = endpoint((200, vectors((1, 0))))
    uncounted = endpoint((200, vectors((1, 0), usage=False)))
    for model, url, dollars in (
        ("ollama:m", one.url, 0.0),
        ("openai:text-embedding-3-small", one.url, None),  # another address: another product with another price
        ("openai:m", uncounted.url, None),
    ):
        ledger = MemoryLedger()
        embed(url, ledger, ["x"], model=model)
        assert ledger.entries[0].cost.dollars == dollars, model


def test_a_spent_budget_sends_nothing(endpoint):
    one, ledger = endpoint((200, vectors((1, 0)))), MemoryLedger()

    def refuse(*_, **__):
        raise RefusedError("The budget of this run is used up.", "budget")

    ledger.debit = refuse
    with pytest.raises(RefusedError):
        embed(one.url, ledger)
    assert one.asked == []


def test_it_is_tried_once_more_and_each_try_is_on_the_books(endpoint):
    busy = (503, {"error": {"message": "busy"}})
    ledger = MemoryLedger()
    embed(endpoint(busy, (200, vectors((1, 0), (0, 1)))).url, ledger)
    assert [entry.state for entry in ledger.entries] == ["failed", "settled"]
    one = endpoint(busy)
    with pytest.raises(ModelError, match="503"):
        embed(one.url, MemoryLedger())
    assert len(one.asked) == 2


@pytest.mark.parametrize(
    "body",
    [
        vectors((1, 0)),
        vectors((1, 0), (1, 0, 0)),
        vectors((), ()),
        {"object": "list", "data": []},
        {"nothing": "here"},
        ["odd"],
    ],
    ids=["one too few", "other lengths", "empty", "none", "no list", "a list"],
)  # fmt: skip
def test_an_odd_answer_is_an_error_in_one_sentence_and_paid_for_as_unknown_or_counted(endpoint, body):
    ledger = MemoryLedger()
    with pytest.raises(ModelError) as caught:
        embed(endpoint((200, body)).url, ledger)
    assert "\n" not in str(caught.value)
    assert all(entry.state in ("settled", "unknown") for entry in ledger.entries)


def test_it_is_asked_in_a_thread_in_which_a_loop_runs(endpoint):
    one = endpoint((200, vectors((1, 0), (0, 1))))

    async def within():
        return embed(one.url, MemoryLedger())[0]

    assert len(asyncio.run(within())) == 2
