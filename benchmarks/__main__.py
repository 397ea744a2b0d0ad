"""`python -m benchmarks [NAME …] [--json]`: runs the named measurements (all without a name) and prints what they found."""

from __future__ import annotations

import argparse
import importlib
import json
from typing import Any

NAMES = ("sandbox", "validator", "startup", "orchestrator")
"""What runs without a name; `retrieval` needs `--data FOLDER` and is run by name."""


def main() -> None:
    """Parse the words, run, print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(NAMES)}, retrieval")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--data", metavar="FOLDER", help="the retrieval data sets")
    args = parser.parse_args()
    unknown = set(args.names) - {*NAMES, "retrieval"}
    if unknown:
        parser.error(f"there is no benchmark {sorted(unknown)[0]!r}; there are {', '.join(NAMES)}, retrieval")
    found = {name: importlib.import_module(f"benchmarks.{name}").run(args) for name in args.names or NAMES}
    if args.json:
        print(json.dumps(found[args.names[0]] if len(args.names) == 1 else found))
        return
    for name, figures in found.items():
        print(name)
        for key, value in _flat(figures):
            print(f"  {key:<40} {value:,.3f}" if isinstance(value, float) else f"  {key:<40} {value}")


def _flat(figures: dict[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    rows: list[tuple[str, Any]] = []
    for key, value in figures.items():
        rows += _flat(value, f"{prefix}{key}.") if isinstance(value, dict) else [(prefix + key, value)]
    return rows


if __name__ == "__main__":
    main()
