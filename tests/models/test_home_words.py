"""What small models write: each habit is read as what it meant, asked for again, or left alone; over real HTTP."""

import asyncio
import json

import pytest
from home_servers import ANSWER, TASK, HomeModel, HomeServer, Said, fenced, in_words, refuse, role_of, text_of
from model_kit import QUICK, SHAPE, MemoryJournal, MemoryLedger

from toolwright import Toolwright
from toolwright.errors import ModelError
from toolwright.models import ModelSettings
from toolwright.models.models import Models
from toolwright.trace import Place

ADD = {"a": 2, "b": 3}
CALL = {"tool": "add", "arguments": ADD}
TEMPLATE = {"name": "add", "arguments": ADD}


def add(a: int, b: int) -> int:
    """Add."""
    return a + b


class Mind:
    """Says *first* one after the other until it is told a result, and then that it is done."""

    def __init__(self, *first):
        self.first = list(first)

    def __call__(self, body):
        last = text_of(body["messages"][-1])
        if body["messages"][-1]["role"] == "tool" or last.startswith("Result of"):
            return Said(f"The sum is {last.split()[-1]}.")
        said = self.first.pop(0) if len(self.first) > 1 else self.first[0]
        return said if isinstance(said, Said) else Said(said)


def talk(*first, tools=False, kind="ollama", events=None, journal=None, **settings):
    """One run of an agent that can add; gives its output, the arguments it added, and the server's chats."""
    from pydantic_ai import Agent

    heard = [] if events is None else events

    async def run(server):
        own = ModelSettings("qwen3:8b", server.url, retry=QUICK, **settings)
        models = Models({"orchestrator": own}, journal or MemoryJournal(), MemoryLedger(), heard.append)
        steps = iter(range(1, 50))
        model = models.agent_model(lambda: Place("run", next(steps)))
        agent = Agent(
            model, instructions="[toolwright:orchestrator]\nAdd.", tools=[add], retries={"output": 3, "tools": 3}
        )
        try:
            result = await agent.run("How much is 2 and 3?")
            return result.output, [part.args for part in calls_in(result.all_messages())]
        finally:
            await models.aclose()

    with HomeServer(kind, HomeModel(tools=tools, answer=Mind(*first))) as server:
        output, called = asyncio.run(run(server))
    return output, [json.loads(one) if isinstance(one, str) else one for one in called], server.chats


def calls_in(messages):
    from pydantic_ai.messages import ToolCallPart

    return [part for message in messages for part in message.parts if isinstance(part, ToolCallPart)]


