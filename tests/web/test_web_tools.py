"""Tools over HTTP: listed, found, shown, called; a bad tool is an outcome, and no error of the door."""

from __future__ import annotations

import pytest


def test_the_shelf_is_listed_page_by_page(door):
    listed = door.get("/v1/tools", token="reader")
    assert (listed.status, listed.body["total"]) == (200, 3)
    assert [one["name"] for one in listed.body["tools"]] == ["add", "fail", "nap"]
    page = door.get("/v1/tools?offset=1&limit=1").body
    assert ([one["name"] for one in page["tools"]], page["total"]) == (["fail"], 3)


def test_tools_are_found_by_words(door):
    found = door.get("/v1/search?query=add%20two%20numbers&limit=2").body
    assert found["tools"][0]["name"] == "add"
    assert found["tools"][0]["score"] > 0
    assert door.get("/v1/search").reason == "invalid"


def test_a_tool_is_shown_whole(door):
    shown = door.get("/v1/tools/add").body
    assert (shown["name"], shown["version"], shown["origin"]) == ("add", 1, "person")
    assert "return a + b" in shown["source"]
    assert {one["check"] for one in shown["checks"]} >= {"syntax", "screen", "examples"}
    assert door.get("/v1/tools/add?version=1").body["digest"] == shown["digest"]
    assert door.get("/v1/tools/add?version=7").reason == "not-found"


@pytest.mark.parametrize(
    ("name", "arguments", "status", "value"),
    [
        ("add", {"a": 2, "b": 40}, "ok", 42),
        ("add", {"a": "two"}, "bad-call", None),
        ("fail", {"word": "4711"}, "raised", None),
        pytest.param("nap", {"word": "sleep"}, "timeout", None, marks=pytest.mark.long),
    ],
)
def test_a_call_is_an_outcome_whatever_comes_of_it(door, name, arguments, status, value):
    got = door.post(f"/v1/tools/{name}/calls", {"arguments": arguments}, token="runner")
    assert (got.status, got.body["status"], got.body["value"]) == (200, status, value), got.body
    assert set(got.body) >= {"detail", "reason", "output", "usage", "files"}


def test_calls_at_the_same_time_do_not_wait_for_one_another(door):
    # A connection on which a call is under way, while another one is answered.
    body = b'{"arguments": {"word": "sleep"}}'
    head = f"POST /v1/tools/nap/calls HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {door.tokens['all']}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    with door.raw(head.encode() + body) as slow:
        assert door.post("/v1/tools/add/calls", {"arguments": {"a": 1}}).body["value"] == 2
        slow.setblocking(False)
        with pytest.raises(BlockingIOError):
            slow.recv(1)


def test_a_tool_that_does_not_exist_is_a_problem(door):
    for answer in (
        door.get("/v1/tools/nobody"),
        door.post("/v1/tools/nobody/calls", {}),
        door.get("/v1/tools/No%20Name"),
    ):
        assert (answer.status, answer.reason) == (404, "not-found")


def test_who_may_call_tools_has_none_made_by_calling_the_fixed_ones(door):
    source = 'def double(a: int) -> int:\n    """Double it.\n\n    >>> double(1)\n    2\n    """\n    return 2 * a\n'
    asked = {"tool_name": "double", "source": source}
    for name, given in (("request_new_tool", asked), ("search_tools", {"query": "add"}), ("run_tool", {"name": "add"})):
        got = door.post(f"/v1/tools/{name}/calls", {"arguments": given}, token="runner")
        assert (got.status, got.reason) == (404, "not-found")
    assert door.get("/v1/tools/double").reason == "not-found"


def test_what_the_door_gives_is_what_the_command_prints(door):
    from cli.shop import as_json, toolwright

    printed = as_json(toolwright(door.home, "show", "add", "--home", str(door.home), "--json"))
    shown = door.get("/v1/tools/add").body
    assert {key: shown[key] for key in shown if key != "calls"} == {
        key: printed[key] for key in printed if key != "calls"
    }
