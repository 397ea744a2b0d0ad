"""What the recipes' tests share: a program in its framework's environment, and a model that lacks a tool."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adapters.venvs import python_of
from cli.shop import environ
from outside.endpoint import Reply, Request, calls, says

HERE = Path(__file__).parent
FRAMEWORKS = HERE.parents[1] / "examples" / "frameworks"
RECIPES = {
    "agent_framework_agent.py": "agent-framework",
    "llama_index_agent.py": "llama-index",
    "smolagents_agent.py": "smolagents",
    "crewai_crew.py": "crewai",
}
"""By its file, the environment of each."""
APART = ("crewai",)
"""Those that have Toolwright beside them, in a process of its own."""
PATIENCE_S = 240

VOWELS = {
    "tool_name": "count_vowels",
    "description": "Count the vowels in a text.",
    "input_params": "text: str, among: str | None = None",
    "return_type": "int",
    "example": "count_vowels('aye') == 2",
}
COUNTS = '''def count_vowels(text: str, among: str | None = None) -> int:
    """Count the vowels in a text."""
    return sum(text.lower().count(one) for one in among or "aeiou")
'''


class Model:
    """Has a tool made if it is not in the array, calls it by its name where it is there by then, and says what it gave.

    `again` are arguments for more calls of it, one a step. Asked by Toolwright it writes *source*.
    """

    def __init__(self, asked: dict[str, Any], source: str, arguments: dict[str, Any], *again: dict[str, Any]) -> None:
        self.asked, self.source, self.arguments = asked, source, [arguments, *again]

    def __call__(self, request: Request) -> Reply:
        if request.role == "examiner":
            return says('{"examples": [], "properties": []}')
        if request.role == "generator":
            powers = {"hosts": self.asked.get("powers", {}).get("hosts", [])}
            return says(json.dumps({"source": self.source, "packages": [], "powers": powers, "notes": ""}))
        name = self.asked["tool_name"]
        read = [text_of(one) for one in request.messages[self.first(request) :] if one["role"] != "assistant"]
        asked = sum("request_new_tool" in json.dumps(one) for one in request.messages if one["role"] == "assistant")
        done = len(read) - asked
        if (asked and done == 0 and "ready" not in read[-1]) or done == len(self.arguments):
            return self.answers(request, read[-1])
        if name in request.tools:
            return calls((name, self.arguments[done]))
        if asked:
            return calls(("run_tool", {"name": name, "arguments": self.arguments[done]}))
        return calls(("request_new_tool", self.asked))

    @staticmethod
    def first(request: Request) -> int:
        """The place of the first answer of the model, behind what it was told at the start."""
        roles = [one["role"] for one in request.messages]
        return roles.index("assistant") if "assistant" in roles else len(roles)

    @staticmethod
    def answers(request: Request, read: str) -> Reply:
        number = re.fullmatch(r'(?:Observation:\n|\{"result": )?(\d+)\}?', read.strip())
        text = f"{number[1]} vowels." if number else f"It says: {read}"
        return calls(("final_answer", {"answer": text})) if "final_answer" in request.tools else says(text)


def text_of(message: dict[str, Any]) -> str:
    """What it holds; smolagents tells what its tools gave in messages of the user."""
    content = message.get("content") or ""
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)


def run(file: str, place: Path, url: str, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a recipe to its end as a person would, its home `place/shelf`; nothing beyond loopback is reached."""
    framework = RECIPES[file]
    python = python_of(framework, apart=framework in APART)
    command, reached = place / "toolwright", place / "reached"
    # An interpreter whose parent is asyncio; its own path, not that of the program which starts it.
    command.write_text(f'#!/bin/sh\nunset PYTHONPATH\nexec {sys.executable} -u -P -m toolwright "$@"\n')
    command.chmod(0o700)
    own = {"TOOLWRIGHT_HOME": str(place / "shelf"), "TOOLWRIGHT_MODEL": "openai:anything", "TOOLWRIGHT_BASE_URL": url}
    own |= {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": "the-scripted-model-asks-for-none"}
    own |= {"TOOLWRIGHT": str(command), "PYTHONPATH": str(HERE / "loopback"), "REACHED": str(reached), **more}
    done = subprocess.run(
        [str(python), str(FRAMEWORKS / file), *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        env=environ(place, **own),
        cwd=place,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert not reached.exists(), reached.read_text()
    return done


def arrays(requests: Sequence[Request]) -> list[set[str]]:
    """The tools array of each step of the agent."""
    return [set(one.tools) for one in requests if not one.system.startswith("[toolwright:")]
