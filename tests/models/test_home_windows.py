"""How much a model can hold, who says so, and what is said when that is little."""

import asyncio

import pytest
from home_servers import KINDS, HomeModel, HomeServer, Said, events_in, toolwright
from model_kit import SHAPE, MemoryJournal, MemoryLedger

from toolwright.models import ModelSettings
from toolwright.models.models import Models
from toolwright.models.scripted import ScriptedServer
from toolwright.models.window import Window
from toolwright.trace import Place

SMALL = {
    "ollama": "OLLAMA_CONTEXT_LENGTH",
    "lmstudio": "lms load NAME --context-length",
    "llama.cpp": "-c 32768",
    "vllm": "--max-model-len",
}


def models(base_url, events=None, model="qwen3:8b", **settings):
    heard = (lambda event: None) if events is None else events.append
    own = ModelSettings(model, base_url, **settings)
    return Models({"orchestrator": own}, MemoryJournal(), MemoryLedger(), heard)


def asked(one, run="run", times=1):
    async def ask():
        try:
            for step in range(times):
                await one.ask(
                    role="generator",
                    system="[toolwright:generator]",
                    user="please",
                    answer=SHAPE,
                    place=Place(run, step),
                )
        finally:
            await one.aclose()

    asyncio.run(ask())


@pytest.mark.parametrize(
    ("kind", "said_by"),
    [
        ("ollama", "Ollama, as it is loaded"),
        ("lmstudio", "LM Studio, as it is loaded"),
        ("llama.cpp", "llama.cpp (n_ctx)"),
        ("vllm", "vLLM (max_model_len)"),
    ],
)
def test_the_window_is_what_the_server_reports(kind, said_by):
    with HomeServer(kind, HomeModel(context=20_000)) as server:
        assert models(server.url).window() == Window(20_000, said_by)


def test_the_setting_comes_before_what_the_server_reports():
    with HomeServer("ollama", HomeModel()) as server:
        window = models(server.url, context_tokens=50_000).window("generator")
    assert window == Window(50_000, "the setting context_tokens")


def test_a_hosted_model_has_the_window_of_the_price_list(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "some-key-value")
    window = models(None, model="openai:gpt-4o").window()
    assert window == Window(128_000, "the list of genai-prices")


@pytest.mark.parametrize("model", ["openai:nobody-knows-it", "anything"])
def test_where_nobody_says_anything_it_is_assumed(model):
    with ScriptedServer({"turns": [{"text": "x"}]}) as url:
        assert models(url, model=model).window() == Window(128_000, "assumed")


@pytest.mark.parametrize("kind", ["ollama", "lmstudio"])
def test_before_it_is_loaded_it_is_the_models_own_limit_and_afterwards_the_true_one(kind):
    events = []
    with HomeServer(kind, HomeModel(context=4096, limit=40960, loaded=False)) as server:
        one = models(server.url, events)
        assert one.window().tokens == 40960
        assert "until" in one.window().said_by
        asked(one)
        assert one.window().tokens == 4096
    assert [event.data["text"] for event in events if event.kind == "warning"] != []


def test_ollama_is_made_to_load_before_the_first_question_so_that_a_small_window_is_told_before_it():
    class Asked(list):
        def append(self, event):
            super().append((event.kind, len(server.chats)))

    events = Asked()
    with HomeServer("ollama", HomeModel(context=4096, loaded=False)) as server:
        asked(models(server.url, events))
    assert events == [("warning", 0), ("cost", 1)]


def test_num_ctx_of_the_model_file_counts_before_it_is_loaded():
    class Own(HomeServer):
        def _ollama(self, http, path, body):
            if path == "/api/show":
                return http.send(200, {"parameters": 'stop "x"\nnum_ctx    8192', "capabilities": ["completion"]})
            return super()._ollama(http, path, body)

    with Own("ollama", HomeModel(loaded=False)) as server:
        assert models(server.url).window() == Window(8192, "num_ctx of the model in Ollama")


@pytest.mark.parametrize("kind", KINDS)
def test_a_small_window_is_told_once_a_run_with_the_setting_that_lifts_it(kind):
    events = []
    with HomeServer(kind, HomeModel(context=8192)) as server:
        one = models(server.url, events)
        asked(one, "first", times=3)
        asked(one, "second")
    texts = [(event.run_id, event.data["text"]) for event in events if event.kind == "warning"]
    assert [run for run, _ in texts] == ["first", "second"]
    assert "8,192 tokens" in texts[0][1]
    assert SMALL[kind] in texts[0][1]


def test_a_small_setting_names_itself():
    events = []
    with ScriptedServer({"turns": [{"text": "x"}]}) as url:
        asked(models(url, events, context_tokens=9000))
    assert "raise the setting context_tokens" in events[0].data["text"]


def test_a_window_of_16_384_is_none_to_warn_of():
    events = []
    with HomeServer("vllm", HomeModel(context=16_384)) as server:
        asked(models(server.url, events))
    assert [event for event in events if event.kind == "warning"] == []


@pytest.mark.parametrize(("context", "limit"), [(4096, 1024), (16_384, 4096), (32_768, 8192), (131_072, 8192)])
def test_an_answer_gets_a_quarter_of_the_window_at_most(context, limit):
    """vLLM refuses a request whose answer would not fit behind it."""
    with HomeServer("vllm", HomeModel(context=context)) as server:
        asked(models(server.url))
        assert server.chats[0]["max_tokens"] == limit


def test_a_run_begins_with_the_warning(tmp_path):
    model = HomeModel(answer=lambda body: Said("Nothing to do."), context=4096)
    with HomeServer("ollama", model) as server:
        done = toolwright(tmp_path, "run", "Do nothing.", "--json", TOOLWRIGHT_LOCAL_SERVERS=server.root)
    kinds = [event["type"] for event in events_in(done)]
    assert kinds[:2] == ["run-started", "warning"]
    assert "4,096 tokens" in events_in(done)[1]["text"]
