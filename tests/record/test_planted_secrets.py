"""Secrets are planted everywhere; no byte that is written or said holds one, in whatever spelling."""

from __future__ import annotations

import base64
import importlib
import json
import logging
import re
from pathlib import Path
from typing import Any

import pytest
from planting import ALL, IN_ADDRESS, PLANTED, RANDOM, STORED, Place, holding

from outside.endpoint import Endpoint, Request, calls, says
from toolwright import Toolwright
from toolwright.errors import RefusedError
from toolwright.masking import Hushed, masked, without_random
from toolwright.store.home import Home
from toolwright.switchboard import Switchboard
from toolwright.trace import Event

ECHO = '''
def echo(text: str, fail: bool = False) -> list[str]:
    """Say a text twice, and print it; or fail with it."""
    print(text)
    if fail:
        raise ValueError(text)
    return [text, text]
'''


class Leaky:
    """A model that puts what it should not know into whatever it says."""

    def __call__(self, request: Request) -> Any:
        if request.role == "examiner":
            return says(f"No examples, but {ALL} {RANDOM}.")
        if request.role == "generator":
            return says(f"```python\n{ECHO}\n# {ALL}\n```")
        words = request.user[-1]
        done = sum(one["role"] == "assistant" for one in request.messages)
        if "fault" in words:
            return 400, {
                "error": {"message": f"no such model for {ALL} {RANDOM}, see https://me:{IN_ADDRESS}@a.example/"}
            }
        steps: list[Any] = [
            calls(("search_tools", {"query": ALL})),
            calls(("run_tool", {"name": "echo", "arguments": {"text": f"{ALL} {RANDOM}"}})),
            calls(("run_tool", {"name": "echo", "arguments": {"text": f"{ALL} {RANDOM}", "fail": True}})),
            calls(("request_new_tool", {**ASKED, "tool_name": "leak", "description": f"Say {ALL}."})),
            says(f"The secrets are {ALL}; {base64.b64encode(STORED.encode()).decode()}; INCOMPLETE: {ALL}"),
        ]
        return steps[min(done, len(steps) - 1)]


ASKED = {"input_params": "text: str", "return_type": "list[str]", "example": "echo('a') == ['a', 'a']"}


@pytest.mark.long
def test_no_byte_that_is_written_or_said_holds_a_planted_secret(tmp_path: Path) -> None:
    with Endpoint(Leaky()) as endpoint:
        at = Place(tmp_path, endpoint.url)
        (tmp_path / "echo.py").write_text(ECHO)
        at("secrets", "set", "STORED", "--in", "file", stdin=STORED)
        at("import", str(tmp_path / "echo.py"), "--example", "echo('a') == ['a', 'a']")
        events = at(
            "run", f"Use {ALL}.", "--json", "--surface", "fixed", "--record", "record.yaml", *at.model, code=None
        )
        at("run", f"Use {ALL} again.", *at.model, code=None)
        at("chat", *at.model, stdin=f"Use {ALL}.\n/cost\n", code=None)
        at("run", "A fault, please.", *at.model, code=5)
        at("run", "x", "--model", "openai:x", "--base-url", f"http://me:{IN_ADDRESS}@127.0.0.1:1/v1", code=2)
        at("run", "A fault, please.", "--json", *at.model, code=5)
        at("make", "leak", "-d", f"Say {ALL}.", "-p", "text: str", "-r", "list[str]", *at.model, code=None)
        at("call", "echo", json.dumps({"text": ALL}))
        at("call", "echo", json.dumps({"text": ALL, "fail": True}), "--json", code=None)
        at("call", "echo", ALL, code=2)
        at("show", ALL, code=2)
        at("runs")
        shown = at("runs", "show", "last", "--json")
        at("audit", "export")
        at("tools", "--json")
    (tmp_path / "echo.py").unlink()
    (tmp_path / "said").write_bytes(at.said)
    assert holding(tmp_path, PLANTED | {"the address": IN_ADDRESS}) == []
    assert "[secret STORED] and [secret OWN_PASSWORD]" in at.said.decode(), "it was there to be masked"
    told = [json.loads(line) for line in events.splitlines()] + json.loads(shown)["events"]
    assert RANDOM not in json.dumps(told)
    assert {one["type"] for one in told if "***" in json.dumps(one) and "type" in one} >= {"tool-called", "outcome"}


def test_half_a_secret_in_each_of_two_pieces_is_masked_while_it_streams(tmp_path: Path) -> None:
    heard: list[Event] = []

    class Ear:
        def emit(self, event: Event) -> None:
            heard.append(event)

    home = Home.open(tmp_path)
    home.hide(PLANTED)
    board = Switchboard(home, Ear())
    text = f"It is {ALL}, or {RANDOM}. Bearer abcdef9hijkl, and so on"
    for size in (1, 2, 3, 7, 50):
        for start in range(0, len(text), size):
            board.emit(Event("text-delta", f"r{size}", {"text": text[start : start + size]}))
        board.emit(Event("text", f"r{size}", {"text": text}))
        streamed = "".join(one.data["text"] for one in heard if one.kind == "text-delta" and one.run_id == f"r{size}")
        assert streamed == "It is [secret STORED] and [secret OWN_PASSWORD], or ***. ***, and so on"
        assert heard[-1].data["text"] == streamed
    home.close()


