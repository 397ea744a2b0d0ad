"""A ModelChoice in, a model of the provider library out: with our own HTTP client, and no retries inside it."""

from __future__ import annotations

import inspect
import json
import os
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import httpx2
from openai.types import chat
from pydantic_ai.embeddings import EmbeddingModel, infer_embedding_model
from pydantic_ai.embeddings.openai import OpenAIEmbeddingModel
from pydantic_ai.exceptions import UnexpectedModelBehavior
from pydantic_ai.exceptions import UserError as LibraryUserError
from pydantic_ai.messages import ModelResponse
from pydantic_ai.models import Model, infer_model
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIStreamedResponse
from pydantic_ai.profiles import merge_profile
from pydantic_ai.profiles.openai import OpenAIModelProfile
from pydantic_ai.providers import Provider, infer_provider, infer_provider_class
from pydantic_ai.providers.ollama import OllamaProvider
from pydantic_ai.providers.openai import OpenAIProvider

from toolwright.budgets import believed
from toolwright.errors import UserError
from toolwright.models.address import is_loopback
from toolwright.models.faults import NotChatError, page_in
from toolwright.models.lenient import completed
from toolwright.models.table import OLLAMA_ADDRESS, key_variable, row_of
from toolwright.models.tries import tried_once
from toolwright.models.unstreamed import AnyForm
from toolwright.models.values import ModelChoice

CONNECT_S = 5.0
NO_KEY = "no-key-needed"
"""Sent to endpoints that ask for none: the OpenAI client refuses to start without one."""


class _TolerantStream(OpenAIStreamedResponse):
    """The same answer in pieces: the price comes with the last one."""

    def _map_chunk_provider_details(self, chunk: chat.ChatCompletionChunk) -> dict[str, Any] | None:
        details = super()._map_chunk_provider_details(chunk) or {}
        return {**details, **_reported_price(chunk.usage)} or None


class TolerantChatModel(OpenAIChatModel):
    """Chat completions as other people's servers send them: ids left out, arguments as objects, a price in `usage`."""

    def _process_response(self, response: chat.ChatCompletion | str, **how: Any) -> ModelResponse:
        if isinstance(response, str) and (page := page_in(response)):
            raise NotChatError(page)
        try:
            # The client hands on what it got: usually a loosely built object, but text, a list or nothing as well.
            body: Any = json.loads(response) if isinstance(response, str) else response
            if isinstance(response, chat.ChatCompletion):
                body = response.model_dump(warnings=False)
            whole = chat.ChatCompletion.model_validate(completed(body, self.model_name))
        except ValueError as error:  # no JSON, no answer, or one that cannot be completed
            raise UnexpectedModelBehavior(f"{error}".splitlines()[0]) from error
        return super()._process_response(whole, **how)

    def _process_provider_details(self, response: chat.ChatCompletion) -> dict[str, Any] | None:
        details = super()._process_provider_details(response) or {}
        return {**details, **_reported_price(response.usage)}

    @property
    def _streamed_response_cls(self) -> type[OpenAIStreamedResponse]:
        return _TolerantStream


def _reported_price(usage: Any) -> dict[str, float]:
    """`{"cost": dollars}` where an endpoint says what it charged, as several gateways do beside the token counts."""
    reported = believed((getattr(usage, "model_extra", None) or {}).get("cost"))
    return {} if reported is None else {"cost": reported}


def http_client(timeout_s: float, base_url: str | None = None) -> httpx2.AsyncClient:
    """A client that takes proxies from the environment, except for loopback addresses, where it never uses one."""
    hosts = {"127.0.0.1", "localhost", "[::1]"}
    if base_url is not None and is_loopback(base_url):
        name = httpx2.URL(base_url).host
        hosts.add(f"[{name}]" if ":" in name else name)
    trusted = _trusted(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))
    direct = AnyForm(httpx2.AsyncHTTPTransport(verify=trusted))
    mounts = {f"all://{host}": direct for host in sorted(hosts)}
    return httpx2.AsyncClient(verify=trusted, timeout=httpx2.Timeout(timeout_s, connect=CONNECT_S), mounts=mounts)


@cache
def _trusted(file: str | None, folder: str | None) -> ssl.SSLContext:
    """Reading the certificates costs as much as a whole request: once for each place that they are read from."""
    del file, folder  # the library reads the same two variables
    return httpx2.create_ssl_context()


