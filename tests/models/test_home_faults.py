"""What goes wrong at home: each has one clear outcome, with what to do about it."""

import asyncio

import pytest
from home_servers import (
    KINDS,
    PAGE,
    HomeModel,
    HomeServer,
    Said,
    hang_up,
    in_words,
    refuse,
    toolwright,
)
from model_kit import QUICK, SHAPE, MemoryJournal, MemoryLedger

from toolwright.errors import ModelError
from toolwright.models import ModelSettings
from toolwright.models.models import Models
from toolwright.trace import Place


def asked(server, *, model="qwen3:8b", events=None, **settings):
    settings.setdefault("retry", QUICK)

    async def ask():
        own = ModelSettings(model, getattr(server, "url", server), **settings)
        heard = [] if events is None else events
        models = Models({"orchestrator": own}, MemoryJournal(), MemoryLedger(), heard.append)
        try:
            return await models.ask(
                role="generator", system="[toolwright:generator]", user="u", answer=SHAPE, place=Place("run")
            )
        finally:
            await models.aclose()

    return asyncio.run(ask())


def failing(server, **settings):
    with pytest.raises(ModelError) as caught:
        asked(server, **settings)
    text = str(caught.value)
    assert "\n" not in text
    assert "<" not in text.replace("<LM", "")
    return text


@pytest.mark.parametrize(
    ("kind", "cure"),
    [
        ("ollama", "pull it with `ollama pull mistral-nemo`"),
        ("lmstudio", "fetch it with `lms get mistral-nemo`, or load it with `lms load mistral-nemo`"),
        ("vllm", "start it with `vllm serve mistral-nemo --enable-auto-tool-choice"),
    ],
)
def test_a_model_that_the_server_does_not_have_is_answered_with_the_line_that_gets_it(kind, cure):
    with HomeServer(kind, HomeModel()) as server:
        text = failing(server, model="mistral-nemo")
        assert len(server.chats) == 1
    assert "does not have the model (HTTP 404" in text
    assert cure in text


def test_a_router_without_the_model_says_so():
    with HomeServer("llama.cpp", HomeModel(), routed=True) as server:
        assert "name one that it lists" in failing(server, model="mistral-nemo")


def test_the_words_of_an_ollama_are_known_also_where_it_cannot_be_asked_what_it_is():
    class Hidden(HomeServer):
        def _ollama(self, http, path, body):
            known = path == "/v1/chat/completions"
            return super()._ollama(http, path, body) if known else http.send(404, b"no", "text/plain")

    with Hidden("ollama", HomeModel()) as server:
        assert "pull it with `ollama pull llama9`" in failing(server, model="llama9")


