"""Yeses that stand for all tools, or until a time: given, listed, taken back, and gone at the next call."""

from __future__ import annotations

import time
from datetime import datetime, timedelta

import pytest
from people_stage import Clerk

from cli.shop import fetcher
from docs_support.world import has_full_sandbox
from outside.endpoint import calls, says
from toolwright.errors import NotFoundError, UserError
from toolwright.moments import moment, words

full = pytest.mark.skipif(not has_full_sandbox(), reason="a host can be granted in the full sandbox only")

NOON = datetime(2026, 12, 2, 12).timestamp()
"""A Wednesday."""


@pytest.mark.parametrize(
    ("said", "means"),
    [
        ("friday", "2026-12-04 23:59"),
        ("Fri", "2026-12-04 23:59"),
        ("wednesday", "2026-12-02 23:59"),
        ("tuesday", "2026-12-08 23:59"),
        ("2026-12-04", "2026-12-04 23:59"),
        ("2026-12-04T18:00", "2026-12-04 18:00"),
        ("7d", "2026-12-09 12:00"),
        ("90m", "2026-12-02 13:30"),
        ("12h", "2026-12-03 00:00"),
        ("2w", "2026-12-16 12:00"),
    ],
)
def test_a_time_is_said_as_people_say_it(said, means):
    assert words(moment(said, NOON)) == means


@pytest.mark.parametrize("said", ["", "soon", "fr", "2026-13-01", "0d", "2026-12-01", "d", "99999999d", "mon-day"])
def test_what_is_no_time_or_is_over_is_refused_with_what_to_write(said):
    with pytest.raises(UserError, match="write"):
        moment(said, NOON)


def test_grants_are_given_listed_and_taken_back_by_command(office):
    place = office()
    given = place.do("grants", "add", "--host", "api.example.com", "--until", "7d")
    assert (given["standing"], given["powers"]) == (True, ["host api.example.com:443"])
    assert abs(given["until"] - (time.time() + timedelta(days=7).total_seconds())) < 600
    assert place.do("grants")["grants"] == [{key: value for key, value in given.items() if key != "type"}]
    listed = place.says("grants")
    assert "every tool: host api.example.com:443  until 20" in listed
    assert place.says("grants", "revoke", str(given["id"])).startswith("taken back: ")
    assert place.do("grants")["grants"] == []
    assert "holds no longer" in place.says("grants", "revoke", str(given["id"]), code=2)
    assert "raw TCP" in place.says("grants", "add", "--host", "tcp://db.example.com:5432", code=2)
    assert "is over" in place.says("grants", "add", "--host", "a.example.com", "--until", "2020-01-01", code=2)
    with place.open() as tw:
        said = [line.deed for line in tw.audit() if line.deed.what != "signing-begun"]
        assert [one.what for one in said] == ["approval-revoked", "approved"]
        assert "for every tool; until 20" in said[-1].detail


def stocked(place, *fetchers):
    """Tools on the shelf, each of which was said yes to and is not any more."""
    with place.open(approve=True) as tw:
        for asked, source in fetchers:
            file = place.home / f"{asked['tool_name']}.py"
            file.write_text(source)
            made = tw.import_file(file, hosts=asked["powers"]["hosts"], example=asked["example"])
            assert made.version is not None, made.reason
        for one in tw.grants():
            tw.revoke(one.id)


@full
def test_in_one_long_lived_process_an_expired_and_a_revoked_grant_stop_the_next_call(office):
    place = office()
    stocked(place, fetcher("look", place.page.host), fetcher("gaze", place.page.host))
    with place.open() as tw:
        assert tw.call("look", {"path": "x"}).status == "denied"
        given = tw.grant(place.page.host)
        assert [tw.call(name, {"path": "x"}).value for name in ("look", "gaze")] == [5, 5]
        hits = place.page.hits
        tw.revoke(given.id)
        assert [tw.call(name, {"path": "x"}).status for name in ("look", "gaze")] == ["denied", "denied"]
        until = time.time() + 3.0
        tw.grant(place.page.host, until=until)
        first = tw.call("look", {"path": "x"})
        assert first.value == 5 or time.time() > until, first
        while time.time() <= until:
            time.sleep(0.05)
        assert tw.call("look", {"path": "x"}).status == "denied"
        assert tw.grants() == []
        assert place.page.hits <= hits + 1
        with pytest.raises(NotFoundError):
            tw.revoke(given.id)
        with pytest.raises(UserError, match="is over"):
            tw.grant(place.page.host, until=until)
        # Another process takes back what this one runs on.
        again = tw.grant(place.page.host, until="1d")
        assert tw.call("gaze", {"path": "x"}).ok
        place.do("grants", "revoke", str(again.id))
        assert tw.call("gaze", {"path": "x"}).status == "denied"


