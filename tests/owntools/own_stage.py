"""A home, a model behind a real endpoint, and modules of a person's own functions, in this process and in another."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from cli.shop import hears_ctrl_c
from outside.endpoint import Endpoint, says
from toolwright import Toolwright
from toolwright.settings import load

PATIENCE_S = 60.0
SERVER = str(Path(__file__).with_name("own_server.py"))
TOOLWRIGHT = [sys.executable, "-P", "-m", "toolwright"]

SHOP = '''"""A person's own module."""

import asyncio
import datetime
import os
import time

LEDGER = {"A-1": 120.5, "A-2": 80}


def look_up(customer: str) -> float:
    """Look up what a customer owes.

    Args:
        customer: Its number, such as A-1.
    """
    return LEDGER[customer]


async def look_up_later(customer: str) -> float:
    """Look up what a customer owes, without haste."""
    await asyncio.sleep(0)
    return LEDGER[customer]


def pay(customer: str, amount: float) -> str:
    """Pay a bill."""
    with open(os.environ["SHOP_LOG"], "a") as log:
        log.write(f"{customer} {amount}\\n")
    return "paid"


def pay_slowly(customer: str) -> str:
    """Pay a bill, and take so long that somebody pulls the plug."""
    with open(os.environ["SHOP_LOG"], "a") as log:
        log.write(f"begun {customer}\\n")
    while not os.path.exists(os.environ["SHOP_LOG"] + ".go"):
        time.sleep(0.02)
    return "paid"


NUMBER = 7
'''

LABEL = '''def make_label(customer: str, count: int) -> str:
    """Write the label of a parcel."""
    return f"{customer} x{count}"
'''
LABEL_ASKED = {
    "tool_name": "make_label",
    "description": "Write the label of a parcel for a customer with so many pieces.",
    "input_params": "customer: str, count: int",
    "return_type": "str",
    "example": "make_label('A-9', 3) == 'A-9 x3'",
}


def mcp_command(mode=""):
    return f"{sys.executable} {SERVER} {mode}".strip()


class Speaker:
    """A model that takes *steps* one by one, by how often it has answered since the last question, then the last.

    A step is an answer or a function of the Request that gives one. What the generator writes is in *sources*.
    """

    def __init__(self, *steps, sources=None):
        self.steps, self.sources = list(steps), {"make_label": LABEL, **(sources or {})}

    def __call__(self, request):
        if request.role == "examiner":
            return says('{"examples": [], "properties": []}')
        if request.role == "generator":
            name = request.user[-1].partition("def ")[2].partition("(")[0]
            return says(f"```python\n{self.sources[name]}```")
        behind = [n for n, one in enumerate(request.messages) if one["role"] == "user"][-1]
        done = sum(one["role"] == "assistant" for one in request.messages[behind:])
        step = self.steps[min(done, len(self.steps) - 1)]
        return step(request) if callable(step) else step


def last_result(request):
    return says(f"It gave {request.results[-1][:300]}")


class Heard:
    def __init__(self):
        self.events = []

    def emit(self, event):
        self.events.append(event)

    def of(self, kind):
        return [dict(event.data) for event in list(self.events) if event.kind == kind]

    def until(self, kind):
        """Wait for an event of *kind*."""
        wait_for(lambda: self.of(kind))


class Stage:
    """`open` gives a Toolwright that speaks to the endpoint; `command` runs the program in another process."""

    def __init__(self, folder: Path):
        self.folder, self.home = folder, folder / "home"
        self.speaker = Speaker(last_result)
        self.endpoint, self.heard = Endpoint(lambda request: self.speaker(request)), Heard()

    def speaks(self, *steps, **more):
        """Let the model take these steps from now on."""
        self.speaker = Speaker(*steps, **more)

    @property
    def asked(self):
        return self.endpoint.of("orchestrator")

    def open(self, *, given=None, **more):
        settings = load(self.home, {"model": "openai:scripted", "base_url": self.endpoint.url, **(given or {})})
        return Toolwright(settings=settings, sink=self.heard, **more)

    def run(self, task="Do it.", *, resume=None, given=None, **more):
        with self.open(given=given, **more) as tw:
            return tw.run(task, out=self.folder / "out", resume=resume)

    @property
    def flags(self):
        return ["--home", str(self.home), "--model", "openai:scripted", "--base-url", self.endpoint.url]

    def command(self, *words, code=0, flags=None, **environment):
        done = subprocess.run(
            [*TOOLWRIGHT, *words, *(["--home", str(self.home)] if flags is None else flags)],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            cwd=self.folder,
            env=environ(self.folder, **environment),
        )
        assert "Traceback" not in done.stderr, done.stderr
        assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def begun(self, *words, flags=None, **environment):
        """A command under way, in a process group of its own."""
        return subprocess.Popen(
            [*TOOLWRIGHT, *words, *(["--home", str(self.home)] if flags is None else flags)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.folder,
            env=environ(self.folder, **environment),
            start_new_session=True,
            preexec_fn=hears_ctrl_c,
        )


def environ(folder, **more):
    kept = {k: v for k, v in os.environ.items() if not k.endswith("_API_KEY") and not k.startswith("TOOLWRIGHT_")}
    return kept | {"HOME": str(folder), "XDG_DATA_HOME": str(folder / "data"), "PYTHONDONTWRITEBYTECODE": "1"} | more


def json_lines(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def wait_for(condition, patience_s=PATIENCE_S):
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < patience_s, "it never came"
        time.sleep(0.02)


def alive(pid):
    """Whether the process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
