"""What is planted, a home that it is planted in, and what holds it: files, and everything that was said."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import urllib.parse
from pathlib import Path

STORED = 'tøp-"stored"\\value/4711+x'
IN_ENVIRONMENT = "env-väl ue%27-of-a-provider"
IN_ADDRESS = "pass-in-an-address"
RANDOM = "q8Zp4Lk29sXv7Rt1Bn6MwQ2z"
"""Known to nobody: it is found by what it looks like, in events and errors."""
PLANTED = {"STORED": STORED, "OWN_PASSWORD": IN_ENVIRONMENT}
ALL = f"{STORED} and {IN_ENVIRONMENT}"


def spellings(value: str) -> set[bytes]:
    data = value.encode()
    whole = {value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], repr(value)[1:-1]}
    whole |= {urllib.parse.quote(value), urllib.parse.quote(value, safe=""), urllib.parse.quote_plus(value)}
    for before in (b"", b"u:", b"ab:"):
        # Six characters that its neighbours do not reach.
        whole.add(base64.b64encode(before + data).decode()[8:-8])
    return {one.encode() for one in whole}


def holding(place: Path, values: dict[str, str]) -> list[tuple[str, str]]:
    """Files and what they hold; the one file whose business it is to keep a value is left out."""
    found = []
    for path in sorted(place.rglob("*")):
        if path.is_file() and path.name != "secrets.json":
            data = path.read_bytes()
            found += [
                (str(path.relative_to(place)), name)
                for name, value in values.items()
                if any(one in data for one in spellings(value))
            ]
    return found


class Place:
    """A home with planted secrets, and the program in a folder of its own; all that was said is kept."""

    def __init__(self, place: Path, url: str) -> None:
        self.place, self.url, self.said = place, url, b""
        (place / "cwd").mkdir()
        kept = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
        self.environment = kept | {
            "OWN_PASSWORD": IN_ENVIRONMENT, "HOME": str(place), "XDG_DATA_HOME": str(place / "data"),
        }  # fmt: skip

    def __call__(self, *words: str, stdin: str = "", code: int | None = 0) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "toolwright", *words, "--home", str(self.place / "home")],
            input=stdin.encode(),
            capture_output=True,
            env=self.environment,
            cwd=self.place / "cwd",
        )
        self.said += done.stdout + done.stderr
        assert b"Traceback" not in done.stderr, done.stderr.decode()
        assert code is None or done.returncode == code, (words, done.stdout.decode(), done.stderr.decode())
        return done.stdout.decode()

    @property
    def model(self) -> list[str]:
        return ["--model", "openai:leaky", "--base-url", self.url]
