"""A container whose keeper is not ours any more: whatever it says, the host stays whole and the call ends."""

import contextlib
import json
import os
import pathlib
import shlex
import sys
import time

import pytest

from toolwright.boxes import box_of as box_of_settings
from toolwright.powers import Grant, Limits
from toolwright.sandbox import Ending, Job
from toolwright.sandbox.container import ContainerSandbox
from toolwright.sandbox.container import box as box_module
from toolwright.sandbox.container import running as running_module
from toolwright.settings import BoxSettings

SCRIPT = pathlib.Path(__file__).parent / "scripted_engine.py"
JOB = Job("def answer():\n    return 1\n", "answer", ({},))


@pytest.fixture
def box_of(tmp_path):
    """A box whose engine is the scripted one, in a mode."""
    made = []

    def make(mode):
        engine = tmp_path / "podman"
        words = shlex.join([sys.executable, "-S", str(SCRIPT), mode, str(tmp_path)])
        engine.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
        engine.chmod(0o755)
        made.append(ContainerSandbox(str(engine), "an-image"))
        return made[-1]

    yield make
    for box in made:
        box.close()


def started(tmp_path):
    return len(list(tmp_path.glob("started-*")))


def test_a_container_that_keeps_to_the_protocol_is_believed(box_of):
    ended = box_of("honest").run(JOB)
    assert (ended.ending, ended.detail, ended.claims) == (
        Ending.EXITED,
        "answer",
        (b'{"item":0,"ok":true,"value":1}',),
    )


@pytest.mark.parametrize("mode", ["garbage", "huge", "early", "strange"])
def test_a_container_that_greets_oddly_is_none(mode, box_of):
    box = box_of(mode)
    assert box.profile == "none"
    assert box.run(JOB).ending is Ending.DENIED
    assert "it said" in box.why_not_at_all


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"networks": ["eth0"]}, "network"),
        ({"user": 0}, "rights"),
        ({"capabilities": 1}, "rights"),
        ({"no_new_privileges": False}, "rights"),
        ({"readonly": False}, "root"),
        ({"memory": 2**52}, "memory limit"),
        ({"pids": 2**52}, "limit of processes"),
        ({"profile": "none", "why": "no Landlock here"}, "no Landlock here"),
    ],
)
def test_a_container_without_one_of_its_walls_is_refused_with_the_reason(change, word, box_of):
    box = box_of("hello:" + json.dumps(change))
    assert box.profile == "none"
    assert word in box.why_not(Grant())
    ended = box.run(JOB)
    assert ended.ending is Ending.DENIED
    assert word in ended.detail


@pytest.mark.parametrize(
    "mode",
    [
        "second hello",
        "endless exit",
        "many files",
        *(
            "exit:" + json.dumps(change)
            for change in (
                {"ending": "perfect"},
                {"ending": "gone"},
                {"more": 1},
                {"claims": [5]},
                {"claims": [-1, 31]},
                {"claims": [10, 10, 10]},
                {"claims": [True]},
                {"output": -1},
                {"output": 1},
                {"torn": 1},
                {"exit_code": 256},
                {"exit_code": "0"},
                {"times": [1e300]},
                {"times": [None]},
                {"wall_s": -1},
                {"peak": 1.5},
                {"detail": None},
            )
        ),
        *(
            "file:" + json.dumps(file)
            for file in (
                ["../outside", 1, 1],
                ["/tmp/outside", 1, 1],
                ["a//b", 1, 1],
                ["a/./b", 1, 1],
                ["", 1, 1],
                ["a\nb", 1, 1],
                ["a", 2, 1],
                ["a", 1, 2],
                ["a", -1, 1],
                ["a", 10**12, 1],
                ["a", True, 1],
            )
        ),
    ],
)
def test_what_breaks_the_protocol_ends_the_container_and_is_nobodys_answer(mode, box_of, tmp_path):
    into = tmp_path / "into"
    into.mkdir()
    ended = box_of(mode).run(JOB, collect=into)
    assert ended.ending is Ending.FAULT
    assert "it said" in ended.detail
    assert ended.claims == ended.files == ()
    assert not (tmp_path / "outside").exists()
    assert started(tmp_path) == 1, "a call that had begun is not made again"


def test_an_exit_of_a_call_that_wants_no_files_brings_none(box_of, tmp_path):
    assert box_of('file:["a", 1, 1]').run(JOB).ending is Ending.FAULT


def test_words_from_a_container_cannot_move_the_cursor(box_of):
    ended = box_of('exit:{"detail": "\\u001b[2J\\u009b gone \\ud800"}').run(JOB)
    assert ended.ending is Ending.EXITED
    assert "\x1b" not in ended.detail
    ended.detail.encode()


def test_connections_to_what_was_not_granted_are_dropped(box_of):
    assert box_of("unasked connections").run(JOB).ending is Ending.EXITED


def test_a_connection_beyond_its_window_ends_the_container(box_of):
    ended = box_of("too much acknowledged").run(
        Job(JOB.source, JOB.function, ({},), grant=Grant(hosts=("127.0.0.1:9",)))
    )
    assert ended.ending is Ending.FAULT
    assert "it said" in ended.detail


def test_a_call_that_had_begun_in_a_dead_container_is_a_fault_and_not_made_again(box_of, tmp_path):
    assert box_of("dies begun").run(JOB).ending is Ending.FAULT
    assert started(tmp_path) == 1