WRITTEN = {
    "as it was asked for": fenced(CALL),
    "prose before and behind": f"Sure!\n\n{fenced(CALL)}\n\nI hope this helps.",
    "a result that it made up behind it": f"{fenced(CALL)}\nResult of `add`:\n7\nThe sum is 7.",
    "several blocks, the first of which counts": f"{fenced(CALL)}\n{fenced({'tool': 'add', 'arguments': {'a': 9, 'b': 9}})}",
    "a block of another kind before it": f"```python\nprint(2 + 3)\n```\nSo:\n{fenced(CALL)}",
    "the wrong language": fenced(CALL, "python"),
    "no language": fenced(CALL, ""),
    "tildes": f"~~~json\n{json.dumps(CALL)}\n~~~",
    "single quotes": f"```json\n{CALL!r}\n```",
    "Python's words": "```json\n{'tool': 'add', 'arguments': {'a': 2, 'b': 3,},}\n```",
    "trailing commas": '```json\n{"tool": "add", "arguments": {"a": 2, "b": 3,},}\n```',
    "a brace too few": '```json\n{"tool": "add", "arguments": {"a": 2, "b": 3}\n```',
    "a fence that never closes": f"```json\n{json.dumps(CALL)}",
    "no fence": json.dumps(CALL),
    "no fence, prose before": f"I will add them: {json.dumps(CALL)}",
    "thinking aloud": f"<think>Maybe {{'tool': 'x'}}?\n```json\n{{}}\n```</think>\n{fenced(CALL)}",
    "the end of a thought alone": f"Let me see.\n</think>\n{fenced(CALL)}",
    "the form of chat templates": fenced(TEMPLATE),
    "the form of OpenAI": fenced({"type": "function", "function": {"name": "add", "arguments": json.dumps(ADD)}}),
    "other words for it": fenced({"action": "add", "action_input": ADD}),
    "parameters": fenced({"function": "add", "parameters": ADD}),
    "the arguments beside the name": fenced({"tool": "add", **ADD}),
    "the name as a key": fenced({"add": ADD}),
    "a list of one": fenced([CALL]),
    "the name before the object": f"```\nadd {json.dumps(ADD)}\n```",
    "marks of Hermes": f"<tool_call>\n{json.dumps(TEMPLATE)}\n</tool_call>",
    "marks of Mistral": f"[TOOL_CALLS] [{json.dumps(TEMPLATE)}]",
    "newer marks of Mistral": f"[TOOL_CALLS]add[ARGS]{json.dumps(ADD)}",
    "marks of LM Studio": f"[TOOL_REQUEST]{json.dumps(TEMPLATE)}[END_TOOL_REQUEST]",
    "marks of Llama": f"<|python_tag|>{json.dumps({'name': 'add', 'parameters': ADD})}",
    "a function of Llama": f"<function=add>{json.dumps(ADD)}</function>",
    "tags of Qwen's coders": "<tool_call>\n<function=add>\n<parameter=a>\n2\n</parameter>\n<parameter=b>\n3\n</parameter>\n</function>\n</tool_call>",
    "marks of Phi": f"functools[{json.dumps(TEMPLATE)}]",
}


@pytest.mark.parametrize("text", WRITTEN.values(), ids=WRITTEN.keys())
def test_a_call_is_read_however_it_was_written_down(text):
    output, called, chats = talk(text)
    assert (output, called) == ("The sum is 5.", [ADD])
    assert len(chats) == 2
    assert not any(body.get("tools") for body in chats)


UNMISTAKABLE = [name for name in WRITTEN if name.startswith(("marks", "newer", "a function of", "tags"))]


@pytest.mark.parametrize(
    "text",
    [
        *(WRITTEN[name] for name in UNMISTAKABLE),
        f"I add them.\n<tool_call>{json.dumps(TEMPLATE)}</tool_call>",
        json.dumps(TEMPLATE),
        fenced(TEMPLATE),
        f"<think>hm</think>{json.dumps(TEMPLATE)}",
    ],
)
def test_a_call_that_a_model_with_tools_wrote_down_all_the_same_is_read_where_it_is_unmistakable(text):
    events = []
    output, called, chats = talk(text, tools=True, events=events)
    assert (output, called) == ("The sum is 5.", [ADD])
    assert all(body["tools"] for body in chats)
    assert [event for event in events if event.kind == "warning"] == []


def test_several_calls_between_marks_are_all_read_of_a_model_with_tools():
    text = "\n".join(
        f"<tool_call>{json.dumps(one)}</tool_call>"
        for one in (TEMPLATE, {"name": "add", "arguments": {"a": 1, "b": 1}})
    )
    assert talk(text, tools=True)[1] == [ADD, {"a": 1, "b": 1}]


LEFT = {
    "an explanation of the form": f"A call looks like <tool_call>{json.dumps(TEMPLATE)}</tool_call> in its prompt.",
    "a tool that is not on offer": '<tool_call>{"name": "subtract", "arguments": {}}</tool_call>',
    "JSON that is the answer": '{"name": "Ada", "arguments": "none"}',
    "JSON with words around it": f"Here is an example: {json.dumps(TEMPLATE)} as you asked.",
    "a block with words behind it": f"{fenced(TEMPLATE)}\nThat is what it would look like.",
}


@pytest.mark.parametrize("text", LEFT.values(), ids=LEFT.keys())
def test_what_may_be_meant_as_an_answer_of_a_model_with_tools_is_left_alone(text):
    output, called, _ = talk(text, tools=True)
    assert (output, called) == (text, [])


