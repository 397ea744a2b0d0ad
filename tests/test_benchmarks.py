"""Each benchmark runs through the front door and prints the figures that it promises; how quick it was is not asked."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import shelf
from benchmarks.__main__ import NAMES

ROOT = Path(__file__).parent.parent
BY_SIZE = {"10", "100"}

PROMISED = {
    "sandbox": {
        "warm_p50_ms",
        "warm_p99_ms",
        "cold_p50_ms",
        "subprocess_p50_ms",
        "warm_p50_ratio_to_subprocess",
        "map_calls_per_s",
        "fresh_guests_per_s",
    },
    "validator": {"verdict_p50_ms", "verdict_p99_ms", "check_p50_ms", "verdicts_per_s"},
    "startup": {
        "bare_interpreter_ms",
        "import_ratio",
        "help_ratio",
        "first_answer_ms",
        "open_ms",
        "bind_ms",
        "search_ms",
    },
    "registry": {"open_ms", "bind_ms", "search_p50_ms", "admit_p50_ms"},
    "orchestrator": {"step_p50_ms", "step_p99_ms", "bare_step_p50_ms", "ratio_to_bare"},
}


def measure(*words):
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *words], cwd=ROOT, capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def numbers_in(figures):
    for value in figures.values():
        if isinstance(value, dict):
            yield from numbers_in(value)
        elif isinstance(value, int | float):
            yield value


@pytest.mark.long
@pytest.mark.parametrize("name", PROMISED)
def test_a_benchmark_prints_one_object_with_what_it_promises(name):
    printed = measure(name, "--quick", "--json")
    figures = json.loads(printed)
    assert set(figures) >= PROMISED[name]
    assert all(number > 0 for number in numbers_in({key: figures[key] for key in PROMISED[name]}))
    for key in ("open_ms", "search_p50_ms", "first_answer_ms"):
        if key in figures:
            assert set(figures[key]) == BY_SIZE
    if name == "validator":
        assert list(figures["check_p50_ms"]) == ["syntax", "shape", "screen", "load", "examples", "contract"]


@pytest.mark.long
def test_figures_are_measured_and_not_written_down():
    first, second = (json.loads(measure("orchestrator", "--quick", "--json")) for _ in range(2))
    assert first["step_p50_ms"] != second["step_p50_ms"]
    assert first["bare_step_p50_ms"] != second["bare_step_p50_ms"]


def test_every_benchmark_that_runs_without_a_name_is_promised_here():
    assert set(NAMES) == set(PROMISED)


def test_a_shelf_is_filled_with_the_files_that_the_registry_writes(tmp_path):
    verdict = shelf.verdict(3)
    with shelf.shelf(tmp_path / "admitted") as registry:
        registry.admit(verdict)
    (tmp_path / "filled").mkdir()
    shelf.put(tmp_path / "filled", verdict)
    name = verdict.candidate.spec.name
    admitted, filled = (tmp_path / which / "tools" / name for which in ("admitted", "filled"))
    assert (admitted / "1.py").read_bytes() == (filled / "1.py").read_bytes()
    records = [json.loads((folder / "1.json").read_text()) for folder in (admitted, filled)]
    for record in records:
        del record["created_at"], record["changes"][0]["at"]
    assert records[0] == records[1]
    with shelf.shelf(tmp_path / "filled") as registry:
        assert registry.rebuild() == 1
        assert registry.get(name).digest == verdict.candidate.digest


def test_an_unknown_benchmark_is_refused():
    done = subprocess.run([sys.executable, "-m", "benchmarks", "speed"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert "speed" in done.stderr
