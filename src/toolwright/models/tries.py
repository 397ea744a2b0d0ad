"""A provider of the library in, the same one out, which sends each request once: to try again is ours, on the books."""

from __future__ import annotations

from typing import Any

from pydantic_ai.providers import Provider


def tried_once(provider: Provider[Any]) -> Provider[Any]:
    """*provider*, its client without retries of its own.

    A request carries `max_retries` = 0 where the library hands that on (`Spoken`); for embeddings, and for the clients
    that hear of no such setting, it has to be said to the client itself.
    """
    lazy = getattr(provider, "_lazy_client", None)
    if lazy is not None:  # xAI, over gRPC: made in the loop that asks first, and again in another one
        lazy._kwargs["channel_options"] = [("grpc.enable_retries", 0)]
        return provider
    client = provider.client
    if isinstance(getattr(client, "max_retries", None), int):  # OpenAI, Anthropic, Groq, Voyage
        client.max_retries = 0
    if hasattr(client, "_client_wrapper"):  # Cohere
        client._client_wrapper.httpx_client.base_max_retries = 0
    meta: Any = getattr(client, "meta", None)
    if hasattr(meta, "events"):  # AWS: what decides whether a failure is tried again
        service = meta.service_model.service_id.hyphenize()
        meta.events.unregister(f"needs-retry.{service}", unique_id=f"retry-config-{service}")
    return provider