@pytest.mark.parametrize(
    "text", ["It is 5.", '{"sum": 5}', '```json\n{"sum": 5}\n```', "```python\nprint(5)\n```\nprints 5."]
)
def test_an_answer_in_words_is_one_also_with_json_or_code_in_it(text):
    assert talk(text)[:2] == (text, [])


def test_a_tool_that_nobody_has_is_a_call_all_the_same_and_gets_its_answer():
    """As with native calls: whoever answers the loop's calls says what is wrong with the name."""
    output, called, _ = talk(fenced({"tool": "subtract", "arguments": ADD}), fenced(CALL))
    assert called[0] == ADD
    assert output


# ---- asked again --------------------------------------------------------------------------------------------------

CUT = Said('I add.\n```json\n{"tool": "add", "arguments": {"a": 2, "b": 3', finish="length")
WHOLE_BUT_CUT = Said(f"{fenced(CALL)}\nThen I will explain at len", finish="length")


def test_a_block_that_was_cut_off_is_asked_for_again_and_shorter():
    output, called, chats = talk(CUT, fenced(CALL))
    assert (output, called) == ("The sum is 5.", [ADD])
    assert "cut off" in text_of(chats[1]["messages"][-1])
    assert "shorter" in text_of(chats[1]["messages"][-1])
    assert [one["role"] for one in chats[1]["messages"]] == ["system", "user"]


def test_half_a_call_is_never_acted_on_even_if_it_could_be_closed():
    with pytest.raises(ModelError, match="cut off at its limit, 3 times"):
        talk(Said('```json\n{"tool": "add", "arguments": {"a": 2', finish="length"))


def test_a_whole_block_before_the_cut_counts():
    assert talk(WHOLE_BUT_CUT)[:2] == ("The sum is 5.", [ADD])


def test_an_answer_in_words_that_is_cut_off_each_time_is_given_and_called_incomplete():
    output, _, chats = talk(Said("It is a long sto", finish="length"))
    assert output.startswith("INCOMPLETE: the model's answer was cut off at its limit of 8,192 tokens")
    assert output.endswith("It is a long sto")
    assert len(chats) == 3


@pytest.mark.parametrize(
    "empty", [Said(""), Said("<think>hm</think>"), Said("  \n")], ids=["nothing", "a thought", "blanks"]
)
def test_an_empty_answer_is_asked_for_again(empty):
    output, called, chats = talk(empty, empty, fenced(CALL))
    assert (output, called) == ("The sum is 5.", [ADD])
    assert "empty" in text_of(chats[1]["messages"][-1])
    assert len(chats) == 4


def test_two_messages_of_the_user_in_a_row_are_one():
    """Many chat templates refuse anything else. An answer that stays empty leaves nothing between them."""
    output, _, chats = talk(Said(""), Said(""), Said(""), fenced(CALL))
    assert output == "The sum is 5."
    assert [one["role"] for one in chats[3]["messages"]] == ["system", "user"]


def test_a_block_that_cannot_be_read_is_asked_for_again_and_in_the_end_one_sentence():
    broken = '```json\n{"tool": "add" "arguments": {a: 2}}}\n```'
    output, called, chats = talk(broken, fenced(CALL))
    assert (output, called) == ("The sum is 5.", [ADD])
    assert "could not be read" in text_of(chats[1]["messages"][-1])
    with pytest.raises(ModelError, match="held a tool call that cannot be read, 3 times"):
        talk(broken)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_native_call_that_was_cut_off_is_asked_for_again(stream):
    cut = Said(calls=[("add", '{"a": 2, "b"')], finish="length")
    output, called, chats = talk(cut, Said(calls=[("add", ADD)]), tools=True, stream=stream)
    assert (output, called) == ("The sum is 5.", [ADD])
    assert len(chats) == 3
    with pytest.raises(ModelError, match="cut off at its limit, 3 times"):
        talk(cut, tools=True, stream=stream)


# ---- who is asked in plain text -----------------------------------------------------------------------------------


