"""A run goes on from another: what was said, its files, its tools; wherever that one ended."""

import asyncio
import json
import threading
import time
from itertools import pairwise

import pytest
from talk_stage import Speaker, asked_for, with_tools

from outside.endpoint import calls, says
from toolwright.errors import NotFoundError, UserError
from toolwright.trace import new_run_id


def said(request):
    """Role and text of each message but the system prompt."""
    return [(one["role"], one.get("content") or "") for one in request.messages if one["role"] != "system"]


def questions(**more):
    return Speaker(first=[says("It was one.")], second=[says("It was two.")], third=[says("It was three.")], **more)


def test_a_task_goes_on_with_what_was_said_before(talk):
    one = talk(questions())
    first = one.run("First question")
    second = one.run("Second question", history=first)
    third = one.run("Third question", history=second.run_id)
    assert (first.continues, second.continues, third.continues) == ("", first.run_id, second.run_id)
    assert third.to_json()["continues"] == second.run_id
    assert said(one.asked[2]) == [
        ("user", "First question"),
        ("assistant", "It was one."),
        ("user", "Second question"),
        ("assistant", "It was two."),
        ("user", "Third question"),
    ]
    assert [sum(message["role"] == "system" for message in request.messages) for request in one.asked] == [1, 1, 1]
    with one.open() as tw:
        assert tw.run_record(third.run_id).settings["continues"] == second.run_id
        assert tw.newest_conversation().id == third.run_id
        assert tw.events(second.run_id)[0].data["continues"] == first.run_id


def test_a_result_a_record_and_an_id_mean_the_same_and_awaited_and_streamed_runs_go_on_too(talk):
    one = talk(questions())
    first = one.run("First question")

    async def both():
        with one.open() as tw:
            awaited = await tw.arun("Second question", history=tw.run_record(first.run_id))
            events = [event async for event in tw.stream("Third question", history=awaited)]
        return awaited, events[-1].data

    awaited, last = asyncio.run(both())
    assert (awaited.continues, last["continues"]) == (first.run_id, awaited.run_id)
    assert [text for _, text in said(one.asked[2])][::2] == ["First question", "Second question", "Third question"]


def test_two_tasks_may_go_on_from_one_run_and_know_nothing_of_each_other(talk):
    one = talk(questions())
    first = one.run("First question")
    for word in ("Second", "Third"):
        one.run(f"{word} question", history=first)
    assert [text for _, text in said(one.asked[2])] == ["First question", "It was one.", "Third question"]


def test_the_tools_of_earlier_turns_stay_in_the_array_at_their_place(talk):
    use = calls(("lines", {"count": 1}))
    one = talk(
        Speaker(
            make=with_tools("lines", "longest", do=[use]), more=with_tools("save", do=[use]), again=[use, says("1")]
        )
    )
    first = one.run("Make it.")
    with one.open() as tw:
        source = tw.registry.get("lines").candidate.source
        tw.edit("lines", source.replace("numbered lines", "many numbered lines"))
    second = one.run("More of it.", history=first)
    third = one.run("Again, all.", history=second)
    assert first.made == ("lines@1", "longest@1")
    assert (second.made, second.reused) == (("save@1",), ("lines@2",)), "of this run alone; an edit counts"
    assert (third.made, third.reused) == ((), ("lines@2",))
    arrays = [request.tools for request in one.asked]
    assert arrays[-1] == ["search_tools", "request_new_tool", "run_tool", "lines", "longest", "save"]
    assert all(later[: len(earlier)] == earlier for earlier, later in pairwise(arrays))


@pytest.mark.long
def test_eight_tools_of_the_shelf_stand_in_a_conversations_array_beside_those_that_it_made(talk, tmp_path):
    def stock(tw, *numbers):
        for number in numbers:
            name = f"weigh_{'abcdefghij'[number]}"
            (tmp_path / f"{name}.py").write_text(
                f'def {name}(sack: int) -> int:\n    """Weigh sacks of grain number {number}."""\n    return sack + {number}\n'
            )
            made = tw.import_file(tmp_path / f"{name}.py", example=f"{name}(1) == {1 + number}")
            assert made.version is not None, made.reason

    look = [calls(("search_tools", {"query": "weigh sacks of grain"})), says("Seen.")]
    one = talk(Speaker(make=with_tools("lines"), weigh=look))
    with one.open() as tw:
        stock(tw, *range(7))
        first = tw.run("Make lines, then weigh sacks of grain.")
        stock(tw, 7, 8, 9)
        second = tw.run("Weigh sacks of grain.", history=first)
        tw.run("Weigh sacks of grain.", history=second)
    before, after, later = (set(one.asked[at].tools) for at in (1, -3, -1))
    assert len(before) == 3 + 7 + 1
    assert before < after == later
    assert len(after) == 3 + 8 + 1


