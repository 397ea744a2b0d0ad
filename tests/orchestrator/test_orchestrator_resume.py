"""A run that was killed goes on: nothing that is on record is asked, made or run a second time."""

import json
import random
import signal
import subprocess
import sys
import time

import pytest
from orchestrator_stage import CONVERT, CONVERT_ASKED, Heard, calls, says, writes
from test_orchestrator_files import SAVE, ask

from cli.shop import hears_ctrl_c
from toolwright.errors import NotFoundError, UserError

DIES = """
import os, signal, sys
from toolwright import Toolwright
from toolwright.store.journal import JournalBook

home, url, at, when = sys.argv[1:5]
real, seen = JournalBook.put, []

def put(self, role, place, data):
    seen.append(place)
    here = at in (str(len(seen)), f"{role}/{place.step}/{place.position}")
    if here and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    real(self, role, place, data)
    if here and when == "after":
        os.kill(os.getpid(), signal.SIGKILL)

JournalBook.put = put
with Toolwright("openai:scripted", base_url=url, home=home) as tw:
    tw.run("Convert and save.", out=home + "/../out")
"""

TURNS = (
    calls(("request_new_tool", CONVERT_ASKED), ask(SAVE, "str", "save('x')"), step=0, text="First."),
    calls(("convert", {"amount": 5000, "rate": 3.71}), ("save", {"text": "kept"}), ("nobody", {}), step=1),
    says("It is {{results[2]}}."),
    writes(SAVE, when={"last_user": "save"}),
    writes(CONVERT),
)


def killed_at(scene, at, when):
    done = scene.elsewhere(DIES, str(at), when)
    assert done.returncode == -signal.SIGKILL, done.stderr
    with scene.open() as tw:
        (run,) = tw.runs()
        assert run.status == "running"
    return run.id


def whole_run(scene):
    result = scene.do("Convert and save.")
    assert result.status == "complete", scene.results()
    with scene.open() as tw:
        return result, len(tw._parts.home.journal.places(result.run_id))


def goes_on_after(stage, tmp_path, at, when):
    scene = stage(*TURNS)
    run_id = killed_at(scene, at, when)
    asked_before = len(scene.server.log)
    heard = scene.heard = Heard()
    result = scene.do(resume=run_id)
    assert (result.status, result.output) == ("complete", "It is 18550.0."), result.reason
    assert (result.made, result.reused) == (("convert@1", "save@1"), ())
    assert [path.read_text() for path in result.files] == ["kept"]
    with scene.open() as tw:
        assert sorted(tw.registry.names()) == ["convert", "save"]
        assert [len(tw.registry.history(name)) for name in ("convert", "save")] == [1, 1]
        assert tw.run_record(run_id).made == ("convert@1", "save@1")
        assert len(tw._parts.home.journal.places(run_id)) > at - 1
    # One call may have been in flight at the kill; the examiner's two are asked side by side.
    for role, once, in_flight in (("orchestrator", 3, 1), ("generator", 2, 1), ("examiner", 4, 4)):
        assert len(scene.asked_of(role)) <= once + in_flight, role
    return asked_before, heard


@pytest.mark.parametrize(("at", "when"), [(1, "after"), (5, "before"), (7, "after")])
def test_a_run_goes_on_after_a_kill(stage, tmp_path, at, when):
    goes_on_after(stage, tmp_path, at, when)


@pytest.mark.long
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_run_goes_on_after_a_kill_at_every_record(stage, tmp_path, when):
    _, records = whole_run(stage(*TURNS))
    assert records > 10
    for at in range(1, records + 1):
        other = tmp_path / f"{at}"
        other.mkdir()

        def elsewhere(*turns, home=other / "home"):
            scene = stage(*turns)
            scene.home = home
            return scene

        goes_on_after(elsewhere, other, at, when)


