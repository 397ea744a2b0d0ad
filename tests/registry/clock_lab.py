"""A process whose clock is set forward and back while it works: HOME [S3_URL DYNAMODB_URL PREFIX]; orders on stdin.

Each order is a line, `set SECONDS` or `DEED WORDS…`; its answer is a line of JSON.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from cloud import Cloud, open_shared
from shelf import open_shelf, verdict_of

from toolwright.store import Fence
from toolwright.store.leases import Failed


class Clock:
    """The time of day as this process is told it; the clock that nobody can set goes on as it does."""

    ahead_s, right = 0.0, staticmethod(time.time)

    def time(self) -> float:
        return self.right() + self.ahead_s


def main(home: Path, *place: str) -> None:
    clock = Clock()
    time.time = clock.time
    shelf = open_shared(Cloud(*place[:2]).address(place[2]), home) if place else open_shelf(home)
    fences: dict[str, Fence] = {}

    def acquire(key: str) -> str:
        found = shelf.registry.leases.acquire(key)
        if isinstance(found, Fence):
            fences[key] = found
        return type(found).__name__ if not isinstance(found, Failed) else f"Failed {round(found.wait_s / 3600)} h"

    deeds: dict[str, Any] = {
        "names": shelf.registry.names,
        "admit": lambda name: shelf.registry.admit(verdict_of(name)).won,
        "retire": lambda name: shelf.registry.retire(name).state,
        "acquire": acquire,
        "fail": lambda key: shelf.registry.leases.fail(fences[key], "it failed"),
        "beat": lambda key: shelf.registry.leases.beat(fences[key]),
    }
    print('"ready"', flush=True)
    for line in sys.stdin:
        order, *words = line.split()
        if order == "set":
            clock.ahead_s = float(words[0])
            print('"set"', flush=True)
        else:
            print(json.dumps(deeds[order](*words)), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
