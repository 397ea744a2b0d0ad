"""Which model is taken, and why; what is said when there is none."""

import importlib.util
import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from toolwright.errors import UserError
from toolwright.models import ModelSettings
from toolwright.models import choose as choosing
from toolwright.models.choose import choose, settings_for
from toolwright.models.provider import build, http_client
from toolwright.models.scripted import ScriptedServer
from toolwright.models.table import PROVIDERS

NOWHERE = {"OLLAMA_HOST": "127.0.0.1:1"}
"""No Ollama, even on a machine that runs one; `off` is for the other servers."""


def take(model=None, base_url=None, **env):
    return choose(ModelSettings(model, base_url, local_servers="off"), {**NOWHERE, **env})


@pytest.fixture
def ollama():
    served = {"models": [{"name": "nomic-embed-text:latest"}, {"name": "qwen3:8b"}]}

    class Tags(BaseHTTPRequestHandler):
        def do_GET(self):
            body = json.dumps(served).encode() if self.path == "/api/tags" else b"{}"
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Tags)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("model", "base_url", "expected"),
    [
        ("openai:gpt-6-luna", None, ("openai", "gpt-6-luna", None)),
        ("deepseek:deepseek-v4-pro", None, ("deepseek", "deepseek-v4-pro", None)),
        ("openai:mine", "http://127.0.0.1:9/v1/", ("openai", "mine", "http://127.0.0.1:9/v1")),
        ("mine", "http://127.0.0.1:9/v1", ("openai", "mine", "http://127.0.0.1:9/v1")),
        ("qwen3:8b", "http://127.0.0.1:9/v1", ("openai", "qwen3:8b", "http://127.0.0.1:9/v1")),
        ("org/name", "https://models.example/v1", ("openai", "org/name", "https://models.example/v1")),
        ("ollama:qwen3:8b", None, ("ollama", "qwen3:8b", "http://127.0.0.1:1/v1")),
        ("openrouter:a/b", "http://localhost:9/v1", ("openrouter", "a/b", "http://localhost:9/v1")),
    ],
)
def test_a_named_model_is_taken_as_it_is_named(model, base_url, expected):
    choice = take(model, base_url, OPENAI_API_KEY="irrelevant-here", DEEPSEEK_API_KEY="irrelevant-here")
    assert (choice.provider, choice.name, choice.base_url) == expected
    assert "asked for" in choice.why


@pytest.mark.parametrize("row", [row for row in PROVIDERS if not row.extra], ids=lambda row: row.provider)
def test_a_key_in_the_environment_decides_and_is_not_repeated(row):
    for variable in row.variables:
        choice = take(**{variable: "key-of-somebody"})
        assert (choice.provider, choice.name) == (row.provider, row.default_model)
        assert choice.why == f"{variable} is set"
        assert "key-of-somebody" not in repr(choice)


def test_the_first_provider_of_the_table_wins():
    keys = {row.variables[0]: "some-key-value" for row in PROVIDERS}
    assert take(**keys).provider == PROVIDERS[0].provider


def test_a_named_model_without_its_key_is_answered_with_the_variable():
    with pytest.raises(UserError, match=r"no key for openai:gpt-6-luna: set OPENAI_API_KEY"):
        take("openai:gpt-6-luna", ANTHROPIC_API_KEY="some-key-value")


def test_openai_takes_the_address_in_its_own_variable():
    choice = take(OPENAI_API_KEY="some-key-value", OPENAI_BASE_URL="http://127.0.0.1:9/v1")
    assert choice.base_url == "http://127.0.0.1:9/v1"


@pytest.mark.parametrize("row", [row for row in PROVIDERS if row.extra], ids=lambda row: row.provider)
def test_a_missing_library_is_answered_with_the_exact_command(row):
    if _installed(row.module):
        pytest.skip(f"the library for {row.provider} is installed here")
    command = f"pip install 'toolwright[{row.extra}]'"
    with pytest.raises(UserError) as caught:
        take(f"{row.provider}:any")
    assert command in str(caught.value)
    with pytest.raises(UserError) as caught:
        take(**{row.variables[0]: "some-key-value"})
    assert command in str(caught.value)
    assert row.variables[0] in str(caught.value)


