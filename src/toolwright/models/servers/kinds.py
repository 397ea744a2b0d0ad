"""The four servers and what is said about each: where it listens, how a model is had, how its context is lifted."""

from __future__ import annotations

from dataclasses import dataclass

from toolwright.models.window import Window


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of server, in the words that a person needs."""

    id: str
    title: str
    port: int
    """Where it usually listens on 127.0.0.1."""
    pull: str
    """The line that fetches a model which can call tools."""
    load: str
    """What to do when it does not have the model that was named; `{name}` stands for it."""
    lift: str
    """The setting that lengthens its context."""
    start: str
    """The line that starts it."""
    tools_on: str = ""
    """What to start it with so that it takes tools."""

    def has_not(self, name: str) -> str:
        """What to do about the model *name* that the server does not have."""
        return self.load.format(name=name)


KINDS = (
    Kind(
        "ollama",
        "Ollama",
        11434,
        "ollama pull qwen3",
        "pull it with `ollama pull {name}`",
        "start Ollama with OLLAMA_CONTEXT_LENGTH=32768, or put `PARAMETER num_ctx 32768` into the model's Modelfile",
        "ollama serve",
    ),
    Kind(
        "lmstudio",
        "LM Studio",
        1234,
        "lms get openai/gpt-oss-20b",
        "fetch it with `lms get {name}`, or load it with `lms load {name}`",
        "load the model with `lms load NAME --context-length 32768`, or set Context Length where LM Studio loads it",
        "lms server start",
    ),
    Kind(
        "llama.cpp",
        "llama.cpp",
        8080,
        "llama-server -hf ggml-org/gpt-oss-20b-GGUF --jinja -c 32768",
        "start llama-server with it (`-m FILE` or `-hf USER/MODEL`), or name one that it lists",
        "start llama-server with -c 32768 (times the slots of --parallel)",
        "llama-server -hf ggml-org/gpt-oss-20b-GGUF --jinja -c 32768",
        "--jinja",
    ),
    Kind(
        "vllm",
        "vLLM",
        8000,
        "vllm serve Qwen/Qwen3-8B --enable-auto-tool-choice --tool-call-parser hermes",
        "start it with `vllm serve {name} --enable-auto-tool-choice --tool-call-parser PARSER`, "
        "or name one that it lists",
        "start vLLM with --max-model-len 32768",
        "vllm serve Qwen/Qwen3-8B --enable-auto-tool-choice --tool-call-parser hermes",
        "--enable-auto-tool-choice --tool-call-parser PARSER",
    ),
)
"""In the order in which a server that is found decides."""


def kind_of(server: str) -> Kind | None:
    """The kind of that id, or None for a server of no known kind."""
    return next((kind for kind in KINDS if kind.id == server), None)


@dataclass(frozen=True, slots=True)
class Served:
    """One model as its server describes it."""

    name: str
    """As it is named in a request."""
    tools: bool | None = None
    """Whether the server says that it can call tools; None: it says nothing about that."""
    chats: bool = True
    """Whether it answers in text at all: models for embeddings and pictures do not."""
    loaded: bool | None = None
    """Whether it is in memory; None: the server does not say."""
    window: Window | None = None
    remote: bool = False
    """The server passes what it is told on to somewhere else."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answered: its kind ('' for none that is known), its root, and its models in its own order."""

    kind: str
    root: str
    """The address without `/v1`."""
    models: tuple[Served, ...] = ()
    loading: bool = False
    """It answered that it is still loading its model, and says no more until it has."""
    base_url: str = ""
    """Where chat completions are spoken, if not below `/v1` of its root."""

    @property
    def address(self) -> str:
        """Where chat completions are spoken."""
        return self.base_url or f"{self.root}/v1"

    @property
    def title(self) -> str:
        """Its name in words."""
        kind = kind_of(self.kind)
        return kind.title if kind else "the server"

    def served(self, name: str) -> Served | None:
        """The model of that name (`qwen3` is Ollama's `qwen3:latest`), or None."""
        names = (name, f"{name}:latest") if self.kind == "ollama" else (name,)
        return next((one for one in self.models if one.name in names), None)

    def best(self) -> Served | None:
        """The model to take: the first that says it can call tools, a loaded one before the others.

        Where the server says nothing about tools, the first that chats. Never one that passes on to somewhere else.
        """
        chats = [one for one in self.models if one.chats and not one.remote]
        able = [one for one in chats if one.tools]
        if self.kind == "lmstudio" or self.kind == "llama.cpp":
            # They load a second model beside the first, or in its place: minutes, and memory that may not be there.
            able.sort(key=lambda one: not one.loaded)
        silent = [] if any(one.tools is False for one in chats) else [one for one in chats if one.tools is None]
        return next(iter([*able, *silent]), None)
