"""Calls of an agent of the OpenAI Agents SDK that ask a person: by the SDK's interruptions, over processes."""

import asyncio
import json
import sys

import pytest
from agents import Agent, Runner, RunState, SQLiteSession, function_tool
from agents_stage import LOOK, Scripted, Streaming, asks_for, helper, model_at, results, scripted
from office import of_agent, office, told

from cli.shop import Page
from docs_support.world import has_full_sandbox
from outside.endpoint import calls, says
from toolwright.adapters.openai_agents import aquestion_of, extend, question_of

pytestmark = pytest.mark.skipif(not has_full_sandbox(), reason="a host can be granted in the full sandbox only")
__all__ = ["office"]


class Program:
    """A program with an agent: each `run` opens the home anew, and all that goes from run to run is a string."""

    def __init__(self, place, *script, given=None, **agent):
        self.place, self.given, self.agent = place, given or {}, agent
        place.speaker.script = list(script)
        self.state = self.output = ""
        self.shown = []

    def clone(self, tw, who=""):
        """The agent, made anew."""
        return extend(helper(self.place.endpoint.url, **self.agent), tw, approvals="framework", who=who)

    def run(self, say=None, prompt="Look at the page.", who=""):
        """What an interruption shows, or what was said; *say* is told the state and the interruptions of it."""

        async def once(tw):
            clone = self.clone(tw, who)
            given = prompt
            if say is not None:
                given = await RunState.from_string(clone, self.state)
                say(given, given.get_interruptions())
            done = await Runner.run(clone, given)
            self.shown = [await aquestion_of(one) for one in done.interruptions]
            self.state, self.output = done.to_state().to_string(), done.final_output
            return done

        with self.place.open(given=self.given) as tw:
            return asyncio.run(once(tw))


def yes(state, items):
    for one in items:
        state.approve(one)


def no(state, items):
    for one in items:
        state.reject(one, rejection_message="Not this page.")


def asked_in(place):
    with place.open() as tw:
        return [(one.state, one.answer and one.answer.who) for one in tw.approvals(every=True)]


ELSEWHERE = """
import asyncio, sys
from agents import Runner, RunState
from agents_stage import helper
from toolwright import Toolwright
from toolwright.adapters.openai_agents import extend, question_of

home, url, state = sys.argv[1:4]

async def main(tw):
    clone = extend(helper(url), tw, approvals="framework", who="ada")
    restored = await RunState.from_string(clone, open(state).read())
    for item in restored.get_interruptions():
        print(question_of(item)["question"])
        restored.approve(item)
    print((await Runner.run(clone, restored)).final_output)

with Toolwright("openai:anything", base_url=url, home=home) as tw:
    asyncio.run(main(tw))
"""


def elsewhere(place, program, tmp_path):
    """The run goes on with a yes in a process of its own; what that printed."""
    file = tmp_path / "state.json"
    file.write_text(program.state)
    path = ":".join(sys.path)
    done = place.elsewhere(f"import sys; sys.path[:0] = {path!r}.split(':')\n{ELSEWHERE}", str(file))
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_call_that_asks_ends_the_run_and_goes_on_in_another_process_without_paying_again(office, tmp_path):
    place = office(scripted())
    program = Program(place, calls(asks_for(place)))
    assert len(program.run().interruptions) == 1
    (shown,) = program.shown
    with place.open() as tw:
        (run,), (asked,) = tw.runs(), tw.approvals()
    assert (shown["question"], shown["digest"]) == (asked.id, asked.request.question.digest)
    assert (shown["run_id"], shown["needs_metadata"], run.status) == (run.id, False, "needs-approval")
    assert shown["powers"] == [{"power": f"host {place.page.host}", "why": "the page is there", "used": True}]
    assert "look asks for powers that nobody has allowed yet" in shown["words"]
    assert json.loads(json.dumps(shown)) == shown
    assert (told(place), place.page.hits) == ({"agent": 1, "generator": 1, "examiner": 1}, 0)

    place.speaker.script = [calls(LOOK)]
    assert elsewhere(place, program, tmp_path) == [str(asked.id), "It says 5"]
    assert told(place) == {"agent": 3, "generator": 1, "examiner": 1}
    assert asked_in(place) == [("approved", "ada")]
    with place.open() as tw:
        (run,), (grant,) = tw.runs(), tw.grants()
        assert (run.status, run.made, run.reused) == ("complete", ("look@1",), ())
        assert (grant.approval.who, grant.approval.digest) == ("ada", shown["digest"])

    # A program that was killed after its answer says it once more: what was made is not made again.
    hits, place.speaker.script = place.page.hits, [calls(LOOK)]
    assert program.run(yes).final_output == "It says 5"
    assert (told(place)["generator"], place.page.hits) == (1, hits + 1), "only the second call, which is a new one"