def test_a_provider_outside_the_table_names_its_own_package():
    if _installed("xai_sdk"):
        pytest.skip("the library for xai is installed here")
    with pytest.raises(UserError, match=r"pip install 'pydantic-ai-slim\[xai\]'"):
        build(take("xai:grok-4.3"), http_client(1))


def _installed(module):
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def test_every_extra_of_the_table_exists():
    import tomllib
    from pathlib import Path

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))
    assert {row.extra for row in PROVIDERS if row.extra} <= set(project["project"]["optional-dependencies"])


def test_every_provider_of_the_table_is_known_to_the_library():
    for row in PROVIDERS:
        assert choosing._provider_in(f"{row.provider}:x") == row.provider


@pytest.mark.parametrize("name", ["OLLAMA_HOST", "OLLAMA_BASE_URL"])
@pytest.mark.parametrize("form", ["{}", "http://{}", "http://{}/v1"])
def test_an_ollama_that_answers_is_taken_without_its_embedding_models(ollama, name, form):
    choice = choose(ModelSettings(), {name: form.format(ollama)})
    assert (choice.provider, choice.name, choice.base_url) == ("ollama", "qwen3:8b", f"http://{ollama}/v1")


def test_a_key_comes_before_an_ollama(ollama):
    assert choose(ModelSettings(), {"OLLAMA_HOST": ollama, "OPENAI_API_KEY": "some-key-value"}).provider == "openai"


def test_without_anything_every_way_to_go_on_is_named():
    with pytest.raises(UserError) as caught:
        take()
    text = str(caught.value)
    for word in (*(row.variables[0] for row in PROVIDERS), "--model", "--base-url", "ollama", "toolwright demo"):
        assert word in text


def test_a_base_url_alone_takes_the_first_model_that_it_lists():
    with ScriptedServer({"model": "listed", "turns": [{"text": "x"}]}) as url:
        choice = take(base_url=url)
    assert (choice.name, choice.base_url) == ("listed", url)


def test_a_base_url_that_lists_nothing_asks_for_a_name():
    with pytest.raises(UserError, match="--model"):
        take(base_url="http://127.0.0.1:1/v1")


@pytest.mark.parametrize("model", ["gpt-6", "nobody:model", "openai:"])
def test_a_model_that_cannot_be_read_is_answered_with_how_to_write_it(model):
    with pytest.raises(UserError, match=model):
        take(model)


@pytest.mark.parametrize("url", ["127.0.0.1:9", "ftp://x/v1", "http://", "http://user:pass@host/v1"])
def test_a_base_url_that_is_none_is_refused(url):
    with pytest.raises(UserError) as caught:
        take("mine", url)
    assert "pass@" not in str(caught.value)


LOCAL = "http://127.0.0.1:9/v1"


@pytest.mark.parametrize(
    ("first", "own", "expected"),
    [
        (ModelSettings("openai:a", LOCAL), None, ("openai:a", LOCAL)),
        (ModelSettings("openai:a", LOCAL), ModelSettings(), ("openai:a", LOCAL)),
        (ModelSettings("openai:a", LOCAL), ModelSettings("b"), ("b", LOCAL)),
        (ModelSettings("openai:a", LOCAL), ModelSettings("openai:b"), ("openai:b", LOCAL)),
        (ModelSettings("a", LOCAL), ModelSettings("openai:b"), ("openai:b", LOCAL)),
        (ModelSettings("openai:a", LOCAL), ModelSettings("anthropic:c"), ("anthropic:c", None)),
        (ModelSettings("openai:a"), ModelSettings("b", LOCAL), ("b", LOCAL)),
        (ModelSettings("openai:a"), ModelSettings(), ("openai:a", None)),
    ],
)
def test_a_role_falls_back_on_the_settings_of_the_orchestrator(first, own, expected):
    by_role = {"orchestrator": first} | ({"generator": own} if own else {})
    held = settings_for("generator", by_role)
    assert (held.model, held.base_url) == expected
