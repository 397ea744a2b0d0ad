"""Keys reach the provider and nobody else; loopback addresses are reached without a proxy, others through it."""

import asyncio
import logging
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from model_kit import QUICK, SHAPE, MemoryJournal, MemoryLedger, Talk

from toolwright.errors import ModelError, UserError
from toolwright.masking import masked
from toolwright.models import ModelSettings
from toolwright.models.choose import choose
from toolwright.models.models import Models
from toolwright.models.scripted import ScriptedServer
from toolwright.trace import Place

PLANTED = "sk-proj-PLANTED0123456789abcdef"


def test_the_key_is_sent_and_appears_nowhere_else(talk, monkeypatch, caplog, tmp_path):
    monkeypatch.setenv("OPENAI_API_KEY", PLANTED)
    caplog.set_level(logging.DEBUG)
    record = tmp_path / "record.yaml"
    seen = []
    for turn in (
        {"text": f"Your key is {PLANTED}.", "calls": [{"name": "write_tool", "arguments": {"source": PLANTED}}]},
        {"fault": {"status": 401, "message": f"Incorrect API key provided: {PLANTED}"}},
        {"fault": {"status": 500, "message": f"cannot log in with {PLANTED}"}},
        {"fault": {"status": 400, "message": f"bad header Bearer {PLANTED}"}},
        {"fault": "malformed"},
    ):
        one = talk(turn)

        async def ask(one=one):
            models = one.models(record=record)
            try:
                await models.ask(role="generator", system="s", user="u", answer=SHAPE, place=Place("r"))
            except ModelError as error:
                seen.extend([str(error), repr(error), repr(error.__cause__), repr(error.__context__)])
            finally:
                await models.aclose()
            return models

        models = asyncio.run(ask())
        assert one.server.log[0].headers["authorization"] == f"Bearer {PLANTED}"
        seen.extend([repr(models), repr(models.choice()), repr(one.ledger), repr(one.events), repr(one.server.log)])
    seen.append(record.read_text("utf-8"))
    seen.append(caplog.text)
    assert len(seen) == 43
    # The log of the scripted server shows the body as received, and here the question holds no key.
    assert [text for text in seen if PLANTED in text] == []


def test_an_endpoint_that_needs_no_key_gets_none_of_ours(talk, monkeypatch):
    monkeypatch.setenv("ANTHROPIC_API_KEY", PLANTED)
    one = talk({"text": "x"})
    one.ask()
    assert PLANTED not in repr(dict(one.server.log[0].headers))


def test_a_missing_key_is_answered_with_the_variable_to_set():
    models = Models({"orchestrator": ModelSettings("deepseek:deepseek-v4-pro")}, MemoryJournal(), MemoryLedger())
    with pytest.raises(UserError, match="DEEPSEEK_API_KEY"):
        asyncio.run(models.ask(role="generator", system="s", user="u", answer=SHAPE, place=Place("r")))


@pytest.mark.parametrize(
    "text",
    ["sk-abcdefghijklmnopqrst", "Authorization: Bearer abcdefgh.ijkl", "key AIzaSyA0123456789abcdefghijklmn"],
)
def test_what_has_the_shape_of_a_key_is_masked(text):
    assert "***" in masked(text)


def test_ordinary_text_is_not_masked():
    text = "def task_key(risk_score): return desk-lamp, sk-1"
    assert masked(text) == text


@pytest.fixture
def proxied(monkeypatch):
    """A proxy in the environment that writes down what it is asked for and answers 418."""
    asked = []

    class Proxy(BaseHTTPRequestHandler):
        def _answer(self):
            asked.append(self.path)
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(418)
            self.end_headers()

        do_GET = do_POST = do_CONNECT = _answer

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{server.server_port}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    yield asked
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.2"])
@pytest.mark.parametrize("provider", ["openai", "ollama"])
def test_loopback_is_reached_without_a_proxy(talk, proxied, host, provider):
    one = talk({"text": "x"})
    url = one.settings.base_url.replace("127.0.0.1", host)
    if host == "127.0.0.2":
        url = _anywhere(one.server)
    other = Talk(one.server, ModelSettings(f"{provider}:m", url, retry=QUICK))
    assert other.ask().text == "x"
    assert proxied == []


def _anywhere(server):
    """A second listener of the same script on another loopback address."""
    import socket

    forward = socket.socket()
    forward.bind(("127.0.0.2", 0))
    forward.listen()
    target = ("127.0.0.1", int(server.base_url.split(":")[2].split("/")[0]))

    def carry():
        while True:
            near, _ = forward.accept()
            far = socket.create_connection(target)
            for pair in ((near, far), (far, near)):
                threading.Thread(target=_copy, args=pair, daemon=True).start()

    threading.Thread(target=carry, daemon=True).start()
    return f"http://127.0.0.2:{forward.getsockname()[1]}/v1"


def _copy(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(1)  # what comes to an end here comes to an end there
    except OSError:
        pass


def test_another_address_is_reached_through_the_proxy(talk, proxied):
    one = talk({"text": "x"}, base_url="http://models.example/v1")
    with pytest.raises(ModelError, match="418"):
        one.ask()
    assert proxied == ["http://models.example/v1/chat/completions"]


def test_the_look_for_a_local_model_uses_no_proxy(proxied):
    with ScriptedServer({"turns": [{"text": "x"}]}) as url:
        assert choose(ModelSettings(base_url=url), {}).name == "scripted"
    assert proxied == []
