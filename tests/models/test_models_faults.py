"""Every way in which a provider fails, over real HTTP: what is tried again, how often, and what is said at the end."""

import asyncio
import json
import socket
import time
from email.utils import formatdate

import pytest
from model_kit import SHAPE

from toolwright.errors import ModelError
from toolwright.models import RetrySettings
from toolwright.models.faults import Fault
from toolwright.models.retry import pause

GOOD = {"text": "well"}


@pytest.fixture(params=[False, True], ids=["whole", "streamed"])
def stream(request):
    return request.param


@pytest.mark.parametrize(
    "fault",
    [
        {"status": 500},
        {"status": 503},
        {"status": 408},
        {"status": 409},
        {"status": 429},
        "malformed",
        "cut",
    ],
    ids=str,
)
def test_a_passing_fault_is_tried_again(talk, fault, stream):
    one = talk({"fault": fault, "times": 2}, GOOD, stream=stream)
    assert one.ask().text == "well"
    assert len(one.server.log) == 3
    assert len(one.warnings()) == 2


@pytest.mark.parametrize("fault", [{"status": 500}, "malformed", "cut"], ids=str)
def test_a_lasting_fault_ends_in_one_sentence_after_the_set_number_of_tries(talk, fault, stream):
    one = talk({"fault": fault}, stream=stream)
    with pytest.raises(ModelError) as caught:
        one.ask()
    assert len(one.server.log) == 4
    assert "openai:scripted" in str(caught.value)
    assert str(caught.value).endswith("Tried 4 times.")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_a_refusal_is_not_tried_again(talk, status, stream):
    one = talk({"fault": {"status": status, "message": "no such thing"}}, stream=stream)
    with pytest.raises(ModelError, match=f"HTTP {status}"):
        one.ask()
    assert len(one.server.log) == 1


def test_a_refused_key_names_the_variable_to_check(talk):
    with pytest.raises(ModelError, match=r"openai:scripted at http://127.*OPENAI_API_KEY"):
        talk({"fault": {"status": 401, "message": "bad key sk-abcdefghijklmnop"}}).ask()


def test_a_model_that_is_not_there_names_what_to_check(talk):
    with pytest.raises(ModelError, match="check the model's name and the base URL"):
        talk({"fault": {"status": 404, "message": "no model scripted"}}).ask()


def test_retry_after_in_seconds_is_waited_for(talk):
    one = talk({"fault": {"status": 429, "retry_after": 1}, "times": 1}, GOOD)
    begun = time.monotonic()
    one.ask()
    assert 0.95 < time.monotonic() - begun < 3


def test_retry_after_as_a_date_is_waited_for(talk):
    date = formatdate(time.time() + 2, usegmt=True)
    one = talk({"fault": {"status": 429, "retry_after": date}, "times": 1}, GOOD)
    begun = time.monotonic()
    one.ask()
    assert 0.5 < time.monotonic() - begun < 4


def test_a_retry_after_beyond_the_limit_ends_at_once_and_says_so(talk):
    one = talk({"fault": {"status": 429, "retry_after": 3600}})
    begun = time.monotonic()
    with pytest.raises(ModelError, match="asks to wait 3600 s"):
        one.ask()
    assert time.monotonic() - begun < 2
    assert len(one.server.log) == 1


def test_a_retry_after_just_beyond_the_limit_is_not_shortened_into_another_try(talk):
    rules = RetrySettings(tries=3, longest_asked_s=1, total_s=1000)
    one = talk({"fault": {"status": 429, "retry_after": 2}}, retry=rules)
    with pytest.raises(ModelError, match="asks to wait 2 s, longer than 1 s"):
        one.ask()
    assert len(one.server.log) == 1


def test_a_stream_that_ends_without_saying_why_was_cut(talk, serve_body):
    chunk = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    piece = {"index": 0, "delta": {"role": "assistant", "content": "half an ans"}, "finish_reason": None}
    url = serve_body(f"data: {json.dumps({**chunk, 'choices': [piece]})}\n\n", "text/event-stream")
    one = talk(GOOD, base_url=url, stream=True, retry=RetrySettings(tries=2, first_s=0.01))
    with pytest.raises(ModelError, match="finish_reason"):
        one.ask()
    assert one.journal.records == {}


def test_an_answer_that_takes_too_long_is_asked_for_again(talk, stream):
    one = talk({"fault": "hang", "times": 1}, GOOD, timeout_s=0.4, stream=stream)
    assert one.ask().text == "well"
    assert len(one.server.log) == 2


def test_a_lasting_time_out_names_the_seconds(talk):
    one = talk({"fault": "hang"}, timeout_s=0.1)
    with pytest.raises(ModelError, match=r"no whole answer within 0\.1 s"):
        one.ask()
    assert len(one.server.log) == 4


def test_a_server_that_is_not_there_is_tried_again_and_named(talk):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    one = talk(GOOD, base_url=url)
    with pytest.raises(ModelError, match=r"cannot be reached.*Tried 4 times"):
        one.ask()
    assert [entry.state for entry in one.ledger.entries] == ["failed"] * 4


def test_an_examiner_that_the_endpoint_does_not_know_costs_two_tries_at_most(talk):
    one = talk({"fault": {"status": 500}})
    with pytest.raises(ModelError):
        one.ask(role="examiner")
    assert len(one.server.log) == 2


@pytest.mark.parametrize("body", ["[]", '"text"', "null", "{}", '{"choices": []}', '{"choices": null}', "", "<html>"])
def test_an_answer_of_another_form_is_a_fault_and_no_crash(talk, serve_body, body):
    one = talk(GOOD, base_url=serve_body(body), retry=RetrySettings(tries=2, first_s=0.01))
    with pytest.raises(ModelError, match="cannot be read"):
        one.ask()


def test_waits_grow_and_are_bounded():
    rules = RetrySettings(tries=10, first_s=1, most_s=8, total_s=100, jitter=0)
    fault = Fault("x", again=True, paid=False)
    assert [pause(fault, tried, 0, rules) for tried in (1, 2, 3, 4, 5, 9)] == [1, 2, 4, 8, 8, 8]
    assert pause(fault, 10, 0, rules) is None
    assert pause(fault, 2, 99, rules) is None
    assert pause(Fault("x", again=False, paid=False), 1, 0, rules) is None


def test_jitter_stays_within_its_part():
    rules = RetrySettings(first_s=1, jitter=0.25)
    waits = {pause(Fault("x", again=True, paid=False), 1, 0, rules) for _ in range(50)}
    assert len(waits) > 1
    assert all(0.75 <= wait <= 1.25 for wait in waits)


def test_a_cancelled_call_stops_at_once_and_its_worst_case_stays_debited(talk):
    one = talk({"fault": "hang"})

    async def cancelled():
        models = one.models()
        from toolwright.trace import Place

        asked = models.ask(role="generator", system="s", user="u", answer=SHAPE, place=Place("r"))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(asked, 0.5)
        await models.aclose()

    asyncio.run(cancelled())
    assert len(one.server.log) == 1
    assert [(entry.state, entry.cost) for entry in one.ledger.entries] == [("unknown", None)]
