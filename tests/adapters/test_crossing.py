"""One shelf for all: what an agent of one framework has made is called there, then by those of the others and over MCP."""

import asyncio
import json
import subprocess
import sys

import pytest
from mcp import Client, StdioServerParameters

from adapters.crossing import FRAMEWORKS, TEXT, TOOLS, speak
from adapters.venvs import INSIDE, run_in
from cli.shop import environ
from outside.endpoint import Endpoint
from toolwright import Toolwright

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("crossing"), pytest.mark.timeout(900)]


def do(framework, home, url, *tasks):
    """What the agent said to each task; Pydantic AI is here already, the others have environments of their own."""
    words = [str(INSIDE / "crosses.py"), framework, str(home), url, *tasks]
    if framework == "pydantic-ai":
        done = subprocess.run([sys.executable, *words], capture_output=True, text=True, env=environ(home), cwd=home)
    else:
        done = run_in(framework, *words, HOME=str(home))
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


async def over_mcp(home, names):
    # -u, so that it is an interpreter of its own: asyncio has to be the parent of what it starts.
    args = ["-u", "-m", "toolwright", "mcp", "--home", str(home)]
    server = StdioServerParameters(command=sys.executable, args=args, env=environ(home), cwd=str(home))
    async with Client(server) as client:
        listed = [one.name for one in (await client.list_tools()).tools]
        called = [await client.call_tool("run_tool", {"name": one, "arguments": {"text": TEXT}}) for one in names]
        called += [await client.call_tool(one, {"text": TEXT}) for one in names]
        return listed, [one.structured_content["result"] for one in called]


def test_what_one_framework_made_is_used_by_each_of_the_others_and_over_mcp(tmp_path):
    with Endpoint(speak) as endpoint:
        made = []
        for maker in FRAMEWORKS:
            name, _, _, value = TOOLS[maker]
            made.append(name)
            assert do(maker, tmp_path, endpoint.url, f"make {name}") == [f"It gave {json.dumps(value)}"], maker
            assert len(endpoint.of("generator")) == len(made)
        for user in FRAMEWORKS:
            others = [TOOLS[maker] for maker in FRAMEWORKS if maker != user]
            wanted = [f"It gave {json.dumps(value)}" for *_, value in others]
            assert do(user, tmp_path, endpoint.url, *(f"use {name}" for name, *_ in others)) == wanted, user
        assert len(endpoint.of("generator")) == 3, "nothing was made twice"
        told = len(endpoint.requests)
        listed, values = asyncio.run(over_mcp(tmp_path, made))
        assert values == [value for *_, value in TOOLS.values()] * 2
        assert sorted(listed) == sorted(["search_tools", "request_new_tool", "run_tool", "show_tool", *made])
        assert len(endpoint.requests) == told, "no model was asked for them"
    with Toolwright(home=tmp_path) as tw:
        runs = tw.runs(limit=100)
        assert {one.name for one in tw.registry.list()} == set(made)
        assert sorted(one.made for one in runs if one.made) == sorted((f"{name}@1",) for name in made)
        assert len(runs) == 9
        assert {one.status for one in runs} == {"complete"}
        reused = [name for one in runs for name in one.reused]
        assert sorted(reused) == sorted(f"{name}@1" for name in made for _ in range(2))
