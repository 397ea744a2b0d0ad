"""A person's own tools in a run: where they stand, how they are called, what policy, limits and Ctrl-C do to them."""

import asyncio
import json
import threading
import time

import pytest

from outside.endpoint import calls, says
from owntools.own_stage import LABEL_ASKED, last_result, wait_for

LEDGER = {"A-1": 120.5, "A-2": 80.0}


def look_up(customer: str) -> float:
    """Look up what a customer owes."""
    return LEDGER[customer]


def many_rows(count: int) -> list[str]:
    """Give so many rows of text."""
    return [f"row {number:06d}" for number in range(count)]


def count_rows(rows: list[str]) -> int:
    """Count rows of text."""
    return len(rows)


def write_off(customer: str) -> str:
    """Write off what a customer owes."""
    return f"written off {customer}"


def test_own_tools_stand_in_the_array_and_are_called_by_name_and_through_run_tool(stage):
    stage.speaks(
        calls(("look_up", {"customer": "A-1"})),
        calls(("run_tool", {"name": "look_up", "arguments": {"customer": "A-2"}})),
        last_result,
    )
    result = stage.run(tools=[look_up])
    assert stage.asked[0].tools == ["search_tools", "request_new_tool", "run_tool", "look_up"]
    assert stage.asked[2].results == ["120.5", "80.0"]
    assert (result.status, result.made, result.reused) == ("complete", (), ())
    for kind in ("tool-called", "outcome"):
        assert {(one["name"], one["version"], one["origin"]) for one in stage.heard.of(kind)} == {
            ("look_up", 0, "host")
        }
    assert not stage.heard.of("tool-reused")


def test_events_of_the_shelf_say_their_origin_too(stage):
    stage.speaks(
        calls(("request_new_tool", LABEL_ASKED)), calls(("make_label", {"customer": "A", "count": 1})), last_result
    )
    stage.run()
    assert [one["origin"] for one in stage.heard.of("outcome")] == ["agent"]


def test_on_the_fixed_surface_the_array_stays_and_the_first_message_lists_them(stage):
    stage.speaks(calls(("run_tool", {"name": "look_up", "arguments": {"customer": "A-1"}})), last_result)
    stage.run(tools=[look_up], given={"surface": "fixed"})
    assert {tuple(one.tools) for one in stage.asked} == {("search_tools", "request_new_tool", "run_tool")}
    assert '"look_up"' in stage.asked[0].user[0]
    assert stage.asked[1].results == ["120.5"]


def _numbered(number, words):
    def tool(text: str) -> str:
        return text

    tool.__name__, tool.__doc__ = f"own_{number:02d}", words
    return tool


def test_of_more_than_24_those_stand_in_the_array_that_fit_the_task_best_and_all_can_be_called(stage):
    brought = [_numbered(number, f"Do thing {number} of no interest.") for number in range(30)]
    brought.append(_numbered(99, "Translate a poem into Latin."))
    stage.speaks(calls(("own_29", {"text": "x"})), last_result)
    stage.run("Translate this poem into Latin.", tools=brought)
    offered = stage.asked[0].tools[3:]
    assert len(offered) == 24
    assert "own_99" in offered
    assert "own_29" not in offered
    assert stage.asked[1].results == ['"x"']


@pytest.mark.parametrize(
    "asked",
    [
        {"tool_name": "look_up"},
        {"tool_name": "fetch_customer_owes", "description": "Look up what a customer owes."},
    ],
    ids=["its name", "its job"],
)
def test_a_request_for_it_is_answered_with_it_before_anything_is_generated(stage, asked):
    wanted = {
        "description": "Say anything about a customer.",
        "input_params": "customer: str",
        "return_type": "float",
        "example": "",
        **asked,
    }
    stage.speaks(calls(("request_new_tool", wanted)), last_result)
    stage.run(tools=[look_up])
    assert '"name": "look_up"' in stage.asked[1].results[0]
    assert not stage.endpoint.of("generator")
    assert not stage.endpoint.of("examiner")


def test_a_search_finds_it(stage):
    stage.speaks(calls(("search_tools", {"query": "what a customer owes"})), last_result)
    stage.run(tools=[look_up])
    assert '"name": "look_up"' in stage.asked[1].results[0]


def test_it_counts_toward_no_limit(stage):
    stage.speaks(
        calls(("request_new_tool", LABEL_ASKED)), calls(("make_label", {"customer": "A", "count": 1})), last_result
    )
    result = stage.run(tools=[look_up, many_rows], given={"max_tools": 1, "max_new_tools": 1})
    assert result.made == ("make_label@1",), stage.asked[1].results


