"""Which model at home is taken, and why: each server is told by what it says, and asked what its models can do."""

import time

import pytest
from home_servers import KINDS, HomeModel, HomeServer

from toolwright.errors import UserError
from toolwright.models import ModelSettings
from toolwright.models.choose import choose
from toolwright.models.prices import is_free
from toolwright.models.servers import KINDS as WORDS

EMBEDS = HomeModel("nomic-embed-text", tools=False, chats=False)
WORDY = HomeModel("gemma:2b", tools=False)
ABLE = HomeModel("qwen3:8b")
TITLES = {kind.id: kind.title for kind in WORDS}


def take(*servers, model=None, base_url=None, **env):
    at = " ".join(one.root for one in servers) or "off"
    return choose(ModelSettings(model, base_url, local_servers=at), env)


@pytest.mark.parametrize("old", [False, True], ids=["newest", "older"])
@pytest.mark.parametrize("kind", ["ollama", "lmstudio"])
def test_the_first_model_that_says_it_can_call_tools_is_taken(kind, old):
    with HomeServer(kind, EMBEDS, WORDY, ABLE, HomeModel("llama3.1"), old=old) as server:
        choice = take(server)
    assert (choice.name, choice.base_url, choice.server, choice.tools) == ("qwen3:8b", server.url, kind, True)
    assert choice.provider == ("ollama" if kind == "ollama" else "openai")
    assert f"{TITLES[kind]} answers at {server.root}" in choice.why
    assert "says it can call tools" in choice.why


@pytest.mark.parametrize("old", [False, True], ids=["newest", "older"])
def test_a_llama_server_is_taken_whose_template_knows_tools(old):
    with HomeServer("llama.cpp", ABLE, old=old) as server:
        choice = take(server)
    assert (choice.name, choice.base_url, choice.server, choice.tools) == ("qwen3:8b", server.url, "llama.cpp", True)
    assert (choice.window.tokens, choice.window.said_by) == (32768, "llama.cpp (n_ctx)")


def test_a_vllm_is_taken_although_it_does_not_say_whether_it_takes_tools():
    with HomeServer("vllm", HomeModel("BAAI/bge-embed"), HomeModel("Qwen/Qwen3-8B")) as server:
        choice = take(server)
    assert (choice.name, choice.server, choice.tools) == ("Qwen/Qwen3-8B", "vllm", None)
    assert "is not said, and tried" in choice.why


@pytest.mark.parametrize("old", [False, True], ids=["newest", "older"])
def test_lm_studio_gives_the_model_that_is_loaded_before_the_others(old):
    models = [HomeModel("first", loaded=False), HomeModel("second"), WORDY]
    with HomeServer("lmstudio", *models, old=old) as server:
        choice = take(server)
    assert (choice.name, choice.loaded, choice.window.tokens) == ("second", True, 32768)


def test_a_router_gives_the_model_that_is_loaded_and_loads_none_to_look():
    models = [HomeModel("a/first:Q4", loaded=False), HomeModel("b/second:Q8")]
    with HomeServer("llama.cpp", *models, routed=True) as server:
        assert take(server).name == "b/second:Q8"
        assert "/props?model=b%2Fsecond%3AQ8&autoload=false" in server.paths()


def test_a_model_that_passes_on_to_somewhere_else_is_taken_only_by_name():
    with HomeServer("ollama", HomeModel("gpt-oss:120b-cloud", remote=True), ABLE) as server:
        assert take(server).name == "qwen3:8b"
        named = take(model="gpt-oss:120b-cloud", base_url=server.url)
    assert (named.name, named.remote, named.loaded) == ("gpt-oss:120b-cloud", True, None)
    assert not is_free(named)


@pytest.mark.parametrize("kind", ["ollama", "lmstudio", "llama.cpp"])
def test_where_none_can_call_tools_the_line_that_gets_one_is_printed(kind):
    models = [WORDY] if kind == "llama.cpp" else [WORDY, EMBEDS]
    with HomeServer(kind, *models) as server, pytest.raises(UserError) as caught:
        take(server)
    text = str(caught.value)
    pull = {"ollama": "ollama pull ", "lmstudio": "lms get ", "llama.cpp": "llama-server -hf "}[kind]
    assert pull in text
    assert f"{TITLES[kind]} at {server.root} has gemma:2b" in text
    assert "plain text" in text


