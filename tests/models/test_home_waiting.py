"""While a model at home is loaded: a line that says so, patience beyond that for faults, and an end to it."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from home_servers import KINDS, HomeModel, HomeServer, Said, environ, events_in, refuse, toolwright
from model_kit import QUICK, SHAPE, MemoryJournal, MemoryLedger

from toolwright.errors import ModelError
from toolwright.models import ModelSettings
from toolwright.models.models import Models
from toolwright.trace import Place

LOADING = {"error": {"message": "Loading model", "type": "unavailable_error", "code": 503}}


def asked(server, events, model="qwen3:8b", times=1, **settings):
    settings.setdefault("retry", QUICK)

    async def ask():
        own = ModelSettings(model, server.url, **settings)
        models = Models({"orchestrator": own}, MemoryJournal(), ledger, events.append)
        try:
            for step in range(times):
                reply = await models.ask(
                    role="generator", system="[toolwright:generator]", user="u", answer=SHAPE, place=Place("run", step)
                )
            return reply.text
        finally:
            await models.aclose()

    ledger = MemoryLedger()
    return asyncio.run(ask()), ledger


def waits(events):
    return [(event.data["done"], event.data["text"]) for event in events if event.kind == "waiting"]


@pytest.mark.parametrize(
    "kind", ["ollama", *(pytest.param(one, marks=pytest.mark.long) for one in ("lmstudio", "llama.cpp"))]
)
def test_a_model_that_takes_long_to_load_is_waited_for_and_a_line_says_so(kind):
    events = []
    model = HomeModel(loaded=kind == "llama.cpp", loads_in=3.0, answer=lambda body: Said("loaded"))
    with HomeServer(kind, model) as server:
        text, ledger = asked(server, events)
    assert text == "loaded"
    title = {"ollama": "Ollama", "lmstudio": "LM Studio", "llama.cpp": "llama.cpp"}[kind]
    (begun, first), (over, last) = waits(events)
    assert (begun, over) == (False, True)
    assert first == f"waiting for qwen3:8b to load ({title})"
    assert re.match(r"waited \d+\.\d", last)
    assert [event.kind for event in events if event.kind == "warning"] == []
    assert len([entry for entry in ledger.entries if entry.state == "settled"]) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_that_thinks_long_is_not_said_to_load(kind):
    def slow(body):
        time.sleep(1.3)
        return Said("thought")

    events = []
    with HomeServer(kind, HomeModel(answer=slow)) as server:
        asked(server, events)
    assert waits(events) == []


def test_a_model_that_was_let_go_of_meanwhile_is_waited_for_again(monkeypatch):
    monkeypatch.setattr("toolwright.models.loading._IDLE_S", 0.0)  # a minute is too long for a test
    events = []
    model = HomeModel(answer=lambda body: Said("again"))

    def let_go(http, body):
        server._loaded_at[model.name] = time.monotonic() + 1.5
        server._chat(http, model, body)

    with HomeServer("ollama", model) as server:
        model.faults = [let_go]
        asked(server, events, times=2)
    assert [done for done, _ in waits(events)] == [False, True]


def test_a_model_that_is_there_is_not_waited_for():
    events = []
    with HomeServer("ollama", HomeModel()) as server:
        asked(server, events, times=2)
    assert waits(events) == []
    assert "/api/generate" not in server.paths()


def test_loading_takes_no_try_from_the_request_and_has_a_patience_of_its_own():
    """More 503 than there are tries; each is a look at /health, not a request."""
    events = []
    with HomeServer("llama.cpp", HomeModel(looks=3)) as server:
        text, _ = asked(server, events, retry=replace(QUICK, tries=1))
    assert text == "It is done."
    assert server.paths().count("/health") == 3
    assert len(server.chats) == 2


def test_a_fault_after_the_loading_has_all_its_tries():
    broken = {"error": {"message": "slot unavailable"}}
    faults = [refuse(503, LOADING), refuse(503, LOADING), refuse(500, broken)]
    with HomeServer("llama.cpp", HomeModel(faults=faults)) as server:
        assert asked(server, [], retry=replace(QUICK, tries=2))[0] == "It is done."


def test_a_model_that_is_never_loaded_is_given_up_with_one_sentence():
    began = time.monotonic()
    with HomeServer("llama.cpp", HomeModel(loads_in=60)) as server, pytest.raises(ModelError) as caught:
        asked(server, [], loading_s=0.6)
    assert time.monotonic() - began < 4
    assert "still loading its model" in str(caught.value)
    assert "waited for 1 s" in str(caught.value)


def test_a_server_that_reloads_its_model_between_two_answers_is_waited_for_too():
    events = []
    model = HomeModel(answer=lambda body: Said("again"))
    with HomeServer("llama.cpp", model) as server:
        model.faults = [Said("first"), refuse(503, LOADING), Said("second")]
        text, _ = asked(server, events, times=2)
    assert text == "second"
    assert [done for done, _ in waits(events)] == [False, True]


def test_a_server_that_is_busy_is_not_taken_for_one_that_loads():
    """Ollama's queue is full: an ordinary fault, tried again as such."""
    events = []
    busy = {"error": {"message": "server busy, please try again.  maximum pending requests exceeded"}}
    with HomeServer("ollama", HomeModel(faults=[refuse(503, busy)])) as server:
        asked(server, events)
    assert waits(events) == []
    assert "maximum pending requests" in next(event.data["text"] for event in events if event.kind == "warning")


def test_a_llama_server_that_is_still_loading_is_found_without_a_name(tmp_path):
    with HomeServer("llama.cpp", HomeModel(looks=2, answer=lambda body: Said("Here I am."))) as server:
        done = toolwright(tmp_path, "run", "Are you there?", "--json", TOOLWRIGHT_LOCAL_SERVERS=server.root)
    events = events_in(done)
    assert events[-1]["output"] == "Here I am."
    assert "loading its model" in events[0]["why"]
    assert [event["done"] for event in events if event["type"] == "waiting"] == [False, True]


@pytest.mark.parametrize("kind", ["ollama", pytest.param("llama.cpp", marks=pytest.mark.long)])
def test_ctrl_c_ends_the_wait(tmp_path, kind):
    model = HomeModel(loaded=kind == "llama.cpp", loads_in=60)
    with HomeServer(kind, model) as server:
        process = subprocess.Popen(
            [sys.executable, "-m", "toolwright", "run", "Wait.", "--json", "--base-url", server.url],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environ(tmp_path),
            cwd=tmp_path,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        try:
            for line in process.stdout:
                if json.loads(line)["type"] == "waiting":
                    break
            began = time.monotonic()
            os.kill(process.pid, signal.SIGINT)
            rest, _ = process.communicate(timeout=20)
        finally:
            process.kill()
            process.wait()
    assert json.loads(rest.splitlines()[-1])["status"] == "cancelled"
    assert time.monotonic() - began < 5
