"""Validation of a small tool through the Python door with the real sandbox: the whole verdict, and each check."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.timing import count, median, percentile, samples_ms
from toolwright import Toolwright, Verdict
from toolwright.tool import CHECKS

NAME = "convert_amount"
SOURCE = '''def convert_amount(amount: float, rate: float) -> float:
    """Convert an amount of money with an exchange rate, rounded to two decimals."""
    return round(amount * rate, 2)
'''
EXAMPLES = "convert_amount(100.0, 3.71) == 371.0\nconvert_amount(0.0, 3.71) == 0.0"


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Milliseconds of a passed verdict (median, p99), the median of each check, and the verdicts in a second."""
    verdicts: list[Verdict] = []
    with tempfile.TemporaryDirectory() as home, Toolwright(home=Path(home)) as tw:
        taken = samples_ms(lambda: verdicts.append(_proved(tw)), count(args, 40, 3))
    counted = verdicts[-len(taken) :]
    checks = {name: sorted(_wall_ms(verdict, name) for verdict in counted) for name in CHECKS}
    return {
        "verdict_p50_ms": median(taken),
        "verdict_p99_ms": percentile(taken, 0.99),
        "check_p50_ms": {name: median(times) for name, times in checks.items()},
        "verdicts_per_s": len(taken) / (sum(taken) / 1000),
        "samples": len(taken),
        "note": "Two examples with values; no examiner: the last check runs generated inputs and no held-back example.",
    }


def _proved(tw: Toolwright) -> Verdict:
    verdict = tw.validate(NAME, SOURCE, example=EXAMPLES)
    if not verdict.passed:
        raise RuntimeError(f"the benchmark's tool does not pass: {verdict.failed or verdict.pending}")
    return verdict


def _wall_ms(verdict: Verdict, name: str) -> float:
    return next(check.wall_s for check in verdict.checks if check.name == name) * 1000