def test_a_persons_own_tools_keep_their_place_too_as_long_as_they_are_there(talk):
    def weather(city: str) -> str:
        """Say what the weather is."""
        return f"sun in {city}"

    use = calls(("weather", {"city": "Haifa"}))
    one = talk(Speaker(make=with_tools("lines", do=[use]), again=[use, lambda request: says(request.results[-1])]))
    with one.open() as tw:
        tw.registry.register(weather, effect="none")
        first = tw.run("Make it, whatever the weather.")
        second = tw.run("Again, all.", history=first)
        assert second.output == '"sun in Haifa"'
    assert one.asked[-1].tools == ["search_tools", "request_new_tool", "run_tool", "weather", "lines"]
    third = one.run("Again, all.", history=second)
    assert "weather is not available" in third.output
    assert one.asked[-1].tools == ["search_tools", "request_new_tool", "run_tool", "lines"]


def test_files_handed_in_and_left_are_there_in_the_next_turn_and_only_changed_ones_come_out_again(talk, tmp_path):
    (tmp_path / "letter.txt").write_text("Dear all")
    (tmp_path / "note.md").write_text("More")

    def leaves(*named):
        return [calls(*(("save", {"name": name, "text": text}) for name, text in named))]

    looks = [calls(("look", {})), lambda request: says(request.results[-1])]
    one = talk(
        Speaker(
            make=with_tools("save", "look", do=leaves(("a.txt", "one"), ("sub.txt", "two"))),
            look=looks,
            change=with_tools(do=leaves(("a.txt", "new"), ("b.txt", "three"))),
        )
    )
    first = one.run("Make and save.", files=[tmp_path / "letter.txt"], out=tmp_path / "out")
    assert sorted(path.name for path in first.files) == ["a.txt", "sub.txt"]
    second = one.run("Look.", history=first, files=[tmp_path / "note.md"])
    there = {"a.txt": "one", "letter.txt": "Dear all", "note.md": "More", "sub.txt": "two"}
    assert json.loads(second.output) == there
    assert second.files == ()
    asked = said(one.asked[-1])[-3][1]
    assert "read-only: letter.txt, note.md" in asked
    assert "that earlier calls left: a.txt, sub.txt" in asked
    third = one.run("Change them.", history=second, out=tmp_path / "changed")
    assert {path.name: path.read_text() for path in third.files} == {"a.txt": "new", "b.txt": "three"}
    assert json.loads(one.run("Look again", history=third).output) == {**there, "a.txt": "new", "b.txt": "three"}
    # The branch that began before the change has the files as they were then.
    assert json.loads(one.run("Look again", history=second).output) == there


def test_a_file_that_is_gone_is_said_and_one_of_the_same_name_takes_its_place(talk, tmp_path):
    for folder in ("old", "new"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "data.txt").write_text(folder)
    looks = [calls(("look", {})), lambda request: says(request.results[-1])]
    one = talk(
        Speaker(make=with_tools("look", "save", do=[calls(("save", {"name": "left.txt", "text": "L"}))]), look=looks)
    )
    first = one.run("Make.", files=[tmp_path / "old/data.txt"])
    assert json.loads(one.run("Look.", history=first, files=[tmp_path / "new/data.txt"]).output)["data.txt"] == "new"
    (tmp_path / "new/left.txt").write_text("handed in")
    mine = one.run("Look.", history=first, files=[tmp_path / "new/left.txt"])
    assert json.loads(mine.output) == {"data.txt": "old", "left.txt": "handed in"}
    (tmp_path / "old/data.txt").unlink()
    assert json.loads(one.run("Look.", history=first).output) == {"left.txt": "L"}
    told = [one["text"] for one in one.heard.of("warning")]
    assert len(told) == 2
    assert "left.txt, left earlier, is not there now" in told[0]
    assert "data.txt, handed in earlier, is no longer at" in told[1]