def test_a_no_is_told_to_the_model_and_is_on_record_with_its_reason(office):
    place = office(scripted())
    program = Program(place, calls(asks_for(place)))
    program.run()
    assert program.run(no).final_output == "It says Not this page."
    assert asked_in(place) == [("rejected", "framework")]
    with place.open() as tw:
        (run,) = tw.runs()
        assert (run.status, run.made, tw.grants()) == ("incomplete", (), [])
        assert tw.approvals(every=True)[0].answer.reason == "Not this page."
    assert (place.page.hits, told(place)["generator"]) == (0, 1)


def test_a_no_keeps_the_call_from_running_where_somebody_said_yes_elsewhere(office):
    place = office(scripted())
    program = Program(place, calls(asks_for(place)))
    program.run()
    with place.open() as tw:
        tw.approve(program.shown[0]["question"], who="bob")
    assert program.run(no).final_output == "It says Not this page."
    assert (place.page.hits, asked_in(place)) == (0, [("approved", "bob")])
    with place.open() as tw:
        assert "look" not in tw.registry


def test_a_no_elsewhere_comes_before_a_yes_here(office):
    place = office(scripted())
    program = Program(place, calls(asks_for(place)))
    program.run()
    with place.open() as tw:
        tw.reject(program.shown[0]["question"], who="bob")
    program.run(yes)
    assert "The answer was no" in results(place)[0]
    assert (asked_in(place), place.page.hits) == ([("rejected", "bob")], 0)


def test_a_yes_elsewhere_counts_once_the_sdk_is_told_to_go_on(office):
    place = office(scripted())
    program = Program(place, calls(asks_for(place)), calls(LOOK))
    program.run()
    with place.open() as tw:
        tw.approve(program.shown[0]["question"], who="bob")
    assert len(program.run(lambda state, items: None).interruptions) == 1, "it waits for a word in its own state"
    assert program.run(yes).final_output == "It says 5"
    assert (asked_in(place), told(place)["generator"]) == ([("approved", "bob")], 1)


def test_a_restored_run_that_has_no_answer_yet_waits_on(office):
    place = office(scripted())
    program = Program(place, calls(asks_for(place)))
    program.run()
    first = program.shown
    assert len(program.run(lambda state, items: None).interruptions) == 1
    assert program.shown == first
    assert told(place) == {"agent": 1, "generator": 1, "examiner": 1}


def widened(office, other):
    """An office whose first candidate is wrong, and whose second asks for another host, too."""
    wrong = lambda one: one.source.replace("len(answer.read())", "0")  # noqa: E731
    wider = f"\nOTHER = '{other.host}'\n"
    return office(
        lambda one: Scripted(
            one.asked, (wrong(one), [one.page.host]), (one.source + wider, [one.page.host, other.host])
        )
    )


def test_a_yes_to_the_first_question_is_none_to_the_further_one_of_what_was_mended(office):
    with Page() as other:
        place = widened(office, other)
        ask = calls(asks_for(place))
        program = Program(place, ask, ask, calls(LOOK))
        program.run()
        (first,), before = program.shown, program.state
        assert len(program.run(yes).interruptions) == 1
        assert "request_new_tool needs a further yes of a person (question 2)" in results(place)[0]
        (second,) = program.shown
        assert (first["question"], second["question"]) == (1, 2)
        assert f"host {other.host}" in [one["power"] for one in second["powers"]]
        assert asked_in(place) == [("approved", "framework"), ("open", None)]
        again, program.state = program.state, before
        place.speaker.script = [says("Not now.")]
        program.run(yes)
        assert asked_in(place)[1] == ("open", None), "the first yes, said again by a program that was killed"
        program.state, place.speaker.script = again, [calls(LOOK)]
        assert program.run(yes, who="ada").final_output == "It says 5"
        assert told(place)["generator"] == 2
        assert asked_in(place) == [("approved", "framework"), ("approved", "ada")]


