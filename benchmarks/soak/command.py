"""`python -m benchmarks soak [--calls N] [--profile full]`: many calls, 5 % of them hostile; what is left of them?

It ends with 1 if anything is, or any call ended as it should not.
Counted before and after, once the box has settled: processes, zombies, descriptors, threads, mounts, cgroups, work
folders, shared memory; and the memory of this process and of the zygotes. Each honest call must be answered rightly.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import random
import secrets
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Any

from benchmarks.soak.calls import HOSTILE, honest
from benchmarks.soak.census import Census, adopt_orphans, rss_bytes, zygotes_of
from benchmarks.timing import median, percentile
from toolwright.sandbox import Ending, Exit, claims
from toolwright.sandbox.linux import LinuxSandbox

_SETTLE_S = 10.0
_WARM = 60
_GROWTH_BYTES = 48 * 2**20
"""By how much the memory of this process, or of a zygote, may grow: allocators keep some of what they had once."""
_DRIFT = 3.0
"""How many times slower the last quarter's median may be than the first's, beyond what the machine became slower."""


@dataclass
class Tally:
    """What came of the calls."""

    endings: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    hostile: int = 0
    times: list[tuple[int, float]] = field(default_factory=list)
    paces: list[tuple[int, float]] = field(default_factory=list)
    """What starting a bare interpreter took meanwhile: how fast the machine was."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, number: int, name: str, ended: Exit, seconds: float, why: str) -> None:
        """One call has ended; *why* it should not have so, or ''."""
        with self.lock:
            self.endings[ended.ending.value] += 1
            self.hostile += bool(name)
            if not name:
                self.times.append((number, seconds * 1000))
            if why and len(self.wrong) < 20:
                self.wrong.append(why)


def main(words: list[str]) -> int:
    """The command; its exit code."""
    args = _parsed(words)
    adopt_orphans()
    box = LinuxSandbox(args.profile)
    if box.profile == "none":
        print(f"this machine gives no {args.profile} box: {box.why_not_at_all}", file=sys.stderr)
        return 2
    tally = Tally()
    # The first calls make what stays: zygotes, modules, caches of both allocators.
    _run(box, Tally(), range(_WARM), args, random.Random(args.seed))
    box.close()
    gc.collect()
    before, memory = Census.take(), rss_bytes(os.getpid())
    began = time.monotonic()
    zygotes = _run(box, tally, range(_WARM, _WARM + args.calls), args, random.Random(args.seed + 1))
    seconds = time.monotonic() - began
    box.close()
    left = _settled(before)
    figures = _figures(tally, seconds, left, rss_bytes(os.getpid()) - memory, zygotes) | {
        "profile": box.profile,
        "seed": args.seed,
        "before": asdict(before),
    }
    print(json.dumps(figures) if args.json else "\n".join(_table(figures)))
    return 1 if _why_failed(figures) else 0


