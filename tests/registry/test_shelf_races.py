"""Several processes register the same names at once: one wins each, the others get the winner."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from shelf import open_shelf

RACE = Path(__file__).with_name("race.py")
TOOLS = 12


def test_of_processes_that_register_one_name_one_wins_and_the_others_get_the_winner(tmp_path: Path) -> None:
    home = tmp_path / "home"
    runners = [
        subprocess.Popen(
            [sys.executable, str(RACE), str(home), "x" * number, str(TOOLS)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(1, 4)
    ]
    for runner in runners:
        assert runner.stdout is not None
        assert runner.stdout.readline() == "ready\n"
    answers = []
    for runner in runners:
        assert runner.stdin is not None
        runner.stdin.write("go\n")
        runner.stdin.flush()
    for runner in runners:
        answers.append([json.loads(line) for line in runner.communicate(timeout=60)[0].splitlines()])
        assert runner.returncode == 0
    shelf = open_shelf(home)
    for number in range(TOOLS):
        told = [answer[number] for answer in answers]
        assert sum(won for _, _, won, _ in told) == 1, told
        assert len({(version, digest, run) for version, digest, _, run in told}) == 1
        version = shelf.registry.get(f"tool_{number}")
        assert [str(version), version.digest] == told[0][:2]
        assert len(shelf.registry.history(f"tool_{number}")) == 1
    assert shelf.registry.rebuild() == TOOLS
    shelf.close()


def test_processes_that_open_a_new_home_at_once_all_get_it(tmp_path: Path) -> None:
    command = [sys.executable, str(RACE), str(tmp_path / "home"), "x", "1"]
    runners = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    for runner in runners:
        out, _ = runner.communicate("go\n", timeout=60)
        assert runner.returncode == 0
        assert "tool_0@1" in out
