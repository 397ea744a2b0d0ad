"""Endpoints that leave out what the standard asks for are understood all the same."""

import json

import pytest
from model_kit import QUICK

HI = {"role": "assistant", "content": "hi"}


def call(**fields):
    return {"role": "assistant", "content": None, "tool_calls": [fields]}


def whole(message, **more):
    return {"choices": [{"message": message, **more}]}


FORMS = {
    "a message alone": (whole({"content": "hi"}), "hi", None),
    "no reason to finish": (whole(HI, finish_reason=None), "hi", None),
    "a reason of its own": (whole(HI, finish_reason="eos"), "hi", None),
    "another role": (whole({"role": "model", "content": "hi"}), "hi", None),
    "parts": (whole({"content": [{"type": "text", "text": "h"}, {"type": "text", "text": "i"}]}), "hi", None),
    "a number": (whole({"content": 5}), "5", None),
    "no calls": (whole({"content": "hi", "tool_calls": []}), "hi", None),
    "half of the usage": ({**whole(HI), "usage": {"prompt_tokens": 3}}, "hi", None),
    "usage of another form": ({**whole(HI), "usage": "many"}, "hi", None),
    "nulls": ({**whole(HI), "id": None, "model": None, "created": "now", "object": None}, "hi", None),
    "arguments as an object": (whole(call(id="a", function={"name": "f", "arguments": {"a": 1}})), "", {"a": 1}),
    "a call without id and type": (whole(call(function={"name": "f", "arguments": '{"a": 1}'})), "", {"a": 1}),
    "a number as id": (
        whole(call(id=1, type="function", function={"name": "f", "arguments": '{"a": 1}'})),
        "",
        {"a": 1},
    ),
    "no arguments": (whole(call(id="a", type="function", function={"name": "f"})), "", None),
    "the old form of a call": (whole({"function_call": {"name": "f", "arguments": '{"a": 1}'}}), "", {"a": 1}),
}


@pytest.mark.parametrize("media_type", ["application/json", "text/plain"])
@pytest.mark.parametrize("form", FORMS)
def test_an_incomplete_answer_is_understood(talk, serve_body, form, media_type):
    body, text, data = FORMS[form]
    reply = talk({"text": "unused"}, base_url=serve_body(json.dumps(body), media_type)).ask()
    assert (reply.text, reply.data) == (text, data)


def events(*chunks):
    return "".join(
        f"data: {chunk if isinstance(chunk, str) else json.dumps(chunk)}\n\n" for chunk in (*chunks, "[DONE]")
    )


def piece(delta, finish=None):
    return {"choices": [{"delta": delta, "finish_reason": finish}]}


STREAMS = {
    "text": (events(piece({"content": "h"}), piece({"content": "i"}, "stop")), "hi", None),
    "a call without id and index": (
        events(
            piece({"tool_calls": [{"function": {"name": "f", "arguments": '{"a"'}}]}),
            piece({"tool_calls": [{"function": {"arguments": ": 1}"}}]}, "tool_calls"),
        ),
        "",
        {"a": 1},
    ),
    "arguments as an object": (
        events(piece({"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": {"a": 1}}}]}, "tool_calls")),
        "",
        {"a": 1},
    ),
}


@pytest.mark.parametrize("form", STREAMS)
def test_an_incomplete_stream_is_understood(talk, serve_body, form):
    body, text, data = STREAMS[form]
    one = talk({"text": "unused"}, base_url=serve_body(body, "text/event-stream"), stream=True)
    reply = one.ask()
    assert (reply.text, reply.data) == (text, data)


def test_an_error_that_comes_with_status_200_is_told(talk, serve_body):
    from toolwright.errors import ModelError

    one = talk({"text": "unused"}, base_url=serve_body('{"error": {"message": "model is loading"}}'), retry=QUICK)
    with pytest.raises(ModelError, match="model is loading"):
        one.ask()