# ── wherever the run before ended ───────────────────────────────────────────────────────────────────────────────────


def answered(request):
    """Every call of a model is answered right behind it, as providers ask for."""
    for number, one in enumerate(request.messages):
        ids = [call["id"] for call in one.get("tool_calls") or []]
        behind = request.messages[number + 1 : number + 1 + len(ids)]
        assert [(message["role"], message["tool_call_id"]) for message in behind] == [("tool", one) for one in ids]
    return True


def test_a_run_that_reached_its_limit_of_steps_goes_on_with_the_results_it_had(talk):
    step = calls(("lines", {"count": 1}), ("nobody", {}))
    one = talk(Speaker(make=with_tools("lines", do=[step] * 20), second=[says("Now it is done.")]))
    first = one.run("Make it.", given={"max_steps": 3})
    assert first.status == "incomplete"
    second = one.run("Second try", history=first)
    assert (second.status, second.output) == ("complete", "Now it is done.")
    assert answered(one.asked[-1])
    assert [one.asked[-1].results[-2], said(one.asked[-1])[-3][0]] == ['["00000 xxxx"]', "tool"]
    assert "not available" in one.asked[-1].results[-1], "the last step ran, though no model had read it"
    assert "[There is no answer to this. The limit of 3 model steps" in said(one.asked[-1])[-2][1]


def test_a_run_whose_provider_failed_goes_on(talk):
    one = talk(questions(broken=[lambda request: (400, {"error": {"message": "no such thing"}})]))
    first = one.run("Broken question")
    assert first.status == "failed"
    second = one.run("Second question", history=first)
    assert [role for role, _ in said(one.asked[-1])] == ["user", "assistant", "user"]
    assert "no such thing" in said(one.asked[-1])[1][1]
    assert second.status == "complete"


def test_a_cancelled_run_goes_on_and_what_it_was_doing_is_told_as_stopped(talk):
    began = threading.Event()

    def slow(request):
        began.set()
        return calls(
            ("save", {"name": "a.txt", "text": "x"}), ("nap", {"word": "deeply"}), ("save", {"name": "b", "text": ""})
        )

    napping = 'import time\n\n\ndef nap(word: str) -> int:\n    """Sleep."""\n    time.sleep(3 if word == "deeply" else 0)\n    return 1\n'
    one = talk(Speaker(make=with_tools("save", do=[slow]), second=[says("Going on.")]))
    with one.open() as tw:
        made = one.home / "nap.py"
        made.write_text(napping)
        assert tw.import_file(made, example="nap('no') == 1").version is not None

    async def stopped():
        with one.open() as tw:
            running = asyncio.ensure_future(tw.arun("Make it."))
            while not [event for run in tw.runs() for event in tw.events(run.id) if event.data.get("name") == "nap"]:
                await asyncio.sleep(0.05)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            return tw.runs()[0]

    first = asyncio.run(stopped())
    assert (first.status, began.is_set()) == ("cancelled", True)
    second = one.run("Second question", history=first)
    assert second.output == "Going on."
    assert answered(one.asked[-1])
    results = one.asked[-1].results[-3:]
    assert json.loads(results[0])["value"] == "saved a.txt"
    assert results[1:] == ["It was stopped before it gave a value."] * 2
    # The run itself can still be finished, and who went on from it before is not touched by that.
    finished = one.run(resume=first.id)
    assert finished.status == "complete", finished.reason
    third = one.run("Second question", history=second)
    assert [text for _, text in said(one.asked[-1])].count("It was stopped before it gave a value.") == 2
    fourth = one.run("Second question", history=first)
    assert "It was stopped before it gave a value." not in [text for _, text in said(one.asked[-1])]
    assert (third.status, fourth.status) == ("complete", "complete")


# ── what cannot be gone on from ─────────────────────────────────────────────────────────────────────────────────────


def test_a_run_that_nobody_knows_or_that_is_no_run(talk):
    one = talk(questions())
    with pytest.raises(NotFoundError, match="toolwright runs"):
        one.run("First question", history=new_run_id())
    with pytest.raises(UserError, match="'yesterday' is not the id of a run"):
        one.run("First question", history="yesterday")
    with pytest.raises(UserError, match="is not the id of a run"):
        one.run("First question", history="")
    first = one.run("First question")
    with pytest.raises(UserError, match="leave out `history`"):
        one.run(resume=first.run_id, history=first)
    with one.open() as tw:
        assert len(tw.runs()) == 1