def _parsed(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks soak", description=__doc__)
    parser.add_argument("--calls", type=int, default=100_000, metavar="N", help="how many (default 100,000)")
    parser.add_argument("--hostile", type=float, default=0.05, metavar="SHARE", help="of all calls (default 0.05)")
    parser.add_argument("--callers", type=int, default=4, metavar="N", help="threads that call at once (default 4)")
    parser.add_argument("--profile", choices=("full", "landlock", "auto"), default="auto", help="of the Linux box")
    parser.add_argument("--seed", type=int, default=secrets.randbits(32), metavar="S", help="which calls are hostile")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser.parse_args(words)


def _run(
    box: LinuxSandbox, tally: Tally, numbers: range, args: argparse.Namespace, chance: random.Random
) -> dict[int, tuple[int, int]]:
    """Make the calls; for each zygote its memory when it was first and last seen."""
    zygotes: dict[int, tuple[int, int]] = {}
    kinds = [chance.choice(HOSTILE) if chance.random() < args.hostile else None for _ in numbers]
    every = max(len(numbers) // 200, 1)

    def call(number: int) -> None:
        one = kinds[number - numbers.start]
        began = time.perf_counter()
        ended = box.run(one.job(number) if one else honest(number))
        seconds = time.perf_counter() - began
        why = "" if one is None or ended.ending in one.endings else f"{one.name}: {ended.ending.value} {ended.detail}"
        if one is None and not _is_right(ended, number):
            why = f"honest: {ended.ending.value} {ended.detail} {ended.claims}"
        tally.add(number, one.name if one else "", ended, seconds, why)
        if (number - numbers.start) % every == 0:
            _look(zygotes, number - numbers.start, len(numbers))
            pace = _pace_ms()
            with tally.lock:
                tally.paces.append((number, pace))

    left, turn = iter(numbers), threading.Lock()

    def caller() -> None:
        while True:
            with turn:
                number = next(left, None)
            if number is None:
                return
            call(number)

    # One task a caller and not one a call: a hundred thousand of them would be what the memory grows by.
    with ThreadPoolExecutor(args.callers) as pool:
        for done in [pool.submit(caller) for _ in range(args.callers)]:
            done.result()
    if sys.stderr.isatty():
        print(file=sys.stderr)
    return zygotes


def _is_right(ended: Exit, number: int) -> bool:
    if ended.ending is not Ending.EXITED or len(ended.claims) != 1:
        return False
    claim = claims.parse(ended.claims[0], 0)
    return claim is not None and claim.ok and claim.value == number + 1


def _look(zygotes: dict[int, tuple[int, int]], done: int, of: int) -> None:
    """Note the memory of the zygotes, and say how far it is."""
    for pid in zygotes_of(os.getpid()):
        if size := rss_bytes(pid):
            first, _ = zygotes.get(pid, (size, 0))
            zygotes[pid] = (first, size)
    if sys.stderr.isatty():
        print(f"\r{done:,} / {of:,} calls ", end="", file=sys.stderr, flush=True)


def _pace_ms() -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-I", "-S", "-c", "pass"], check=True)
    return (time.perf_counter() - began) * 1000


def _settled(before: Census) -> dict[str, int]:
    """What is left over once nothing more goes away."""
    deadline = time.monotonic() + _SETTLE_S
    while (left := Census.take().left_over(before)) and time.monotonic() < deadline:
        time.sleep(0.1)
    return left


def _figures(
    tally: Tally, seconds: float, left: dict[str, int], growth: int, zygotes: dict[int, tuple[int, int]]
) -> dict[str, Any]:
    first, last = _quarters(tally.times)
    slower = median(last) / max(median(first), 0.001)
    pace_first, pace_last = map(median, _quarters(tally.paces))
    grown = max((last - first for first, last in zygotes.values()), default=0)
    return {
        "calls": tally.endings.total(),
        "hostile": tally.hostile,
        "seconds": seconds,
        "calls_per_s": tally.endings.total() / seconds,
        "endings": dict(tally.endings.most_common()),
        "wrong": tally.wrong,
        "left_over": left,
        "host_growth_mib": growth / 2**20,
        "zygote_growth_mib": grown / 2**20,
        "honest_p50_ms": {"first_quarter": median(first), "last_quarter": median(last)},
        "honest_p99_ms": {"first_quarter": percentile(first, 0.99), "last_quarter": percentile(last, 0.99)},
        "pace_ms": {"first_quarter": pace_first, "last_quarter": pace_last},
        "drift": slower / max(pace_last / max(pace_first, 0.001), 1.0),
    }


def _quarters(noted: list[tuple[int, float]]) -> tuple[list[float], list[float]]:
    """The times of the first and of the last quarter, sorted."""
    times = [one for _, one in sorted(noted)] or [0.0]
    quarter = max(len(times) // 4, 1)
    return sorted(times[:quarter]), sorted(times[-quarter:])


def _why_failed(figures: dict[str, Any]) -> list[str]:
    why = [f"wrong: {one}" for one in figures["wrong"]]
    why += [f"left over: {count} {name}" for name, count in figures["left_over"].items()]
    for whose in ("host", "zygote"):
        if figures[f"{whose}_growth_mib"] * 2**20 > _GROWTH_BYTES:
            why.append(f"the memory of the {whose} grew by {figures[f'{whose}_growth_mib']:.0f} MiB")
    if figures["drift"] > _DRIFT:
        why.append(f"honest calls became {figures['drift']:.1f} times slower")
    return why


def _table(figures: dict[str, Any]) -> list[str]:
    p50, p99, pace = figures["honest_p50_ms"], figures["honest_p99_ms"], figures["pace_ms"]
    rows = {
        "calls": f"{figures['calls']:,}, {figures['hostile']:,} hostile, {figures['calls_per_s']:,.0f} a second",
        "ended as": ", ".join(f"{name} {count:,}" for name, count in figures["endings"].items()),
        "left over": ", ".join(f"{count} {name}" for name, count in figures["left_over"].items()) or "nothing",
        "memory": f"host {figures['host_growth_mib']:+.1f} MiB, zygote {figures['zygote_growth_mib']:+.1f} MiB",
        "honest p50": f"{p50['first_quarter']:.2f} ms in the first quarter, {p50['last_quarter']:.2f} in the last",
        "honest p99": f"{p99['first_quarter']:.2f} ms in the first quarter, {p99['last_quarter']:.2f} in the last",
    }
    rows["machine"] = (
        f"a bare interpreter took {pace['first_quarter']:.0f} ms in the first quarter, "
        f"{pace['last_quarter']:.0f} in the last"
    )
    lines = [f"soak, profile {figures['profile']}, seed {figures['seed']}"]
    lines += [f"  {name:<12} {text}" for name, text in rows.items()]
    return lines + [f"  FAILED       {one}" for one in _why_failed(figures)]
