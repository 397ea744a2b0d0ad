"""Runs over HTTP: begun, followed, gone on with, cancelled; questions that wait, answered by whoever is first."""

from __future__ import annotations

import threading

import pytest
from door import DOUBLE, HALF, Writer

from cli.shop import Page, at_model, fetcher, toolwright
from docs_support.world import has_full_sandbox
from outside.endpoint import Endpoint

FULL = pytest.mark.skipif(not has_full_sandbox(), reason="a host can be granted in the full sandbox only")


def test_a_requested_tool_is_made_while_its_run_is_followed_and_is_called_at_once(door):
    begun = door.post("/v1/tools", DOUBLE, token="maker")
    assert begun.status == 202
    run_id = begun.body["run_id"]
    assert begun.headers["location"] == begun.body["run"] == f"/v1/runs/{run_id}"
    told = list(door.follow(run_id))
    assert [number for number, _, _ in told] == list(range(1, len(told) + 1))
    kinds = [kind for _, kind, _ in told]
    assert (kinds[0], kinds[-1]) == ("run-started", "result")
    assert {"tool-requested", "attempt", "check", "tool-made", "cost"} <= set(kinds)
    assert told[-1][2]["data"]["made"] == ["double@1"]
    assert door.post("/v1/tools/double/calls", {"arguments": {"number": 4}}).body["value"] == 8
    assert door.get(f"/v1/runs/{run_id}").body["made"] == ["double@1"]
    # The same again is there already.
    again = door.ended(door.post("/v1/tools", DOUBLE).body["run_id"])
    assert (again["status"], again["made"], again["reused"]) == ("complete", [], ["double@1"])


def test_a_stream_goes_on_behind_the_last_event_that_was_had(door, writer):
    writer.gate.clear()
    run_id = door.post("/v1/tools", HALF).body["run_id"]
    follower = door.follow(run_id)
    first = [next(follower), next(follower)]
    follower.close()
    writer.gate.set()
    rest = list(door.follow(run_id, last=first[-1][0]))
    whole = list(door.follow(run_id))
    assert first + rest == whole
    over = door.get(f"/v1/runs/{run_id}/events", Last_Event_ID=str(whole[-1][0]))
    assert (over.status, over.body) == (204, "")
    assert door.get(f"/v1/runs/{run_id}/events?after={whole[-1][0]}").status == 204
    assert door.get(f"/v1/runs/{run_id}/events", Last_Event_ID="x").reason == "invalid"
    trace = door.get(f"/v1/runs/{run_id}/trace").body
    assert trace["events"] == [data for _, _, data in whole]
    assert trace["run"]["id"] == run_id


def test_a_task_is_done_and_its_run_is_listed(door):
    begun = door.post("/v1/runs", {"task": "What is twice 21?"})
    run = door.ended(begun.body["run_id"])
    assert (run["status"], run["output"]) == ("complete", "It is 42.")
    newest = door.get("/v1/runs?limit=1&status=complete").body["runs"]
    assert [one["id"] for one in newest] == [run["id"]]
    assert door.get(f"/v1/runs/{run['id']}/trace").body["calls"][0]["tool"] == "double@1"
    goes_on = door.post("/v1/runs", {"task": "And again?", "continues": run["id"]})
    assert door.ended(goes_on.body["run_id"])["continues"] == run["id"]


def test_what_cannot_begin_is_said_before_there_is_a_run(door):
    before = door.get("/v1/runs").body
    for body in (
        {**DOUBLE, "tool_name": "Not One"},
        {**DOUBLE, "powers": {"hosts": ["not a host"]}},
        {"tool_name": "x"},
    ):
        assert door.post("/v1/tools", body).reason == "invalid", body
    assert door.post("/v1/runs", {"task": " "}).reason == "invalid"
    assert door.post("/v1/runs", {"task": "Go on.", "continues": "20260101-000000-abcdef"}).reason in (
        "not-found",
        "invalid",
    )
    assert door.get("/v1/runs").body == before


