"""`python -m benchmarks fuzz [--inputs N] [--seed S] [--target NAME]`: hunts, prints, ends with 1 if it found anything.

Every input is made of seed, target and its number, so that a hunt can be told in three words and taken up again:
`--state FILE` keeps how far it got. What breaks a promise is made smaller, printed, and kept under `--crashes`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import secrets
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

from benchmarks.fuzz.target import Target, input_of
from benchmarks.fuzz.targets import NAMES, target

_BLOCK = 5000
_HANG_S = 10.0
_GROWTH_BYTES = 200 * 2**20
"""Of one block, what is imported in it included."""
_SHOWN = 400


class Hang(Exception):
    """One input took seconds of CPU time."""


@dataclass
class Block:
    """What a stretch of numbers came to."""

    name: str
    first: int
    labels: Counter[str] = field(default_factory=Counter)
    crashes: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0
    growth_bytes: int = 0
    slowest_s: float = 0.0


def verdict(one: Target, data: bytes) -> tuple[str, str]:
    """A label for what became of *data*, and what is wrong with that ('' if nothing)."""
    try:
        return one.check(data), ""
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what is looked for
        return "broken", f"{type(error).__name__}: {error}"


def hunt(name: str, seed: int, first: int, count: int) -> Block:
    """Inputs *first* to *first* + *count*, each under a limit of CPU time."""
    one, block = target(name), Block(name, first)
    signal.signal(signal.SIGVTALRM, _too_long)
    before, started = _peak(), time.monotonic()
    for number in range(first, first + count):
        data, began = input_of(one, seed, number), time.thread_time()
        signal.setitimer(signal.ITIMER_VIRTUAL, _HANG_S)
        label, wrong = verdict(one, data)
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        block.slowest_s = max(block.slowest_s, time.thread_time() - began)
        block.labels[label] += 1
        if wrong and len(block.crashes) < 5:
            block.crashes.append({"target": name, "seed": seed, "number": number, "wrong": wrong, "input": data.hex()})
    block.seconds, block.growth_bytes = time.monotonic() - started, _peak() - before
    return block


def smaller(data: bytes, still: Callable[[bytes], bool], tries: int = 400) -> bytes:
    """A shorter input that is *still* of the kind, by leaving out pieces."""
    size = max(len(data) // 2, 1)
    while tries > 0:
        at = 0
        while at < len(data) and tries > 0:
            tries -= 1
            without = data[:at] + data[at + size :]
            if still(without):
                data = without
            else:
                at += size
        if size == 1:
            break
        size //= 2
    return data


def main(words: list[str]) -> int:
    """The command; its exit code."""
    args = _parsed(words)
    if args.input:
        return _again(args)
    seed = _seed(args)
    state: dict[str, Any] = {"seed": seed, "done": {}} if not args.state else _state(Path(args.state), seed)
    seed = state["seed"]
    print(f"seed {seed}, {args.inputs:,} inputs for each of {', '.join(args.targets)}", file=sys.stderr, flush=True)
    found = _hunted(args, seed, state)
    for name, one in found.items():
        one["crashes"] = [_shrunk(crash, Path(args.crashes)) for crash in one["crashes"][:20]]
        one["inputs"] = state["done"].get(name, 0)
    if args.json:
        print(json.dumps({"seed": seed, "targets": found}))
    else:
        print(*_table(found), sep="\n")
    return 1 if any(one["crashes"] or one["grew"] for one in found.values()) else 0


def _parsed(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=100_000, metavar="N", help="for each target (default 100,000)")
    parser.add_argument("--seed", type=int, metavar="S", help="the same inputs again (default: a new one, printed)")
    parser.add_argument("--target", dest="targets", action="append", choices=NAMES, help="one of them; may be repeated")
    parser.add_argument("--state", metavar="FILE", help="take up what this file says was done, and note it there")
    parser.add_argument("--crashes", metavar="FOLDER", default="crashes", help="where inputs that broke a promise go")
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)), metavar="N", help="processes")
    parser.add_argument("--input", metavar="FILE", help="check this one input, with one --target")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    args = parser.parse_args(words)
    args.targets = list(dict.fromkeys(args.targets or NAMES))
    if args.input and len(args.targets) != 1:
        parser.error("--input needs one --target")
    return args


def _seed(args: argparse.Namespace) -> int:
    return secrets.randbits(32) if args.seed is None else int(args.seed)


def _again(args: argparse.Namespace) -> int:
    label, wrong = verdict(target(args.targets[0]), Path(args.input).read_bytes())
    print(wrong or label)
    return 1 if wrong else 0


def _state(path: Path, seed: int) -> dict[str, Any]:
    if path.exists():
        read: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return read
    return {"seed": seed, "done": {}}


def _hunted(args: argparse.Namespace, seed: int, state: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {
        name: {"labels": Counter(), "crashes": [], "seconds": 0.0, "slowest_s": 0.0, "grew": 0} for name in args.targets
    }
    # A target at a time and its numbers in order, so that "so many are done" says all.
    with ProcessPoolExecutor(args.jobs) as pool:
        for name in args.targets:
            start = state["done"].get(name, 0)
            blocks = range(start, args.inputs, _BLOCK)
            running = [pool.submit(hunt, name, seed, at, min(_BLOCK, args.inputs - at)) for at in blocks]
            ended: dict[int, int] = {}
            for one in as_completed(running):
                block = one.result()
                _add(found[name], block)
                ended[block.first] = block.first + block.labels.total()
                while start in ended:
                    start = ended.pop(start)
                state["done"][name] = start
                _keep(args.state, state)
                _tell(f"{name} {start:,} / {args.inputs:,}", done=start >= args.inputs)
    return found


def _tell(line: str, *, done: bool) -> None:
    """Progress: one line that changes on a terminal, and elsewhere only its last state."""
    on_terminal = sys.stderr.isatty()
    if on_terminal or done:
        print(f"\r{line}" if on_terminal else line, end="\n" if done else "", file=sys.stderr, flush=True)


def _add(to: dict[str, Any], block: Block) -> None:
    to["labels"] += block.labels
    to["crashes"] += block.crashes
    to["seconds"] += block.seconds
    to["slowest_s"] = max(to["slowest_s"], block.slowest_s)
    to["grew"] += block.growth_bytes > _GROWTH_BYTES


def _keep(path: str | None, state: dict[str, Any]) -> None:
    if path:
        part = Path(f"{path}.part")
        part.write_text(json.dumps(state), "utf-8")
        part.replace(path)


def _shrunk(crash: dict[str, Any], folder: Path) -> dict[str, Any]:
    one, data = target(crash["target"]), bytes.fromhex(crash["input"])
    kind = crash["wrong"].partition(": ")[2].partition(":")[0] or crash["wrong"]
    small = smaller(data, lambda shorter: kind in verdict(one, shorter)[1])
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{crash['target']}-{crash['seed']}-{crash['number']}"
    path.write_bytes(small)
    return {**crash, "input": small.hex(), "file": str(path)}


def _table(found: dict[str, dict[str, Any]]) -> list[str]:
    lines = []
    for name, one in found.items():
        became = ", ".join(f"{label} {count:,}" for label, count in one["labels"].most_common() if count)
        rate = one["labels"].total() / one["seconds"] if one["seconds"] else 0.0
        lines.append(f"{name:<8} {one['inputs']:>10,} inputs  {len(one['crashes'])} broken  {rate:,.0f}/s a process")
        lines.append(f"         {became}")
        if one["grew"]:
            lines.append(f"         memory grew by more than {_GROWTH_BYTES // 2**20} MiB in {one['grew']} blocks")
        for crash in one["crashes"]:
            lines.append(f"  BROKEN {crash['wrong'][:_SHOWN]}")
            lines.append(f"         input {bytes.fromhex(crash['input'])[:_SHOWN]!r}")
            lines.append(f"         python -m benchmarks fuzz --target {name} --input {crash['file']}")
    return lines


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _too_long(_: int, __: FrameType | None) -> None:
    raise Hang(f"one input took more than {_HANG_S:g} s of CPU time")