@pytest.mark.long
def test_a_run_goes_on_after_kills_at_random_moments(stage, tmp_path):
    draw = random.Random(7)
    for number in range(10):
        scene = stage(*TURNS)
        scene.home = tmp_path / str(number) / "home"
        scene.home.parent.mkdir()
        run_id = None
        while run_id is None:
            words = [sys.executable, "-c", DIES, str(scene.home), scene.url, "0", ""]
            process = subprocess.Popen(words, cwd=scene.home.parent)
            time.sleep(draw.uniform(0.8, 4.0))
            process.kill()
            process.wait()
            with scene.open() as tw:
                run_id = next((run.id for run in tw.runs()), None)
        result = scene.do(resume=run_id)
        assert (result.status, result.output) == ("complete", "It is 18550.0."), result.reason
        assert (result.made, result.reused) == (("convert@1", "save@1"), ())
        assert [path.read_text() for path in result.files] == ["kept"]


def test_a_finished_run_gives_its_stored_result_and_asks_no_model(stage):
    scene = stage(*TURNS)
    result, _ = whole_run(scene)
    scene.server.reset()
    scene.heard = Heard()
    again = scene.do(resume=result.run_id)
    assert scene.server.log == []
    assert scene.heard.events == [], "it is not run again from its record either"
    assert (again.output, again.made, again.reused, again.files, again.cost, again.status) == (
        result.output,
        result.made,
        result.reused,
        result.files,
        result.cost,
        result.status,
    )


def test_what_is_on_record_is_not_told_or_called_a_second_time(stage):
    scene = stage(*TURNS)
    run_id = killed_at(scene, 11, "after")
    with scene.open() as tw:
        before = tw.registry.stats("convert").calls
        told = [event.kind for event in tw.events(run_id)]
    assert before == 1
    scene.heard = Heard()
    scene.do(resume=run_id)
    with scene.open() as tw:
        assert tw.registry.stats("convert").calls == 1
    assert told.count("tool-made") == 2
    assert "tool-made" not in scene.heard.kinds()
    assert told.count("text") == 1
    assert [data["text"] for _, data in scene.heard.of("text")] == ["It is 18550.0."]


SENDS = '''def send_note(text: str) -> str:
    """Send a note."""
    with open("sent.txt", "a", encoding="utf-8") as file:
        file.write(text)
    return "sent"
'''


def sending(effect):
    name, asked = ask(SENDS, "str", "send_note('x')")
    return (
        calls((name, {**asked, "effect": effect}), step=0),
        calls(("send_note", {"text": "once"}), step=1),
        says("{{results[1].text}}"),
        writes(SENDS),
    )


@pytest.mark.parametrize(
    ("effect", "says_yes", "ran"), [("none", None, True), ("writes", None, False), ("writes", True, True)]
)
def test_a_call_whose_end_is_unknown_runs_again_only_if_it_changes_nothing_or_a_person_says_so(
    stage, effect, says_yes, ran
):
    scene = stage(*sending(effect))
    run_id = killed_at(scene, "tool/2/0.started", "after")
    asked = []

    def approve(request):
        asked.append(request.question.description)
        return True

    result = scene.do(resume=run_id, approve=approve if says_yes else None)
    assert result.status == "complete", result.reason
    assert ("sent" in result.output) == ran
    assert ("may already have run" in result.output) == (not ran)
    assert bool(asked) == (effect == "writes" and bool(says_yes))
    if asked:
        assert "may already have run" in asked[0]


def test_a_call_whose_end_is_unknown_waits_for_an_answer_and_one_yes_runs_it_once(stage):
    scene = stage(*sending("writes"))
    run_id = killed_at(scene, "tool/2/0.started", "after")
    pauses = {"approvals.away": "pause"}
    first = scene.do(resume=run_id, given=pauses)
    assert first.status == "needs-approval"
    with scene.open() as tw:
        assert tw.approval(first.question).request.kind == "again"
        tw.approve(first.question)
        assert tw.grants() == []
    resumed = DIES.replace('tw.run("Convert and save."', 'tw.run(resume=os.environ["RUN"]')
    done = scene.elsewhere(resumed, "tool/2/0.started-3", "after", RUN=run_id)
    assert done.returncode == -signal.SIGKILL, done.stderr
    second = scene.do(resume=run_id, given=pauses)
    assert (second.status, second.question == first.question) == ("needs-approval", False), "that yes may be used up"
    with scene.open() as tw:
        tw.approve(second.question)
    done = scene.do(resume=run_id)
    assert (done.status, "sent" in done.output) == ("complete", True), done.reason
    assert len(scene.asked_of("orchestrator")) == 3


