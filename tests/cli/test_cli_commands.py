"""Every command and its flags, in processes of their own: what is printed, where, with which exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from shop import ADD, TOOLWRIGHT, Maker, OneCall, Terminal, as_json, at_model, environ, fetcher, toolwright

from outside.endpoint import Endpoint, Request, calls, says
from toolwright import Toolwright
from toolwright.models.scripted import ScriptedServer


def test_help_version_and_words_that_are_none():
    home = os.path.expanduser("/tmp")

    def run(*words, code):
        done = subprocess.run([*TOOLWRIGHT, *words], capture_output=True, text=True, cwd=home)
        assert done.returncode == code, done.stderr
        return done.stdout + done.stderr

    assert "toolwright demo" in run("--help", code=0)
    assert run("--version", code=0).startswith("toolwright 0.")
    assert "There is no command 'tolos'. Did you mean tools?" in run("tolos", code=2)
    assert "`toolwright --help` lists the commands" in run("xyzzy", code=2)
    assert "no such option" in run("tools", "--nope", code=2).lower()
    for shell in ("bash", "zsh", "fish"):
        assert "_TOOLWRIGHT_COMPLETE" in run("completion", shell, code=0)
    assert "'tcsh' is not one of" in run("completion", "tcsh", code=2)


def test_a_shell_completes_commands(tmp_path):
    words = {"_TOOLWRIGHT_COMPLETE": "bash_complete", "COMP_WORDS": "toolwright re", "COMP_CWORD": "1"}
    done = subprocess.run(TOOLWRIGHT, capture_output=True, text=True, env=environ(tmp_path, **words))
    assert "plain,registry" in done.stdout


def test_the_shelf_is_listed_shown_searched_and_called(home):
    at = ["--home", str(home)]
    listed = toolwright(home, "tools", *at).stdout
    assert all(name in listed for name in ("add@1", "fail@1", "nap@1", "paint@1"))
    assert {one["name"] for one in as_json(toolwright(home, "tools", "--json", *at))["tools"]} == {
        "add",
        "fail",
        "nap",
        "paint",
    }
    assert "add@1" in toolwright(home, "search", "sum", "of", "whole", "numbers", *at).stdout
    shown = toolwright(home, "show", "add", *at).stdout
    assert "return a + b" in shown
    assert "examples  passed" in shown
    record = as_json(toolwright(home, "show", "add@1", "--json", *at))
    assert record["examples"] == ["add(2, 3) == 5"], "the docstring's example is one"
    assert "add@7" in toolwright(home, "show", "add@7", *at, code=2).stderr
    assert "'add@x'" in toolwright(home, "show", "add@x", *at, code=2).stderr
    assert "minus" in toolwright(home, "show", "minus", *at, code=2).stderr
    assert toolwright(home, "call", "add", '{"a": 2}', *at).stdout.strip() == "3"
    assert toolwright(home, "call", "add", "-", *at, stdin='{"a": 2, "b": 5}').stdout.strip() == "7"
    assert "not JSON" in toolwright(home, "call", "add", "{a: 2}", *at, code=2).stderr
    assert "JSON object" in toolwright(home, "call", "add", "[2]", *at, code=2).stderr
    assert "bad-call" in toolwright(home, "call", "add", '{"a": "two"}', *at, code=2).stderr
    raised = toolwright(home, "call", "fail", '{"word": "123"}', "--json", *at, code=1)
    assert (as_json(raised)["status"], as_json(raised)["reason"]) == ("raised", "ValueError")
    error = toolwright(home, "call", "minus", "{}", "--json", *at, code=2)
    assert (as_json(error)["type"], as_json(error)["exit_code"]) == ("error", 2)
    stats = as_json(toolwright(home, "show", "add", "--json", *at))["calls"]
    assert stats["calls"] == 2, "a call with wrong arguments is no call of the tool's"


def test_no_tool_can_drive_the_terminal(home):
    terminal = Terminal(home, "call", "paint", '{"word": "x"}', "--home", str(home))
    code, screen = terminal.end()
    assert (code, "owned" in screen) == (0, True)
    assert b"\x1b]0;" not in terminal.raw
    assert b"\x07" not in terminal.raw


def test_the_registry_is_kept_by_hand(home, tmp_path):
    at = ["--home", str(home)]
    toolwright(home, "registry", "retire", "add", *at)
    assert "registry restore add" in toolwright(home, "call", "add", '{"a": 1}', *at, code=4).stderr
    retired = toolwright(home, "call", "add@1", '{"a": 1}', *at, code=4)
    assert "toolwright registry restore add" in retired.stderr
    assert "add@1" in toolwright(home, "registry", "restore", "add", *at).stdout
    assert "nothing" in toolwright(home, "registry", "retire", "nothing", *at, code=2).stderr
    (home / "index.db").unlink()
    assert "4 versions" in toolwright(home, "registry", "rebuild", *at).stdout

    file = home / "tools" / "add" / "1.py"
    file.write_text(file.read_text().replace("return a + b", "return b + a"))
    edited = toolwright(home, "call", "add", '{"a": 1}', *at, code=4)
    assert "adopt" in edited.stderr
    adopted = toolwright(home, "registry", "adopt", "add", *at)
    assert "made add@2" in adopted.stdout
    assert toolwright(home, "call", "add", '{"a": 1}', *at).stdout.strip() == "2"


def test_a_persons_function_is_checked_and_taken_in(home, tmp_path):
    at = ["--home", str(home)]
    plain = tmp_path / "triple.py"
    plain.write_text("def triple(n):\n    return n * 3\n")
    words = ["-p", "n: int", "-r", "int", "-e", "triple(2) == 6", "-e", "triple(0) == 0"]
    bad = toolwright(home, "check", str(plain), "-p", "n: int", "-r", "int", "-e", "triple(2) == 7", *at, code=1)
    assert "failed" in bad.stdout
    taken = toolwright(home, "registry", "import", str(plain), *words, "-d", "Triple a number.", *at)
    assert "made triple@1" in taken.stdout
    assert "docstring" in taken.stderr, "a missing docstring is a warning"
    assert as_json(toolwright(home, "show", "triple", "--json", *at))["origin"] == "person"
    (tmp_path / "add.py").write_text(ADD)
    verdict = as_json(toolwright(home, "check", str(tmp_path / "add.py"), "--json", *at))
    assert (verdict["passed"], len(verdict["checks"])) == (True, 6)
    (tmp_path / "binary.py").write_bytes(b"\xff\xfe")
    assert "UTF-8" in toolwright(home, "check", str(tmp_path / "binary.py"), *at, code=2).stderr
    (tmp_path / "empty.py").write_text("def other(): pass\n")
    assert "'other' has no docstring" in toolwright(home, "check", str(tmp_path / "empty.py"), *at, code=1).stdout
    assert "nowhere.py" in toolwright(home, "check", "nowhere.py", *at, code=2).stderr


def test_runs_are_listed_and_shown_and_a_finished_one_is_not_done_again(home):
    at = ["--home", str(home)]
    assert "no runs yet" in toolwright(home, "runs", *at).stderr
    with Endpoint(OneCall("add", a=2, b=3)) as endpoint:
        model = at_model(endpoint.url)
        done = toolwright(home, "run", "what", "is", "2+3", *at, *model)
        assert (done.stdout, done.stderr) == ("It says 5\n", ""), "quiet when piped"
        assert endpoint.requests[0].user[0].startswith("what is 2+3")
        asked = len(endpoint.requests)
        piped = toolwright(home, "run", "-", *at, "--json", *model, stdin="2+3?\n")
        lines = [json.loads(line) for line in piped.stdout.splitlines()]
        assert {one["type"] for one in lines} >= {"run-started", "tool-called", "outcome", "cost", "result"}
        assert lines[-1]["type"] == "result"
        run_id = lines[-1]["run_id"]
        again = toolwright(home, "run", "--resume", run_id, *at, *model)
        assert again.stdout == "It says 5\n"
        assert len(endpoint.requests) == asked + 2
    listed = toolwright(home, "runs", *at).stdout
    assert run_id in listed
    assert "reused add@1" in listed
    shown = toolwright(home, "runs", "show", run_id, *at).stdout
    assert 'call   add {"a": 2, "b": 3}' in shown
    assert "price unknown" in shown
    assert "is not the id" in toolwright(home, "runs", "show", "nonsense", *at, code=2).stderr
    unknown = toolwright(home, "run", "--resume", "20200101-000000-abcdef", *at, *model, code=2)
    assert "20200101-000000-abcdef" in unknown.stderr
    assert "no task" in toolwright(home, "run", *at, *model, code=2).stderr
    assert "leave out TASK" in toolwright(home, "run", "x", "--resume", run_id, *at, *model, code=2).stderr


def test_files_go_in_and_come_out_and_nothing_is_written_over(home, tmp_path):
    source = (
        'def shout(name: str) -> str:\n    """Write the given file in capitals to a new one and name it."""\n'
        '    text = open(name, encoding="utf-8").read()\n'
        '    with open("loud.txt", "w", encoding="utf-8") as file:\n        file.write(text.upper())\n'
        '    return "loud.txt"\n'
    )
    asked = {
        "tool_name": "shout",
        "description": "Write the given file in capitals to a new one and name it.",
        "input_params": "name: str",
        "return_type": "str",
    }
    maker = Maker((asked, source))

    def speaker(request: Request):
        if request.role == "orchestrator" and len(request.results) == 1:
            return calls(("shout", {"name": "quiet.txt"}))
        return maker(request)

    (tmp_path / "quiet.txt").write_text("hello")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "loud.txt").write_text("mine")
    with Endpoint(speaker) as endpoint:
        words = ["--home", str(home), *at_model(endpoint.url), "--file", str(tmp_path / "quiet.txt")]
        done = toolwright(home, "run", "shout", *words, "--out", str(tmp_path / "out"), "--json")
        (path,) = as_json(done)["files"]
        assert (tmp_path / "out" / "loud.txt").read_text() == "mine"
        assert Path(path).read_text() == "HELLO"
        gone = toolwright(home, "run", "shout", *words, "--file", "nowhere.txt", code=2)
        assert "nowhere.txt" in gone.stderr


def test_a_recorded_run_is_a_script_that_plays_it_again(home, tmp_path):
    with Endpoint(OneCall("add", a=2, b=3)) as endpoint:
        record = ["--record", str(tmp_path / "run.yaml")]
        toolwright(home, "run", "add them", "--home", str(home), *at_model(endpoint.url), *record)
    with ScriptedServer(tmp_path / "run.yaml") as url:
        again = toolwright(home, "run", "add them", "--home", str(home), *at_model(url), "--json")
        assert as_json(again)["output"] == "It says 5"
        assert as_json(again)["reused"] == ["add@1"]


def test_limits_of_a_run_are_heard(home):
    with Endpoint(Maker(fetcher("look", "127.0.0.1:9"))) as endpoint:
        words = ["--home", str(home), "--json", *at_model(endpoint.url), "--yes"]
        none = toolwright(home, "run", "look", *words, "--max-new-tools", "0", code=3)
        assert as_json(none)["made"] == []
        assert "--max-new-tools" in endpoint.requests[-1].results[0]
        strict = toolwright(home, "run", "look", *words, "--limits", "strict", code=3)
        assert as_json(strict)["made"] == []
        assert "strict limits allow no network" in endpoint.requests[-1].results[0]
    error = toolwright(home, "run", "x", "--home", str(home), "--max-new-tools", "-1", "--json", code=2)
    assert as_json(error)["type"] == "error"


def test_a_tool_is_made_without_a_task(home):
    source = 'def double(n: int) -> int:\n    """Double a number."""\n    return n * 2\n'
    asked = {"tool_name": "double"}
    with Endpoint(Maker((asked, source))) as endpoint:
        words = ["--home", str(home), *at_model(endpoint.url), "-d", "Double a number.", "-p", "n: int", "-r", "int"]
        done = toolwright(home, "make", "double", *words, "-e", "double(2) == 4")
        assert (done.stdout, done.stderr.count("attempt")) == ("made double@1\n", 0)
        wrong = toolwright(home, "make", "Twice-It", *words, code=2)
        assert "snake_case" in wrong.stderr
        never = toolwright(home, "make", "double_it", *words, "-e", "double_it(2) == 5", "--json", code=1)
        assert as_json(never)["made"] is None


def test_a_terminal_of_sixty_columns_shows_a_line_a_step_and_no_color_is_heard(home):
    with Endpoint(lambda r: says("Naïve :dog: \x1b[31mred\ud800")) as endpoint:
        words = ["run", "greet", "--home", str(home), *at_model(endpoint.url)]
        code, screen = (terminal := Terminal(home, *words, columns=60)).end()
        assert code == 0
        assert "Naïve :dog: \\x1b[31mred" in screen
        assert "made nothing; reused nothing; price unknown" in " ".join(screen.split())
        assert b"\x1b[2m" in terminal.raw
        code, _ = (terminal := Terminal(home, *words, NO_COLOR="1")).end()
        assert (code, b"\x1b[3" in terminal.raw) == (0, False)
        piped = toolwright(home, *words, "--json")
        assert as_json(piped)["output"].startswith("Naïve")


def test_a_reader_that_leaves_is_no_error(home):
    command = f"{' '.join(TOOLWRIGHT)} show add --home {home} | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, env=environ(home))
    assert done.stdout.startswith("add@1")
    assert done.stderr == ""


def test_the_doctor_tells_what_holds(home):
    done = as_json(toolwright(home, "doctor", "--json", "--home", str(home)))
    assert done["profile"] in ("full", "landlock")
    assert {"name", "holds", "detail", "cure"} <= done["layers"][0].keys()


@pytest.mark.long
def test_the_doctor_hears_the_settings_and_takes_no_option_that_does_nothing(home):
    (home / "config.toml").write_text('sandbox = "landlock"\n')
    assert as_json(toolwright(home, "doctor", "--json", "--home", str(home)))["profile"] == "landlock"
    for option in (["--policy", "x.toml"], ["--limits", "strict"], ["--yes"]):
        assert "No such option" in toolwright(home, "doctor", *option, code=2).stderr
    (home / "config.toml").write_text('sandbox = "none"\n')
    assert "sandbox" in toolwright(home, "doctor", "--home", str(home), code=2).stderr
    assert "is not a folder" in toolwright(home, "doctor", "--home", str(home / "config.toml"), code=2).stderr


def test_no_tool_is_made_where_the_limit_is_none(home):
    words = ["make", "double", "-d", "Double a number.", "--home", str(home), "--model", "openai:x", "--json"]
    refused = as_json(toolwright(home, *words, "--base-url", "http://127.0.0.1:9/v1", "--max-new-tools", "0", code=4))
    assert "--max-new-tools" in refused["message"]


def test_what_a_tool_cost_is_shown(home):
    at = ["--home", str(home)]
    assert "dollars" in as_json(toolwright(home, "show", "add", "--json", *at))
    assert "cost   " in toolwright(home, "show", "add", *at).stdout


def test_a_script_is_served_until_it_is_stopped(tmp_path):
    script = tmp_path / "turns.yaml"
    script.write_text("turns:\n  - text: hello\n")
    process = subprocess.Popen([*TOOLWRIGHT, "scripted", str(script)], stdout=subprocess.PIPE, text=True)
    line = process.stdout.readline()
    assert "--base-url http://127.0.0.1:" in line
    process.terminate()
    assert process.wait(20) == 0
    process.stdout.close()
    assert "missing.yaml" in toolwright(tmp_path, "scripted", "missing.yaml", code=2).stderr


@pytest.mark.parametrize("broken", ["file", "config"])
def test_a_home_that_cannot_be_used_is_named(tmp_path, broken):
    home = tmp_path / "home"
    if broken == "file":
        home.write_text("")
    else:
        home.mkdir()
        (home / "config.toml").write_text("max_tools = 1\nmax_toolz = 2\n")
    done = toolwright(tmp_path, "tools", "--home", str(home), code=2)
    assert str(home) in done.stderr


def test_light_commands_load_no_model_library(home):
    code = "import sys\nfrom toolwright.cli import cli\ntry:\n    cli.main(['tools', '--home', sys.argv[1]])\nfinally:\n    print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code, str(home)], capture_output=True, text=True, env=environ(home))
    assert "add@1" in done.stdout
    assert not {"pydantic_ai", "openai", "pydantic", "httpx", "starlette", "uvicorn"} & set(done.stderr.split())


def test_a_second_run_is_offered_the_tool_by_the_words_of_its_task(home):
    asked = {
        "tool_name": "glorp",
        "description": "Reverse the letters.",
        "input_params": "text: str",
        "return_type": "str",
        "example": "glorp('ab') == 'ba'",
    }
    source = 'def glorp(text: str) -> str:\n    """Reverse the letters."""\n    return text[::-1]\n'
    task = "Please mirror my palindrome candidate"
    with Endpoint(Maker((asked, source))) as endpoint, Toolwright("openai:x", base_url=endpoint.url, home=home) as tw:
        assert tw.run(task).made == ("glorp@1",)
        assert "glorp" not in endpoint.of("orchestrator")[0].tools
        asked_before = len(endpoint.requests)
        tw.run(task)
        assert "glorp" in endpoint.requests[asked_before].tools
