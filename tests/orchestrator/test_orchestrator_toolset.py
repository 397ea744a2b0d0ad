"""The toolset in somebody else's Pydantic AI agent: their loop, their model, our tools."""

import asyncio
import json

import pytest
from orchestrator_stage import CONVERT, CONVERT_ASKED, results_in, tools_in, writes

FIXED = ["search_tools", "request_new_tool", "run_tool"]


def stranger(*named, text="", **when):
    """A turn of the stranger's own model, which has no role line of ours."""
    listed = [{"name": name, "arguments": arguments} for name, arguments in named]
    return {"when": {"system": {"regex": r"\A(?!\[toolwright)"}, **when}, "calls": listed, "text": text}


def ask_agent(scene, task="Convert 5,000 USD at 3.71.", *, wrap=lambda toolset: toolset, tools=(), **more):
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    async def once(tw):
        model = OpenAIChatModel("scripted", provider=OpenAIProvider(base_url=scene.url, api_key="none"))
        toolset = tw.toolset(**more)
        agent = Agent(model, instructions="You help.", toolsets=[wrap(toolset)], tools=tools)
        return toolset, await agent.run(task)

    with scene.open() as tw:
        return asyncio.run(once(tw))


def of_stranger(scene):
    return [one.body for one in scene.server.log if not one.role]


USES = (
    stranger(("request_new_tool", CONVERT_ASKED), results=0),
    stranger(("convert", {"amount": 5000, "rate": 3.71}), results=1),
    stranger(text='It is {{result("convert")}}.', results=2),
    writes(CONVERT),
)


def test_an_agent_of_somebody_else_makes_a_tool_and_uses_it_in_the_same_run(stage):
    scene = stage(*USES)
    toolset, result = ask_agent(scene)
    assert result.output == "It is 18550.0."
    assert toolset.id == "toolwright"
    assert [tools_in(body) for body in of_stranger(scene)] == [FIXED, [*FIXED, "convert"], [*FIXED, "convert"]]
    with scene.open() as tw:
        (run,) = tw.runs()
        assert (run.status, run.made, run.task) == ("complete", ("convert@1",), "Convert 5,000 USD at 3.71.")
    _, again = ask_agent(stage(stranger(("convert", {"amount": 1, "rate": 2}), results=0), stranger(text="Done.")))
    assert again.output == "Done."


@pytest.mark.parametrize(
    ("guide", "told"), [({}, "You have a shelf"), ({"guide": "Mind."}, "Mind."), ({"guide": None}, "")]
)
def test_the_guide_stands_beside_their_instructions(stage, guide, told):
    scene = stage(stranger(text="Done."))
    ask_agent(scene, **guide)
    said = "\n".join(
        one["content"] for one in of_stranger(scene)[0]["messages"] if one["role"] in ("system", "developer")
    )
    assert said.startswith("You help.")
    assert said.removeprefix("You help.").strip().startswith(told)
    assert ("shelf of tools" in said) is (not guide)


def test_two_runs_of_one_agent_do_not_share_what_they_were_shown(stage):
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    scene = stage(*USES)

    async def twice(tw):
        model = OpenAIChatModel("scripted", provider=OpenAIProvider(base_url=scene.url, api_key="none"))
        agent = Agent(model, toolsets=[tw.toolset(id="shelf")])
        await agent.run("Convert 5,000 USD at 3.71.")
        scene.server.reset()
        await agent.run("zzz")

    with scene.open() as tw:
        asyncio.run(twice(tw))
    assert tools_in(of_stranger(scene)[0]) == FIXED


@pytest.mark.parametrize("prefix", [None, "tw"])
def test_neither_unknown_names_nor_unreadable_arguments_end_their_run(stage, prefix):
    lead = f"{prefix}_" if prefix else ""
    scene = stage(
        *[stranger((f"{lead}nobody", {}), (f"{lead}run_tool", '{"name": '), step=number) for number in range(5)],
        stranger(text="I give up.", step=5),
    )
    wrap = (lambda toolset: toolset.prefixed(prefix)) if prefix else (lambda toolset: toolset)
    _, result = ask_agent(scene, wrap=wrap)
    assert result.output == "I give up."
    texts = results_in(of_stranger(scene)[-1])
    assert len(texts) == 10
    assert all("nobody is not available" in text for text in texts[::2])
    assert all("not a JSON object" in text for text in texts[1::2])


def test_their_own_tools_stay_theirs_also_under_a_name_of_the_shelf(stage):
    scene = stage(*USES)
    ask_agent(scene)

    def convert(amount: int) -> str:
        """Mine."""
        return f"mine {amount}"

    scene = stage(stranger(("convert", {"amount": 7}), results=0), stranger(text="Done."))
    ask_agent(scene, "Convert an amount of money by an exchange rate.", tools=[convert])
    assert results_in(of_stranger(scene)[-1]) == ["mine 7"]
    assert tools_in(of_stranger(scene)[0]).count("convert") == 1


def test_what_fits_the_prompt_is_in_the_array_from_the_first_step(stage):
    scene = stage(*USES)
    ask_agent(scene)
    scene = stage(stranger(("convert", {"amount": 2, "rate": 4}), results=0), stranger(text="Done."))
    ask_agent(scene, "Convert an amount of money by an exchange rate.")
    assert tools_in(of_stranger(scene)[0]) == [*FIXED, "convert"]
    assert json.loads(results_in(of_stranger(scene)[-1])[0]) == 8.0
    with scene.open() as tw:
        assert tw.runs()[0].reused == ("convert@1",)


class Trouble(Exception):
    pass


async def fails(messages, info):
    raise Trouble("The model is on fire.")


async def is_stopped(messages, info):
    raise asyncio.CancelledError


async def answers(messages, info):
    from pydantic_ai.messages import ModelResponse, TextPart

    return ModelResponse(parts=[TextPart("Done.")])


@pytest.mark.parametrize(
    ("model", "raised", "status", "reason"),
    [
        (fails, Trouble, "failed", "Trouble: The model is on fire."),
        (is_stopped, asyncio.CancelledError, "cancelled", "It was stopped."),
        (answers, None, "complete", ""),
    ],
)
def test_how_their_run_ended_is_what_is_on_record(stage, model, raised, status, reason):
    from pydantic_ai import Agent
    from pydantic_ai.models.function import FunctionModel

    async def once(tw):
        # An exception that was being handled before the run is none of the run's.
        try:
            raise ValueError("an older trouble")
        except ValueError:
            await Agent(FunctionModel(model), toolsets=[tw.toolset()]).run("Greet.")

    with stage(stranger(text="Done.")).open() as tw:
        if raised is None:
            asyncio.run(once(tw))
        else:
            with pytest.raises(raised):
                asyncio.run(once(tw))
        (run,) = tw.runs()
        assert (run.status, run.settings["reason"]) == (status, reason)
        last = tw.events(run.id)[-1]
        assert (last.kind, last.data["status"], last.data["reason"]) == ("result", status, reason)


def test_their_run_is_incomplete_while_a_tool_that_was_asked_for_is_missing(stage):
    bad = {**CONVERT_ASKED, "description": ""}
    scene = stage(stranger(("request_new_tool", bad), results=0), stranger(text="I go without."))
    ask_agent(scene)
    with scene.open() as tw:
        (run,) = tw.runs()
    assert (run.status, bool(run.settings["reason"])) == ("incomplete", True)
