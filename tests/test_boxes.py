"""Which box is taken: the first whose wall is accepted; what is weaker than that refuses, and says which setting."""

from __future__ import annotations

import pytest

from toolwright.boxes import ChosenBox, box_of, strength
from toolwright.call import Call
from toolwright.executor import Executor
from toolwright.policy import Policy
from toolwright.powers import NO_POWERS
from toolwright.sandbox import Ending, Exit, Job, Layer
from toolwright.sandbox.linux import LinuxSandbox
from toolwright.schema import tool_spec
from toolwright.settings import BoxSettings
from toolwright.tool import Candidate

LANDLOCK = LinuxSandbox("landlock")


class Box:
    """A box that somebody else made: of any name and strength, and it runs nothing."""

    def __init__(self, name, profile):
        self.name, self.profile, self.closed, self.ran = name, profile, False, 0

    def run(self, job, *, collect=None, cancel=None):
        self.ran += 1
        return Exit(Ending.EXITED)

    def layers(self, say=None):
        if say is not None:
            say(self.name)
        return (Layer(f"{self.name} {self.profile}", True),)

    def why_not(self, grant):
        return f"{self.name} gives no wall." if self.profile == "none" else ""

    def close(self):
        self.closed = True


def chosen(weakest, *found):
    boxes = [Box(*one.split()) for one in found]
    made = ChosenBox(BoxSettings(weakest=weakest), tuple(lambda one=one: one for one in boxes))
    return made, boxes


@pytest.mark.parametrize(
    ("weakest", "found", "taken"),
    [
        ("landlock", ["linux full", "container container"], "linux full"),
        ("landlock", ["linux landlock", "container container"], "linux landlock"),
        ("container", ["linux landlock", "container container"], "container container"),
        ("landlock", ["linux none", "container container"], "container container"),
        ("container", ["linux full", "container none"], "linux full"),
    ],
)
def test_the_first_box_whose_wall_is_accepted_is_taken(weakest, found, taken):
    made, boxes = chosen(weakest, *found)
    assert f"{made.name} {made.profile}" == taken
    assert made.why_not(NO_POWERS) == ""
    made.run(Job("", "f", ()))
    assert [box.ran for box in boxes] == [one == taken for one in found]


@pytest.mark.parametrize(
    ("weakest", "found", "said"),
    [
        ("full", ["linux landlock", "container container"], "wall found here is `container`, and"),
        ("full", ["linux landlock", "container none"], "`landlock` of the linux box, and"),
        ("container", ["linux landlock", "container none"], "accepts none below `container`"),
        ("landlock", ["linux none", "container none"], "linux gives no wall. container gives no wall."),
    ],
)
def test_where_no_wall_is_accepted_nothing_runs(weakest, found, said):
    made, boxes = chosen(weakest, *found)
    assert said in made.why_not(NO_POWERS)
    ended = made.run(Job("", "f", ()))
    assert (ended.ending, said in ended.detail) == (Ending.DENIED, True)
    assert [box.ran for box in boxes] == [0, 0]


def test_every_box_is_looked_at_and_closed_whichever_is_taken():
    made, boxes = chosen("landlock", "linux full", "container container")
    heard: list[str] = []
    assert [one.name for one in made.layers(heard.append)] == ["linux full", "container container"]
    assert heard == ["linux", "container"]
    made.close()
    assert all(box.closed for box in boxes)


class Nothing:
    """No approval, no secret, no package."""

    def covering(self, question):
        return None


def called_in(box):
    source = 'def one() -> int:\n    """Give one."""\n    return 1\n'
    spec = tool_spec(tool_name="one", description="Give one.", input_params="", return_type="int")
    road = Executor(box, Policy(), Nothing(), Nothing(), Nothing())
    return road.call(Candidate(spec, source), Call("one", {}))


@pytest.mark.skipif(LANDLOCK.profile != "landlock", reason="this kernel has no Landlock")
def test_a_call_in_a_box_weaker_than_accepted_is_denied_and_names_the_setting():
    weak = box_of(BoxSettings("landlock", "linux", weakest="full"))
    assert strength(weak) == "landlock"
    outcome = called_in(weak)
    assert (outcome.status.value, outcome.reason) == ("denied", "missing-layer")
    assert "sandbox.weakest" in outcome.detail
    assert called_in(box_of(BoxSettings("landlock", "linux"))).ok
