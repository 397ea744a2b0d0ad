"""The demo as a person meets it: the installed command, at a terminal and without, with a whole wall, half of one, none."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from cli.shop import PATIENCE_S, Terminal, environ, toolwright
from toolwright.sandbox.linux import LinuxSandbox

COMMAND = Path(sys.executable).parent / "toolwright"

WITHOUT_A_WALL = Path(__file__).parent / "docs_support" / "without_a_wall.py"
"""Runs a command on a machine that gives neither namespaces nor Landlock."""


def full_wall() -> bool:
    return LinuxSandbox().profile == "full"


needs_hosts = pytest.mark.skipif("not full_wall()", reason="this machine holds no wall that lets hosts be granted")


def demo(home: Path, *words: str, code: int = 0, **more: str) -> str:
    done = subprocess.run(
        [COMMAND, "demo", "--home", str(home), *words],
        capture_output=True,
        text=True,
        env=environ(home.parent, **more),
        timeout=PATIENCE_S * 2,
    )
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


@needs_hosts
def test_the_demo_does_its_four_tasks_twice_and_names_commands_that_work(tmp_path):
    home = tmp_path / "demo"
    # What a person has set for other runs is not asked: no real model, no other policy.
    others = {
        "TOOLWRIGHT_GENERATOR_MODEL": "openai:real",
        "TOOLWRIGHT_MAX_NEW_TOOLS": "0",
        "TOOLWRIGHT_SURFACE": "fixed",
    }
    text = demo(home, **others)
    passes = re.findall(r"^made (\d+), reused (\d+)$", text, re.MULTILINE)
    assert [made for made, _ in passes] == ["5", "0"]
    assert int(passes[1][1]) >= 5
    assert "model of this demo is scripted" in text
    assert "$0.0000" in text
    assert "says of each answer that it cost nothing" in " ".join(text.split())
    assert str(home) in text
    assert '    action = "allow"' in text.replace("        action", "    action"), "the policy is shown"
    assert "18550.0 ILS" in text
    assert "aurora/skylark, 48210 stars" in text
    assert re.search(r"The password is \S{16}; its entropy is 104\.9 bits", text)
    assert "failed" in text.partition("attempt 2 of 3")[0], "the repair is seen"
    assert "def convert_amount(amount: float, rate: float) -> float:" in text
    (saved,) = {line.split(maxsplit=1)[1] for line in text.splitlines() if line.startswith("file ")}
    assert "18550.0" in Path(saved).read_text()
    after = [line.strip() for line in text.partition("Try next:")[2].splitlines() if line.strip()]
    assert len(after) == 3
    for line in after:
        said = toolwright(tmp_path, *shlex.split(line)[1:]).stdout
        assert "convert_amount" in said or "74.2" in said


@pytest.mark.long
@needs_hosts
def test_the_demo_runs_again_in_its_home_and_finds_everything_there(tmp_path):
    demo(tmp_path / "demo")
    lines = [json.loads(line) for line in demo(tmp_path / "demo", "--json").splitlines()]
    passes = [line for line in lines if line["type"] == "pass"]
    assert [one["made"] for one in passes] == [0, 0]
    assert all(one["status"] == "complete" for one in lines if one["type"] == "result")


@pytest.mark.long
@needs_hosts
def test_with_ask_the_person_answers_once_for_each_host_and_no_is_heard(tmp_path):
    terminal = Terminal(tmp_path, "demo", "--ask", "--home", str(tmp_path / "demo"))
    for name in ("fetch_exchange_rate", "fetch_trending_repositories"):
        terminal.wait_for(f"{name} asks for powers")
        terminal.wait_for("Enter is no")
        terminal.send("y\n")
    code, screen = terminal.end()
    assert code == 0, screen
    assert not (tmp_path / "demo" / "policy.toml").exists()
    assert re.findall(r"^made (\d+),", screen, re.MULTILINE) == ["5", "0"]
    terminal = Terminal(tmp_path, "demo", "--ask", "--home", str(tmp_path / "no"))
    terminal.wait_for("Enter is no")
    terminal.send("\n")
    terminal.wait_for("incomplete")
    terminal.send("\x03")
    code, screen = terminal.end()
    assert code == 130, screen


@pytest.mark.parametrize("how", [["--sandbox", "landlock"], []], ids=["option", "environment"])
@pytest.mark.long
def test_without_namespaces_the_demo_does_the_task_that_needs_no_host_and_says_so(tmp_path, how):
    if LinuxSandbox("landlock").profile == "none":
        pytest.skip("this machine has no Landlock")
    text = demo(tmp_path / "demo", *how, **({} if how else {"TOOLWRIGHT_SANDBOX": "landlock"}))
    assert "profile landlock" in text
    assert "only the task that needs none is run" in text
    assert re.findall(r"^made (\d+), reused (\d+)$", text, re.MULTILINE) == [("1", "0"), ("0", "1")]
    assert "toolwright call generate_password '{}'" in text


def test_without_any_wall_it_stops_at_once_with_the_cure_and_makes_nothing(tmp_path):
    home = tmp_path / "demo"
    command = [sys.executable, str(WITHOUT_A_WALL), sys.executable, "-m", "toolwright"]
    began = os.times()
    done = subprocess.run(
        [*command, "demo", "--home", str(home)], capture_output=True, text=True, env=environ(tmp_path), timeout=60
    )
    ended = os.times()
    assert done.returncode == 6, done.stderr
    assert "toolwright doctor" in done.stderr
    assert "allows user namespaces or Landlock" in done.stderr
    assert ended.children_user + ended.children_system - began.children_user - began.children_system < 2
    assert not home.exists()
    said = subprocess.run(
        [*command, "doctor", "--json"], capture_output=True, text=True, env=environ(tmp_path), timeout=60
    )
    assert (said.returncode, json.loads(said.stdout)["profile"]) == (6, "none")


def test_a_home_that_is_not_the_demos_own_is_left_alone(tmp_path):
    (tmp_path / "policy.toml").write_text("")
    done = toolwright(tmp_path, "demo", "--home", str(tmp_path), code=2)
    assert "not a demo's home" in done.stderr
    assert (tmp_path / "policy.toml").read_text() == ""
    done = toolwright(tmp_path, "demo", "--ask", "--home", str(tmp_path / "new"), code=2)
    assert "not a terminal" in done.stderr
