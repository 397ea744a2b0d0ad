"""Addresses at home in, a ModelChoice with its reason out; or, where no model can call tools, how to get one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from toolwright.errors import UserError
from toolwright.models.address import checked_url, is_at_home, is_loopback
from toolwright.models.servers import KINDS, Served, Server, kind_of, llamacpp, meet, meet_all, now_at
from toolwright.models.table import OLLAMA_ADDRESS
from toolwright.models.values import ModelChoice, ModelSettings

PROBE_S = 0.3
"""How long servers on this machine may take in all to say that they are there."""
NAMED_S = 3.0
"""How long a server may take whose address somebody set."""
_MOST_NAMES = 8


def ollama_address(env: Mapping[str, str]) -> str:
    """Where Ollama's own variables say that it listens, as an address to call; without `/v1`."""
    address = env.get("OLLAMA_BASE_URL") or env.get("OLLAMA_HOST") or OLLAMA_ADDRESS
    if "://" not in address:
        address = f"http://{address}"
    # A server listens on every address, a client calls one.
    address = checked_url(address).replace("//0.0.0.0", "//127.0.0.1").removesuffix("/v1")
    return address if address.count(":") > 1 else f"{address}:11434"


def found(settings: ModelSettings, env: Mapping[str, str]) -> ModelChoice | None:
    """The model to take of the servers that run on this machine; None when none answers.

    UserError with the line that gets a model, where servers answer and none of their models can be taken.
    """
    said = settings.local_servers.strip()
    if said == "off":
        return None
    said = "" if said == "auto" else said
    own = bool(said or env.get("OLLAMA_BASE_URL") or env.get("OLLAMA_HOST"))
    servers = meet_all(_addresses(said, env), NAMED_S if own else PROBE_S)
    # On a usual port anything may listen; only what says that it is a model server is one.
    servers = [one for one in servers if one.kind or said]
    for server in servers:
        if (choice := _best_of(server, "no key is set, and ")) is not None:
            return choice
    if servers:
        raise UserError(_none_of(servers))
    return None


def listed(base_url: str) -> ModelChoice:
    """The model to take of the server at *base_url*, for which none was named. UserError where there is none."""
    server = meet(base_url, NAMED_S)
    if server is None:
        raise UserError(f"{base_url} does not say which models it has; name one with --model NAME.")
    if not server.kind and (model := server.best()) is not None:
        return ModelChoice("openai", model.name, base_url, f"it is the first model that {base_url} lists")
    choice = _best_of(server, "")
    if choice is None:
        raise UserError(_none_of([server]))
    return replace(choice, provider="openai")


def met(choice: ModelChoice) -> ModelChoice:
    """*choice*, a model that was named, with what its server at home says of it; as it is where none can be asked."""
    if choice.base_url is None or not is_at_home(choice.base_url):
        return choice
    server = meet(choice.base_url, NAMED_S)
    if server is None or not server.kind:
        return choice
    choice = replace(choice, server=server.kind, base_url=server.address, loaded=False if server.loading else None)
    model = server.served(choice.name)
    if model is None and server.kind == "llama.cpp" and len(server.models) == 1:
        model = server.models[0]  # it answers to any name
    return _with(choice, server, model) if model is not None else choice


def _best_of(server: Server, because: str) -> ModelChoice | None:
    at = f"{because}{server.title} answers at {server.root}"
    if server.loading:
        return ModelChoice(
            "openai", llamacpp.UNNAMED, server.address, f"{at}; it is loading its model", server.kind, loaded=False
        )
    model = server.best()
    if model is None:
        return None
    what = "the first of its models that says it can call tools" if model.tools else "the first model that it serves"
    if not model.tools:
        what += " (whether it can call tools is not said, and tried)"
    if model.tools and model.loaded and server.kind != "vllm":
        what += ", and it is loaded"
    provider = "ollama" if server.kind == "ollama" else "openai"
    choice = ModelChoice(provider, model.name, server.address, f"{at}; this is {what}", server.kind)
    return _with(choice, server, model)


def _with(choice: ModelChoice, server: Server, model: Served) -> ModelChoice:
    # Of the four only Ollama refuses tools because of what it says of a model; LM Studio and llama.cpp have a form of
    # their own for models that know none.
    tools = model.tools if server.kind == "ollama" or model.tools else None
    if server.kind != "ollama":
        return replace(choice, tools=tools, window=model.window, loaded=model.loaded)
    window, loaded = now_at("ollama", server.address, model.name, NAMED_S)
    why = (
        choice.why
        if tools is not False
        else f"{choice.why}; it says that it cannot call tools, and is asked in plain text"
    )
    # What is passed on is never in memory here.
    return replace(
        choice, tools=tools, window=window, loaded=None if model.remote else loaded, why=why, remote=model.remote
    )


def _addresses(said: str, env: Mapping[str, str]) -> list[str]:
    if said:
        return [checked_url(one) for one in said.replace(",", " ").split()]
    usual = {kind.id: f"http://127.0.0.1:{kind.port}" for kind in KINDS}
    own = ollama_address(env)
    if is_loopback(own) or env.get("OLLAMA_BASE_URL") or env.get("OLLAMA_HOST"):
        usual["ollama"] = own
    return list(dict.fromkeys(usual.values()))


def _none_of(servers: Sequence[Server]) -> str:
    lines = ["None of the models at home says that it can call tools."]
    for server in servers:
        names = ", ".join(one.name for one in server.models[:_MOST_NAMES]) or "no model"
        lines.append(f"  {server.title} at {server.root} has {names}")
        if (kind := kind_of(server.kind)) is not None:
            lines.append(f"    get one that can: {kind.pull}")
    lines.append("  or name one of them, which is then asked in plain text: --base-url URL --model NAME")
    return "\n".join(lines)