def test_always_is_a_yes_to_no_question(office):
    place = office(scripted())
    program = Program(place, calls(asks_for(place)), calls(asks_for(place)))
    program.run()
    program.run(lambda state, items: state.approve(items[0], always_approve=True))
    assert program.output.startswith("It says look waits for a person (question 1)")
    assert asked_in(place) == [("open", None)]
    assert (told(place)["generator"], place.page.hits) == (1, 0)


def taken_back(place):
    """A home with `look`, whose yes was taken back."""
    place.speaker.script = [calls(asks_for(place))]
    with place.open(approve=True) as tw:
        Runner.run_sync(extend(helper(place.endpoint.url), tw), "Make it.")
        tw.revoke(tw.grants()[-1].id)
    return place.page.hits


def test_of_several_calls_those_that_need_no_yes_run_once_and_those_that_wait_after_theirs(office, tmp_path):
    place = office(scripted())
    hits = taken_back(place)
    noted = []
    own = function_tool(lambda word: noted.append(word) or "noted", name_override="note", description_override="Note.")
    both = calls(LOOK, ("note", {"word": "a"}), ("search_tools", {"query": "length of a page"}), LOOK)
    program = Program(place, both, tools=[own])
    assert len(program.run(prompt="Look twice.").interruptions) == 2
    assert [one["question"] for one in program.shown] == [1, 1], "one question"
    assert (noted, place.page.hits) == (["a"], hits)
    program.run(yes)
    assert sorted(results(place))[:2] == ["5", "5"]
    assert (noted, place.page.hits) == (["a"], hits + 2)


READ = '''
from pathlib import Path


def read_note(folder: str) -> str:
    """Read the note in a folder."""
    return (Path(folder) / "note.txt").read_text()
'''


def test_a_yes_to_powers_is_none_to_what_may_be_sent_with_them(office, tmp_path):
    place = office(scripted())
    hits = taken_back(place)
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "note.txt").write_text("a private thing")
    file = tmp_path / "read_note.py"
    file.write_text(READ)
    with place.open(approve=True) as tw:
        assert tw.import_file(file, reads=[str(folder)]).version
    read = "run_tool", {"name": "read_note", "arguments": {"folder": str(folder)}}
    program = Program(place, calls(LOOK), calls(read), calls(LOOK))
    program.run()
    assert ([one["kind"] for one in program.shown], place.page.hits) == (["powers"], hits)
    program.run(yes)
    assert results(place) == ["5", '"a private thing"']
    assert ([one["kind"] for one in program.shown], place.page.hits) == (["flow"], hits + 1)
    before = program.state
    assert program.run(yes).final_output == "It says 5"
    assert place.page.hits == hits + 2
    # The same question, said no to by a program that knows nothing of the yes: from now on nothing is sent again.
    program.state, place.speaker.script = before, [calls(LOOK)]
    program.run(no)
    assert (results(place)[-2], place.page.hits) == ("Not this page.", hits + 2)
    assert f"already said no to {place.page.host} in this run" in results(place)[-1]


@pytest.mark.parametrize("way", ["items", "session"])
def test_what_a_run_took_in_is_known_to_the_next_one_that_reads_its_messages(office, tmp_path, way):
    place = office(scripted())
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "note.txt").write_text("a private thing")
    file = tmp_path / "read_note.py"
    file.write_text(READ)
    place.speaker.script = [calls(asks_for(place))]
    session, items = SQLiteSession("one", tmp_path / "session.db") if way == "session" else None, []
    with place.open(approve=True) as tw:
        Runner.run_sync(extend(helper(place.endpoint.url), tw), "Make it.")
        assert tw.import_file(file, reads=[str(folder)]).version
    hits = place.page.hits
    with place.open() as tw:
        for call in LOOK, ("run_tool", {"name": "read_note", "arguments": {"folder": str(folder)}}), LOOK:
            place.speaker.script = [calls(call)]
            given = "Go on." if session else [*items, {"role": "user", "content": "Go on."}]
            done = Runner.run_sync(extend(helper(place.endpoint.url), tw), given, session=session)
            items = done.to_input_list()
        assert place.page.hits == hits + 1
        assert f"look may send to {place.page.host}" in done.final_output
        place.speaker.script = [calls(LOOK)]
        assert Runner.run_sync(extend(helper(place.endpoint.url), tw), "Look.").final_output == "It says 5", "another"