def test_structure_that_cannot_be_read_twice_in_a_row_makes_it_plain_text():
    def mind(body):
        return Said(calls=[("write_tool", "{not json")]) if body.get("tools") else Said("```python\nx = 1\n```")

    events, journal = [], MemoryJournal()
    replies, chats = questions(HomeModel(answer=mind), 4, events, journal)
    assert [bool(body.get("tools")) for body in chats] == [True, True, False, False]
    assert [reply.text for reply in replies[2:]] == ["```python\nx = 1\n```"] * 2
    (warning,) = [event.data["text"] for event in events if event.kind == "warning"]
    assert (
        warning
        == "2 answers of the model in a row had arguments that are no JSON object. It is asked in plain text from here on."
    )
    # Another process, the same record: what was found out holds, and nothing that was answered is asked again.
    journal.records = dict(list(journal.records.items())[:2])
    _, chats = questions(HomeModel(answer=mind), 3, [], journal)
    assert [bool(body.get("tools")) for body in chats] == [False]


def test_one_bad_structure_between_good_ones_changes_nothing():
    good, bad = Said(calls=[("write_tool", {"source": "x"})]), Said(calls=[("write_tool", "{not json")])
    model = HomeModel(faults=[bad, good, bad, good])
    _, chats = questions(model, 4, [], MemoryJournal())
    assert all(body.get("tools") for body in chats)


def questions(model, count, events, journal):
    async def ask(server):
        own = ModelSettings("qwen3:8b", server.url, retry=QUICK)
        models = Models({"orchestrator": own}, journal, MemoryLedger(), events.append)
        try:
            return [
                await models.ask(
                    role="generator", system="[toolwright:generator]", user="u", answer=SHAPE, place=Place("run", step)
                )
                for step in range(count)
            ]
        finally:
            await models.aclose()

    with HomeServer("lmstudio", model) as server:
        return asyncio.run(ask(server)), server.chats


def test_a_run_that_was_cut_short_goes_on_in_plain_text_and_asks_nothing_twice(tmp_path):
    model = HomeModel(answer=in_words)

    class RefusedOnceTheToolIsThere:
        def emit(self, event):
            if event.kind == "tool-made":
                model.faults = [refuse(401, {"error": {"message": "Invalid API key"}})]

    with HomeServer("vllm", model, flags=False) as server:
        settings = {"base_url": server.url, "home": tmp_path / "home"}
        with Toolwright("qwen3:8b", **settings) as tw:
            cut = tw.run(TASK, sink=RefusedOnceTheToolIsThere())
        assert (cut.status, cut.made) == ("failed", ("convert_amount@1",))
        before = len(server.chats)
        with Toolwright("qwen3:8b", **settings) as tw:
            result = tw.run(resume=cut.run_id)
    assert (result.status, result.output, result.made) == ("complete", ANSWER, ("convert_amount@1",))
    rest = server.chats[before:]
    assert [role_of(body) for body in rest] == ["orchestrator", "orchestrator"]
    assert not any(body.get("tools") for body in rest)


def test_a_streamed_answer_is_heard_without_its_blocks():
    events = []
    talk(f"I add them.\n{fenced(CALL)}", events=events, stream=True)
    heard = [event.data["text"] for event in events if event.kind == "text-delta"]
    assert heard == ["I add them.", "The sum is 5."]


@pytest.mark.parametrize("text", ["```json\n{'source': 'x', 'n': True,}\n```", "Here: {'source': 'x', 'n': true}"])
def test_an_object_that_was_asked_for_in_plain_text_is_read_with_its_slips(text):
    async def ask(server):
        models = Models({"orchestrator": ModelSettings("qwen3:8b", server.url)}, MemoryJournal(), MemoryLedger())
        try:
            return await models.ask(
                role="orchestrator", system="[toolwright:orchestrator]", user="u", answer=SHAPE, place=Place("run")
            )
        finally:
            await models.aclose()

    with HomeServer("ollama", HomeModel(tools=False, answer=lambda body: Said(text))) as server:
        assert asyncio.run(ask(server)).data == {"source": "x", "n": True}
        assert '{"type": "object", "properties": {"source"' in text_of(server.chats[0]["messages"][0])