def test_a_run_of_another_namespace(talk):
    one = talk(questions())
    first = one.run("First question", given={"namespace": "other"})
    with pytest.raises(UserError, match=r"of the namespace 'other'.*'local'"):
        one.run("Second question", history=first)
    with one.open() as tw, pytest.raises(NotFoundError, match="no earlier conversation"):
        tw.newest_conversation()


def test_a_run_of_somebody_elses_agent(talk):
    from pydantic_ai import Agent
    from pydantic_ai.models.test import TestModel

    one = talk(questions())
    with one.open() as tw:
        Agent(TestModel(call_tools=[]), toolsets=[tw.toolset()]).run_sync("hello")
        (run,) = tw.runs()
        with pytest.raises(UserError, match="message_history"):
            tw.run("Second question", history=run)
        with pytest.raises(NotFoundError, match="no earlier conversation"):
            tw.newest_conversation()


def test_a_run_of_somebody_elses_agent_is_not_resumed_by_ours(talk):
    from pydantic_ai import Agent
    from pydantic_ai.models.function import FunctionModel

    def fails(*_):
        raise RuntimeError("the model of somebody else")

    one = talk(questions())
    with one.open() as tw:
        with pytest.raises(RuntimeError, match="somebody else"):
            Agent(FunctionModel(fails), toolsets=[tw.toolset()]).run_sync("hello")
        (run,) = tw.runs()
        with pytest.raises(UserError, match="agent of your own"):
            tw.run(resume=run.id)
        assert tw.run_record(run.id).status == run.status


def test_a_run_that_is_under_way(talk):
    go_on = threading.Event()

    def waits(request):
        go_on.wait(30)
        return says("At last.")

    one = talk(questions(slow=[waits]))
    with one.open() as tw:
        working = threading.Thread(target=tw.run, args=("Slow question",))
        working.start()
        while not one.asked:
            time.sleep(0.02)
        (run,) = tw.runs()
        with pytest.raises(UserError, match="under way in another process"):
            tw.run("Second question", history=run)
        go_on.set()
        working.join()
        assert tw.run("Second question", history=run).status == "complete"


def test_a_run_of_an_earlier_release_kept_no_conversation(talk):
    one = talk(questions())
    first = one.run("First question")
    with one.open() as tw, tw._parts.home._data.writing() as db:
        db.execute("DELETE FROM turns")
    with pytest.raises(UserError, match="kept no conversation"):
        one.run("Second question", history=first)


def test_secrets_are_not_kept_in_a_conversation(talk, monkeypatch):
    one = talk(questions())
    with one.open() as tw:
        tw._parts.home.hide({"THE_KEY": "hunter2-hunter2"})
        tw.run("First question hunter2-hunter2")
    kept = b"".join(path.read_bytes() for path in one.home.glob("home.db*"))
    assert b"hunter2" not in kept
    assert b"[secret THE_KEY]" in kept


def test_many_turns_of_one_conversation_are_kept_once_each(talk):
    """A turn keeps what it added, not all before it: a long chat does not grow with its square."""
    one = talk(Speaker(again=[says("word " * 2000)]))
    last = one.run("Again")
    for _ in range(5):
        last = one.run("Again", history=last)
    with one.open() as tw, tw._parts.home._data.reading() as db:
        kept = [row[0] for row in db.execute("SELECT messages FROM turns")]
    sizes = [len(messages) for messages in kept]
    assert not any("[toolwright:orchestrator]" in messages for messages in kept), "each run brings its own prompt"
    assert len(sizes) == 6
    assert max(sizes) < 1.1 * min(sizes)
    assert len(one.asked[-1].messages) == 12


def test_what_a_tool_was_asked_for_counts_within_each_run_alone(talk):
    """Limits are of a run: a conversation may make more tools than one run may."""
    one = talk(
        Speaker(
            make=with_tools("lines"),
            more=with_tools("longest"),
            third=[calls(("request_new_tool", asked_for("save")))] * 2 + [says("INCOMPLETE: no")],
        )
    )
    first = one.run("Make.", given={"max_new_tools": 1})
    second = one.run("More.", history=first, given={"max_new_tools": 1})
    assert (first.made, second.made) == (("lines@1",), ("longest@1",))
