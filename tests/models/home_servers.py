"""Servers that behave like Ollama, LM Studio, llama.cpp and vLLM: over real HTTP on loopback, with a model made of Python.

What each answers was read from (no real one is reachable where these tests run):

- Ollama, commit fb30760 of 2026-08-21 (after 0.12): `api/types.go` (ListModelResponse with `capabilities`, ShowResponse,
  ProcessModelResponse with `context_length`), `server/images.go` ("does not support" + "tools"), `server/routes.go`
  (handleScheduleError: 400, 404 "model %q not found, try pulling it first", 500), `openai/openai.go`,
  `middleware/openai.go` (errors as `{"error": {"message", "type", …}}`), `llm/llama_server.go` ("llama-server process has
  terminated"), docs/context-length.mdx. Lists without `capabilities` are those before that.
- llama.cpp, `tools/server/README.md` at 00dc805 (`/props`, `/v1/models`, `/health`, router mode) and the source around
  it: `{"owned_by", "llamacpp"}`, 503 "Loading model" with type `unavailable_error`, 500 "tools param requires --jinja
  flag", 400 `exceed_context_size_error`.
- vLLM, `vllm/entrypoints/openai/models/serving.py` at 00153c8 (ModelCard with `max_model_len`, owner `vllm`; 404
  "The model `x` does not exist."), pull request 30613 and issue 9986 for the two flags that tools need.
- LM Studio, its docs at c6854fb of 2026-04-29: `/api/v1/models` (0.4), `/api/v0/models` (0.3.6, `capabilities` since
  0.3.16), tools.mdx (`[TOOL_REQUEST]`), lms issue 107 (404 "No models loaded"), bug tracker 546 and 2256 (context).
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

KINDS = ("ollama", "lmstudio", "llama.cpp", "vllm")


@dataclass
class Said:
    """One answer of a model: words, calls [(name, arguments)], and why it ended."""

    text: str = ""
    calls: list = field(default_factory=list)
    finish: str = ""


@dataclass
class HomeModel:
    """A model on such a server. `answer(body)` gives a Said; `faults` come first, one a request."""

    name: str = "qwen3:8b"
    answer: Callable = lambda body: Said("It is done.")
    tools: bool | None = True
    """Whether it can call tools; None: its server does not say (an old list, a router's model that is not loaded)."""
    chats: bool = True
    context: int = 32768
    limit: int = 131072
    loaded: bool = True
    loads_in: float = 0.0
    looks: int = 0
    """It is in memory once somebody asked so often for the server's health, however long that takes."""
    faults: list = field(default_factory=list)
    remote: bool = False


class HomeServer:
    """`with HomeServer("ollama", HomeModel()) as server:`; `server.url` is for `--base-url`, `server.log` what came."""

    def __init__(self, kind, *models, old=False, flags=True, routed=False, port=0):
        self.kind, self.models, self.old, self.flags, self.routed = kind, list(models), old, flags, routed
        self.log = []
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._server.daemon_threads = True
        self._loaded_at = {one.name: time.monotonic() + one.loads_in for one in models if one.loaded}

    @property
    def root(self):
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def url(self):
        return f"{self.root}/v1"

    @property
    def chats(self):
        """The bodies of the chat requests, in order."""
        return [body for path, body in self.log if path == "/v1/chat/completions"]

    def paths(self):
        return [path for path, _ in self.log]

    def asked_of(self, role):
        return [body for body in self.chats if role_of(body) == role]

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def _handler(outer):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                self._do({})

            def do_POST(self):
                length = int(self.headers.get("Content-Length") or 0)
                self._do(json.loads(self.rfile.read(length) or b"{}"))

            def _do(self, body):
                path = self.path
                with outer._lock:
                    outer.log.append((path, body))
                try:
                    getattr(outer, "_" + outer.kind.replace(".", ""))(self, path, body)
                except (BrokenPipeError, ConnectionResetError):
                    self.close_connection = True

            def send(self, status, body, kind="application/json"):
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        return Handler

    def named(self, name):
        names = (name, f"{name}:latest")
        return next((one for one in self.models if one.name in names), None)

    def is_loaded(self, model):
        if model.looks:
            return self.paths().count("/health") >= model.looks
        return time.monotonic() >= self._loaded_at.get(model.name, float("inf"))

    def load(self, model):
        """Load as a server does that loads by itself: the request waits."""
        until = self._loaded_at.setdefault(model.name, time.monotonic() + model.loads_in)
        time.sleep(max(0.0, until - time.monotonic()))

    # ---- the four ----------------------------------------------------------------------------------------------

    def _ollama(self, http, path, body):
        if path == "/v1/models":
            rows = [{"id": one.name, "object": "model", "created": 1, "owned_by": "library"} for one in self.models]
            return http.send(200, {"object": "list", "data": rows})
        if path == "/api/tags":
            return http.send(200, {"models": [self._tag(one) for one in self.models]})
        if path == "/api/ps":
            rows = [one for one in self.models if self.is_loaded(one)]
            rows = [{"name": one.name, "model": one.name, "context_length": one.context} for one in rows]
            return http.send(200, {"models": rows})
        model = self.named(body.get("model", ""))
        if path not in ("/api/show", "/api/generate", "/v1/chat/completions"):
            return http.send(404, b"404 page not found", "text/plain")
        if model is None:
            text = f'model "{body.get("model")}" not found, try pulling it first'
            wrong = {"message": text, "type": "not_found_error", "param": None, "code": None}
            return http.send(404, {"error": wrong if path.startswith("/v1") else text})
        if path == "/api/show":
            shown = {"model_info": {"general.architecture": "qwen3", "qwen3.context_length": model.limit}}
            shown["template"] = "{{ if .Tools }}…{{ end }}{{ .Prompt }}" if model.tools else "{{ .Prompt }}"
            return http.send(200, shown if self.old else {**shown, "capabilities": self._abilities(model)})
        if path == "/api/generate":
            self.load(model)
            return http.send(200, {"model": model.name, "done": True, "done_reason": "load", "response": ""})
        if body.get("tools") and not model.tools:
            text = f"registry.ollama.ai/library/{model.name} does not support tools"
            return http.send(400, {"error": {"message": text, "type": "invalid_request_error"}})
        self.load(model)
        return self._chat(http, model, body)

    def _tag(self, model):
        row = {"name": model.name, "model": model.name, "details": {"family": "qwen3"}, "size": 1}
        if model.remote:
            row |= {"remote_host": "https://ollama.com:443", "remote_model": model.name}
        return row if model.tools is None or self.old else {**row, "capabilities": self._abilities(model)}

    @staticmethod
    def _abilities(model):
        if not model.chats:
            return ["embedding"]
        return ["completion", *(["tools"] if model.tools else [])]

    def _lmstudio(self, http, path, body):
        if path == "/v1/models":
            rows = [{"id": one.name, "object": "model", "owned_by": "organization_owner"} for one in self.models]
            return http.send(200, {"object": "list", "data": rows})
        if path == "/api/v1/models" and not self.old:
            return http.send(200, {"models": [self._entry(one) for one in self.models]})
        if path == "/api/v0/models":
            return http.send(200, {"object": "list", "data": [self._old_entry(one) for one in self.models]})
        if path != "/v1/chat/completions":
            return http.send(200, {"error": f"Unexpected endpoint or method. ({http.command} {path})"})
        model = self.named(body.get("model", ""))
        if model is None:
            text = "No models loaded. Please load a model in the developer page or use the 'lms load' command."
            return http.send(404, {"error": {"message": text, "type": "invalid_request_error"}})
        self.load(model)
        return self._chat(http, model, body)

    def _entry(self, model):
        loaded = [{"id": model.name, "config": {"context_length": model.context}}] if self.is_loaded(model) else []
        row = {"type": "llm" if model.chats else "embedding", "key": model.name, "loaded_instances": loaded}
        row["max_context_length"] = model.limit
        if model.chats:
            row["capabilities"] = {"vision": False, "trained_for_tool_use": bool(model.tools)}
        return row

    def _old_entry(self, model):
        state = "loaded" if self.is_loaded(model) else "not-loaded"
        row = {"id": model.name, "object": "model", "type": "llm" if model.chats else "embeddings", "state": state}
        row["max_context_length"] = model.limit
        if state == "loaded":
            row["loaded_context_length"] = model.context
        return row | ({} if model.tools is None else {"capabilities": ["tool_use"] if model.tools else []})

    def _llamacpp(self, http, path, body):
        path, _, query = path.partition("?")
        first = self.models[0]
        if not self.routed and not self.is_loaded(first):
            wrong = {"message": "Loading model", "type": "unavailable_error", "code": 503}
            return http.send(503, {"error": wrong})
        if path == "/health":
            return http.send(200, {"status": "ok"})
        if path in ("/v1/models", "/models"):
            return http.send(200, {"object": "list", "data": [self._row(one) for one in self.models]})
        if path == "/props":
            name = re.search(r"model=([^&]+)", query)
            model = self.named(name.group(1).replace("%3A", ":").replace("%2F", "/")) if name else first
            return http.send(200, self._props(model))
        if path != "/v1/chat/completions":
            wrong = {"code": 404, "message": "File Not Found", "type": "not_found_error"}
            return http.send(404, {"error": wrong})
        model = self.named(body.get("model", "")) if self.routed else first
        if model is None:
            wrong = {"code": 400, "message": f"model '{body.get('model')}' not found", "type": "invalid_request_error"}
            return http.send(400, {"error": wrong})
        if body.get("tools") and not self.flags:
            wrong = {"code": 500, "message": "tools param requires --jinja flag", "type": "server_error"}
            return http.send(500, {"error": wrong})
        self.load(model)
        return self._chat(http, model, body)

    def _row(self, model):
        row = {"id": model.name, "object": "model", "created": 1, "owned_by": "llamacpp"}
        row["architecture"] = {"input_modalities": ["text"], "output_modalities": ["text"] if model.chats else []}
        if self.routed:
            return row | {"status": {"value": "loaded" if self.is_loaded(model) else "unloaded"}}
        return row | {"meta": {"n_ctx_train": model.limit}}

    def _props(self, model):
        props = {"default_generation_settings": {"n_ctx": model.context}, "total_slots": 1, "chat_template": "{{…}}"}
        if self.old:
            return props | {"chat_template": "{% if tools %}…{% endif %}" if model.tools else "{{ messages }}"}
        return props | {"chat_template_caps": {"supports_tools": model.tools, "supports_tool_calls": model.tools}}

    def _vllm(self, http, path, body):
        if path == "/v1/models":
            rows = [
                {"id": one.name, "object": "model", "owned_by": "vllm", "root": one.name, "max_model_len": one.context}
                for one in self.models
            ]
            return http.send(200, {"object": "list", "data": rows})
        if path != "/v1/chat/completions":
            return http.send(404, {"detail": "Not Found"})
        model = self.named(body.get("model", ""))
        if model is None:
            text = f"The model `{body.get('model')}` does not exist."
            return http.send(404, self._vllm_error(text, "NotFoundError", 404))
        if body.get("tools") and not self.flags:
            text = '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set'
            return http.send(400, self._vllm_error(text, "BadRequestError", 400))
        if body["max_tokens"] >= model.context:
            text = f"This model's maximum context length is {model.context} tokens. However, you requested more."
            return http.send(400, self._vllm_error(text, "BadRequestError", 400))
        return self._chat(http, model, body)

    def _vllm_error(self, text, kind, code):
        if self.old:
            return {"object": "error", "message": text, "type": kind, "param": None, "code": code}
        return {"error": {"message": text, "type": kind, "param": None, "code": code}}

    # ---- a chat completion, and what goes wrong with it ----------------------------------------------------------

    def _chat(self, http, model, body):
        with self._lock:
            fault = model.faults.pop(0) if model.faults else None
        if callable(fault):
            return fault(http, body)
        said = fault if isinstance(fault, Said) else model.answer(body)
        if body.get("stream"):
            return http.send(200, "".join(self.events(model, said, body)).encode(), "text/event-stream")
        return http.send(200, self.whole(model, said))

    def whole(self, model, said):
        calls = [self._call(number, *call) for number, call in enumerate(said.calls)]
        message = {"role": "assistant", "content": said.text or ("" if self.kind == "ollama" else None)}
        if calls or self.kind in ("vllm", "lmstudio"):
            message["tool_calls"] = calls
        if self.kind == "vllm":
            message |= {"refusal": None, "annotations": None, "audio": None, "reasoning_content": None}
        finish = said.finish or ("tool_calls" if calls else "stop")
        answer = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": model.name,
            "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        }
        if self.kind == "llama.cpp":
            answer["timings"] = {"prompt_n": 1}
        return answer | {"usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}}

    def _call(self, number, name, arguments):
        # Ollama hands out `call_…`, vLLM `chatcmpl-tool-…`, LM Studio bare numbers, llama.cpp sometimes nothing.
        own = {"ollama": f"call_{number}", "vllm": f"chatcmpl-tool-{number}", "lmstudio": str(number)}
        written = arguments if isinstance(arguments, str) else json.dumps(arguments)
        call = {"type": "function", "function": {"name": name, "arguments": written}}
        return call | {"id": own.get(self.kind, "")}

    def events(self, model, said, body):
        base = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": model.name}
        whole = self.whole(model, said)["choices"][0]
        yield ": keep-alive\n\n"
        for at in range(0, len(said.text), 40):
            delta = {"role": "assistant", "content": said.text[at : at + 40]}
            yield event({**base, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
        for number, call in enumerate(whole["message"].get("tool_calls") or ()):
            delta = {"tool_calls": [{"index": number, **call}]}
            yield event({**base, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
        yield ":\n\n"
        yield event({**base, "choices": [{"index": 0, "delta": {}, "finish_reason": whole["finish_reason"]}]})
        if (body.get("stream_options") or {}).get("include_usage") and self.kind != "llama.cpp":
            usage = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}
            yield event({**base, "choices": [], "usage": usage})
        yield "data: [DONE]\n\n"


def event(data):
    return f"data: {json.dumps(data)}\n\n"


def refuse(status, body, kind="application/json"):
    """A fault: this answer instead of one."""
    return lambda http, _: http.send(status, body, kind)


def hang_up(http, _):
    """A fault: the connection closes in the middle of the answer."""
    http.send_response(200)
    http.send_header("Content-Length", "1000")
    http.end_headers()
    http.wfile.write(b'{"choices": [{"mess')
    http.wfile.flush()
    http.close_connection = True


PAGE = b"<!DOCTYPE html><html><head><title>llama.cpp - chat</title></head><body>Hello</body></html>"


# ---- a model's mind: it has a tool made, and uses it ---------------------------------------------------------------

TASK = "How much is 5000 USD in ILS at a rate of 3.71?"
ANSWER = "It is 18550.0 ILS."
ASKED = {
    "tool_name": "convert_amount",
    "description": "Convert an amount of money at a rate.",
    "input_params": "amount: float, rate: float",
    "return_type": "float",
    "example": "convert_amount(100.0, 3.71) == 371.0",
}
SOURCE = '''def convert_amount(amount: float, rate: float) -> float:
    """Convert an amount of money at a rate.

    amount: what is converted. rate: units for each unit of it. Returns the product. Raises ValueError below 0.
    """
    if rate < 0:
        raise ValueError(f"rate must be 0 or more, not {rate}")
    return amount * rate
'''
EXAMPLES = {"examples": [{"arguments": {"amount": 2.0, "rate": 3.0}, "expected": 6.0}], "properties": []}
CALL = ("convert_amount", {"amount": 5000.0, "rate": 3.71})


def role_of(body):
    found = re.match(r"\s*\[toolwright:(\w+)\]", text_of(body["messages"][0]))
    return found.group(1) if found else ""


def text_of(message):
    content = message.get("content")
    return content if isinstance(content, str) else "".join(one.get("text", "") for one in content or ())


def offered(body):
    return [one["function"]["name"] for one in body.get("tools") or ()]


def native(body):
    """A model that calls tools."""
    if role_of(body) == "generator":
        return Said(calls=[("submit_tool", {"source": SOURCE, "packages": [], "notes": ""})])
    if role_of(body) == "examiner":
        return Said(calls=[("submit_examples", EXAMPLES)])
    if any(one["role"] == "tool" and "18550" in text_of(one) for one in body["messages"]):
        return Said(ANSWER)
    if "convert_amount" in offered(body):
        return Said(calls=[CALL])
    return Said(calls=[("request_new_tool", ASKED)])


def in_words(body, call=lambda name, arguments: fenced({"tool": name, "arguments": arguments})):
    """A model that only talks; *call* writes a call down."""
    assert not body.get("tools"), "a model that only talks was given tools"
    if role_of(body) == "generator":
        return Said(f"Here it is:\n```python\n# /// script\n# dependencies = []\n# ///\n{SOURCE}```\n")
    if role_of(body) == "examiner":
        return Said(fenced(EXAMPLES))
    system, last = text_of(body["messages"][0]), text_of(body["messages"][-1])
    if "18550" in last:
        return Said(ANSWER)
    if "- `convert_amount`" in system:
        return Said("I use what is there.\n" + call(*CALL))
    return Said("There is no tool yet.\n" + call("request_new_tool", ASKED))


def fenced(value, language="json"):
    return f"```{language}\n{json.dumps(value)}\n```"


# ---- a process --------------------------------------------------------------------------------------------------------


def environ(home, **more):
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.endswith(("_API_KEY", "_BASE_URL")) and not key.startswith(("TOOLWRIGHT_", "OLLAMA_"))
    }
    return kept | {"HOME": str(home), "XDG_DATA_HOME": str(Path(home) / "data")} | more


def toolwright(home, *words, code=0, **more):
    """Run the command; its exit code is *code*, and there is no traceback."""
    done = subprocess.run(
        [sys.executable, "-m", "toolwright", *words],
        capture_output=True,
        text=True,
        env=environ(home, **more),
        cwd=home,
        timeout=120,
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def events_in(done):
    return [json.loads(line) for line in done.stdout.splitlines()]
