"""The port: a token, a known name, no foreign page; and the ends of a server."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess

import httpx2
import pytest
from door_stage import ASKED, RIGHT, play
from jsonschema import Draft202012Validator

from cli.shop import PATIENCE_S, TOOLWRIGHT, hears_ctrl_c, toolwright
from docs_support.pages import page
from toolwright.mcpdoor.http import Place, listening

SCHEMA = json.loads(page("docs/json.md").of("json")[0].text)
PING = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}}  # fmt: skip
ACCEPT = {"Accept": "application/json, text/event-stream"}


def status(url, **headers):
    return httpx2.post(url, json=PING, headers={**ACCEPT, **headers}, timeout=PATIENCE_S).status_code


def test_without_the_token_nobody_is_let_in(office):
    said = office.serve()
    Draft202012Validator({"$ref": "#/$defs/mcp-server", **SCHEMA}).validate(said)
    file = office.home / "mcp-token"
    assert said["token"] == str(file)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert len(office.token) >= 32
    known = f"Bearer {office.token}"
    assert status(said["url"]) == 401
    assert status(said["url"], Authorization="Bearer nonsense") == 401
    assert status(said["url"], Authorization=f"Basic {office.token}") == 401
    assert status(said["url"], Authorization=known) == 200
    refused = httpx2.post(said["url"], json=PING, headers=ACCEPT)
    assert refused.headers["www-authenticate"].startswith("Bearer")


def test_a_foreign_name_and_a_foreign_page_are_refused_even_with_the_token(office):
    url = office.serve("--allow-host", "box.example", "--allow-origin", "https://page.example")["url"]
    known = {"Authorization": f"Bearer {office.token}"}
    assert status(url, **known, Host="evil.example") == 421
    assert status(url, **known, Origin="http://evil.example") == 403
    assert status(url, **known, Host="box.example") == 200
    assert status(url, **known, Origin="https://page.example") == 200
    assert status(url, **known, Host="127.0.0.1.evil.example") == 421
    assert status(url, **known, **{"MCP-Protocol-Version": "2026-07-28"}, Origin="http://evil.example") == 403


def test_a_page_of_elsewhere_that_was_let_in_can_ask_and_read_from_a_browser(office):
    url = office.serve("--allow-origin", "https://page.example")["url"]
    wants = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}

    def before(origin):  # what a browser asks first; it sends no token with it
        return httpx2.options(url, headers={**wants, "Origin": origin}, timeout=PATIENCE_S)

    asked = before("https://page.example")
    assert asked.status_code == 200
    assert asked.headers["access-control-allow-origin"] == "https://page.example"
    assert "authorization" in asked.headers["access-control-allow-headers"]
    assert before("https://other.example").status_code == 403
    head = {**ACCEPT, "Origin": "https://page.example"}
    got = httpx2.post(url, json=PING, headers={**head, "Authorization": f"Bearer {office.token}"})
    assert got.headers["access-control-allow-origin"] == "https://page.example"
    assert "Mcp-Session-Id" in got.headers["access-control-expose-headers"]
    assert httpx2.post(url, json=PING, headers=head).status_code == 401


def test_pages_of_the_server_itself_alone_may_ask_and_any_name_of_loopback_is_its_own(office):
    url = office.serve()["url"]
    known, port = {"Authorization": f"Bearer {office.token}"}, url.split(":")[2].partition("/")[0]
    assert status(url, **known, Origin=f"http://127.0.0.1:{port}") == 200
    assert status(url, **known, Host=f"localhost:{port}", Origin=f"http://localhost:{port}") == 200
    # Another program of this machine that shows pages is another origin.
    assert status(url, **known, Origin="http://127.0.0.1:1") == 403
    assert status(url, **known, Origin="null") == 403
    assert status(url, **known, Host="127.0.0.1:x") == 421


def test_the_token_can_be_said_and_is_the_same_at_the_next_start(office):
    said = office.serve(TOOLWRIGHT_MCP_TOKEN="a-token-of-mine-1234")
    assert said["token"] == "$TOOLWRIGHT_MCP_TOKEN"
    assert status(said["url"], Authorization="Bearer a-token-of-mine-1234") == 200
    office.serve()
    first = office.token
    office.serve()
    assert office.token == first


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--http", "nonsense"], "must be HOST:PORT"),
        (["--http", "127.0.0.1:99999"], "must be HOST:PORT"),
        (["--http", "0.0.0.0:0", "--no-token"], "leave out --no-token"),
        (["--no-token"], "without it there is no port"),
        (["--http", "192.0.2.1:0"], "cannot listen there"),
    ],
)
def test_what_cannot_be_served_says_why(office, words, says):
    done = toolwright(office.home, "mcp", *words, "--home", str(office.home), code=2)
    assert says in done.stderr


def test_what_is_answered_in_pieces_is_sent_at_once():
    # asyncio switches delays off for a socket that says it is TCP; else each answer in two pieces takes 40 ms.
    with listening(Place()) as at:
        assert at.proto == socket.IPPROTO_TCP


def test_a_short_token_is_refused(office):
    done = toolwright(
        office.home, "mcp", "--http", "0", "--home", str(office.home), code=2, TOOLWRIGHT_MCP_TOKEN="short"
    )
    assert "too short" in done.stderr
    assert "short" not in done.stderr.replace("too short", "")


def test_without_a_token_it_is_on_loopback_alone_and_says_so(office):
    said = office.serve("--no-token")
    assert said["token"] == ""
    assert status(said["url"]) == 200
    assert not (office.home / "mcp-token").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_server_at_stdio_though_its_client_is_still_there(office, number):
    server = subprocess.Popen(
        [*TOOLWRIGHT, "mcp", "--home", str(office.home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=office.environ(),
        preexec_fn=hears_ctrl_c,
    )
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.write(json.dumps(PING) + "\n")
    server.stdin.flush()
    assert json.loads(server.stdout.readline())["result"]["serverInfo"]["name"] == "toolwright"
    os.kill(server.pid, number)
    assert server.wait(PATIENCE_S) == 128 + number
    assert server.stderr is not None
    assert "Traceback" not in server.stderr.read()


def test_a_client_that_leaves_ends_its_server_in_order(office):
    done = toolwright(office.home, "mcp", "--home", str(office.home), stdin=json.dumps(PING) + "\n")
    capabilities = json.loads(done.stdout)["result"]["capabilities"]
    assert capabilities["tools"] == {"listChanged": True}
    assert done.stderr == ""


def test_a_server_that_is_ended_lets_its_listeners_go(office):
    async def scene():
        async with office.client() as client:
            async with client.listen(tools_list_changed=True) as stream:
                os.killpg(office.servers[0].pid, signal.SIGTERM)
                assert [event async for event in stream] == []

    play(scene())
    assert office.servers[0].wait(PATIENCE_S) == 143


@pytest.mark.long
def test_what_a_tool_prints_never_reaches_the_wire(office):
    source = RIGHT.replace("    return", '    print(\'{"jsonrpc": "2.0"}\')\n    return')

    async def scene():
        async with office.client("stdio") as client:
            await client.call_tool("request_new_tool", {**ASKED, "source": source})
            called = await client.call_tool("run_tool", {"name": "count_vowels", "arguments": {"text": "aeon"}})
            assert called.structured_content == {"result": 3}

    play(scene())