def test_on_the_fixed_surface_a_call_by_name_waits_and_goes_on_elsewhere(office):
    place = office(scripted())
    taken_back(place)
    program = Program(place, calls(LOOK), given={"surface": "fixed"})
    assert program.run().interruptions[0].name == "look"
    assert program.run(yes).final_output == "It says 5"
    assert {tuple(one.tools) for one in of_agent(place)[-2:]} == {("search_tools", "request_new_tool", "run_tool")}


def test_what_waited_once_is_no_more_in_the_array_of_a_later_turn(office):
    place = office(scripted())
    taken_back(place)

    def again(request):
        with place.open() as tw:
            tw.revoke(tw.grants()[-1].id)
        return calls(LOOK)

    program = Program(place, calls(LOOK), again, calls(("search_tools", {"query": "page"})), given={"surface": "fixed"})
    program.run()
    assert len(program.run(yes).interruptions) == 1
    assert program.run(yes).interruptions == []
    assert {tuple(one.tools) for one in of_agent(place)[-3:]} == {("search_tools", "request_new_tool", "run_tool")}
    assert sorted(results(place))[:2] == ["5", "5"]


def test_two_runs_whose_calls_a_server_numbers_alike_are_told_apart(office):
    place = office(scripted())
    hits = taken_back(place)
    one, two = Program(place), Program(place)
    for program in (one, two):
        place.speaker.script = [calls(LOOK)]
        program.run()
    with place.open() as tw:
        second, first, _ = (run.id for run in tw.runs())
        assert [shown["run_id"] for shown in (*one.shown, *two.shown)] == [first, first], "one question, of the first"
    assert one.run(yes).final_output == "It says 5"
    with place.open() as tw:
        assert (tw.run_record(first).status, tw.run_record(first).reused) == ("complete", ("look@1",))
        assert tw.run_record(second).reused == ()
    assert two.run(yes).final_output == "It says 5"
    with place.open() as tw:
        assert tw.run_record(second).reused == ("look@1",)
    assert place.page.hits == hits + 2


def test_arguments_that_are_no_object_are_answered_and_ask_nobody(office):
    place = office(scripted())
    taken_back(place)
    program = Program(place, calls(("look", "x"), ("look", "{"), ("look", '{"path": NaN}'), ("nope", "[")))
    assert program.run().interruptions == []
    assert [one.partition(" ")[0] for one in results(place)] == ["look", "look", "look", "nope"]
    assert ["bad-call" in one for one in results(place)] == [True] * 4


def held_nowhere(place, run_id):
    with place.open() as other:
        return len(other.guest_runs(id="openai-agents").offered(run_id)) >= 3  # UserError where another has it


def test_who_only_looks_at_what_waits_keeps_it_from_nobody(office, tmp_path):
    place = office(scripted())
    program = Program(place, calls(asks_for(place)), calls(LOOK))
    program.run()
    with place.open() as tw:
        clone = program.clone(tw)
        (item,) = asyncio.run(RunState.from_string(clone, program.state)).get_interruptions()
        assert held_nowhere(place, tw.runs()[0].id)
        assert question_of(item) == program.shown[0]
        assert held_nowhere(place, tw.runs()[0].id)
        assert elsewhere(place, program, tmp_path)[-1] == "It says 5"


