"""The tests that run in the virtual environment of a framework, and any other command there."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from benchmarks.environments import PATIENCE_S, REQUIREMENTS, ROOT, python_of

HERE = Path(__file__).parent
INSIDE = HERE / "inside"

__all__ = ["INSIDE", "REQUIREMENTS", "python_of", "run_in", "tests_in"]


def run_in(name: str, *words: str, timeout: float = PATIENCE_S, **environ: str) -> subprocess.CompletedProcess[str]:
    """`python WORDS` in the environment *name*; the tests' helpers can be imported there, no key of a person is seen."""
    clean = {key: value for key, value in os.environ.items() if not key.endswith("_API_KEY") and key != "VIRTUAL_ENV"}
    env = clean | {"PYTHONPATH": f"{HERE.parent}:{HERE}:{HERE.parent / 'people'}"} | environ
    command = [str(python_of(name)), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=env, cwd=ROOT)


def tests_in(name: str, file: str, *words: str) -> None:
    """Run the tests of `inside/FILE` in the environment *name*; fails with what pytest printed there."""
    plain = ("-m", "pytest", "--noconftest", "-c", os.devnull, "--rootdir", str(ROOT), "-p", "no:cacheprovider")
    done = run_in(name, *plain, "-q", "-rs", "--timeout", "280", *words, str(INSIDE / file))
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
