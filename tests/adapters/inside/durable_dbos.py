"""Our toolset under a durable engine: a run that was killed goes on in a new process, and nothing is paid or run twice."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from office import ROLES, of_agent, office  # noqa: F401 -- one is a fixture
from people_stage import Clerk

from cli.shop import environ
from docs_support.world import has_full_sandbox
from outside.endpoint import calls, says

pytestmark = pytest.mark.skipif(not has_full_sandbox(), reason="a host can be granted in the full sandbox only")
PROGRAM = Path(__file__).with_name("dbos_program.py")


class Killer(Clerk):
    """A clerk that kills whoever asks for what `kills` says, once."""

    kills = staticmethod(lambda request: False)
    process = None

    def __call__(self, request):
        if self.process is not None and self.kills(request):
            os.kill(self.process.pid, signal.SIGKILL)
            self.process = None
            return says("Nobody hears this.")
        return super().__call__(request)


@pytest.fixture
def place(office):  # noqa: F811
    return office(lambda one: Killer(one.asked, (one.source, [one.page.host])))


def start(place, mode, *more, workflow="wf-1"):
    command = [sys.executable, str(PROGRAM), str(place.home), place.endpoint.url, workflow, mode, *more]
    own = environ(place.home, PYTHONPATH=os.environ["PYTHONPATH"])
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=own, cwd=place.home)


def ended(process):
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return json.loads(out.splitlines()[-1])


def asked(place):
    """How often whom: the agent's own model by the number of results that it was shown, and ours."""
    agent = [len(one.results) for one in of_agent(place)]
    return agent, *(len(place.endpoint.of(role)) for role in ROLES)


@pytest.mark.parametrize("where", ["workflow", "units"])
@pytest.mark.parametrize(
    ("kills", "agent", "written"),
    [
        (lambda one: one.role == "generator", [0, 1, 2], 2),
        (lambda one: one.role not in ROLES and len(one.results) == 1, [0, 1, 1, 2], 1),
        (lambda one: one.role not in ROLES and len(one.results) == 2, [0, 1, 2, 2], 1),
    ],
    ids=["while the tool is written", "when it is made", "when it was called"],
)
def test_a_killed_run_goes_on_and_only_what_was_in_flight_is_asked_again(place, where, kills, agent, written):
    place.speaker.kills = kills
    process = place.speaker.process = start(place, f"begin {where}")
    process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL
    hits = place.page.hits
    came = ended(start(place, f"resume {where}"))
    assert came["output"] == "It says 5"
    assert asked(place)[:2] == (agent, written)
    assert asked(place)[2] <= written, "the examiner is asked beside the generator, and may be in flight as well"
    steps = {one.partition("__")[2].partition("__")[0] for one in came["steps"]}
    assert steps == ({"model.request"} if where == "workflow" else {"model.request", "dynamic_toolset"})
    with place.open() as tw:
        (run,) = tw.runs()
        assert (run.status, run.made) == ("complete", ("look@1",))
        called = [one for one in tw.recorded_calls(run.id) if one["status"] == "ok"]
        assert len(called) == 1, "the tool was called once, by whichever process"
    if agent == [0, 1, 2, 2]:
        assert place.page.hits == hits


def test_a_name_that_nobody_has_is_answered_in_words_where_the_toolset_runs_in_the_workflow(place):
    script = [calls(("frobnicate", {})), calls(("frobnicate", {})), says("Well.")]
    place.speaker.__class__ = type("Scripted", (Killer,), {"__call__": lambda _, request: script.pop(0)})
    assert ended(start(place, "begin workflow"))["output"] == "Well."
    last = place.endpoint.requests[-1].results
    assert [one.startswith("frobnicate is not available; use request_new_tool") for one in last] == [True, True]


def test_in_units_such_a_name_is_the_frameworks_to_answer_and_run_tool_is_ours(place):
    inner = ("run_tool", {"name": "frobnicate", "arguments": {}})
    script = [calls(("frobnicate", {})), calls(inner), says("Well.")]
    place.speaker.__class__ = type("Scripted", (Killer,), {"__call__": lambda _, request: script.pop(0)})
    assert ended(start(place, "begin units"))["output"] == "Well."
    first, second = place.endpoint.requests[-1].results
    assert "Unknown tool name: 'frobnicate'" in first
    assert second.startswith("frobnicate is not available; use request_new_tool")


@pytest.mark.parametrize("where", ["workflow", "units"])
def test_calls_of_one_answer_run_one_after_the_other(place, where):
    look = ("run_tool", {"name": "look", "arguments": {"path": "x"}})
    script = [calls(("request_new_tool", place.asked), look, look), says("Well.")]
    first = Killer.__call__
    place.speaker.__class__ = type(
        "Scripted",
        (Killer,),
        {"__call__": lambda self, one: first(self, one) if one.role in ROLES else script.pop(0)},
    )
    assert ended(start(place, f"begin {where}"))["output"] == "Well."
    made, *looked = place.endpoint.requests[-1].results
    assert made.startswith("look is ready.")
    assert looked == ["5", "5"]
    with place.open() as tw:
        (run,) = tw.runs()
        assert (run.status, run.made) == ("complete", ("look@1",))


@pytest.mark.parametrize("where", ["workflow", "units"])
def test_a_question_of_the_framework_ends_the_workflow_and_is_answered_in_the_next(place, where):
    first = ended(start(place, f"begin {where}", "", ""))
    (call,) = first["waits"]
    assert place.page.hits == 0
    second = ended(start(place, f"begin {where}", first["history"], call, workflow="wf-2"))
    assert second["output"] == "It says 5"
    assert asked(place) == ([0, 1, 2], 1, 1)
    with place.open() as tw:
        (run,) = tw.runs()
        assert (run.status, run.made) == ("complete", ("look@1",))
