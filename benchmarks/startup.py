"""From the start of a process to its first answer, with few and with many tools on the shelf; importing; `--help`."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from typing import Any

from benchmarks import shelf
from benchmarks.timing import count, interleaved_ms, median

SIZES = (10, 10_000)
FIRST_ANSWER = f"""
import json, sys, time
began = time.perf_counter()
from toolwright import Toolwright
imported = time.perf_counter()
with Toolwright(home=sys.argv[1]) as tw:
    opened = time.perf_counter()
    found = tw.registry.search({shelf.QUERIES[0]!r})
    searched = time.perf_counter()
    bound = tw.registry.get(found[0].info.name)
    done = time.perf_counter()
print(json.dumps({{"import": imported - began, "open": opened - imported, "search": searched - opened,
                  "bind": done - searched}}))
"""
"""What a new process does: the Python door is opened on a home, asked a sentence, and the best match is bound."""


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Medians in milliseconds of whole processes, and their ratios to a bare interpreter in the same run."""
    sizes = (10, 100) if args.quick else SIZES
    parts: dict[int, list[dict[str, float]]] = {size: [] for size in sizes}
    with tempfile.TemporaryDirectory() as folder:
        ways: dict[str, Callable[[], object]] = {
            "bare": _process("-c", "pass"),
            "import": _process("-c", "import toolwright"),
            "help": _process("-m", "toolwright", "--help"),
        }
        for size in sizes:
            home = str(shelf.filled(size))
            answer = _process("-c", FIRST_ANSWER, home, cwd=folder)
            ways[f"answer {size}"] = _noting(answer, parts[size])
            ways[f"command {size}"] = _process(
                "-m", "toolwright", "search", shelf.QUERIES[0], "--home", home, "--json", cwd=folder
            )
        taken = interleaved_ms(ways, count(args, 10, 2))
    bare = median(taken["bare"])
    named = {str(size): size for size in sizes}
    few, many = sizes
    opened = {text: median(sorted(one["open"] for one in parts[size])) for text, size in named.items()}
    return {
        "bare_interpreter_ms": bare,
        "import_ms": median(taken["import"]),
        "import_ratio": median(taken["import"]) / bare,
        "help_ms": median(taken["help"]),
        "help_ratio": median(taken["help"]) / bare,
        "first_answer_ms": {text: median(taken[f"answer {size}"]) for text, size in named.items()},
        "search_command_ms": {text: median(taken[f"command {size}"]) for text, size in named.items()},
        "open_ms": opened,
        "open_ratio_many_to_few": opened[str(many)] / opened[str(few)],
        "search_ms": {text: median(sorted(one["search"] for one in parts[size])) for text, size in named.items()},
        "bind_ms": {text: median(sorted(one["bind"] for one in parts[size])) for text, size in named.items()},
        "how_filled": shelf.HOW_FILLED,
    }


def _process(*words: str, cwd: str | None = None) -> Callable[[], str]:
    # A setting of the person who measures must not send the child elsewhere.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TOOLWRIGHT_")}

    def start() -> str:
        return subprocess.run(
            [sys.executable, *words], check=True, capture_output=True, text=True, env=environment, cwd=cwd
        ).stdout

    return start


def _noting(answer: Callable[[], str], parts: list[dict[str, float]]) -> Callable[[], None]:
    def noted() -> None:
        parts.append({name: seconds * 1000 for name, seconds in json.loads(answer()).items()})

    return noted
