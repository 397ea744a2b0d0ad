"""Pydantic AI toolsets as a person's own tools: entered once, closed with the Toolwright, asked about as they say."""

import asyncio
import datetime
import threading
from typing import ClassVar

import pytest
from pydantic_ai import ModelRetry, RunContext, Tool
from pydantic_ai.toolsets import AbstractToolset, CombinedToolset, FunctionToolset, WrapperToolset

from outside.endpoint import calls, says
from owntools.own_stage import last_result
from toolwright.errors import UserError


def plus_days(day: datetime.date, days: int) -> datetime.date:
    """Go some days on from a day."""
    return day + datetime.timedelta(days=days)


def who(context: RunContext[None]) -> str:
    """Say which tool is called."""
    return f"{context.tool_name} {context.deps}"


def never() -> str:
    """Ask for another try."""
    raise ModelRetry("not like this")


class Counted(WrapperToolset):
    """Notes in which task it is entered and left."""

    log: ClassVar[list] = []

    async def __aenter__(self):
        self.log.append(("in", asyncio.current_task()))
        return await super().__aenter__()

    async def __aexit__(self, *args):
        self.log.append(("out", asyncio.current_task()))
        return await super().__aexit__(*args)


def test_the_tools_of_a_toolset_are_called_with_what_their_hints_say(stage):
    toolset = FunctionToolset([plus_days, who, never], id="dates")
    with stage.open(toolsets=[toolset]) as tw:
        assert tw.registry.names() == ["never", "plus_days", "who"]
        assert tw.call("plus_days", {"day": "2026-01-31", "days": 1}).value == "2026-02-01"
        assert tw.call("who").value == "who None"
        refused = tw.call("never")
        assert (refused.status.value, "not like this" in refused.detail) == ("raised", True)
        assert tw.call("plus_days", {"day": "soon"}).status.value == "bad-call"


def test_it_is_entered_once_by_one_task_and_left_by_close(stage):
    toolset = Counted(FunctionToolset([plus_days]))
    toolset.log.clear()
    stage.speaks(calls(("plus_days", {"day": "2026-01-31", "days": 1})), last_result)
    with stage.open(toolsets=[toolset]) as tw:
        assert not toolset.log
        assert tw.run("Go.").output == 'It gave "2026-02-01"'
        asyncio.run(_both(tw))
        assert [one for one, _ in toolset.log] == ["in"]
    assert [one for one, _ in toolset.log] == ["in", "out"]
    assert toolset.log[0][1] is toolset.log[1][1]
    assert not [one for one in threading.enumerate() if one.name == "toolwright"]


async def _both(tw):
    await asyncio.gather(tw.arun("Go."), tw.arun("Go."))


def test_several_toolsets_and_prefixes(stage):
    stage.speaks(says("done"))
    combined = CombinedToolset([FunctionToolset([plus_days]), FunctionToolset([who])])
    with stage.open(toolsets=[combined, FunctionToolset([who]).prefixed("second")]) as tw:
        for _ in range(2):
            assert tw.registry.names() == ["plus_days", "second_who", "who"]
            assert tw.call("second_who").ok
            tw.run("Go.")  # lists them again


def test_two_toolsets_of_one_kind_do_not_take_each_others_tools(stage):
    stage.speaks(says("done"))
    with stage.open(toolsets=[FunctionToolset([plus_days]), FunctionToolset([who])]) as tw:
        tw.run("Go.")
        tw.run("Go.")
        assert [one.tools[3:] for one in stage.asked] == [["plus_days", "who"]] * 2


def test_two_of_one_name_are_an_error_each_time_somebody_looks_and_none_of_the_second_stands_there(stage):
    with stage.open(tools=[plus_days], toolsets=[FunctionToolset([who, plus_days])]) as tw:
        for _ in range(2):
            with pytest.raises(UserError, match="plus_days"):
                tw.registry.list()
        with pytest.raises(UserError, match="plus_days"):
            tw.run("Go.")


def _asking():
    return FunctionToolset([Tool(plus_days, requires_approval=True)])


def _asking_when_called():
    return FunctionToolset([plus_days]).approval_required(lambda context, tool, arguments: arguments["days"] > 5)


@pytest.mark.parametrize("toolset", [_asking, _asking_when_called])
def test_a_tool_that_wants_a_yes_is_asked_about(stage, toolset):
    asked = []

    def approve(request):
        asked.append(request.question.name)
        return len(asked) > 1

    far = {"day": "2026-01-31", "days": 10}
    with stage.open(toolsets=[toolset()], approve=approve) as tw:
        refused = tw.call("plus_days", far)
        assert (refused.status.value, refused.reason) == ("denied", "approval")
        assert tw.call("plus_days", far).value == "2026-02-10"
        assert tw.call("plus_days", far).ok
    assert asked == ["plus_days", "plus_days"]


def test_a_rule_that_allows_it_by_name_is_a_yes_to_it_too(stage):
    rules = stage.folder / "rules.toml"
    rules.write_text(
        '[[rule]]\naction = "allow"\norigins = ["host"]\nnames = ["plus_days"]\neffects = ["none", "reads", "writes"]\n'
    )
    with stage.open(toolsets=[_asking()], given={"policy": str(rules)}) as tw:
        assert tw.call("plus_days", {"day": "2026-01-31", "days": 10}).ok


class Broken(AbstractToolset):
    id = "broken"

    async def __aenter__(self):
        raise ConnectionError("the pipe is cold")

    async def get_tools(self, ctx):
        return {}

    async def call_tool(self, name, tool_args, ctx, tool):
        raise AssertionError


def test_a_toolset_that_cannot_be_entered_is_named_and_nothing_began(stage):
    with stage.open(toolsets=[Broken()]) as tw:
        with pytest.raises(UserError, match=r"toolset broken.*the pipe is cold"):
            tw.run("Go.")
        assert tw.runs() == []


def test_its_tools_are_listed_anew_when_a_run_begins(stage):
    toolset = FunctionToolset([plus_days])
    stage.speaks(says("done"))
    with stage.open(toolsets=[toolset]) as tw:
        tw.run("Go.")
        toolset.add_function(who)
        tw.run("Go on.")
        assert [one.tools[3:] for one in stage.asked] == [["plus_days"], ["plus_days", "who"]]
        assert tw.call("who").ok