def test_a_yes_for_a_host_is_no_answer_to_what_a_rule_asks_about_a_tool_without_powers(office):
    place = office()
    place.says("grants", "add", "--host", "api.example.com")
    (place.home / "policy.toml").write_text('[[rule]]\naction = "ask"\nnames = ["count_*"]\n')
    said = place.says("policy", "explain", "count_words", "-d", "Count the words of a text.", "--json")
    assert '"needs-approval"' in said or '"ask"' in said, said


@full
def test_no_standing_grant_covers_a_tool_that_sends_or_has_a_secret(office):
    place = office()
    stocked(place, fetcher("send_look", place.page.host, "Send the length of a page."))
    with place.open() as tw:
        tw.grant(place.page.host)
        assert tw.registry.get("send_look").effect == "writes"
        assert tw.call("send_look", {"path": "x"}).status == "denied"
    assert place.page.hits == 0


@full
def test_a_yes_for_the_host_until_a_day_stands_for_the_next_tool_and_can_be_taken_back(office):
    place = office()
    run = place.paused()
    number = str(run["question"])
    assert "says no time" in place.says("approvals", "approve", number, "--until", "soon", code=2)
    said = place.says("approvals", "approve", number, "--for", "host", "--until", "friday")
    assert said.startswith("yes to look and every tool that asks for its hosts, until 20")
    assert place.run("--resume", run["run_id"], code=0)["made"] == ["look@1"]
    (standing,) = place.do("grants")["grants"]
    assert (standing["name"], standing["standing"]) == ("", True)
    asked, source = fetcher("gaze", place.page.host, "Count the letters of another page.")
    place.endpoint._server.RequestHandlerClass = place.endpoint._handler(Clerk(asked, (source, [place.page.host])))
    assert place.run("Gaze.", "--pause", code=0)["made"] == ["gaze@1"]
    place.do("grants", "revoke", str(standing["id"]))
    with place.open() as tw:
        assert tw.call("gaze", {"path": "x"}).status == "denied"
        assert tw.call("look", {"path": "x"}).status == "denied", "one answer was one yes"


@full
def test_a_yes_for_the_host_cannot_be_said_to_a_tool_that_sends(office):
    place = office(name="send_look", description="Send the length of a page.")
    number = str(place.paused()["question"])
    refused = place.do("approvals", "approve", number, "--for", "host", code=2)
    assert "never for a tool that sends" in refused["message"]
    assert place.do("approvals")["questions"][0]["state"] == "open"


@full
def test_a_call_that_waits_has_not_run_and_is_not_asked_about_twice(office):
    place = office(lambda one: lambda request: SENDER(request))
    stocked(place, fetcher("send_look", place.page.host, "Send the length of a page."))
    run = place.paused()
    assert place.page.hits == 0
    (question,) = place.do("approvals")["questions"]
    assert (question["kind"], question["effect"]) == ("powers", "writes")
    place.do("approvals", "approve", str(question["id"]))
    done = place.run("--resume", run["run_id"], code=0)
    assert (done["status"], done["output"], done["reused"]) == ("complete", "It says 5", ["send_look@1"])
    assert place.page.hits == 1
    assert len(place.do("approvals", "--all")["questions"]) == 1


def SENDER(request):
    if request.results:
        return says(f"It says {request.results[-1]}")
    return calls(("run_tool", {"name": "send_look", "arguments": {"path": "x"}}))


@full
def test_a_yes_that_was_taken_back_before_the_run_goes_on_is_asked_for_anew(office):
    place = office()
    run = place.paused()
    place.do("approvals", "approve", str(run["question"]))
    (given,) = place.do("grants")["grants"]
    place.do("grants", "revoke", str(given["id"]))
    again = place.run("--resume", run["run_id"])
    assert again["question"] != run["question"]
    place.do("approvals", "approve", str(again["question"]))
    assert place.run("--resume", run["run_id"], code=0)["made"] == ["look@1"]
    assert place.told["generator"] == 1
