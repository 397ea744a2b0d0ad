"""A home, a model behind a real endpoint, and short ways to take turns in Python and with the command."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from outside.endpoint import Endpoint, calls, says
from toolwright import Toolwright
from toolwright.settings import load

PATIENCE_S = 60.0
LINES = '''def lines(count: int, width: int = 10) -> list[str]:
    """Make numbered lines of text."""
    return [f"{number:05d} ".ljust(width, "x") for number in range(count)]
'''
LONGEST = '''def longest(texts: list[str]) -> int:
    """Say how many characters all the texts have together."""
    return sum(len(text) for text in texts)
'''
SAVE = '''def save(name: str, text: str) -> str:
    """Save a text as a file in the work folder."""
    with open(name, "w", encoding="utf-8") as file:
        file.write(text)
    return "saved " + name
'''
LOOK = '''import os


def look(ending: str = "") -> dict[str, str]:
    """Give all names with their content."""
    found = {}
    for name in sorted(os.listdir(".")):
        if os.path.isfile(name) and name.endswith(ending):
            with open(name, encoding="utf-8") as file:
                found[name] = file.read()
    return found
'''
EXAMPLES = {
    "lines": "lines(1) == ['00000 xxxx']",
    "longest": "longest(['ab', 'c']) == 3",
    "save": "save('a', 'b') == 'saved a'",
    "look": "look('?') == {}",
}
SOURCES = {"lines": LINES, "longest": LONGEST, "save": SAVE, "look": LOOK}


def asked_for(name):
    """The arguments with which a model asks for one of the tools above."""
    head, _, rest = SOURCES[name].partition(f"def {name}(")[2].partition(") -> ")
    return {
        "tool_name": name,
        "description": SOURCES[name].split('"""')[1],
        "input_params": head,
        "return_type": rest.partition(":\n")[0],
        "example": EXAMPLES[name],
    }


class Speaker:
    """A model that answers by the question it was asked last: *turns* maps a question's first word to its steps.

    Each step is an answer, or a function of the Request that gives one. Tools are written from SOURCES.
    """

    def __init__(self, **turns):
        self.turns = turns

    def __call__(self, request):
        if request.role == "examiner":
            return says('{"examples": [], "properties": []}')
        if request.role == "generator":
            name = request.user[-1].partition("def ")[2].partition("(")[0]
            return says(f"```python\n{SOURCES[name]}```")
        behind = [n for n, one in enumerate(request.messages) if one["role"] == "user"][-1]
        words = request.user[-1].split()[0].strip(".,").lower()
        steps = self.turns[words]
        done = sum(one["role"] == "assistant" for one in request.messages[behind:])
        step = steps[min(done, len(steps) - 1)]
        return step(request) if callable(step) else step


def with_tools(*names, do=()):
    """Steps of a turn that has the tools made, takes the steps *do* and says what the last result was."""
    wanted = [calls(("request_new_tool", asked_for(name))) for name in names]
    return [*wanted, *do, lambda request: says(f"It gave {request.results[-1][:200]}")]


def result_bytes(request):
    return len(json.dumps(request.body).encode())


class Heard:
    def __init__(self):
        self.events = []

    def emit(self, event):
        self.events.append(event)

    def of(self, kind):
        return [dict(event.data) for event in self.events if event.kind == kind]


class Talk:
    """`run` takes a turn in this process, `command` one with the program, `killed` one that is killed on the way."""

    def __init__(self, home: Path, speaker):
        self.home, self.endpoint, self.heard = home, Endpoint(speaker), Heard()

    @property
    def asked(self):
        """The orchestrator's requests."""
        return self.endpoint.of("orchestrator")

    def open(self, **given):
        approve = given.pop("approve", None)
        named = {"model": "openai:scripted", "base_url": self.endpoint.url, **given}
        return Toolwright(settings=load(self.home, named), sink=self.heard, approve=approve)

    def run(self, task="", **more):
        given = more.pop("given", {})
        with self.open(**given) as tw:
            return tw.run(task, **more)

    def command(self, *words, code=0, stdin=None, **more):
        done = subprocess.run(
            [sys.executable, "-m", "toolwright", "run", *words, *self.flags],
            capture_output=True,
            text=True,
            input=stdin,
            timeout=PATIENCE_S,
            env={**os.environ, **more},
        )
        assert "Traceback" not in done.stderr, done.stderr
        assert done.returncode == code, done.stdout + done.stderr
        return done

    @property
    def flags(self):
        return ["--home", str(self.home), "--model", "openai:scripted", "--base-url", self.endpoint.url]

    def killed(self, *words, when):
        """Start a turn with the command and kill it as soon as *when* says so; the id of its run."""
        process = subprocess.Popen(
            [sys.executable, "-m", "toolwright", "run", *words, *self.flags],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        until = time.monotonic() + PATIENCE_S
        try:
            while not when():
                assert time.monotonic() < until
                assert process.poll() is None
                time.sleep(0.02)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        with self.open() as tw:
            return tw.runs(limit=1)[0].id