def test_a_vllm_of_embeddings_alone_is_told_how_to_serve_one_that_takes_tools():
    with HomeServer("vllm", HomeModel("BAAI/bge-embed")) as server, pytest.raises(UserError) as caught:
        take(server)
    assert "--enable-auto-tool-choice --tool-call-parser" in str(caught.value)


@pytest.mark.parametrize("kind", ["ollama", "lmstudio"])
def test_a_server_without_any_model_is_told_apart_from_none(kind):
    with HomeServer(kind) as server, pytest.raises(UserError, match="has no model"):
        take(server)


def test_a_server_that_can_is_taken_before_one_that_cannot():
    with HomeServer("ollama", WORDY) as first, HomeServer("lmstudio", ABLE) as second:
        assert take(first, second).base_url == second.url


@pytest.mark.parametrize("kind", KINDS)
def test_behind_a_base_url_the_same_model_is_taken_and_v1_need_not_be_written(kind):
    models = [ABLE] if kind in ("llama.cpp", "vllm") else [EMBEDS, WORDY, ABLE]
    with HomeServer(kind, *models) as server:
        for url in (server.url, server.root, f"{server.root}/"):
            choice = take(base_url=url)
            assert (choice.provider, choice.name, choice.base_url) == ("openai", "qwen3:8b", server.url)
            assert choice.server == kind
        named = take(model="qwen3:8b", base_url=server.root)
    assert (named.name, named.base_url, named.server) == ("qwen3:8b", server.url, kind)
    assert "asked for" in named.why


@pytest.mark.parametrize("kind", ["ollama", "lmstudio", "llama.cpp"])
def test_behind_a_base_url_a_model_without_tools_is_taken_only_by_name(kind):
    with HomeServer(kind, WORDY) as server:
        with pytest.raises(UserError, match="plain text"):
            take(base_url=server.url)
        named = take(model="gemma:2b", base_url=server.url)
    # Only Ollama refuses tools for what its list says; the others have a form of their own, and are tried.
    assert named.tools is (False if kind == "ollama" else None)


def test_someone_with_a_key_waits_for_nobody():
    with HomeServer("ollama", ABLE) as server:
        began = time.monotonic()
        choice = take(server, OPENAI_API_KEY="some-key-value")
    assert (choice.provider, server.log) == ("openai", [])
    assert time.monotonic() - began < 0.1


def test_a_model_of_a_provider_on_the_net_is_not_looked_for():
    began = time.monotonic()
    assert take(model="mine", base_url="https://models.example/v1").server == ""
    assert time.monotonic() - began < 0.1


def test_servers_that_are_deaf_cost_less_than_half_a_second_in_all(monkeypatch):
    import socket

    deaf = [socket.create_server(("127.0.0.1", 0), backlog=8) for _ in range(4)]
    monkeypatch.setattr("toolwright.models.local.NAMED_S", 0.3)  # what addresses that nobody set are given
    at = " ".join(f"http://127.0.0.1:{one.getsockname()[1]}" for one in deaf)
    began = time.monotonic()
    with pytest.raises(UserError, match="no model server answers"):
        choose(ModelSettings(local_servers=at), {})
    assert 0.25 < time.monotonic() - began < 0.5


def test_nothing_is_looked_for_where_that_is_switched_off():
    with pytest.raises(UserError, match="no model server answers"):
        choose(ModelSettings(local_servers="off"), {})


def test_the_usual_ports_are_those_of_the_four():
    assert {kind.id: kind.port for kind in WORDS} == {
        "ollama": 11434,
        "lmstudio": 1234,
        "llama.cpp": 8080,
        "vllm": 8000,
    }


def test_what_is_not_at_home_is_asked_for_its_list_and_for_nothing_else(monkeypatch):
    monkeypatch.setattr("toolwright.models.servers.meeting.is_at_home", lambda url: False)
    with HomeServer("ollama", ABLE) as server:
        assert take(base_url=server.url).server == ""
    assert server.paths() == ["/v1/models"]