def build(choice: ModelChoice, client: httpx2.AsyncClient) -> Model:
    """The model of *choice*, speaking through *client*; UserError says what to install or to set."""
    with _as_ours(choice):
        if choice.base_url is not None or choice.provider == "ollama":
            return _compatible(choice, choice.base_url or f"{OLLAMA_ADDRESS}/v1", client)
        return infer_model(str(choice), _with_client(client, None))


def build_embedding(choice: ModelChoice, client: httpx2.AsyncClient) -> EmbeddingModel:
    """The embedding model of *choice*, speaking through *client*, without retries of its own. UserError as `build`."""
    with _as_ours(choice):
        if choice.base_url is None and choice.provider != "ollama":
            return infer_embedding_model(str(choice), provider_factory=_with_client(client, None))
        here = _provider_at(choice, choice.base_url or f"{OLLAMA_ADDRESS}/v1", client)
        return OpenAIEmbeddingModel(choice.name, provider=here)


@contextmanager
def _as_ours(choice: ModelChoice) -> Iterator[None]:
    try:
        yield
    except ImportError:
        raise UserError(missing_library(choice.provider)) from None
    except LibraryUserError as error:
        raise UserError(_unusable(choice, str(error))) from None


def missing_library(provider: str) -> str:
    """The sentence that says how to install the library of *provider*."""
    row = row_of(provider)
    package = f"toolwright[{row.extra}]" if row is not None and row.extra else f"pydantic-ai-slim[{provider}]"
    return f"The library for {provider!r} models is not installed: pip install '{package}'"


def _unusable(choice: ModelChoice, detail: str) -> str:
    variable = key_variable(choice.provider)
    if variable in detail and not os.environ.get(variable):
        return f"There is no key for {choice}: set {variable}, or choose another model with --model."
    return f"The model {choice} cannot be used: {detail.splitlines()[0]}"


def _provider_at(choice: ModelChoice, base_url: str, client: httpx2.AsyncClient) -> OllamaProvider | OpenAIProvider:
    row = row_of(choice.provider)
    variables = row.variables if row is not None else (key_variable(choice.provider),)
    key = next((os.environ[name] for name in variables if os.environ.get(name)), NO_KEY)
    kind = OllamaProvider if _at_ollama(choice) else OpenAIProvider
    provider = kind(base_url=base_url, api_key=key, http_client=client)
    tried_once(provider)
    return provider


def _at_ollama(choice: ModelChoice) -> bool:
    return choice.provider == "ollama" or choice.server == "ollama"


def _compatible(choice: ModelChoice, base_url: str, client: httpx2.AsyncClient) -> Model:
    provider = _provider_at(choice, base_url, client)
    host = httpx2.URL(base_url).host
    ours = OpenAIModelProfile(
        # A stream that stops without saying why has been cut: half a tool call must never be acted on.
        openai_chat_streaming_requires_finish_reason=True,
        openai_supports_strict_tool_definition=False,
        # Only OpenAI itself wants the newer name of the output limit; other servers know `max_tokens`.
        openai_chat_supports_max_completion_tokens=host.endswith((".openai.com", ".azure.com")),
    )
    # What is known of a family of models (how it marks its thinking) holds at home too; only Ollama's names tell it.
    profile = merge_profile(provider.model_profile(choice.name), ours) if _at_ollama(choice) else ours
    return TolerantChatModel(choice.name, provider=provider, profile=profile)


def _with_client(client: httpx2.AsyncClient, base_url: str | None) -> Callable[[str], Provider[Any]]:
    """A factory that hands our client to each provider which takes one, and builds the others their own way."""

    def provider_of(name: str) -> Provider[Any]:
        if name.startswith("gateway/"):
            return tried_once(infer_provider(name))
        kind = infer_provider_class(name)
        takes = inspect.signature(kind.__init__).parameters
        # Libraries of their own kind (Mistral, Bedrock, …) want other clients; those built on httpx2 say so.
        given: dict[str, Any] = {"http_client": client} if "httpx" in _annotation(takes) else {}
        if base_url is not None:
            given["base_url"] = base_url
        return tried_once(kind(**given))

    return provider_of


def _annotation(parameters: Any) -> str:
    parameter = parameters.get("http_client")
    text = str(parameter.annotation) if parameter is not None else ""
    return "httpx2" if "HTTPClient" in text or "httpx2" in text else ""