def test_a_call_that_had_not_begun_is_made_in_a_new_container(box_of, tmp_path):
    ended = box_of("dies unbegun").run(JOB)
    assert ended.ending is Ending.EXITED
    assert started(tmp_path) == 2


def test_a_container_that_keeps_no_deadline_is_ended_from_outside(box_of, tmp_path, monkeypatch):
    monkeypatch.setattr(running_module, "_deadline", lambda job: time.monotonic() + 1)
    ended = box_of("never ends").run(Job(JOB.source, JOB.function, ({},), limits=Limits(wall_s=0.1)))
    assert ended.ending is Ending.TIMEOUT
    assert list(tmp_path.glob("removed-toolwright-*"))


def test_a_container_that_says_nothing_is_ended(box_of, tmp_path, monkeypatch):
    monkeypatch.setattr(running_module, "_START_S", 1.0)
    box = box_of("silent")
    assert "it said nothing" in box.why_not_at_all
    assert list(tmp_path.glob("removed-toolwright-*"))


def test_no_engine_and_no_image_are_said_with_the_cure(tmp_path):
    box = ContainerSandbox("an-engine-that-is-not-here")
    assert box.profile == "none"
    assert "sandbox.engine" in box.why_not(Grant())
    engine = tmp_path / "podman"
    engine.write_text(
        '#!/bin/sh\ncase $1 in --version) echo podman version 9;; info) echo "2|false|9";; *) exit 125;; esac\n'
    )
    engine.chmod(0o755)
    box = ContainerSandbox(str(engine))
    assert "toolwright doctor --pull" in box.why_not(Grant())
    assert os.path.exists(engine)


def passing(tmp_path, mode, looks=""):
    """An engine that is up as long as there is a file of that name."""
    engine = tmp_path / "podman"
    words = shlex.join([sys.executable, "-S", str(SCRIPT), mode, str(tmp_path)])
    down = f"[ -e {tmp_path}/up ] || {{ echo 'nobody listens at the socket' >&2; exit 125; }}"
    engine.write_text(f'#!/bin/sh\necho "$1" >> {tmp_path}/asked\n{down}\n{looks}\nexec {words} "$@"\n')
    engine.chmod(0o755)
    return str(engine)


def ending_at_last(box):
    """How a job ends once the engine is tried again: a failure stands for as long as it took to be found."""
    until = time.monotonic() + 20
    while (ending := box.run(JOB).ending) is not Ending.EXITED and time.monotonic() < until:
        time.sleep(0.1)
    return ending


def test_an_engine_that_was_down_is_used_once_it_is_up(tmp_path, monkeypatch):
    monkeypatch.setattr(box_module, "_AGAIN_S", 0.0)
    with contextlib.closing(ContainerSandbox(passing(tmp_path, "honest"), "an-image")) as box:
        refused = box.run(JOB)
        assert refused.ending is Ending.FAULT
        assert "does not answer: nobody listens at the socket. Start it, or set sandbox.engine." in refused.detail
        (cured,) = (layer.cure for layer in box.layers() if layer.name == "box container")
        assert "run --rm an-image" in cured
        (tmp_path / "up").touch()
        assert ending_at_last(box) is Ending.EXITED
        assert box.profile == "container"
        (tmp_path / "up").unlink()
        box.close()
        gone = box.run(JOB)
        assert gone.ending is Ending.FAULT
        assert "Call it again" in gone.detail
        (tmp_path / "up").touch()
        assert box.run(JOB).ending is Ending.EXITED


def test_whoever_has_set_a_box_of_containers_gets_one_once_the_engine_is_up(tmp_path, monkeypatch):
    monkeypatch.setattr(box_module, "_AGAIN_S", 0.0)
    wanted = BoxSettings(box="container", engine=passing(tmp_path, "honest"), image="an-image")
    with contextlib.closing(box_of_settings(wanted)) as box:
        refused = box.run(JOB)
        assert (refused.ending, "Start it" in refused.detail) == (Ending.FAULT, True)
        (tmp_path / "up").touch()
        assert ending_at_last(box) is Ending.EXITED


def test_an_image_that_somebody_else_has_got_is_used(tmp_path, monkeypatch):
    monkeypatch.setattr(box_module, "_AGAIN_S", 0.0)
    (tmp_path / "up").touch()
    engine = passing(tmp_path, "honest", f"[ $1 = image ] && [ ! -e {tmp_path}/got ] && exit 1")
    with contextlib.closing(ContainerSandbox(engine, "an-image")) as box:
        assert "doctor --pull" in box.why_not_at_all
        (tmp_path / "got").touch()
        assert ending_at_last(box) is Ending.EXITED


def test_an_engine_that_fails_is_not_asked_by_each_call_anew_nor_one_that_is_no_wall(tmp_path, monkeypatch):
    box = ContainerSandbox(passing(tmp_path, "honest"), "an-image")
    assert box.profile == box.profile == "none"
    assert len((tmp_path / "asked").read_text().split()) == 2  # who it is, and how it is
    monkeypatch.setattr(box_module, "_AGAIN_S", 0.0)
    (tmp_path / "up").touch()
    with contextlib.closing(
        ContainerSandbox(passing(tmp_path, 'hello:{"memory":4503599627370496}'), "an-image")
    ) as box:
        assert box.profile == "none"
        time.sleep(0.5)
        assert box.profile == "none"
        assert started(tmp_path) == 1