def test_the_answer_of_a_run_loses_secrets_and_no_random_text(tmp_path: Path) -> None:
    """Somebody may have asked for it: `make me a password`."""
    with Endpoint(lambda request: says(f"Here it is: {RANDOM}, not {STORED}")) as endpoint:
        with Toolwright("openai:x", base_url=endpoint.url, home=tmp_path / "home") as tw:
            tw.set_secret("STORED", STORED, where="file")
            run = tw.run("Make me a password.")
            assert tw.run_record(run.run_id).output == f"Here it is: {RANDOM}, not [secret STORED]"
            texts = {one.kind: one.data for one in tw.events(run.run_id)}
    assert texts["result"]["output"] == f"Here it is: {RANDOM}, not [secret STORED]"
    assert texts["text"]["text"] == "Here it is: ***, not [secret STORED]"


ANOTHER = "a-token-that-nothing-else-knows"


def test_errors_and_logs_are_masked(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setenv("SOME_TOKEN", ANOTHER)
    error = RefusedError(f"Not {ANOTHER}, {RANDOM}, https://me:{IN_ADDRESS}@a.example/ or digest {'ab' * 32}.")
    assert str(error) == f"Not ***, ***, https://me:***@a.example/ or digest {'ab' * 32}."
    importlib.import_module("toolwright.sandbox.pools")
    log = logging.getLogger("toolwright.sandbox.pools")
    assert any(isinstance(one, Hushed) for one in log.filters)
    try:
        raise ValueError(ANOTHER)
    except ValueError:
        log.exception("tending %s failed", RANDOM)
    assert ANOTHER not in caplog.text
    assert RANDOM not in caplog.text
    assert "Traceback" in caplog.text


ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("where", ["docs/*.md", "docs/decisions/*.md", "tests/corpus/good/**/*", "src/**/*.py"])
def test_ordinary_text_keeps_all_its_words(where: str) -> None:
    """What looks random has to be rare: a word of a hundred thousand, at most."""
    found = [path for path in ROOT.glob(where) if path.is_file() and path.suffix != ".pyc"]
    texts = [path.read_text("utf-8") for path in found if path.name != "record.md"]  # it shows one
    words = sum(len(text.split()) for text in texts)
    changed = sum(without_random(text) != text for one in texts for text in one.splitlines())
    assert words > 1000
    assert changed <= words / 100_000


@pytest.mark.parametrize(
    "text",
    [
        "20261125-101500-9f3a2c", "0" * 40, "5f" * 32, "123e4567-e89b-12d3-a456-426614174000", "d3b07384d113edec49eaa6238",
        "/usr/lib/python3.11/site-packages/PIL/ImageFont2", "manylinux_2_17_x86_64.manylinux2014_x86_64",
        "claude-3-5-sonnet-20241022", "convert_currency_v2@12", "HTTPConnectionPoolTimeout2", "IMG_20241105_120102_Zurich",
        "443/header/X-Api-Key", "2026-11-30T03:16:14.123456+00:00", "OrderNumber2024InvoiceTotalForCustomer",
    ],
)  # fmt: skip
def test_names_digests_and_paths_are_not_random(text: str) -> None:
    assert without_random(f"x {text} y") == f"x {text} y"


def test_most_of_what_is_drawn_at_random_is_seen() -> None:
    import random
    import string

    draw = random.Random(7)
    kinds = {
        "letters and digits": (string.ascii_letters + string.digits, 24),
        "urlsafe": (string.ascii_letters + string.digits + "-_", 32),
        "base64": (string.ascii_letters + string.digits + "+/", 40),
        "small letters and digits": (string.ascii_lowercase + string.digits, 32),
    }
    for name, (letters, size) in kinds.items():
        drawn = ["".join(draw.choices(letters, k=size)) for _ in range(2000)]
        missed = sum(one in without_random(f"x {one} y") for one in drawn)
        assert missed <= 80, f"{name}: {missed} of 2000"


def test_what_has_the_shape_of_a_key_goes_and_its_neighbours_stay() -> None:
    assert masked("a sk-abcdefghijklmnopqrst b") == "a *** b"
    assert masked("rk_live_51HxAbC-dEf_gHi") == "***"
    assert (
        masked("select pk_customer_orders_id, or of bearer instruments.")
        == "select pk_customer_orders_id, or of bearer instruments."
    )
    assert re.fullmatch(r"postgres://u:\*\*\*@h/db", masked("postgres://u:hunter2@h/db"))


def test_places_and_stand_ins_in_the_environment_are_no_secrets(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "key.json").write_text("{}")
    monkeypatch.setenv("SOME_CREDENTIALS", str(tmp_path / "key.json"))
    monkeypatch.setenv("OTHER_TOKEN_FILE", "/run/secrets/token")
    monkeypatch.setenv("OPENAI_API_KEY", "not-needed")
    text = f"not-needed: {tmp_path}/key.json /run/secrets/token"
    assert masked(text) == text
