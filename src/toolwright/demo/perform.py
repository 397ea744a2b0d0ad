"""One pass of the demo: each task is run, its answer printed, and what was made and reused; also run by `python -m`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from toolwright.cli.live import JsonLines, Live, print_json
from toolwright.cli.look import duration, out, safe
from toolwright.cli.options import open_toolwright
from toolwright.cli.run import as_result
from toolwright.demo.stage import TASKS

if TYPE_CHECKING:
    from toolwright.runs import RunResult


def perform(home: Path, base_url: str, *, hosts: bool, as_json: bool) -> list[RunResult]:
    """Run the tasks (those that need a host only if *hosts*) in *home* and print; the results in their order."""
    options = {"home": home, "model": "openai:scripted-demo", "base_url": base_url, "surface": "native"}
    results = []
    with open_toolwright(options, JsonLines() if as_json else Live(out())) as tw:
        for task in TASKS:
            if task.needs_host and not hosts:
                continue
            if not as_json:
                out().print(f"\ntask   {task.text}", style="bold", markup=False)
            result = tw.run(task.text, out=home / "files")
            results.append(result)
            if as_json:
                print_json(as_result(result))
                continue
            out().print(f"answer {safe(result.output)}", style="bold cyan", markup=False)
            for path in result.files:
                out().print(f"file   {path}", markup=False)
            if result.status != "complete":
                out().print(f"{result.status}: {safe(result.reason)}", style="yellow", markup=False)
            out().print(f"       {duration(result.wall_s)}", style="dim", markup=False)
    made, reused = sum(len(one.made) for one in results), sum(len(one.reused) for one in results)
    if as_json:
        print_json({"type": "pass", "made": made, "reused": reused})
    else:
        out().print(f"\nmade {made}, reused {reused}", style="bold green", markup=False)
    return results


if __name__ == "__main__":
    home_word, base_url_word, hosts_word, json_word = sys.argv[1:]
    done = perform(Path(home_word), base_url_word, hosts=hosts_word == "hosts", as_json=json_word == "json")
    sys.exit(0 if all(one.status == "complete" for one in done) else 3)
