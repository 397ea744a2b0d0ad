"""A long conversation stays within the model's window: what is shortened first, what never, and what is said of it."""

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic_ai.messages import (
    ModelRequest,
    ModelResponse,
    SystemPromptPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from talk_stage import Speaker, with_tools

from outside.endpoint import calls, says
from toolwright.models.shortening import shortened, tokens_of

# ── the pure function ───────────────────────────────────────────────────────────────────────────────────────────────

text = st.one_of(
    st.text(max_size=30), st.integers(1, 6000).map(lambda n: "word " * (n // 5)), st.text("é漢😀", max_size=900)
)
args = st.one_of(
    st.text(max_size=900).map(lambda one: json.dumps({"a": one})), st.dictionaries(st.text(), text, max_size=2)
)


@st.composite
def steps(draw, number, finished=True):
    """A turn: a question, steps of calls and results, and an answer; or the same until its last results."""
    said = [ModelRequest(parts=[UserPromptPart(f"question {number} " + draw(text))])]
    for step in range(draw(st.integers(0, 3))):
        ids = [f"call {number}.{step}.{one}" for one in range(draw(st.integers(1, 3)))]
        words = draw(
            st.lists(st.sampled_from([TextPart("hm"), ThinkingPart("think " * 99, signature="s")]), max_size=1)
        )
        said.append(ModelResponse(parts=[*words, *(ToolCallPart("tool", draw(args), tool_call_id=one) for one in ids)]))
        said.append(ModelRequest(parts=[ToolReturnPart("tool", draw(text), tool_call_id=one) for one in ids]))
    if draw(st.booleans()):  # an answer that was empty, and is asked for again
        said += [ModelResponse(parts=[]), ModelRequest(parts=[UserPromptPart("Your answer was empty.")])]
    return [*said, ModelResponse(parts=[TextPart("answer " + draw(text))])] if finished else said


@st.composite
def conversations(draw):
    turns = [draw(steps(number)) for number in range(draw(st.integers(0, 5)))]
    whole = [*(one for turn in turns for one in turn), *draw(steps(len(turns), finished=False))]
    if draw(st.booleans()):
        whole[0] = ModelRequest(parts=[SystemPromptPart("Be good."), *whole[0].parts])
    return whole


def parts(messages, kind):
    return [part for message in messages for part in message.parts if isinstance(part, kind)]


def keep(one):
    return f"handle-of-{len(one)}"


@settings(max_examples=150, deadline=None)
@given(conversations(), st.integers(-500, 8000), st.booleans())
def test_a_conversation_fits_or_is_as_short_as_it_gets_and_stays_whole(messages, room, harder):
    before = tokens_of(messages)
    short = shortened(messages, room, keep, harder=harder)
    said = short.messages
    # The same again, and nothing where nothing is needed.
    assert shortened(messages, room, keep, harder=harder) == short
    assert before == tokens_of(messages), "what was given is not touched"
    if before <= room:
        assert (said, short.changed) == (messages, False)
    assert short.tokens == tokens_of(said) <= before + 60
    assert short.fits == (short.tokens <= room)
    # The system prompt and the current question are there to the letter.
    assert [one.content for one in parts(said, SystemPromptPart)] == [
        one.content for one in parts(messages, SystemPromptPart)
    ]
    question = [one for one in parts(messages, UserPromptPart) if one.content.startswith("question ")][-1]
    assert question in parts(said, UserPromptPart)
    # Calls and results stay in pairs, in their order.
    made = [part.tool_call_id for part in parts(said, ToolCallPart)]
    assert made == [part.tool_call_id for part in parts(said, ToolReturnPart)]
    assert made == [part.tool_call_id for part in parts(messages, ToolCallPart)][-len(made) :] * bool(made)
    assert all(isinstance(json.loads(part.args_as_json_str()), dict) for part in parts(said, ToolCallPart))
    # The results of the running step are the model's to read now.
    if not harder:
        assert said[-1].parts[-1] == messages[-1].parts[-1]
    # What does not fit is the minimum: only the current turn, and of its older steps only heads.
    if not short.fits:
        assert len([one for one in parts(said, UserPromptPart) if one.content.startswith("question ")]) == 1
        assert all(len(part.content) < 1000 for one in said[:-1] for part in parts([one], ToolReturnPart))


@settings(max_examples=60, deadline=None)
@given(conversations(), st.integers(0, 8000))
def test_results_go_before_texts_and_texts_before_turns(messages, room):
    short = shortened(messages, room, keep)
    if short.texts or short.turns:
        old = messages[: len(messages) - 2]
        cut = [one for one in parts(old, ToolReturnPart) if len(one.content.encode()) > 3000]
        assert short.results >= len(cut)


def turn(number, result, answer="Yes."):
    return [
        ModelRequest(parts=[UserPromptPart(f"question {number}")]),
        ModelResponse(parts=[ToolCallPart("tool", {"n": number}, tool_call_id=f"c{number}")]),
        ModelRequest(parts=[ToolReturnPart("tool", result, tool_call_id=f"c{number}")]),
        ModelResponse(parts=[TextPart(answer)]),
    ]


def test_the_oldest_result_is_shortened_first_and_no_more_than_needed():
    messages = [*turn(1, "a" * 6000), *turn(2, "b" * 6000), *turn(3, "c" * 6000)[:3]]
    short = shortened(messages, tokens_of(messages) - 100, keep)
    first, second, third = (one.content for one in parts(short.messages, ToolReturnPart))
    assert first.startswith("a" * 400 + "\n[Shortened")
    assert '{"$value": "handle-of-6000"}' in first
    assert "read_value" in first
    assert (second, third) == ("b" * 6000, "c" * 6000)
    assert (short.results, short.texts, short.turns) == (1, 0, 0)


def test_turns_are_left_out_last_with_a_note_in_their_place():
    messages = [message for number in range(40) for message in turn(number, "short", "Also short.")]
    messages.append(ModelRequest(parts=[UserPromptPart("question 40")]))
    short = shortened(messages, tokens_of(messages) // 2, keep)
    assert (short.results, short.texts) == (0, 0)
    assert 15 < short.turns < 26
    opened = short.messages[0].parts
    assert opened[0].content == (
        f"[The first {short.turns} turns of this conversation are left out here, to fit into the model's window.]"
    )
    assert opened[1].content == f"question {short.turns}"


def test_what_runs_is_cut_only_where_a_provider_refused_it():
    messages = turn(1, "a" * 16_000)[:3]
    assert not shortened(messages, 1000, keep).changed
    harder = shortened(messages, 1000, keep, harder=True)
    assert 2000 <= len(parts(harder.messages, ToolReturnPart)[0].content) < 2600


# ── whole runs ──────────────────────────────────────────────────────────────────────────────────────────────────────

SMALL = {"context_tokens": 17_000}


def reading(number):
    """A turn in which a tool gives some 10 kB, which is the tool's whole answer and no large value."""
    return [calls(("lines", {"count": 100 + number, "width": 100})), says(f"Read {number}.")]


def long_talk(talk, turns, **more):
    asked = {f"read{number}": reading(number) for number in range(turns)}
    one = talk(Speaker(make=with_tools("lines"), **asked, **more))
    last = one.run("Make it.", given=SMALL)
    for number in range(turns):
        last = one.run(f"read{number} please", history=last, given=SMALL)
        assert last.output == f"Read {number}."
    return one, last


def size(request):
    """Tokens of a request, by the rule of thumb that four bytes are one."""
    return len(json.dumps(request.body["messages"]).encode() + json.dumps(request.body["tools"]).encode()) / 4


def test_a_long_conversation_stays_within_its_window_and_says_what_was_shortened(talk):
    one, _ = long_talk(talk, 7)
    assert max(map(size, one.asked)) + 17_000 / 4 < 17_000, "with room for the answer"
    first, *_, newest = one.asked[-1].results[1:]
    assert first.startswith('["00000 xxx')
    assert "[Shortened to fit into the model's window: 400 of " in first
    assert len(json.loads(newest)) == 106, "the result of the running step is whole"
    shown = [message["content"] for message in one.asked[-1].messages if message["role"] == "user"]
    assert shown[-1].startswith("read6 please")
    words = r"longer than the model's window of 17,000 tokens \(the setting context_tokens\): \d old tool results? shortened"
    assert re.search(words, one.heard.of("warning")[-1]["text"])
    with one.open() as tw:
        told = [[event.kind for event in tw.events(run.id)].count("warning") for run in tw.runs()]
    assert told[0] == 1
    assert max(told) == 1, "once a turn"


def test_what_was_shortened_is_there_by_its_handle(talk):
    def again(request):
        handle = re.search(r'\{"\$value": "([0-9a-f]+)"\}', request.results[1])[1]
        return calls(("read_value", {"handle": handle, "path": "99", "length": 20}))

    one, last = long_talk(talk, 6, again=[again, lambda request: says(request.results[-1])])
    result = one.run("Again the first.", history=last, given=SMALL)
    assert result.output.endswith('"00099 xxxxxxxxxxxxxx"')


def refuses_above(limit, speaker, words):
    """A provider whose window is smaller than anybody said."""
    refused = []

    def speak(request):
        if request.role == "orchestrator" and len(json.dumps(request.body)) > speak.limit:
            refused.append(request)
            return 400, {
                "error": {"message": words, "type": "invalid_request_error", "code": "context_length_exceeded"}
            }
        return speaker(request)

    speak.refused, speak.limit = refused, limit
    return speak


REFUSALS = [
    "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens.",
    "Your input exceeds the context window of this model. Please adjust your input and try again.",
    "prompt is too long: 215000 tokens > 200000 maximum",
    "The input token count (40000) exceeds the maximum number of tokens allowed (32768).",
    "Please reduce the length of the messages or completion.",
]


@pytest.mark.parametrize("words", [REFUSALS[0], *(pytest.param(one, marks=pytest.mark.long) for one in REFUSALS[1:])])
def test_a_request_that_is_refused_as_too_long_is_shortened_harder_and_asked_once_more(talk, words):
    speaker = refuses_above(30_000, Speaker(make=with_tools("lines", do=[*(reading(n)[0] for n in range(4))])), words)
    one = talk(speaker)
    result = one.run("Make it.")
    assert result.status == "complete", result.reason
    assert len(speaker.refused) == 1, "later steps begin with what was let through"
    (told,) = one.heard.of("warning")
    assert "longer than the model takes, as its provider says" in told["text"]


@pytest.mark.parametrize(("limit", "refused", "status"), [(18_000, 3, "complete"), (3000, 4, "failed")])
def test_a_request_that_is_still_too_long_is_shortened_again_three_times_at_most(talk, limit, refused, status):
    def takes_less_from_now_on(request):
        speaker.limit = limit
        return reading(6)[0]

    steps_of_it = [*(reading(n)[0] for n in range(6)), takes_less_from_now_on]
    speaker = refuses_above(200_000, Speaker(make=with_tools("lines", do=steps_of_it)), REFUSALS[0])
    one = talk(speaker)
    result = one.run("Make it.")
    assert result.status == status, result.reason
    sizes = [len(json.dumps(request.body)) for request in speaker.refused]
    assert (len(sizes), sizes) == (refused, sorted(set(sizes), reverse=True))
    assert len(one.heard.of("warning")) == 1


def test_a_request_that_cannot_be_made_to_fit_ends_the_run_with_what_the_provider_said(talk):
    speaker = refuses_above(3000, Speaker(make=[says("Never said.")]), REFUSALS[0])
    one = talk(speaker)
    result = one.run("Make it. " + "word " * 3000)
    assert result.status == "failed"
    assert "maximum context length" in result.reason
    assert len(speaker.refused) <= 2


def test_a_resume_of_a_run_that_was_refused_asks_nothing_again(talk):
    """What was answered after the shortening is on record like any other answer."""
    steps_of_it = [reading(n)[0] for n in range(4)]
    speaker = refuses_above(30_000, Speaker(make=with_tools("lines", do=steps_of_it)), REFUSALS[0])
    one = talk(speaker)

    def dies():
        return len(one.asked) > 5 and bool(speaker.refused)

    run_id = one.killed("Make it.", when=dies)
    before = len(speaker.refused)
    result = one.run(resume=run_id)
    assert result.status == "complete", result.reason
    assert len(speaker.refused) <= before + 2  # what it had by then may have to be shortened twice
