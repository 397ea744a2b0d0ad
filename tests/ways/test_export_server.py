"""`export --as mcp`: the one-tool server is spoken to with the SDK's client, behind the wall and outside of it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import anyio
import pytest
from mcp import ClientSession, StdioServerParameters, stdio_client
from shop import toolwright
from ways_stock import told

from toolwright.sandbox.pip_settings import uv_settings

OUTSIDE = "--outside-the-wall"


@pytest.fixture
def folder(home, tmp_path):
    return Path(told(home, "join_words", "--as", "mcp", "-o", str(tmp_path))["path"])


def entry(folder, name="join_words"):
    return json.loads((folder / "mcp.json").read_text())["mcpServers"][name]


async def _talk(command, arguments, env, name):
    server = StdioServerParameters(command=command[0], args=command[1:], env=dict(os.environ) | env)
    async with stdio_client(server) as (read, write), ClientSession(read, write) as session:
        await session.initialize()
        (tool,) = (await session.list_tools()).tools
        return tool, await session.call_tool(name, arguments)


def talk(folder, arguments, *more, name="join_words", **env):
    """What the server lists, and what it answers; it is started with this interpreter, which has the SDK."""
    command = [sys.executable, str(folder / "server.py"), *more]
    return anyio.run(_talk, command, arguments, entry(folder)["env"] | env, name)


def test_a_client_finds_the_one_tool_and_its_call_runs_in_the_sandbox(folder, home):
    tool, answer = talk(folder, {"words": ["a", "b"], "loud": True})
    assert (tool.name, tool.description) == ("join_words", 'Join words, isn\'t that "all"?')
    assert tool.input_schema["required"] == ["words"]
    assert (tool.annotations.read_only_hint, tool.annotations.open_world_hint) == (True, False)
    assert answer.structured_content == {"text": "a b!", "weight": 0.0}
    assert json.loads(answer.content[0].text) == answer.structured_content
    calls = json.loads(toolwright(home, "show", "join_words", "--json", "--home", str(home)).stdout)["calls"]
    assert calls["by_status"] == {"ok": 1}, "it went by the executor of that home"
    _, answer = talk(folder, {"words": "all"})
    assert answer.is_error
    assert answer.content[0].text.startswith("bad-call: ")
    _, answer = talk(folder, {}, name="rm")
    assert answer.content[0].text == "There is no tool 'rm' here, only join_words."


def test_without_a_wall_nothing_is_called_unless_the_person_says_so(folder, tmp_path):
    python = shutil.which(sys.executable)
    nowhere = {"PATH": "/nowhere", "PYTHONPATH": ""}
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['toolwright'] = None\n")
    assert python
    _, answer = talk(folder, {"words": ["a"]}, **nowhere | {"PYTHONPATH": str(tmp_path)})
    assert answer.is_error
    assert "no wall to run this tool behind, and it was not run" in answer.content[0].text
    assert OUTSIDE in answer.content[0].text
    _, answer = talk(folder, {"words": ["a"]}, OUTSIDE, **nowhere)
    assert answer.structured_content == {"text": "a", "weight": 0.0}
    assert "outside of the wall, with all your\nrights" in (folder / "README.md").read_text()


@pytest.mark.long
def test_a_shelf_without_this_very_tool_is_said_and_the_cure_works(folder, tmp_path):
    other = str(tmp_path / "other")
    _, answer = talk(folder, {"words": ["a"]}, TOOLWRIGHT_HOME=other)
    assert answer.is_error
    cure = answer.content[0].text.partition("`toolwright ")[2].partition("`")[0].split()
    changed = tmp_path / "join_words.py"
    changed.write_text('def join_words(words: list[str]) -> str:\n    """Join."""\n    return "-".join(words)\n')
    toolwright(tmp_path, "import", str(changed), "--home", other)
    _, answer = talk(folder, {"words": ["a"]}, TOOLWRIGHT_HOME=other)
    assert answer.is_error, "a tool of that name is not that tool"
    shutil.rmtree(other)
    toolwright(tmp_path, *cure, "--home", other)
    _, answer = talk(folder, {"words": ["a"]}, TOOLWRIGHT_HOME=other)
    assert answer.structured_content == {"text": "a", "weight": 0.0}


def test_outside_the_wall_an_error_is_told_and_plain_values_are_wrapped(home, tmp_path):
    folder = Path(told(home, "half", "--as", "mcp", "-o", str(tmp_path))["path"])
    command = [sys.executable, str(folder / "server.py"), OUTSIDE]
    tool, answer = anyio.run(_talk, command, {"number": 3}, {}, "half")
    assert (answer.structured_content, tool.output_schema["required"]) == ({"result": 1.5}, ["result"])
    _, answer = anyio.run(_talk, command, {"number": -3}, {}, "half")
    assert (answer.is_error, answer.content[0].text) == (True, "ValueError: a number below zero")


@pytest.mark.long
def test_the_entry_as_it_stands_and_the_script_run_with_uv(folder, home, tmp_path):
    own = entry(folder)
    # As `pip` is set here, so that `uv` fetches from where the packages of these tests came from.
    env = own["env"] | dict(uv_settings().environment)
    _, answer = anyio.run(_talk, [own["command"], *own["args"]], {"words": ["a", "b"]}, env, "join_words")
    assert answer.structured_content == {"text": "a b", "weight": 0.0}
    script = told(home, "join_words", "--as", "script", "-o", str(tmp_path))["path"]
    done = subprocess.run(
        ["uv", "run", "--no-project", script, "--words", "x"],
        capture_output=True,
        text=True,
        env=dict(os.environ) | env,
    )
    assert json.loads(done.stdout) == {"text": "x", "weight": 0.0}, done.stderr