def test_a_run_is_in_one_process_at_a_time(stage):
    scene = stage({**says("late"), "delay": 6})
    code = DIES.replace("JournalBook.put = put", "")
    process = subprocess.Popen([sys.executable, "-c", code, str(scene.home), scene.url, "0", ""], cwd=scene.home.parent)
    try:
        until = time.monotonic() + 20
        while not scene.server.log and time.monotonic() < until:
            time.sleep(0.05)
        with scene.open() as tw:
            (run,) = tw.runs()
            with pytest.raises(UserError, match="under way in another process"):
                tw.run(resume=run.id)
    finally:
        process.kill()
        process.wait()
    assert scene.server.log


def test_a_run_that_nobody_knows_cannot_be_resumed(stage):
    with pytest.raises(NotFoundError):
        stage(says("x")).do(resume="20261125-000000-abcdef")


def test_a_cancelled_run_keeps_its_trace_stops_its_box_and_can_go_on(stage):
    pause = '    import time\n    time.sleep(4 if text == "kept" else 0)\n'
    source = SAVE.replace('    with open("note', pause + '    with open("note')
    scene = stage(
        calls(ask(source, "str", "save('x')"), step=0),
        calls(("save", {"text": "kept"}), step=1),
        says("Saved."),
        writes(source),
    )
    script = """
import sys
from toolwright import Toolwright
from toolwright.settings import load
home, url = sys.argv[1:3]
with Toolwright("openai:scripted", base_url=url, home=home) as tw:
    result = tw.run("Save it.")
import json; print(json.dumps(result.to_json()))
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(scene.home), scene.url],
        stdout=subprocess.PIPE,
        text=True,
        cwd=scene.home.parent,
        preexec_fn=hears_ctrl_c,
    )
    until = time.monotonic() + 60
    with scene.open() as tw:
        while time.monotonic() < until:
            runs = tw.runs()
            if runs and [one for one in tw.events(runs[0].id) if one.kind == "tool-called"]:
                break
            time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    result = json.loads(said.strip().splitlines()[-1])
    assert (result["status"], result["made"]) == ("cancelled", ["save@1"])
    with scene.open() as tw:
        assert tw.run_record(result["run_id"]).status == "cancelled"
        assert tw.events(result["run_id"])[-1].kind == "result"
    later = scene.do(resume=result["run_id"])
    assert (later.status, later.made) == ("complete", ("save@1",))
    assert [path.read_text() for path in later.files] == ["kept"]


ADDS = '''def add_line(text: str) -> int:
    """Add a line to lines.txt and say how many lines it has now."""
    with open("lines.txt", "a", encoding="utf-8") as file:
        file.write(text + "\\n")
    with open("lines.txt", encoding="utf-8") as file:
        return len(file.readlines())
'''


@pytest.mark.parametrize(
    ("at", "again"),
    [
        (("add_line", {"text": "two"}), 1),
        (("run_tool", {"name": "add_line", "arguments": [{"text": "two"}, {"text": "three"}]}), 2),
    ],
)
def test_a_call_that_runs_again_finds_the_files_as_they_were_before_it(stage, at, again):
    scene = stage(
        calls(ask(ADDS, "int", "add_line('x')"), step=0),
        calls(("add_line", {"text": "one"}), step=1),
        calls(at, step=2),
        says("There are {{results[2]}}."),
        writes(ADDS),
    )
    run_id = killed_at(scene, "tool/3/0", "before")
    result = scene.do(resume=run_id)
    assert result.status == "complete", result.reason
    (path,) = result.files
    assert path.read_text().split() == ["one", "two", "three"][: again + 1]
    with scene.open() as tw:
        assert tw.registry.stats("add_line").calls == 1 + 2 * again, "it ran twice, as its effect allows"
        assert sorted(one.name for one in (scene.home / "runs" / run_id / "work").iterdir()) == ["lines.txt"]


DIES_AT = """
import os, signal, sys
from toolwright import Toolwright
from toolwright.store.audit import AuditBook
from toolwright.store.journal import JournalBook
from toolwright.switchboard import Switchboard

