"""`python -m benchmarks [NAME …] [--json]`: runs the named measurements (without a name all) and prints the figures."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sys
from typing import Any

from benchmarks import datasets

NAMES = ("sandbox", "validator", "startup", "registry", "orchestrator", "telemetry", "mcp")
"""What runs without a name."""
BY_NAME = ("retrieval", "adapters")
"""What is run by its name only: it needs data sets that are not ours, or installs frameworks."""
COMMANDS = ("fuzz", "soak")
"""What takes words of its own and ends with 1 if it finds anything: `python -m benchmarks fuzz --help`."""


def main() -> None:
    """Parse the words, run, print."""
    if sys.argv[1:2] and sys.argv[1] in COMMANDS:
        sys.exit(importlib.import_module(f"benchmarks.{sys.argv[1]}.command").main(sys.argv[2:]))
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join((*NAMES, *BY_NAME)))
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument(
        "--data",
        metavar="FOLDER",
        default=datasets.folder(),
        help="the data sets of `retrieval`; `registry` adds its recall ($TOOLWRIGHT_DATA, or a data/retrieval nearby)",
    )
    parser.add_argument("--sizes", type=_sizes, metavar="N,N", help="`registry`: tools on the shelf (10,1000,100000)")
    parser.add_argument("--image", metavar="NAME", default="", help="`sandbox`: a local image with python3, for Podman")
    parser.add_argument("--profile", action="store_true", help="`sandbox`: where a warm call's time goes, too")
    parser.add_argument("--quick", action="store_true", help="a few samples only: shows that it runs, says no more")
    args = parser.parse_args()
    unknown = set(args.names) - {*NAMES, *BY_NAME}
    if unknown:
        parser.error(f"there is no benchmark {sorted(unknown)[0]!r}; there are {', '.join((*NAMES, *BY_NAME))}")
    if "retrieval" in args.names and not args.data:
        parser.error(f"retrieval needs --data FOLDER, one with {', '.join(datasets.SETS)}; see benchmarks/retrieval.py")
    names = list(dict.fromkeys(args.names)) or list(NAMES)
    found = {name: _run(name, args) for name in names}
    if args.json:
        print(json.dumps(found[names[0]] if len(names) == 1 else found))
        return
    for name, figures in found.items():
        print(name)
        print(*_lines(name, figures), sep="\n")


def _sizes(text: str) -> tuple[int, ...]:
    sizes = tuple(int(one) for one in text.split(","))
    if min(sizes) < 1:
        raise ValueError("a shelf holds one tool at least")
    return sizes


def _run(name: str, args: argparse.Namespace) -> dict[str, Any]:
    print(f"{name} …", file=sys.stderr, flush=True)
    figures: dict[str, Any] = importlib.import_module(f"benchmarks.{name}").run(args)
    return figures | {"machine": _machine()}


def _lines(name: str, figures: dict[str, Any]) -> list[str]:
    """The figures for people: in a benchmark's own form, if it has one, and then the machine; else one a line."""
    own = getattr(importlib.import_module(f"benchmarks.{name}"), "lines", None)
    found: list[str] = [] if own is None else [*own(figures), ""]
    rows = _flat(figures if own is None else {"machine": figures["machine"]})
    texts = {key: f"{value:,.3f}" if isinstance(value, float) else value for key, value in rows}
    return found + [f"  {key:<40} {text}" for key, text in texts.items()]


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
