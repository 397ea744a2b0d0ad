"""`python -m benchmarks [NAME …] [--json]`: runs the named measurements (without a name all) and prints the figures."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sys
from typing import Any

NAMES = ("sandbox", "validator", "startup", "registry", "orchestrator")
"""What runs without a name; `retrieval` needs `--data FOLDER` and is run by name."""


def main() -> None:
    """Parse the words, run, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(NAMES)}, retrieval")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--data", metavar="FOLDER", help="the data sets of `retrieval`")
    parser.add_argument("--full", action="store_true", help="`registry` with 100,000 tools too (many minutes)")
    parser.add_argument("--quick", action="store_true", help="a few samples only: shows that it runs, says no more")
    args = parser.parse_args()
    unknown = set(args.names) - {*NAMES, "retrieval"}
    if unknown:
        parser.error(f"there is no benchmark {sorted(unknown)[0]!r}; there are {', '.join(NAMES)}, retrieval")
    if "retrieval" in args.names and not args.data:
        parser.error("retrieval needs --data FOLDER, the folder with the data sets")
    names = list(dict.fromkeys(args.names)) or list(NAMES)
    found = {name: _run(name, args) for name in names}
    if args.json:
        print(json.dumps(found[names[0]] if len(names) == 1 else found))
        return
    for name, figures in found.items():
        print(name)
        for key, value in _flat(figures):
            print(f"  {key:<40} {value:,.3f}" if isinstance(value, float) else f"  {key:<40} {value}")


def _run(name: str, args: argparse.Namespace) -> dict[str, Any]:
    print(f"{name} …", file=sys.stderr, flush=True)
    figures: dict[str, Any] = importlib.import_module(f"benchmarks.{name}").run(args)
    return figures | {"machine": _machine()}


def _machine() -> dict[str, Any]:
    return {
        "cores": len(os.sched_getaffinity(0)),
        "load_1m": os.getloadavg()[0],
        "kernel": f"{platform.system()} {platform.release().partition('-')[0]}",
        "python": platform.python_version(),
    }


def _flat(figures: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for key, value in figures.items():
        rows += _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else [(prefix + key, value)]
    return rows


if __name__ == "__main__":
    main()
