"""Each kind of problem, met at a real server: its status, its type, its reason; whoever drips, floods or lies is told."""

from __future__ import annotations

import json
import os
import signal
import socket

import pytest
from door import DOUBLE, Writer, answer_on

from cli.shop import Page, fetcher
from docs_support.world import has_full_sandbox
from outside.endpoint import Endpoint
from toolwright import Toolwright
from toolwright.web.problems import KINDS

pytestmark = pytest.mark.xdist_group("web problems")

SEEN: set[str] = set()
"""Reasons that a test of this file has met."""


def met(answer, reason):
    assert answer.reason == reason, answer.body
    assert answer.status == KINDS[reason].status
    SEEN.add(reason)
    return answer


def test_who_has_no_token_or_a_wrong_one_is_told_how_to_get_one(door):
    for path in ("/v1/tools", "/v1/runs", "/v1/approvals"):
        missing = met(door.get(path, token=None), "no-token")
        assert missing.headers["www-authenticate"].startswith("Bearer")
        wrong = met(door.get(path, token="tw_wrong"), "bad-token")
        assert 'error="invalid_token"' in wrong.headers["www-authenticate"]
    for said in ("Basic YTpi", "Bearer", "Bearer ", "bearer\ttw", door.tokens["all"]):
        assert door.get("/v1/tools", token=None, Authorization=said).status == 401
    assert door.get("/v1/tools", token=None, Authorization=f"bearer {door.tokens['all']}").status == 200
    assert door.get("/health", token=None).body["status"] == "ok"
    assert door.get("/openapi.json", token=None).status == 200


@pytest.mark.parametrize(
    ("method", "path", "good"),
    [
        ("GET", "/v1/tools", {"reader"}),
        ("GET", "/v1/search?query=add", {"reader"}),
        ("GET", "/v1/tools/add", {"reader"}),
        ("POST", "/v1/tools/add/calls", {"runner"}),
        ("POST", "/v1/tools", {"maker"}),
        ("POST", "/v1/runs", set()),
        ("GET", "/v1/runs", {"reader"}),
        ("GET", "/v1/runs/20260101-000000-abcdef", {"reader"}),
        ("GET", "/v1/runs/20260101-000000-abcdef/trace", {"reader"}),
        ("GET", "/v1/runs/20260101-000000-abcdef/events", {"reader"}),
        ("POST", "/v1/runs/20260101-000000-abcdef/resume", {"maker"}),
        ("POST", "/v1/runs/20260101-000000-abcdef/cancel", {"maker"}),
        ("GET", "/v1/approvals", {"reader"}),
        ("GET", "/v1/approvals/1", {"reader"}),
        ("POST", "/v1/approvals/1/approve", {"approver"}),
        ("POST", "/v1/approvals/1/reject", {"approver"}),
    ],
)
def test_a_token_is_good_for_its_scope_alone(door, method, path, good):
    for token in ("reader", "runner", "maker", "approver"):
        answer = door.ask(method, path, token=token)
        if token in good:
            assert answer.status not in (401, 403), (token, answer.body)
        else:
            assert 'error="insufficient_scope"' in met(answer, "scope").headers["www-authenticate"]


def test_other_hosts_and_origins_are_refused(door, served):
    for host in (
        "evil.example",
        f"evil.example:{door.port}",
        "localhost.evil.example",
        "127.0.0.1.evil.example:80",
        "",
    ):
        met(door.get("/v1/tools", Host=host), "host")
    for host in ("localhost", f"127.0.0.1:{door.port}", "[::1]:8", "LOCALHOST"):
        assert door.get("/v1/tools", Host=host).status == 200
    own = f"127.0.0.1:{door.port}"
    for origin in ("http://evil.example", "null", "http://localhost", f"http://{own}.evil.example"):
        met(door.get("/v1/tools", Host=own, Origin=origin), "origin")
    assert door.get("/v1/tools", Host=own, Origin=f"http://{own}").status == 200
    named = served(serve_hosts="tools.example")
    assert named.get("/v1/tools", Host="tools.example").status == 200


def test_paths_methods_and_parameters_that_there_are_not(door):
    for path in ("/", "/v1", "/v1/nothing", "/v1/tools/", "/v1/tools/a/b", "/v1/tools/..%2f..%2fetc", "/v1/runs/x/y"):
        met(door.get(path), "no-such-path")
    assert met(door.ask("DELETE", "/v1/tools"), "method").headers["allow"]
    met(door.ask("PUT", "/v1/tools/add/calls"), "method")
    for path in (
        "/v1/runs/1",
        "/v1/runs/last",
        "/v1/tools/A",
        "/v1/approvals/x",
        "/v1/approvals/99999999999",
        "/v1/approvals/7",
    ):
        met(door.get(path), "not-found")
    for query in (
        "limit=0",
        "limit=x",
        "limit=1e3",
        "limit=99999999999999999999",
        "offset=-1",
        "colour=red",
        "limit=1&limit=2",
    ):
        met(door.get(f"/v1/tools?{query}"), "invalid")
    met(door.get("/v1/runs?status=lost"), "invalid")
    met(door.get("/v1/approvals?all=maybe"), "invalid")