CRASHES = {
    "ollama": "llama-server process has terminated: signal: killed: cudaMalloc failed: out of memory",
    "lmstudio": 'Failed to load model "qwen3:8b". Error: Model loading was stopped due to insufficient system resources.',
    "llama.cpp": "failed to load model",
    "vllm": "CUDA out of memory. Tried to allocate 2.00 GiB",
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_that_cannot_be_loaded_is_tried_once_and_what_the_loader_said_is_passed_on(kind):
    crash = {"error": {"message": CRASHES[kind], "type": "api_error"}}
    with HomeServer(kind, HomeModel(faults=[refuse(500, crash)] * 5)) as server:
        text = failing(server)
        assert len(server.chats) == 1
    assert "could not load its model" in text
    assert CRASHES[kind][:40] in text
    assert "a smaller model, or a shorter context" in text


OVERFLOWS = {
    "lmstudio": "The number of tokens to keep from the initial prompt is greater than the context length. Try to load "
    "the model with a larger context length, or provide a shorter input",
    "llama.cpp": "request (9412 tokens) exceeds the available context size (8192 tokens), try increasing it",
    "vllm": "This model's maximum context length is 8192 tokens. However, you requested 9412 tokens.",
}


@pytest.mark.parametrize("kind", list(OVERFLOWS))
def test_a_conversation_that_does_not_fit_names_the_setting_that_lifts_it(kind):
    wrong = {"error": {"message": OVERFLOWS[kind], "type": "exceed_context_size_error", "code": 400}}
    with HomeServer(kind, HomeModel(faults=[refuse(400, wrong)] * 5)) as server:
        text = failing(server)
        assert len(server.chats) == 1
    assert "cannot hold the conversation" in text
    assert {"lmstudio": "--context-length", "llama.cpp": "-c 32768", "vllm": "--max-model-len"}[kind] in text


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_web_page_instead_of_an_answer_is_told_by_its_title(stream):
    with HomeServer("llama.cpp", HomeModel(faults=[refuse(200, PAGE, "text/html")] * 5)) as server:
        text = failing(server, stream=stream)
        assert len(server.chats) == 1
    assert "a web page ('llama.cpp - chat')" in text
    assert "is the base URL right?" in text


def test_an_error_that_is_a_web_page_is_told_by_its_title_too():
    page = b"<html><head><title>502 Bad Gateway</title></head><body><h1>nginx</h1></body></html>"
    with HomeServer("vllm", HomeModel(faults=[refuse(502, page, "text/html")] * 4)) as server:
        text = failing(server)
    assert "a web page ('502 Bad Gateway')" in text
    assert "Tried 4 times" in text


def test_a_server_that_goes_away_is_told_apart_from_a_wrong_address():
    with HomeServer("ollama", HomeModel()) as server:

        async def ask():
            own = ModelSettings("qwen3:8b", server.url, retry=QUICK)
            models = Models({"orchestrator": own}, MemoryJournal(), MemoryLedger())
            try:
                for step in range(2):
                    await models.ask(
                        role="generator",
                        system="[toolwright:generator]",
                        user="u",
                        answer=SHAPE,
                        place=Place("run", step),
                    )
                    server._server.shutdown()
                    server._server.server_close()
                    await models.aclose()
            finally:
                await models.aclose()

        with pytest.raises(ModelError) as caught:
            asyncio.run(ask())
    assert "Ollama answered before; does it still run? (`ollama serve`)" in str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_that_breaks_off_is_asked_for_again(kind):
    with HomeServer(kind, HomeModel(faults=[hang_up], answer=lambda body: Said("whole"))) as server:
        assert asked(server).text == "whole"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_each_ones_form_of_an_answer_is_read(kind, stream):
    """Comments between events, ids left out, usage left out, `content` empty or null, fields of their own."""
    model = HomeModel(answer=lambda body: Said("so", calls=[("write_tool", {"source": "x = 1\n"})]))
    with HomeServer(kind, model) as server:
        reply = asked(server, stream=stream)
    assert (reply.text, reply.data) == ("so", {"source": "x = 1\n"})
    counted = stream and kind == "llama.cpp"  # which leaves the usage out here
    assert reply.cost.tokens_in == (0 if counted else 11)


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_answer_to_a_request_for_a_stream_is_read(kind):
    def whole(http, body):
        assert body["stream"]
        answer = server.whole(server.models[0], Said("so", calls=[("write_tool", {"source": "y"})]))
        http.send(200, answer)

    events = []
    with HomeServer(kind, HomeModel(faults=[whole])) as server:
        reply = asked(server, stream=True, events=events)
        assert len(server.chats) == 1
    assert (reply.text, reply.data, reply.cost.tokens_in) == ("so", {"source": "y"}, 11)
    assert [event for event in events if event.kind == "warning"] == []


def test_arguments_as_an_object_are_read_also_in_a_whole_answer_to_a_stream():
    def whole(http, body):
        calls = [{"function": {"name": "write_tool", "arguments": {"source": "z"}}}]
        http.send(200, {"choices": [{"message": {"tool_calls": calls}}]})

    with HomeServer("llama.cpp", HomeModel(faults=[whole])) as server:
        assert asked(server, stream=True).data == {"source": "z"}


def test_an_error_in_the_middle_of_a_stream_is_asked_again():
    broken = b'data: {"error": {"message": "slot unavailable", "code": 500}}\n\n'
    faults = [refuse(200, broken, "text/event-stream")]
    with HomeServer("llama.cpp", HomeModel(faults=faults, answer=lambda body: Said("fine"))) as server:
        assert asked(server, stream=True).text == "fine"


def test_a_key_that_is_refused_names_the_variable():
    wrong = {"error": {"message": "Malformed LM Studio API token provided: sk-lm-abcdefghijklmnop", "code": None}}
    with HomeServer("lmstudio", HomeModel(faults=[refuse(401, wrong)])) as server:
        text = failing(server)
    assert "OPENAI_API_KEY" in text
    assert "sk-lm" not in text


def test_the_command_ends_with_the_line_that_pulls_the_model(tmp_path):
    with HomeServer("ollama", HomeModel()) as server:
        words = ["run", "Do it.", "--model", "ollama:mistral-nemo"]
        done = toolwright(tmp_path, *words, code=5, OLLAMA_HOST=server.root)
    assert "ollama pull mistral-nemo" in done.stderr


def test_the_command_ends_with_the_line_that_gets_a_model_with_tools(tmp_path):
    with HomeServer("ollama", HomeModel(tools=False, answer=in_words)) as server:
        done = toolwright(tmp_path, "run", "Do it.", code=2, TOOLWRIGHT_LOCAL_SERVERS=server.root)
    assert "ollama pull qwen3" in done.stderr