def test_the_handle_of_a_large_value_goes_from_own_tool_to_own_tool(stage):
    def hand_on(request):
        handle = request.results[0].partition('Its handle is "')[2].partition('"')[0]
        return calls(("count_rows", {"rows": {"$value": handle}}))

    stage.speaks(calls(("many_rows", {"count": 20_000})), hand_on, last_result)
    result = stage.run(tools=[many_rows, count_rows])
    assert result.output == "It gave 20000"
    assert max(len(json.dumps(one.body)) for one in stage.asked) < 40_000


def test_it_stands_before_a_tool_of_the_shelf_with_its_name_and_an_event_says_so(stage):
    def make_label(customer: str, count: int) -> str:
        """Write the label of a parcel."""
        return "my own label"

    stage.speaks(
        calls(("request_new_tool", LABEL_ASKED)), calls(("make_label", {"customer": "A", "count": 1})), last_result
    )
    assert stage.run().output == 'It gave "A x1"'
    stage.speaks(calls(("make_label", {"customer": "A", "count": 1})), last_result)
    result = stage.run(tools=[make_label])
    assert result.output == 'It gave "my own label"'
    assert any("make_label" in one["text"] and "shelf" in one["text"] for one in stage.heard.of("warning"))
    assert stage.run().output == 'It gave "A x1"'


RULES = {
    "deny": '[[rule]]\naction = "deny"\norigins = ["host"]\n',
    "ask": '[[rule]]\naction = "ask"\norigins = ["host"]\neffects = ["writes"]\n',
    "agents": '[[rule]]\naction = "deny"\norigins = ["agent"]\n',
}


def _policy(stage, rules):
    (stage.folder / "rules.toml").write_text(RULES[rules])
    return {"policy": str(stage.folder / "rules.toml")}


def test_a_rule_about_origins_denies_them_without_calling_them(stage):
    called = []

    def noted() -> int:
        """Note that it was called."""
        called.append(1)
        return 1

    stage.speaks(calls(("noted", {})), last_result)
    stage.run(tools=[noted], given=_policy(stage, "deny"))
    assert not called
    assert "denied" in stage.asked[1].results[0]
    stage.run(tools=[noted], given=_policy(stage, "agents"))
    assert called == [1]


@pytest.mark.parametrize("yes", [True, False])
def test_a_rule_that_asks_lets_a_person_decide_about_them(stage, yes):
    asked = []

    def approve(request):
        asked.append(request)
        return yes

    stage.speaks(calls(("write_off", {"customer": "A-1"})), calls(("write_off", {"customer": "A-2"})), last_result)
    stage.run(tools=[write_off], approve=approve, given=_policy(stage, "ask"))
    assert [(one.question.name, one.question.origin, one.question.effect) for one in asked][:1] == [
        ("write_off", "host", "writes")
    ]
    expected = [
        '"written off A-1"',
        '"written off A-2"',
    ]
    if yes:
        assert stage.asked[2].results == expected
        assert len(asked) == 1
    else:
        assert all("denied" in one for one in stage.asked[2].results)


def test_with_nobody_there_the_words_hold_the_lines_that_would_allow_it(stage):
    stage.speaks(calls(("write_off", {"customer": "A-1"})), last_result)
    stage.run(tools=[write_off], given=_policy(stage, "ask"))
    said = stage.asked[1].results[0]
    assert 'origins = ["host"]' in said
    lines = said[said.index("[[rule]]") :].replace("Go on", "\n# Go on")
    (stage.folder / "rules.toml").write_text(f"{lines}\n{RULES['ask']}")
    stage.run(tools=[write_off], given={"policy": str(stage.folder / "rules.toml")})
    assert stage.asked[-1].results == ['"written off A-1"']


def test_an_always_for_a_host_never_says_yes_to_an_own_tool(stage):
    from toolwright.policy import Approval
    from toolwright.powers import Grant

    with stage.open() as tw:
        standing = Approval("local", "any", Grant(("a.example",)), (), "reads", "agent", "", standing=True)
        tw._parts.home.approvals.record(standing)
    (stage.folder / "rules.toml").write_text('[[rule]]\naction = "ask"\norigins = ["host"]\n')
    with stage.open(given={"policy": str(stage.folder / "rules.toml")}) as tw:
        tw.registry.register(look_up, effect="reads")
        outcome = tw.call("look_up", {"customer": "A-1"})
    assert (outcome.status.value, outcome.reason) == ("denied", "approval")


def test_a_call_outside_a_run_is_asked_about_too(stage):
    with stage.open(tools=[write_off], approve=True, given=_policy(stage, "ask")) as tw:
        assert tw.call("write_off", {"customer": "A-1"}).ok
    with stage.open(tools=[look_up], given=_policy(stage, "ask")) as tw:
        outcome = tw.call("look_up", {"customer": "A-1"})
    assert (outcome.status.value, outcome.reason) == ("denied", "approval")


