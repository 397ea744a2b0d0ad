"""Below the books nobody tries again: each provider that is built sends one request for one try, whatever comes back."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import threading
import warnings
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx2
import pytest
from pydantic_ai.exceptions import AgentRunError, UnsupportedSettingWarning
from pydantic_ai.messages import ModelRequest, UserPromptPart
from pydantic_ai.models import ModelRequestParameters

from toolwright.models.link import Spoken
from toolwright.models.provider import build, build_embedding
from toolwright.models.underway import Asking, asking
from toolwright.models.values import ModelChoice, ModelSettings
from toolwright.trace import Place

ASKED = [ModelRequest(parts=[UserPromptPart("Hello?")])]
ALL: dict[str, tuple[str, str]] = {
    "openai": ("openai", "gpt-x"),
    "openai-responses": ("openai", "gpt-x"),
    "openrouter": ("openai", "some/model"),
    "ollama": ("openai", "qwen3"),
    "anthropic": ("anthropic", "claude-sonnet-4-5"),
    "google": ("google.genai", "gemini-3-flash"),
    "groq": ("groq", "openai/gpt-oss-120b"),
    "mistral": ("mistralai", "mistral-large-latest"),
    "cohere": ("cohere", "command-a"),
    "bedrock": ("boto3", "us.amazon.nova-pro-v1:0"),
    "huggingface": ("huggingface_hub", ""),
}
EMBEDDING = {
    "openai": ("openai", "text-embedding-3-small"),
    "ollama": ("openai", "nomic-embed-text"),
    "google": ("google.genai", "gemini-embedding-001"),
    "cohere": ("cohere", "embed-v4.0"),
    "bedrock": ("boto3", "amazon.titan-embed-text-v2:0"),
    "voyageai": ("voyageai", "voyage-3"),
}


class Broken:
    """An endpoint that answers every request with *status*, and counts them; 0: it hangs up."""

    def __init__(self) -> None:
        self.status, self.asked = 500, 0

        class Handler(BaseHTTPRequestHandler):
            def do_POST(handler: Any) -> None:
                self.asked += 1
                handler.rfile.read(int(handler.headers.get("content-length") or 0))
                if not self.status:
                    handler.close_connection = True
                    return
                text = json.dumps({"error": {"message": "broken", "code": self.status}, "message": "broken"}).encode()
                handler.send_response(self.status)
                handler.send_header("content-type", "application/json")
                handler.send_header("content-length", str(len(text)))
                handler.end_headers()
                handler.wfile.write(text)

            def log_message(handler: Any, *what: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class Here(httpx2.AsyncHTTPTransport):
    """Brings each request to *url*, whatever address its provider has."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._to = httpx2.URL(url)

    async def handle_async_request(self, request: Any) -> Any:
        request.url = request.url.copy_with(scheme="http", host=self._to.host, port=self._to.port)
        return await super().handle_async_request(request)


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Iterator[Broken]:
    one = Broken()
    keys = ("OPENAI", "OPENROUTER", "ANTHROPIC", "GOOGLE", "GROQ", "MISTRAL", "CO", "VOYAGE")
    for name in keys:
        monkeypatch.setenv(f"{name}_API_KEY", "not-needed")
    for name, value in {
        "CO_BASE_URL": one.url, "GROQ_BASE_URL": one.url, "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": one.url, "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ACCESS_KEY_ID": "not-needed", "AWS_SECRET_ACCESS_KEY": "not-needed", "HF_TOKEN": "hf_none",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    yield one
    one.close()


def installed(module: str, provider: str) -> None:
    try:
        found = importlib.util.find_spec(module)
    except ModuleNotFoundError:
        found = None
    if found is None:
        pytest.skip(f"{module}, the library for {provider} models, is not installed")


async def asked(choice: ModelChoice, broken: Broken, *, stream: bool) -> None:
    async with httpx2.AsyncClient(transport=Here(broken.url), timeout=30) as client:
        spoken = Spoken(build(choice, client), ModelSettings(stream=stream))
        with asking(Asking("orchestrator", Place("run"))), pytest.raises((AgentRunError, OSError)):
            await spoken.request(ASKED, None, ModelRequestParameters())


@pytest.mark.parametrize("status", [500, 429, 0])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("provider", ALL)
def test_one_try_of_a_model_is_one_request(provider: str, stream: bool, status: int, broken: Broken) -> None:
    module, name = ALL[provider]
    installed(module, provider)
    broken.status = status
    with warnings.catch_warnings():
        warnings.simplefilter("error", UnsupportedSettingWarning)
        # Of Hugging Face a model may be an address.
        asyncio.run(asked(ModelChoice(provider, name or broken.url, None, ""), broken, stream=stream))
    assert broken.asked == 1


@pytest.mark.parametrize("mode", ["standard", "adaptive", "legacy"])
def test_what_the_environment_says_of_retries_is_not_heard(
    mode: str, broken: Broken, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed("boto3", "bedrock")
    monkeypatch.setenv("AWS_RETRY_MODE", mode)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "4")
    asyncio.run(asked(ModelChoice("bedrock", ALL["bedrock"][1], None, ""), broken, stream=False))
    assert broken.asked == 1


@pytest.mark.parametrize("status", [500, 429, 0])
@pytest.mark.parametrize("provider", EMBEDDING)
def test_one_try_of_an_embedding_is_one_request(provider: str, status: int, broken: Broken) -> None:
    module, name = EMBEDDING[provider]
    installed(module, provider)
    if provider == "voyageai":
        pytest.skip(
            "the client of voyageai has no address that could be another; see the test of what it is built with"
        )
    broken.status = status

    async def ask() -> None:
        async with httpx2.AsyncClient(transport=Here(broken.url), timeout=30) as client:
            model = build_embedding(ModelChoice(provider, name, None, ""), client)
            with pytest.raises((AgentRunError, OSError)):
                await model.embed(["Hello?"], input_type="query")

    asyncio.run(ask())
    assert broken.asked == 1


def test_an_embedding_client_of_voyage_stops_after_one_try(broken: Broken) -> None:
    installed("voyageai", "voyageai")
    model: Any = build_embedding(ModelChoice("voyageai", "voyage-3", None, ""), httpx2.AsyncClient())
    assert model._provider.client.max_retries == 0


def test_a_channel_to_xai_is_opened_without_retries(broken: Broken, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over gRPC there is no HTTP endpoint to ask: a service that is never there counts the tries itself."""
    installed("xai_sdk", "xai")
    import grpc

    tries: list[str] = []

    class Never(grpc.GenericRpcHandler):
        def service(self, details: Any) -> Any:
            tries.append(details.method)

            def refuse(_: Any, context: Any) -> Any:
                context.abort(grpc.StatusCode.UNAVAILABLE, "never")

            return grpc.unary_unary_rpc_method_handler(refuse)

    from concurrent.futures import ThreadPoolExecutor

    server = grpc.server(ThreadPoolExecutor(2), handlers=[Never()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    monkeypatch.setenv("XAI_API_KEY", "not-needed")

    async def ask() -> None:
        model: Any = build(ModelChoice("xai", "grok-4", None, ""), httpx2.AsyncClient())
        model._provider._lazy_client._kwargs |= {"api_host": f"127.0.0.1:{port}", "use_insecure_channel": True}
        with pytest.raises((AgentRunError, OSError)):
            await Spoken(model, ModelSettings(stream=False)).request(ASKED, None, ModelRequestParameters())

    try:
        asyncio.run(ask())
    finally:
        server.stop(None)
    assert len(tries) == 1
