"""What stands on the shelf of these tests, and a way to export and to read what was told in JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from shelf import verdict_of
from shop import as_json, toolwright

from docs_support.pages import page
from toolwright import Toolwright

JOIN = '''
import datetime
from typing import Literal


def join_words(words: list[str], between: str = " ", case: Literal["as is", "upper"] = "as is", day: datetime.date | None = None,
               loud: bool = False, weights: dict[str, float] = {}) -> dict[str, object]:
    """Join words, isn't that "all"?

    >>> join_words(["a", "b"])
    {'text': 'a b', 'weight': 0.0}
    """
    print("on the way")
    text = between.join(words) + (f" {day.year}" if day else "") + "!" * loud
    return {"text": text.upper() if case == "upper" else text, "weight": sum(weights.values()) / 3}
'''
HALF = '''
def half(number: float) -> float:
    """Halve a number.

    >>> half(3)
    1.5
    """
    if number < 0:
        raise ValueError("a number below zero")
    return number / 2
'''
LOCK = ("six==1.17.0 --hash=sha256:4721f391ed90541fddacab5acf947aa0d3dc7d27b2e1e8eda2be8970586c3274",)


def stock(tw: Toolwright) -> None:
    for name, source in (("join_words", JOIN), ("half", HALF)):
        file = tw.settings.home / f"{name}.py"
        file.write_text(source)
        made = tw.import_file(file)
        assert made.version is not None, made.reason
    powers = {"hosts": ["api.example.com"], "secrets": ["RATE_KEY@api.example.com/header/X-Key"]}
    powers |= {"reads": ["/srv/rates", "/srv/days"], "plain_secrets": ["MAIL_PASSWORD"]}
    verdict = verdict_of("fetch_rate", "Fetch a rate.", powers=powers, example="fetch_rate(2.0, 3.0) == 6.0")
    verdict = replace(verdict, candidate=replace(verdict.candidate, packages=("six",), lock=LOCK))
    tw.registry.admit(verdict, origin="agent", model="openai:writer")


def told(home: Path, *words: str, code: int = 0) -> dict[str, Any]:
    """What `export … --json` prints, held against its schema where it did something."""
    said = as_json(toolwright(home, "export", *words, "--json", "--home", str(home), code=code))
    if said["type"] != "error":
        schemas = json.loads(page("docs/json.md").of("json")[0].text)
        Draft202012Validator({**schemas, "$ref": f"#/$defs/{said['type']}"}).validate(said)
    return said