def test_the_limit_of_a_run_ends_the_wait_for_an_own_tool(stage):
    begun, let_go = [], threading.Event()

    def hang() -> int:
        """Never come to an end."""
        begun.append(time.monotonic())
        let_go.wait(60)
        return 1

    stage.speaks(calls(("hang", {})), last_result)
    with stage.open(tools=[hang], given={"run_wall_s": 4}) as tw:
        tw.registry.names()
        result = tw.run("Hang.")
    ended = time.monotonic()
    let_go.set()
    assert begun
    assert ended - begun[0] < 20
    assert result.status == "incomplete"
    assert "run_wall_s" in result.reason


def test_a_cancelled_run_cancels_a_coroutine_that_it_waits_for(stage):
    begun, ended = threading.Event(), []

    async def wait_long() -> int:
        """Wait for long."""
        begun.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise
        return 1

    async def go(tw):
        work = asyncio.ensure_future(tw.arun("Go."))
        await asyncio.to_thread(begun.wait, 30)
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)

    stage.speaks(calls(("wait_long", {})), last_result)
    with stage.open(tools=[wait_long]) as tw:
        asyncio.run(go(tw))
        wait_for(lambda: ended == ["cancelled"])
        assert tw.runs()[0].status == "cancelled"


def test_many_runs_at_once_share_them(stage):
    def twice(number: int) -> int:
        """Double a number."""
        time.sleep(0.2)
        return 2 * number

    stage.speaks(lambda request: calls(("twice", {"number": int(request.user[-1].split()[-1])})), last_result)

    async def go(tw):
        return await asyncio.gather(*(tw.arun(f"Double {number}") for number in range(4)))

    with stage.open(tools=[twice]) as tw:
        assert [one.output for one in asyncio.run(go(tw))] == [f"It gave {2 * number}" for number in range(4)]


def test_in_an_agent_of_ones_own_they_stand_beside_its_own_functions(stage, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    monkeypatch.setenv("OPENAI_BASE_URL", stage.endpoint.url)
    from pydantic_ai import Agent

    def look_up_here(customer: str) -> str:
        """The agent's own."""
        return "the agent's"

    stage.speaks(
        calls(("look_up", {"customer": "A-1"})),
        calls(("write_off", {"customer": "A-1"})),
        lambda request: says(" | ".join(request.results)),
    )
    with stage.open(tools=[look_up, write_off]) as tw:
        agent = Agent("openai-chat:scripted", toolsets=[tw.toolset()])
        agent.tool_plain(name="write_off")(look_up_here)
        answer = asyncio.run(agent.run("Go."))
    assert answer.output == "120.5 | the agent's"
    assert stage.endpoint.requests[0].tools.count("write_off") == 1


def test_going_on_with_a_conversation_takes_the_own_tools_that_are_brought_now(stage):
    stage.speaks(calls(("look_up", {"customer": "A-1"})), last_result)
    first = stage.run(tools=[look_up])
    stage.speaks(calls(("count_rows", {"rows": ["a"]})), calls(("look_up", {"customer": "A-2"})), last_result)
    with stage.open(tools=[count_rows]) as tw:
        tw.run("And then?", history=first)
    assert "count_rows" in stage.asked[-1].tools
    assert "look_up" not in stage.asked[-1].tools
    assert "look_up is not available" in stage.asked[-1].results[-1]


def test_an_own_tool_brought_in_the_middle_of_a_conversation_stands_before_the_shelf(stage):
    def make_label(customer: str, count: int) -> str:
        """Write the label of a parcel."""
        return "my own label"

    stage.speaks(
        calls(("request_new_tool", LABEL_ASKED)), calls(("make_label", {"customer": "A", "count": 1})), last_result
    )
    first = stage.run()
    stage.speaks(calls(("make_label", {"customer": "A", "count": 1})), last_result)
    with stage.open(tools=[make_label]) as tw:
        assert tw.run("And then?", history=first).output == 'It gave "my own label"'


@pytest.mark.long
def test_own_tools_take_no_place_of_the_eight_of_the_shelf(stage):
    source = 'def parcel_{0}(text: str) -> str:\n    """Send parcel number {0} to a customer."""\n    return text\n'
    with stage.open() as tw:
        for number in range(9):
            (stage.folder / f"parcel_{number}.py").write_text(source.format(number))
            made = tw.import_file(stage.folder / f"parcel_{number}.py", example=f"parcel_{number}('a') == 'a'")
            assert made.version, made
    own = [_numbered(number, "Send a parcel to a customer.") for number in range(5)]
    stage.run("Send a parcel to a customer.", tools=own)
    offered = stage.asked[0].tools[3:]
    assert offered[:5] == [f"own_{number:02d}" for number in range(5)]
    assert len([name for name in offered if name.startswith("parcel_")]) == 8
