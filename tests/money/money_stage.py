"""A home with prices and caps, a scripted model behind a real endpoint, and the ledger as SQLite has it."""

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

from toolwright import Toolwright
from toolwright.settings import load

PRICES = '[[price]]\nmodel = "openai:scripted"\ninput = 1.0\noutput = 10.0\n'
ANSWER_MOST = 8192 * 10 / 1e6
"""Dollars that the longest answer costs by these prices; a whole call some cents more."""

HALVE = 'def halve(number: float) -> float:\n    """Halve a number."""\n    return number / 2\n'
HALVE_ASKED = {
    "tool_name": "halve",
    "description": "Halve a number.",
    "input_params": "number: float",
    "return_type": "float",
    "example": "halve(4.0) == 2.0",
}
COUNTED = {"input": 1000, "output": 100, "cost": None}
"""What an answer is counted as: $0.002."""


def says(text, usage=COUNTED, **more):
    when = {"role": "orchestrator", **more.pop("when", {})}
    return {"when": when, "text": text, "usage": usage, **more}


def calls(name, arguments, usage=COUNTED, **when):
    listed = [{"name": name, "arguments": arguments}]
    return {"when": {"role": "orchestrator", **when}, "calls": listed, "usage": usage}


def writes(source, usage=COUNTED):
    return {"when": {"role": "generator"}, "text": f"```python\n{source}```\n", "usage": usage}


class Till:
    """One home; `do` runs a task in this process, `command` on the command line."""

    def __init__(self, home, server, prices=PRICES):
        self.home, self.server, self.events = home, server, []
        home.mkdir(parents=True, exist_ok=True)
        self.price(prices)

    def emit(self, event):
        self.events.append(event)

    def price(self, text):
        path = self.home / "prices.toml"
        path.write_text(text) if text else path.unlink(missing_ok=True)

    def open(self, **caps):
        given = {"model": "openai:scripted", "base_url": self.server.base_url, "local_servers": "off"}
        named = {(name if name in ("namespace", "max_steps") else f"budget.{name}"): cap for name, cap in caps.items()}
        return Toolwright(settings=load(self.home, given | named), sink=self)

    def do(self, task="Say so.", resume=None, **caps):
        with self.open(**caps) as tw:
            return tw.run("" if resume else task, resume=resume, out=self.home.parent / "out")

    def command(self, *words, **environment):
        own = {
            "TOOLWRIGHT_HOME": str(self.home),
            "TOOLWRIGHT_MODEL": "openai:scripted",
            "TOOLWRIGHT_BASE_URL": self.server.base_url,
        }
        return subprocess.run(
            [sys.executable, "-P", "-m", "toolwright", *words],
            capture_output=True,
            text=True,
            timeout=120,
            cwd=self.home.parent,
            env={**os.environ, **own, **environment},
        )

    def sql(self, text, *values):
        with sqlite3.connect(self.home / "home.db") as db:
            return db.execute(text, values).fetchall()

    def rows(self):
        """Each try: role, tool, state, tokens, dollars, what was counted, who priced it."""
        columns = ("role", "tool", "state", "tokens_in", "tokens_out", "dollars", "usage", "priced_by", "namespace")
        found = [
            dict(zip(columns, row, strict=True))
            for row in self.sql(f"SELECT {', '.join(columns)} FROM ledger ORDER BY id")
        ]
        return [one | {"usage": json.loads(one["usage"])} for one in found]

    def spent(self):
        return self.sql("SELECT total(dollars) FROM ledger")[0][0]

    def deeds(self, what):
        return self.sql("SELECT namespace, name, detail, run_id FROM audit WHERE what = ? ORDER BY id", what)

    def asked(self, role):
        return [one for one in self.server.log if one.role == role]


HERE = Path(__file__).parent
