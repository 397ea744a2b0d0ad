"""Words of ours go in, the words that the GenAI conventions have for them come out."""

from __future__ import annotations

import urllib.parse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from toolwright.telemetry.quiet import Attributes

_PROVIDERS = {
    "bedrock": "aws.bedrock",
    "google": "gcp.gemini",
    "google-cloud": "gcp.vertex_ai",
    "azure": "azure.ai.openai",
    "mistral": "mistral_ai",
    "moonshotai": "moonshot_ai",
    "openai-chat": "openai",
    "openai-responses": "openai",
    "grok": "x_ai",
    "xai": "x_ai",
}


def provider_name(provider: str) -> str:
    """`gen_ai.provider.name` for a provider of ours; one that the conventions do not know keeps its name."""
    return _PROVIDERS.get(provider, provider)


def server_of(base_url: str | None) -> Attributes:
    """Host and port of a model's address; {} where the provider's library knows it, or where it is none."""
    try:
        found = urllib.parse.urlsplit(base_url or "")
        port = found.port
    except ValueError:
        return {}
    if not found.hostname:
        return {}
    return {"server.address": found.hostname, "server.port": port or (443 if found.scheme == "https" else 80)}


def kind_of(error: BaseException) -> str:
    """The word for *error* in `error.type`: the status of HTTP if it has one, `timeout`, else its class."""
    status = getattr(error, "status_code", None)
    if isinstance(status, int):
        return str(status)
    return "timeout" if isinstance(error, TimeoutError) else type(error).__name__