def test_a_run_is_cancelled_and_gone_on_with(door, writer):
    writer.met.clear()
    writer.gate.clear()
    run_id = door.post("/v1/runs", {"task": "What is twice 21?"}).body["run_id"]
    assert writer.met.wait(60)
    assert door.post(f"/v1/runs/{run_id}/resume").reason == "run-state"
    assert door.post(f"/v1/runs/{run_id}/cancel", token="maker").reason == "scope"
    assert door.post(f"/v1/runs/{run_id}/cancel").status == 202
    assert door.ended(run_id)["status"] == "cancelled"
    writer.gate.set()
    told = list(door.follow(run_id))
    assert door.post(f"/v1/runs/{run_id}/resume").status == 202
    more = list(door.follow(run_id, last=told[-1][0]))
    assert (more[0][0], more[-1][1]) == (told[-1][0] + 1, "result")
    assert door.get(f"/v1/runs/{run_id}").body["status"] == "complete"
    assert door.post(f"/v1/runs/{run_id}/resume").reason == "run-state"
    assert door.post(f"/v1/runs/{run_id}/cancel").reason == "run-state"


def test_a_run_of_another_process_is_followed_too(door, writer):
    with Endpoint(Writer()) as endpoint:
        words = ["run", "What is twice 21?", "--home", str(door.home), *at_model(endpoint.url)]
        elsewhere = threading.Thread(target=toolwright, args=(door.home, *words))
        known = {one["id"] for one in door.get("/v1/runs").body["runs"]}
        elsewhere.start()
        while not (new := {one["id"] for one in door.get("/v1/runs").body["runs"]} - known):
            assert elsewhere.is_alive()
        told = list(door.follow(new.pop()))
        elsewhere.join()
    assert told[-1][1] == "result"


@FULL
def test_a_question_waits_and_of_two_answers_the_second_is_told(served):
    with Page() as page:
        asked, source = fetcher("look", page.host)
        with Endpoint(Writer({"look": (source, [page.host])})) as endpoint:
            door = served(model=endpoint.url)
            run_id = door.post("/v1/tools", asked).body["run_id"]
            run = door.ended(run_id)
            assert run["status"] == "needs-approval"
            [question] = door.get("/v1/approvals").body["questions"]
            number = question["id"]
            assert (run["settings"]["question"], question["run_id"]) == (number, run_id)
            shown = door.get(f"/v1/approvals/{number}").body
            assert "urlopen" in shown["source"]
            assert shown["powers"][0]["power"] == f"host {page.host}"
            answers = _two_at_once(door, number)
            assert sorted(one.status for one in answers) == [200, 409]
            lost = next(one for one in answers if one.status == 409)
            assert lost.reason == "answered"
            assert "token all" in lost.body["detail"] or "token approver" in lost.body["detail"]
            assert door.get("/v1/approvals").body["questions"] == []
            first = door.get("/v1/approvals?all=true").body["questions"][0]
            yes = first["answer"]["yes"]
            assert door.post(f"/v1/runs/{run_id}/resume", token="maker").status == 202
            ended = door.ended(run_id)
            assert (ended["status"], ended["made"]) == (("complete", ["look@1"]) if yes else ("incomplete", []))
            assert len(endpoint.of("generator")) == 1


def _two_at_once(door, number):
    ready, answers = threading.Barrier(2), []

    def say(word, token):
        ready.wait()
        answers.append(door.post(f"/v1/approvals/{number}/{word}", token=token))

    people = [threading.Thread(target=say, args=given) for given in (("approve", "all"), ("reject", "approver"))]
    for one in people:
        one.start()
    for one in people:
        one.join()
    return answers


@FULL
def test_a_no_with_a_reason_is_read_by_the_model(served):
    with Page() as page:
        asked, source = fetcher("look", page.host)
        with Endpoint(Writer({"look": (source, [page.host])})) as endpoint:
            door = served(model=endpoint.url)
            run_id = door.post("/v1/tools", asked).body["run_id"]
            number = door.ended(run_id)["settings"]["question"]
            said = door.post(f"/v1/approvals/{number}/reject", {"reason": "not that page"}, token="approver")
            assert said.body["answer"]["reason"] == "not that page"
            assert said.body["answer"]["who"] == "token approver"
            door.post(f"/v1/runs/{run_id}/resume")
            assert door.ended(run_id)["status"] == "incomplete"
            assert any("not that page" in one.user[-1] for one in endpoint.of("generator"))
