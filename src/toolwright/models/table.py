"""The one table of providers: the variable that holds the key, the model taken by default, what must be installed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProviderRow:
    """One provider that is found by its key in the environment."""

    provider: str
    variables: tuple[str, ...]
    """Environment variables that may hold the key, the first one being the usual."""
    default_model: str
    extra: str = ""
    """What to install beside the plain package: `pip install 'toolwright[EXTRA]'`; empty when nothing is missing."""
    module: str = "openai"
    """The library that speaks to it."""
    other_logins: bool = False
    """It can be logged in to without a key in one of the variables."""


PROVIDERS = (
    ProviderRow("openai", ("OPENAI_API_KEY",), "gpt-6.1-terra"),
    ProviderRow("anthropic", ("ANTHROPIC_API_KEY",), "claude-sonnet-5-5", "anthropic", "anthropic"),
    ProviderRow("google", ("GOOGLE_API_KEY", "GEMINI_API_KEY"), "gemini-3.8-flash", "google", "google.genai", True),
    ProviderRow("openrouter", ("OPENROUTER_API_KEY",), "anthropic/claude-sonnet-5.5"),
    ProviderRow("mistral", ("MISTRAL_API_KEY",), "mistral-large-latest", "mistral", "mistralai"),
    ProviderRow("groq", ("GROQ_API_KEY",), "openai/gpt-oss-120b", "groq", "groq"),
    ProviderRow("deepseek", ("DEEPSEEK_API_KEY",), "deepseek-v4-pro"),
    ProviderRow("cohere", ("CO_API_KEY",), "command-a-plus-05-2026", "cohere", "cohere"),
    ProviderRow("cerebras", ("CEREBRAS_API_KEY",), "gpt-oss-120b"),
    ProviderRow("bedrock", ("AWS_BEARER_TOKEN_BEDROCK",), "us.amazon.nova-pro-v1:0", "bedrock", "boto3", True),
)
"""In the order in which a key found in the environment decides."""

OLLAMA_ADDRESS = "http://127.0.0.1:11434"


def row_of(provider: str) -> ProviderRow | None:
    """The row of *provider* (`openai-chat` and `openai-responses` are OpenAI's), or None."""
    name = {"openai-chat": "openai", "openai-responses": "openai", "google-cloud": "google"}.get(provider, provider)
    return next((row for row in PROVIDERS if row.provider == name), None)


def key_variable(provider: str) -> str:
    """The environment variable to look at when *provider* refuses the key."""
    row = row_of(provider)
    if row is not None:
        return row.variables[0]
    return "OLLAMA_API_KEY" if provider == "ollama" else f"{provider.upper().replace('-', '_')}_API_KEY"