@pytest.mark.parametrize(
    "raw",
    [
        b"{",
        b"",
        b"\xff\xfe",
        b'{"arguments": {"a": "\xc3\x28"}}',
        b'{"arguments": {"a": "\\ud800"}}',
        b'{"arguments": {"a": NaN}}',
        b'{"arguments": {"a": -Infinity}}',
        b'{"arguments": {"a": 1e999}}',
        b'{"arguments": {"a": ' + b"9" * 5000 + b"}}",
        b"[" * 100_000,
        b'{"arguments": ' + b'{"a": ' * 5000 + b"1" + b"}" * 5001,
    ],
)
def test_what_is_no_json_is_told_so(door, raw):
    met(door.ask("POST", "/v1/tools/add/calls", raw=raw), "bad-json")


def test_json_that_is_not_what_was_asked_for(door):
    for body in (
        [],
        "text",
        7,
        None,
        {"arguments": []},
        {"arguments": {}, "more": 1},
        {"version": "1"},
        {"version": -1},
    ):
        met(door.ask("POST", "/v1/tools/add/calls", raw=json.dumps(body).encode()), "invalid")
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""):
        met(door.ask("POST", "/v1/tools/add/calls", {}, Content_Type=kind), "media-type")
    assert (
        door.post("/v1/tools/add/calls", {"arguments": {"a": 1}}, Content_Type="Application/JSON; charset=utf-8").status
        == 200
    )


def test_a_body_that_is_too_large_is_not_read(served):
    door = served(serve_body_bytes="1000")
    large = json.dumps({"arguments": {"a": 1}}).encode() + b" " * 1000
    answer = met(door.ask("POST", "/v1/tools/add/calls", raw=large), "too-large")
    assert answer.headers["connection"] == "close"
    # One that does not say how long it is, is not read to its end either.
    head = f"POST /v1/tools/add/calls HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {door.tokens['all']}\r\n"
    head += "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n"
    with door.raw(head.encode() + b" " * 1001) as connection:
        met(answer_on(connection), "too-large")
        assert connection.recv(1) == b"", "the connection is closed"
    assert door.post("/v1/tools/add/calls", {"arguments": {"a": 1}}).body["value"] == 2


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"GET /v1/tools HT",
        b"GET /v1/tools HTTP/1.1\r\nHost: localhost\r\nX-Drip: ",
        b"POST /v1/tools HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer TOKEN\r\nContent-Type: application/json\r\n"
        b"Content-Length: 100\r\n\r\n{",
    ],
)
def test_whoever_drips_is_told_and_let_go(impatient, sent):
    with impatient.raw(sent.replace(b"TOKEN", impatient.tokens["all"].encode())) as connection:
        met(answer_on(connection), "too-slow")
        assert connection.recv(1) == b""
    assert impatient.get("/v1/tools").status == 200


def test_a_second_request_that_drips_on_a_kept_connection_is_let_go(impatient):
    whole = f"GET /v1/tools HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {impatient.tokens['all']}\r\n\r\n"
    with impatient.raw(whole.encode()) as connection:
        assert answer_on(connection).status == 200
        connection.sendall(b"GET /v1")
        met(answer_on(connection), "too-slow")
        assert connection.recv(1) == b""


@pytest.fixture(scope="module")
def impatient(_stocked, tmp_path_factory):
    import shutil

    from door import Door

    stocked, tokens = _stocked
    home = tmp_path_factory.mktemp("impatient") / "home"
    shutil.copytree(stocked, home)
    one = Door(home, dict(tokens), serve_receive_s="0.5")
    yield one
    one.stop()
    one.close()


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01",
        b"nonsense\r\n\r\n",
        b"GET / HTTQ/1.1\r\n\r\n",
        b"GET /v1/tools HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 70_000,
    ],
)
def test_what_is_no_http_is_told_so(door, sent):
    with door.raw(sent) as connection:
        met(answer_on(connection), "bad-request")
    assert door.get("/v1/tools").status == 200


def test_who_asks_too_often_waits(served):
    door = served(serve_requests_per_minute="3")
    assert [door.get("/v1/token", token="reader").status for _ in range(3)] == [200] * 3
    late = met(door.get("/v1/token", token="reader"), "too-many-requests")
    assert 1 <= int(late.headers["retry-after"]) <= 60
    assert door.get("/v1/tools", token="all").status == 200, "each token has a pace of its own"
    # Whoever guesses tokens is as slow, whatever they send.
    told = [door.get("/v1/tools", token=f"tw_guess{number}").reason for number in range(4)]
    assert told == ["bad-token"] * 3 + ["too-many-requests"]


def test_hands_that_are_full(served):
    writer = Writer()
    with Endpoint(writer) as endpoint:
        door = served(model=endpoint.url, serve_runs="1", serve_requests="1")
        writer.gate.clear()
        run_id = door.post("/v1/tools", DOUBLE).body["run_id"]
        met(door.post("/v1/tools", DOUBLE), "too-many-runs")
        follower = door.follow(run_id)
        next(follower)
        assert met(door.get("/v1/tools"), "busy").headers["retry-after"]
        writer.gate.set()
        assert list(follower)[-1][1] == "result"


