"""What Anthropic's and Google's own types, and the bodies that their clients send, make of our schemas."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import anthropic
import pytest
from anthropic.types import ToolParam
from google import genai
from google.genai import types
from jsonschema import Draft202012Validator
from pydantic import ConfigDict, TypeAdapter

from python_door.odd_shelf import greet, stocked
from toolwright import Toolwright


@pytest.fixture(scope="module")
def tw(tmp_path_factory):
    with Toolwright(home=tmp_path_factory.mktemp("odd"), tools=[greet]) as one:
        stocked(one)
        yield one


class Vendor:
    """Answers any request with what it was given, and keeps the body."""

    def __init__(self, answer):
        vendor = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                vendor.body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                data = json.dumps(answer).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


def test_anthropics_type_takes_them_and_the_call_of_its_answer_is_run(tw):
    tools = tw.schemas("anthropic")
    strict = TypeAdapter(list[ToolParam], config=ConfigDict(extra="forbid"))
    assert len(strict.validate_python(tools)) == len(tools) == 7
    for one in tools:
        Draft202012Validator.check_schema(one["input_schema"])
        assert not {"anyOf", "oneOf", "allOf"} & set(one["input_schema"])
    used = {"type": "tool_use", "id": "toolu_1", "name": "add", "input": {"a": 2, "b": 3}}
    answer = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "any",
        "content": [used],
        "stop_reason": "tool_use",
        "stop_sequence": None,
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }
    with Vendor(answer) as vendor:
        client = anthropic.Anthropic(base_url=vendor.url, api_key="none")
        said = client.messages.create(
            model="any", max_tokens=9, messages=[{"role": "user", "content": "2 + 3?"}], tools=tools
        )
    assert vendor.body["tools"] == tools
    (block,) = said.content
    assert tw.told(block.name, tw.call(block.name, block.input)) == "5"


def test_googles_type_takes_them_and_the_call_of_its_answer_is_run(tw):
    tools = tw.schemas("gemini")
    (tool,) = [types.Tool.model_validate(one) for one in tools]
    assert [one.name for one in tool.function_declarations][:3] == ["search_tools", "request_new_tool", "run_tool"]
    assert [types.Tool.model_validate(tools[0]).model_dump(by_alias=True, exclude_none=True)] == tools
    assert types.JSONSchema.model_config["extra"] == "forbid", "so a key that is not read is refused here"
    for one in tool.function_declarations:
        types.JSONSchema.model_validate(one.parameters_json_schema)
    call = {"functionCall": {"name": "add", "args": {"a": 2, "b": 3}}}
    answer = {"candidates": [{"content": {"role": "model", "parts": [call]}, "finishReason": "STOP"}]}
    with Vendor(answer) as vendor:
        client = genai.Client(api_key="none", http_options={"base_url": vendor.url})
        config = {"tools": tools, "automatic_function_calling": {"disable": True}}
        said = client.models.generate_content(model="any", contents="2 + 3?", config=config)
    sent = json.loads(json.dumps(vendor.body["tools"]).replace("parameters_json_schema", "parametersJsonSchema"))
    assert sent == tools, "the API reads either spelling"
    (made,) = said.function_calls
    assert tw.told(made.name, tw.call(made.name, made.args)) == "5"
