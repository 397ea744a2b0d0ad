"""Ctrl-C while something is under way: it is finished, or cut short on record; nothing is left half-done or running."""

from __future__ import annotations

import json
import signal
import threading

import pytest
from door import DOUBLE, Writer
from jsonschema import Draft202012Validator

from cli.shop import alive, as_json, at_model, family, toolwright
from docs_support.pages import page
from outside.endpoint import Endpoint
from toolwright import Toolwright


@pytest.fixture
def model():
    writer = Writer()
    with Endpoint(writer) as endpoint:
        writer.url = endpoint.url
        yield writer
        writer.gate.set()


def begun(door, model):
    model.gate.clear()
    run_id = door.post("/v1/tools", DOUBLE).body["run_id"]
    assert model.met.wait(60)
    return run_id


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_what_is_under_way_is_finished_and_its_followers_are_let_go(served, model, number):
    door = served(model=model.url)
    run_id = begun(door, model)
    follower = door.follow(run_id)
    next(follower)
    door.stop(number)
    had = list(follower)  # it ends, so that a client comes back when there is a server again
    assert all(kind != "result" for _, kind, _ in had)
    model.gate.set()
    assert door.close() == (0, "")
    with Toolwright(home=door.home) as tw:
        assert tw.run_record(run_id).status == "complete"
        assert tw.events(run_id)[-1].kind == "result"
        assert "double" in tw.registry


@pytest.mark.long
def test_a_call_that_is_under_way_is_answered(served):
    door = served()
    answers = []
    asking = threading.Thread(
        target=lambda: answers.append(door.post("/v1/tools/nap/calls", {"arguments": {"word": "sleep"}}))
    )
    before = family(door.process.pid)
    asking.start()
    while family(door.process.pid) == before:
        assert asking.is_alive()
    door.stop()
    asking.join()
    assert answers[0].body["status"] == "timeout"
    assert door.close()[0] == 0


@pytest.mark.parametrize("how", ["grace", "twice"])
def test_what_does_not_come_to_its_end_is_cut_short_and_can_be_gone_on_with(served, model, how):
    door = served(model=model.url, serve_grace_s="0.5" if how == "grace" else "600")
    run_id = begun(door, model)
    below = family(door.process.pid)
    door.stop()
    if how == "twice":
        door.stop(signal.SIGTERM)
    code, said = door.close()
    assert (code, "1 runs were cut short" in said) == (0, True), said
    assert not alive(below)
    with Toolwright(home=door.home) as tw:
        assert tw.run_record(run_id).status == "cancelled"
        assert [one.data["status"] for one in tw.events(run_id) if one.kind == "result"] == ["cancelled"]
        assert "double" not in tw.registry
    model.gate.set()
    words = ["run", "--resume", run_id, "--home", str(door.home), "--json", *at_model(model.url)]
    assert as_json(toolwright(door.home, *words))["made"] == ["double@1"]


def test_the_first_line_of_a_server_is_as_the_page_says(served):
    schema = json.loads(page("docs/json.md").of("json")[0].text)
    Draft202012Validator({**schema, "$ref": "#/$defs/serving"}).validate(served().first)


def test_a_server_with_nothing_to_do_ends_at_once(served):
    door = served()
    assert door.get("/health").status == 200
    door.stop(signal.SIGTERM)
    assert door.close() == (0, "")


def test_an_address_that_cannot_be_had_is_said_in_a_sentence(served, tmp_path):
    door = served()
    for address, word in (
        (f"127.0.0.1:{door.port}", "Nothing can listen"),
        ("nowhere", "no address"),
        ("127.0.0.1:99999", "no address"),
    ):
        done = toolwright(tmp_path, "serve", "--http", address, "--home", str(tmp_path / "home"), code=2)
        assert word in done.stderr
