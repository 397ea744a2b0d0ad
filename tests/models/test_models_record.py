"""What is recorded is a script that gives the same answers to the same questions."""

import asyncio

import pytest
from model_kit import QUICK, SHAPE, MemoryJournal, MemoryLedger

from toolwright.models import ModelSettings
from toolwright.models.models import Models
from toolwright.models.script import load_script
from toolwright.models.scripted import ScriptedServer
from toolwright.trace import Place

CODE = 'def greet(name: str) -> str:\n    """Greet."""\n    return f"{{ {name} }}"  # {{ odd }}\n'
TURNS = [
    {
        "when": {"role": "generator"},
        "calls": [{"name": "write_tool", "arguments": {"source": CODE}}],
        "times": 1,
        "plain": True,
    },
    {
        "when": {"role": "generator"},
        "text": "Here:\n```python\nx = {{ step }}\n```\ntrailing \n",
        "finish": "length",
        "times": 1,
        "plain": True,
    },
    {"when": {"role": "examiner"}, "json": {"examples": [{"arguments": {"a": "x\ny"}, "expected": 1}]}},
    {
        "when": {"role": "orchestrator", "step": 0},
        "text": "well",
        "calls": [{"name": "add", "arguments": '{"a":1, "b":2}'}],
    },
    {"when": {"role": "orchestrator", "step": 1}, "text": "3"},
]


def conversation(url, record=None):
    """A small run of all three roles; gives everything that was answered."""
    from pydantic_ai import Agent

    def add(a: int, b: int) -> int:
        """Add."""
        return a + b

    async def run():
        models = Models(
            {"orchestrator": ModelSettings("openai:m", url, retry=QUICK)},
            MemoryJournal(),
            MemoryLedger(),
            record=record,
        )
        answers = []
        for number, role in enumerate(("generator", "generator", "examiner")):
            reply = await models.ask(
                role=role,
                system=f"[toolwright:{role}]",
                user=f"question {number}",
                answer=SHAPE,
                place=Place("r", number),
            )
            answers.append((reply.text, reply.data))
        steps = iter(range(9))
        agent = Agent(
            models.agent_model(lambda: Place("r", next(steps))), system_prompt="[toolwright:orchestrator]", tools=[add]
        )
        result = await agent.run("the task")
        answers.append([part.args for part in result.all_messages()[1].parts if part.part_kind == "tool-call"])
        answers.append(result.output)
        await models.aclose()
        return answers

    return asyncio.run(run())


@pytest.fixture
def recorded(tmp_path):
    path = tmp_path / "deep" / "record.yaml"
    with ScriptedServer({"turns": TURNS}) as url:
        answers = conversation(url, path)
    return path, answers


def test_a_recorded_run_is_given_again(recorded):
    path, answers = recorded
    assert answers[0][1] == {"source": CODE}
    with ScriptedServer(path) as url:
        again = conversation(url)
    assert [again[0], again[1], again[2], again[4]] == [answers[0], answers[1], answers[2], answers[4]]


def test_a_record_is_whole_after_each_answer_and_made_to_be_read(recorded):
    path, _ = recorded
    script = load_script(path)
    assert len(script.turns) == 5
    text = path.read_text("utf-8")
    assert "      source: |" in text
    assert "last_user: question 0" in text
    assert "  json:\n    examples:" in text


def test_an_empty_answer_and_one_of_odd_json_are_given_again(tmp_path):
    for number, text in enumerate(["", '{"a":1}', "[1]", "null", "12"]):
        path = tmp_path / f"{number}.yaml"
        with ScriptedServer({"turns": [{"text": text}]}) as url:
            first = one_question(url, path)
        with ScriptedServer(path) as url:
            assert one_question(url) == first


def one_question(url, record=None):
    async def run():
        models = Models({"orchestrator": ModelSettings("m", url)}, MemoryJournal(), MemoryLedger(), record=record)
        reply = await models.ask(
            role="generator", system="[toolwright:generator]", user="u", answer=SHAPE, place=Place("r")
        )
        await models.aclose()
        return reply.text, reply.data

    return asyncio.run(run())


def test_a_key_in_an_answer_is_masked_in_the_record(tmp_path, monkeypatch):
    monkeypatch.setenv("WEATHER_API_KEY", "planted-weather-key")
    turns = [{"text": "the key is planted-weather-key"}]
    path = tmp_path / "record.yaml"
    with ScriptedServer({"turns": turns}) as url:

        async def run():
            models = Models({"orchestrator": ModelSettings("m", url)}, MemoryJournal(), MemoryLedger(), record=path)
            await models.ask(role="generator", system="s", user="planted-weather-key?", answer=SHAPE, place=Place("r"))
            await models.aclose()

        asyncio.run(run())
    assert "planted" not in path.read_text("utf-8")
    assert "***" in path.read_text("utf-8")
