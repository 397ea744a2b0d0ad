"""A tool that imports pandas, in a set of packages built for the measurement: by subprocess and in our boxes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from benchmarks.sandbox.boxes import Boxes
from benchmarks.sandbox.calls import WrongAnswerError, call, unseen, with_packages
from benchmarks.sandbox.peers import AbsentError, Way
from toolwright.errors import FaultError, SpecError
from toolwright.sandbox import Job
from toolwright.sandbox.packages import Environments

SOURCE = """import pandas


def mean(values: list) -> float:
    return float(pandas.Series(values).mean())
"""
ARGUMENTS = {"values": [1, 2, 3, 6]}
ANSWER = 3.0
_BARE = SOURCE + "\nimport json, sys\nprint(json.dumps(mean(**json.loads(sys.argv[1]))))\n"


def environment(folder: Path) -> Path:
    """A set with pandas below *folder*; AbsentError if the index cannot be reached or has none."""
    try:
        environments = Environments(folder)
        return environments.path(environments.lock(("pandas",)))
    except (FaultError, SpecError) as error:
        raise AbsentError(str(error)) from None


def job(site: Path) -> Job:
    """The tool in the set at *site*."""
    return with_packages(site, SOURCE, "mean", ARGUMENTS)


def ways(site: Path, ours: Boxes) -> dict[str, Way]:
    """The call by subprocess, on demand, warm (source not seen before), and warm and loaded."""
    trivial = job(site)
    return {
        "pandas_subprocess": _subprocess(site),
        "pandas_cold": lambda: call(ours.on_demand, trivial, ANSWER),
        "pandas_warm": unseen(ours.unseen, trivial, ANSWER),
        "pandas_loaded": lambda: call(ours.usual, trivial, ANSWER),
    }


def _subprocess(site: Path) -> Way:
    words = [sys.executable, "-c", _BARE, json.dumps(ARGUMENTS)]
    surroundings = {**os.environ, "PYTHONPATH": str(site), "OPENBLAS_NUM_THREADS": "1"}

    def way() -> None:
        done = subprocess.run(words, check=True, capture_output=True, env=surroundings)
        if json.loads(done.stdout) != ANSWER:
            raise WrongAnswerError(f"pandas answered {done.stdout!r}")

    return way
