"""Settings in, the model to take out, with the sentence why: as said, else by key, else one at home, else advice."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from dataclasses import replace

from toolwright.errors import UserError
from toolwright.models import local
from toolwright.models.address import checked_url
from toolwright.models.table import PROVIDERS, ProviderRow, row_of
from toolwright.models.values import ModelChoice, ModelSettings
from toolwright.trace import Role


def settings_for(role: Role, by_role: Mapping[str, ModelSettings]) -> ModelSettings:
    """The settings that hold for *role*: its own, filled up from the orchestrator's.

    The orchestrator's address goes with a bare model name, and with a model of the same provider; a model of another
    provider is spoken to at that provider's own address.
    """
    first = by_role.get("orchestrator", ModelSettings())
    own = by_role.get(role, first)
    if own.base_url is not None or first.base_url is None:
        return own if own.model or own.base_url else replace(own, model=first.model)
    if own.model is None:
        return replace(own, model=first.model, base_url=first.base_url)
    provider = _provider_in(own.model)
    same = provider is None or provider == (_provider_in(first.model or "") or "openai")
    return replace(own, base_url=first.base_url) if same else own


def choose(settings: ModelSettings, environ: Mapping[str, str] | None = None) -> ModelChoice:
    """The model to take. Asks the network only at home (loopback, private addresses), or where an address was named."""
    env = os.environ if environ is None else environ
    base_url = checked_url(settings.base_url) if settings.base_url else None
    if settings.model:
        return local.met(_said(settings.model, base_url, env))
    if base_url is not None:
        return local.listed(base_url)
    return _by_key(env) or local.found(settings, env) or _none()


def _said(model: str, base_url: str | None, env: Mapping[str, str]) -> ModelChoice:
    provider = _provider_in(model)
    if provider is None and base_url is None:
        raise UserError(
            f"model {model!r}: write provider:name, such as 'openai:{PROVIDERS[0].default_model}', "
            "or add --base-url for a server of your own."
        )
    name = model if provider is None else model.split(":", 1)[1]
    if not name:
        raise UserError(f"model {model!r} has no name after the colon.")
    provider = provider or "openai"
    if base_url is None:
        base_url = _usual_address(provider, env)
    if base_url is None:
        _check_library(provider)
        _check_key(provider, name, env)
    why = "it was asked for" + (f", at {base_url}" if base_url else "")
    return ModelChoice(provider, name, base_url, why)


def _usual_address(provider: str, env: Mapping[str, str]) -> str | None:
    """The address that a provider's own variable sets; for those that are spoken to in chat completions."""
    if provider in ("openai", "openai-chat") and env.get("OPENAI_BASE_URL"):
        return checked_url(env["OPENAI_BASE_URL"])
    return local.ollama_address(env) + "/v1" if provider == "ollama" else None


def _by_key(env: Mapping[str, str]) -> ModelChoice | None:
    for row in PROVIDERS:
        variable = next((name for name in row.variables if env.get(name)), None)
        if variable is not None:
            base_url = _usual_address(row.provider, env)
            if base_url is None:
                _check_library(row.provider, f"{variable} is set")
            return ModelChoice(row.provider, row.default_model, base_url, f"{variable} is set")
    return None


def _none() -> ModelChoice:
    keys = ", ".join(row.variables[0] for row in PROVIDERS)
    raise UserError(
        "No model: none was named, no key is set, and no model server answers on this machine. Ways to go on:\n"
        f"  set a provider's key: {keys}\n"
        "  name a model: --model provider:name\n"
        "  use a server of your own that speaks chat completions: --base-url http://127.0.0.1:8000/v1 --model NAME\n"
        "  run a model at home (Ollama, LM Studio, llama.cpp or vLLM), such as: ollama serve, then ollama pull qwen3\n"
        "  see it work without any of these: toolwright demo"
    )


def _provider_in(model: str) -> str | None:
    """The known provider before the first colon, or None: `qwen3:8b` is a bare name."""
    head, colon, _ = model.partition(":")
    if not colon:
        return None
    if row_of(head) is not None or head == "ollama":
        return head
    from pydantic_ai.providers import infer_provider_class

    try:
        infer_provider_class(head)
    except ValueError:
        return None
    except ImportError:
        return head  # known, and its library is missing: said when it is built
    return head


def _check_library(provider: str, because: str = "") -> None:
    row: ProviderRow | None = row_of(provider)
    if row is None or not row.extra or _installed(row.module):
        return
    reason = f"{because}, but " if because else ""
    raise UserError(
        f"{reason}the library for {provider} models is not installed: pip install 'toolwright[{row.extra}]'"
    )


def _check_key(provider: str, name: str, env: Mapping[str, str]) -> None:
    """Before a run begins rather than at its first call; some clouds know other ways to log in, and are left alone."""
    row = row_of(provider)
    if row is None or row.other_logins or any(env.get(variable) for variable in row.variables):
        return
    raise UserError(
        f"There is no key for {provider}:{name}: set {row.variables[0]}, or choose another model with --model."
    )


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False
