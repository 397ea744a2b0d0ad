"""A home, a scripted model behind a real endpoint, and one short way to run a task through the public door."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field

from toolwright import Toolwright
from toolwright.settings import load

CONVERT = '''def convert(amount: float, rate: float) -> float:
    """Convert an amount by a rate."""
    return amount * rate
'''
CONVERT_ASKED = {
    "tool_name": "convert",
    "description": "Convert an amount of money by an exchange rate.",
    "input_params": "amount: float, rate: float",
    "return_type": "float",
    "example": "convert(100.0, 3.71) == 371.0",
}


def says(text, **when):
    """A turn in which the orchestrator answers in words."""
    return {"when": {"role": "orchestrator", **when}, "text": text}


def calls(*named, text="", **when):
    """A turn in which the orchestrator calls tools: pairs of name and arguments."""
    listed = [{"name": name, "arguments": arguments} for name, arguments in named]
    return {"when": {"role": "orchestrator", **when}, "calls": listed, "text": text}


def writes(source, **more):
    """A turn in which the generator answers with *source*."""
    when = {"role": "generator", **more.pop("when", {})}
    return {"when": when, "text": f"Here it is.\n```python\n{source}```\n", **more}


def results_in(body):
    """The tool results of a request, as the model got them."""
    return [one["content"] for one in body["messages"] if one["role"] == "tool"]


def tools_in(body):
    return [one["function"]["name"] for one in body.get("tools", [])]


@dataclass
class Heard:
    """A sink that keeps what it hears."""

    events: list = field(default_factory=list)

    def emit(self, event):
        self.events.append(event)

    def of(self, *kinds):
        return [(event.kind, dict(event.data)) for event in self.events if event.kind in kinds]

    def kinds(self):
        return [event.kind for event in self.events]


class Stage:
    """A home and a scripted model; `do` runs a task in this process, `elsewhere` in another."""

    def __init__(self, home, server):
        self.home, self.server, self.heard = home, server, Heard()

    @property
    def url(self):
        return self.server.base_url

    def open(self, *, given=None, **more):
        settings = load(self.home, {"model": "openai:scripted", "base_url": self.url, **(given or {})})
        return Toolwright(settings=settings, sink=self.heard, **more)

    def do(self, task="Convert 5,000 USD at 3.71.", *, given=None, files=(), resume=None, **more):
        with self.open(given=given, **more) as tw:
            return tw.run(task, files=files, out=self.home.parent / "out", resume=resume)

    def asked_of(self, role):
        """The requests that the server got for *role*, as bodies."""
        return [one.body for one in self.server.log if one.role == role]

    def results(self):
        """The tool results in the last request of the orchestrator."""
        return results_in(self.asked_of("orchestrator")[-1])

    def elsewhere(self, code, *words, **environment):
        """Run *code* in a process of its own, with home and address as its first arguments."""
        return subprocess.run(
            [sys.executable, "-c", code, str(self.home), self.url, *words],
            capture_output=True,
            text=True,
            timeout=120,
            cwd=self.home.parent,
            env={**os.environ, **environment},
        )


RUN_ELSEWHERE = """
import json, sys
from toolwright import Toolwright
home, url, task = sys.argv[1:4]
with Toolwright("openai:scripted", base_url=url, home=home) as tw:
    result = tw.run(task, out=home + "/../out")
print(json.dumps(result.to_json()))
"""


def last_json(text):
    return json.loads(text.strip().splitlines()[-1])
