"""Asking once: what is sent, and what is read out of every kind of answer."""

import pytest

from toolwright.errors import ModelError

SOURCE = {"source": "def f() -> int:\n    return 1\n"}


@pytest.fixture(params=[False, True], ids=["whole", "streamed"])
def stream(request):
    return request.param


def test_the_object_of_the_offered_tool_is_the_data(talk, stream):
    reply = talk({"calls": [{"name": "write_tool", "arguments": SOURCE}]}, stream=stream).ask()
    assert reply.data == SOURCE
    assert reply.text == ""
    assert reply.model == "openai:scripted"


def test_any_tool_call_is_read_whatever_its_name(talk, stream):
    assert talk({"calls": [{"name": "submit", "arguments": SOURCE}]}, stream=stream).ask().data == SOURCE


def test_a_fenced_answer_is_read(talk, stream):
    assert talk({"fenced": SOURCE}, stream=stream).ask().data == SOURCE


def test_bare_json_is_read(talk, stream):
    assert talk({"json": SOURCE}, stream=stream).ask().data == SOURCE


def test_json_between_words_is_read(talk):
    assert talk({"text": 'Sure! {"source": "x"} Hope it helps.'}).ask().data == {"source": "x"}


def test_raw_line_breaks_inside_a_json_string_are_read(talk):
    broken = '{"source": "a\nb"}'
    assert talk({"calls": [{"name": "write_tool", "arguments": broken}]}).ask().data == {"source": "a\nb"}


def test_arguments_that_are_no_json_leave_no_data_and_raise_nothing(talk, stream):
    reply = talk({"text": "so", "calls": [{"name": "write_tool", "arguments": "{not json"}]}, stream=stream).ask()
    assert reply.data is None
    assert reply.text == "so"


def test_prose_with_code_stays_text(talk, stream):
    text = "Here:\n```python\ndef f():\n    return {'a': 1}\n```\n"
    reply = talk({"text": text}, stream=stream).ask()
    assert reply.data is None
    assert reply.text == text


def test_an_empty_answer_is_a_reply(talk):
    reply = talk({"fault": "empty"}).ask()
    assert (reply.text, reply.data) == ("", None)


def test_an_answer_cut_by_its_limit_is_flagged(talk, stream):
    assert talk({"text": "def f(", "finish": "length"}, stream=stream).ask().truncated
    assert not talk({"text": "done"}, stream=stream).ask().truncated


def test_the_request_offers_one_tool_freely_and_limits_the_output(talk):
    one = talk({"text": "x"})
    one.ask()
    body = one.server.log[0].body
    assert [tool["function"]["name"] for tool in body["tools"]] == ["write_tool"]
    assert body.get("tool_choice", "auto") == "auto"
    assert body["max_tokens"] == 8192
    assert body["messages"][0] == {"role": "system", "content": "[toolwright:generator]\nBe good."}
    assert one.server.log[0].path == "/v1/chat/completions"


def test_the_output_limit_can_be_set(talk):
    one = talk({"text": "x"}, max_tokens=77)
    one.ask()
    assert one.server.log[0].body["max_tokens"] == 77


def test_streamed_pieces_are_heard_and_the_whole_is_the_same(talk):
    turn = {"text": "one two three four five", "calls": [{"name": "write_tool", "arguments": SOURCE}]}
    whole = talk(turn).ask()
    pieces = []
    streamed = talk(turn, stream=True).ask(on_text=pieces.append)
    assert (streamed.text, streamed.data, streamed.cost) == (whole.text, whole.data, whole.cost)
    assert len(pieces) > 1
    assert "".join(pieces) == whole.text


def test_usage_and_reported_price_make_the_cost(talk, stream):
    one = talk({"text": "x", "usage": {"input": 120, "output": 30, "cost": 0.25}}, stream=stream)
    cost = one.ask().cost
    assert (cost.tokens_in, cost.tokens_out, cost.dollars, cost.calls) == (120, 30, 0.25, 1)


def test_a_price_that_nobody_knows_is_unknown_and_not_nothing(talk):
    assert talk({"text": "x", "usage": {"cost": None}}).ask().cost.dollars is None


def test_the_cost_event_tells_the_sum_so_far(talk):
    one = talk({"text": "x", "usage": {"input": 10, "output": 5, "cost": 0.5}})
    one.ask()
    data = [event.data for event in one.events if event.kind == "cost"]
    assert [(each["role"], each["tokens_in"], each["tokens_out"], each["dollars"]) for each in data] == [
        ("generator", 10, 5, 0.5)
    ]


def test_a_question_that_no_turn_answers_ends_in_one_sentence_about_it(talk):
    one = talk({"when": {"role": "examiner"}, "text": "x"})
    with pytest.raises(ModelError) as caught:
        one.ask(user="something else")
    assert "role generator" in str(caught.value)
    assert "something else" in str(caught.value)
    assert len(one.server.log) == 1
