"""A process that admits tools when it is told to, for the tests in which several do so at once: HOME WHO COUNT."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from shelf import open_shelf, verdict_of

if __name__ == "__main__":
    home, who, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    shelf = open_shelf(home)
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(count):
        # Half of the tools are the very same in all processes, the others differ by who wrote them.
        body = "rate" if number % 2 else f"rate + len({who!r})"
        admission = shelf.registry.admit(verdict_of(f"tool_{number}", "A thing.", body=body), run_id=who)
        print(json.dumps([str(admission.version), admission.version.digest, admission.won, admission.version.run_id]))
