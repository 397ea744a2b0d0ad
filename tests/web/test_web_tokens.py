"""Tokens by command: told once, kept as hashes, listed without them, good until they are taken back or over."""

from __future__ import annotations

import json
import time

from cli.shop import as_json, toolwright
from toolwright import Toolwright


def do(home, *words, code=0):
    return as_json(toolwright(home, "tokens", *words, "--home", str(home), "--json", code=code))


def test_a_token_is_told_once_and_the_home_keeps_its_hash(tmp_path):
    made = do(tmp_path, "add", "laptop", "--scope", "read", "--scope", "run")
    text = made["token"]
    assert (made["name"], made["scopes"], made["until"]) == ("laptop", ["read", "run"], None)
    assert do(tmp_path)["tokens"] == [{key: made[key] for key in ("name", "scopes", "since", "until")}]
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or text.encode() not in file.read_bytes(), file
    assert (tmp_path / "tokens.json").stat().st_mode & 0o777 == 0o600
    printed = toolwright(tmp_path, "tokens", "add", "pipe", "--scope", "make", "--home", str(tmp_path))
    assert printed.stdout.strip().startswith("tw_")
    assert len(printed.stdout.split()) == 1, "a pipe gets the token alone"


def test_a_token_that_is_taken_back_is_refused_at_the_next_request(served):
    door = served()
    door.tokens["new"] = do(door.home, "add", "new", "--scope", "read")["token"]
    assert door.get("/v1/token", token="new").body == {"name": "new", "scopes": ["read"]}
    do(door.home, "revoke", "new")
    assert door.get("/v1/token", token="new").reason == "bad-token"
    with Toolwright(home=door.home) as tw:
        said = [(one.deed.what, one.deed.name, one.deed.detail) for one in tw.audit(name="new")]
    assert said == [("token-revoked", "new", "scopes read"), ("token-added", "new", "scopes read")]


def test_a_token_ends_when_its_time_is_over(tmp_path):
    do(tmp_path, "add", "short", "--scope", "read", "--until", "7d")
    with Toolwright(home=tmp_path) as tw:
        text = tw.add_token("shorter", ["read"], until=time.time() + 0.2).text
        while tw.token(text):
            continue
        assert tw.token(text) is None
        assert [one.name for one in tw.tokens() if one.holds()] == ["short"]


def test_what_cannot_be_a_token_is_said(tmp_path):
    do(tmp_path, "add", "one", "--scope", "read")
    assert "already" in do(tmp_path, "add", "one", "--scope", "read", code=2)["message"]
    assert "letters" in do(tmp_path, "add", "no name", "--scope", "read", code=2)["message"]
    assert "no token" in do(tmp_path, "revoke", "two", code=2)["message"]
    toolwright(tmp_path, "tokens", "add", "two", "--scope", "all", "--home", str(tmp_path), code=2)
    toolwright(tmp_path, "tokens", "add", "two", "--home", str(tmp_path), code=2)
    (tmp_path / "tokens.json").write_text(json.dumps({"format": 1, "tokens": {"x": {}}}))
    assert "damaged" in do(tmp_path, code=2)["message"]