def test_a_limit_that_says_no_and_a_server_without_a_model(served):
    with Endpoint(Writer()) as endpoint:
        refused = met(served(model=endpoint.url, max_new_tools="0").post("/v1/tools", DOUBLE), "refused")
        assert refused.body["cause"] == "limit"
        assert "max_new_tools" in refused.body["detail"]
    met(served(local_servers="off").post("/v1/tools", DOUBLE), "no-model")


def test_a_tool_that_was_retired_or_edited(served):
    door = served()
    with Toolwright(home=door.home) as tw:
        tw.retire("add")
    met(door.get("/v1/tools/add"), "retired")
    called = door.post("/v1/tools/add/calls", {"arguments": {"a": 1}}).body
    assert (called["status"], called["reason"]) == ("denied", "retired")
    file = door.home / "tools" / "fail" / "1.py"
    file.chmod(0o600)
    file.write_text(file.read_text().replace("isalpha", "isdigit"))
    met(door.get("/v1/tools/fail"), "edited")
    called = door.post("/v1/tools/fail/calls", {"arguments": {"word": "a"}}).body
    assert (called["status"], called["reason"]) == ("denied", "edited")


@pytest.mark.skipif(not has_full_sandbox(), reason="a host can be granted in the full sandbox only")
def test_an_answer_that_comes_too_late_or_second(served):
    with Page() as page:
        asked, source = fetcher("look", page.host)
        with Endpoint(Writer({"look": (source, [page.host])})) as endpoint:
            door = served(model=endpoint.url)
            number = door.ended(door.post("/v1/tools", asked).body["run_id"])["settings"]["question"]
            met(door.post(f"/v1/approvals/{number}/approve", {"until": "yesterday"}), "invalid")
            assert door.post(f"/v1/approvals/{number}/approve", {"scope": "host", "until": "7d"}).status == 200
            met(door.post(f"/v1/approvals/{number}/reject"), "answered")
            hasty = served(model=endpoint.url, approvals_timeout_s="0.1")
            number = hasty.ended(hasty.post("/v1/tools", asked).body["run_id"])["settings"]["question"]
            while hasty.get("/v1/approvals").body["questions"]:
                continue
            met(hasty.post(f"/v1/approvals/{number}/approve"), "timed-out")


def test_a_run_that_cannot_be_gone_on_with(door):
    run_id = door.post("/v1/tools", DOUBLE).body["run_id"]
    door.ended(run_id)
    met(door.post(f"/v1/runs/{run_id}/resume"), "run-state")
    met(door.post(f"/v1/runs/{run_id}/cancel"), "run-state")


def test_tokens_that_others_could_have_written_let_nobody_in(served):
    door = served()
    os.chmod(door.home / "tokens.json", 0o666)
    told = met(door.get("/v1/tools", token="tw_guess"), "settings")
    assert str(door.home) not in told.body["detail"], "nobody has been let in yet"
    os.chmod(door.home / "tokens.json", 0o600)
    assert door.get("/v1/tools").status == 200


def test_a_machine_without_a_sandbox(served):
    door = served("--sandbox", "container", sandbox_engine="no-such-engine")
    called = door.post("/v1/tools/add/calls", {"arguments": {"a": 1}}).body
    assert (called["status"], called["reason"]) == ("denied", "missing-layer")
    assert door.get("/v1/tools/add").status == 200


def test_a_book_that_is_broken_is_a_fault_and_no_traceback(served):
    door = served()
    for path in door.home.glob("home.db*"):
        path.write_bytes(b"nonsense" * 4096)
    met(door.get("/v1/runs"), "fault")


def test_what_comes_while_it_is_being_stopped(served):
    writer = Writer()
    with Endpoint(writer) as endpoint:
        door = served(model=endpoint.url)
        writer.gate.clear()
        run_id = door.post("/v1/tools", DOUBLE).body["run_id"]
        body = json.dumps({**DOUBLE, "tool_name": "half"}).encode()
        head = f"POST /v1/tools HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {door.tokens['all']}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        with door.raw(head.encode()) as connection:
            assert door.get("/v1/tools").status == 200  # by now the head was read
            door.stop(signal.SIGTERM)
            _wait_until_nobody_listens(door.port)
            connection.sendall(body)
            met(answer_on(connection), "stopping")
        writer.gate.set()
        assert door.close()[0] == 0
    with Toolwright(home=door.home) as tw:
        assert tw.run_record(run_id).status == "complete"


def _wait_until_nobody_listens(port):
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return


def test_every_kind_of_problem_was_met(request):
    # Behind the others, in their order.
    here = {one.function for one in request.session.items if one.module is request.module}
    if not here >= {one for name, one in vars(request.module).items() if name.startswith("test_")}:
        pytest.skip("some tests of this file were left out")
    left_out = {"answered", "timed-out"} if not has_full_sandbox() else set()
    assert SEEN | left_out >= set(KINDS)