home, url, at = sys.argv[1:4]

def dying(real, here):
    def call(*given, **named):
        if here(*given):
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*given, **named)
    return call

AuditBook.add = dying(AuditBook.add, lambda _, deed: deed.what == at)
Switchboard.emit = dying(Switchboard.emit, lambda _, event: event.kind == at)
JournalBook.put = dying(JournalBook.put, lambda _, role, place, data: f"{role}/{place.step}/{place.position}" == at)
os.fsync = dying(os.fsync, lambda file: at in os.readlink(f"/proc/self/fd/{file}"))
with Toolwright("openai:scripted", base_url=url, home=home, approve=lambda _: True) as tw:
    tw.run("Convert and save.", out=home + "/../out")
"""


def killed_when(scene, at):
    done = scene.elsewhere(DIES_AT, at)
    assert done.returncode == -signal.SIGKILL, done.stderr
    with scene.open() as tw:
        (run,) = tw.runs()
    return run.id


@pytest.mark.parametrize("at", ["admitted", "tool-made"])
def test_what_a_kill_kept_from_audit_and_trace_stands_there_after_the_resume(stage, at):
    scene = stage(*TURNS)
    run_id = killed_when(scene, at)
    result = scene.do(resume=run_id)
    assert result.made == ("convert@1", "save@1")
    with scene.open() as tw:
        lines = [line.deed for line in tw.audit(run_id="", limit=50) if line.deed.what == "admitted"]
        told = [event.data["name"] for event in tw.events(run_id) if event.kind == "tool-made"]
        assert tw.verify_audit().whole
    assert sorted((deed.name, deed.who) for deed in lines) == [("convert", "agent"), ("save", "agent")]
    assert all(deed.detail.endswith(f"run {run_id}") for deed in lines)
    assert told == ["convert", "save"]


def test_a_run_that_was_killed_before_it_told_its_result_tells_it_when_it_is_resumed(stage):
    scene = stage(*TURNS)
    run_id = killed_when(scene, "result")
    asked = len(scene.server.log)
    heard = scene.heard = Heard()
    assert scene.do(resume=run_id).output == "It is 18550.0."
    assert heard.kinds() == ["result"]
    scene.do(resume=run_id)
    assert heard.kinds() == ["result"]
    assert len(scene.server.log) == asked
    with scene.open() as tw:
        assert [event.kind for event in tw.events(run_id)].count("result") == 1


def test_a_file_is_handed_out_whole_or_not_at_all(stage):
    scene = stage(*TURNS)
    run_id = killed_when(scene, ".part")
    out = scene.home.parent / "out"
    assert [path.name for path in out.iterdir()] == [f".toolwright-{run_id}.part"]
    result = scene.do(resume=run_id)
    assert [path.resolve() for path in result.files] == [out / "note.txt"]
    assert [path.read_text() for path in out.iterdir()] == ["kept"]


WRONG = '''def first_word(name: str) -> str:
    """Give the first word of a file in {folder}."""
    with open("{folder}/" + name{wrong}, encoding="utf-8") as file:
        return file.read().split()[0]
'''


def test_a_candidate_that_failed_before_the_world_is_not_taken_after_a_kill(stage, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a").write_text("hello there")
    wrong, right = (WRONG.format(folder=tmp_path / "data", wrong=one) for one in (' + ".txt"', ""))
    name, asked = ask(right, "str", "first_word('a') == 'hello'")
    asked["powers"] = {"reads": [str(tmp_path / "data")], "why": "the files are there"}
    scene = stage(
        calls((name, asked), step=0),
        calls(("first_word", {"name": "a"}), step=1),
        says("It is {{results[1]}}."),
        writes(wrong, times=1),
        writes(right, times=2),
    )
    run_id = killed_when(scene, "generator/1/0.g1")
    result = scene.do(resume=run_id, approve=lambda _: True)
    assert (result.status, result.output, result.made) == ("complete", "It is hello.", ("first_word@1",))
    assert [len(scene.asked_of(role)) for role in ("orchestrator", "generator")] == [3, 3]