@pytest.mark.parametrize("other", ["ours", "own"])
def test_of_two_that_wait_one_is_answered_and_the_other_waits_on_for_anybody(office, other):
    place = office(scripted())
    hits = taken_back(place)
    pay = function_tool(lambda path: path, name_override="pay", description_override="Pay.", needs_approval=True)
    second = ("look" if other == "ours" else "pay", {"path": "other"})
    program = Program(place, calls(LOOK, second), tools=[pay])
    assert len(program.run().interruptions) == 2

    async def main(tw):
        state = await RunState.from_string(clone := program.clone(tw), program.state)
        state.approve(next(one for one in state.get_interruptions() if "x" in one.arguments))
        return await Runner.run(clone, state)

    with place.open() as tw:
        done = asyncio.run(main(tw))
        assert [json.loads(one.arguments) for one in done.interruptions] == [{"path": "other"}]
        assert place.page.hits == hits + 1
        assert held_nowhere(place, tw.runs()[0].id)


@pytest.mark.parametrize("streamed", [False, True])
def test_a_run_goes_on_in_the_same_process_with_the_state_as_it_is(office, streamed):
    place = office(scripted())

    async def main(tw, url):
        clone = extend(helper(url), tw, approvals="framework")
        done = await run(clone, "Look at the page.")
        state = done.to_state()
        (item,) = done.interruptions
        assert question_of(item)["question"] == 1
        state.approve(item)
        done = await run(clone, state)
        assert (done.interruptions, len(tw.runs())) == ([], 1)
        return done.final_output

    async def run(clone, given):
        if not streamed:
            return await Runner.run(clone, given)
        done = Runner.run_streamed(clone, given)
        async for _ in done.stream_events():
            pass
        return done

    place.speaker.script = [calls(asks_for(place)), calls(LOOK)]
    with Streaming(place.speaker) as endpoint, place.open() as tw:
        assert asyncio.run(main(tw, endpoint.url if streamed else place.endpoint.url)) == "It says 5"
        assert (tw.runs()[0].status, tw.runs()[0].made) == ("complete", ("look@1",))
    assert told(place)["generator"] == 1


def test_an_interruption_of_the_agents_own_tool_is_not_ours(office):
    place = office(scripted())

    @function_tool(needs_approval=True)
    def pay() -> str:
        """Pay."""
        return "paid"

    program = Program(place, calls(("pay", {}), LOOK), tools=[pay])
    assert len(program.run().interruptions) == 1
    assert program.shown == [None]
    with place.open() as tw:
        assert tw.runs()[0].status != "running"
    assert program.run(yes).final_output == "It says paid"
    assert "look is not available" in results(place)[0]
    with place.open() as tw:
        assert len(tw.runs()) == 1, "the same run goes on"


def test_an_agent_that_is_a_tool_of_another_asks_and_goes_on_there(office):
    place = office(scripted())
    program = Program(place, calls(("ask_helper", {"input": "Look."})), calls(asks_for(place)), calls(LOOK))

    def boss(tw, who):
        inner = extend(helper(place.endpoint.url), tw, approvals="framework", who=who)
        return Agent("boss", model=model_at(place.endpoint.url), tools=[inner.as_tool("ask_helper", "Ask.")])

    program.clone = boss
    assert [one.name for one in program.run().interruptions] == ["request_new_tool"]
    assert program.shown[0]["name"] == "look"
    assert program.run(yes).final_output == "It says It says 5"
    assert told(place)["generator"] == 1
    with place.open() as tw:
        (run,) = tw.runs()
        assert (run.status, run.made, run.task) == ("complete", ("look@1",), "Look.")


def test_two_extended_agents_of_one_run_each_find_their_own_again(office):
    place = office(scripted())
    hits = taken_back(place)
    search = "search_tools", {"query": "the length of a page"}
    program = Program(place, calls(search), calls(("transfer_to_second", {})), calls(search), calls(LOOK))

    def both(tw, who):
        second = extend(helper(place.endpoint.url, name="second"), tw, approvals="framework", who=who)
        return extend(helper(place.endpoint.url, name="first", handoffs=[second]), tw, approvals="framework")

    program.clone = both
    assert program.run().last_agent.name == "second"
    place.speaker.script = [calls(LOOK)]
    program.run(yes)
    assert (program.output, place.page.hits) == ("It says 5", hits + 2)
    with place.open() as tw:
        second, first, _ = tw.runs()
        assert [(one.status, one.reused) for one in (second, first)] == [("complete", ("look@1",)), ("complete", ())]
