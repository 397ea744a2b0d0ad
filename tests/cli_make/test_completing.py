"""Completion as shells ask for it: the protocol of bash, and real shells where they are there; never a complaint."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest
from person import Person
from shop import ADD, environ

from outside.endpoint import Endpoint, says
from toolwright import Toolwright


@pytest.fixture(scope="module")
def stocked(tmp_path_factory):
    home = tmp_path_factory.mktemp("stocked")
    (home / "add.py").write_text(ADD)
    with Endpoint(lambda request: says("Done.")) as endpoint:
        with Toolwright("openai:x", base_url=endpoint.url, home=home) as tw:
            assert tw.import_file(home / "add.py").version is not None
            run = tw.run("a task")
    return home, run.run_id


def completed(home, line, **more):
    """What bash is told for *line*; its last word, perhaps empty, is the one that is typed."""
    words = line.split(" ")
    variables = {
        "COMP_WORDS": "\n".join(words),
        "COMP_CWORD": str(len(words) - 1),
        "_TOOLWRIGHT_COMPLETE": "bash_complete",
        "TOOLWRIGHT_HOME": str(home),
    }
    done = subprocess.run(
        [sys.executable, "-m", "toolwright"], env=environ(home, **variables, **more), capture_output=True, text=True
    )
    assert done.stderr == ""
    return [one.partition(",")[2] for one in done.stdout.splitlines() if one]


def test_commands_options_and_choices(stocked):
    home, _ = stocked
    assert completed(home, "toolwright com") == ["completion"]
    assert set(completed(home, "toolwright co")) == {"config", "completion", "costs"}
    assert set(completed(home, "toolwright config ")) == {"list", "get", "set", "unset", "path"}
    assert "--policy" in completed(home, "toolwright run --p")
    assert completed(home, "toolwright run --surface ") == ["native", "fixed"]
    assert completed(home, "toolwright runs --status in") == ["incomplete"]
    assert completed(home, "toolwright completion ") == ["bash", "zsh", "fish"]


def test_tools_runs_settings_and_their_values(stocked):
    home, run_id = stocked
    assert completed(home, "toolwright show a") == ["add"]
    assert completed(home, "toolwright runs show ") == [run_id, "last"]
    assert completed(home, f"toolwright runs show {run_id[:5]}") == [run_id]
    assert completed(home, "toolwright config set max_") == ["max_new_tools", "max_tools", "max_steps"]
    assert completed(home, "toolwright config get limits.wa") == ["limits.wall_s"]
    assert completed(home, "toolwright config set sandbox.profile ") == ["auto", "full", "landlock"]
    assert completed(home, "toolwright config set limits.profile s") == ["strict"]
    assert completed(home, "toolwright config unset mod") == ["model"]


def test_what_goes_wrong_is_nothing_to_complete(stocked, tmp_path):
    assert completed(tmp_path / "nowhere", "toolwright show ") == []
    assert completed(tmp_path / "nowhere", "toolwright runs show ") == []
    assert completed(tmp_path, "toolwright nonsense --") == ["--version", "--help"]
    (tmp_path / "config.toml").write_text("= =")
    (tmp_path / "home.db").write_text("no database")
    assert completed(tmp_path, "toolwright show ") == []
    assert completed(tmp_path, "toolwright runs show ") == []
    assert completed(tmp_path, "toolwright config set max_t") == ["max_tools"]


def test_nothing_heavy_is_loaded_for_settings_and_runs(stocked):
    home, _ = stocked
    code = "import sys\ntry:\n import toolwright.cli as c; c.main()\nfinally:\n open(sys.argv[-1], 'w').write(' '.join(sys.modules))"
    for line in ("toolwright config set max_", "toolwright runs show 2", "toolwright make --mo"):
        words = line.split(" ")
        variables = {
            "COMP_WORDS": "\n".join(words),
            "COMP_CWORD": str(len(words) - 1),
            "_TOOLWRIGHT_COMPLETE": "bash_complete",
            "TOOLWRIGHT_HOME": str(home),
        }
        seen = home / "modules"
        subprocess.run([sys.executable, "-c", code, str(seen)], env=environ(home, **variables), capture_output=True)
        loaded = set(seen.read_text().split())
        assert "toolwright.cli.completing" in loaded or "make" in line
        assert not {"pydantic_ai", "pydantic", "openai", "prompt_toolkit", "yaml"} & loaded, line


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_real_shell_takes_the_script(stocked, shell):
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here")
    home, _ = stocked
    script = subprocess.run(
        [sys.executable, "-m", "toolwright", "completion", shell], env=environ(home), capture_output=True, text=True
    )
    assert script.returncode == 0
    check = {"bash": ["-n"], "zsh": ["-n"], "fish": ["--no-execute"]}[shell]
    assert subprocess.run([shell, *check], input=script.stdout, text=True, capture_output=True).stderr == ""


def test_bash_itself_completes_a_line(stocked, tmp_path):
    if shutil.which("bash") is None:
        pytest.skip("there is no bash here")
    home, _ = stocked
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "toolwright"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m toolwright "$@"\n')
    command.chmod(0o755)
    script = (
        'eval "$(toolwright completion bash)"\nCOMP_WORDS=(toolwright config set surf)\nCOMP_CWORD=3\n'
        "_toolwright_completion toolwright surf set\nprintf '%s\\n' \"${COMPREPLY[@]}\"\n"
    )
    path = f"{tmp_path / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    done = subprocess.run(
        ["bash", "--norc"], input=script, env=environ(home, PATH=path), capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == ("surface\n", "")


def test_the_help_says_how_to_switch_it_on(stocked):
    window = Person(stocked[0], "completion", "--help", columns=100)
    assert window.leaves() == 0
    assert 'eval "$(toolwright completion bash)"' in window.whole
