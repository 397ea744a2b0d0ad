"""Each benchmark runs through the front door and prints the figures that it promises; how quick it was is not asked."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import shelf
from benchmarks.__main__ import NAMES
from benchmarks.sandbox import lines, targets
from benchmarks.timing import blocks_ms

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
    "registry": {
        "open_ms",
        "first_search_ms",
        "bind_ms",
        "call_p50_ms",
        "search_p50_ms",
        "admit_p50_ms",
        "stores",
    },
    "telemetry": {"call_p50_ms", "call_cpu_p50_ms", "run_p50_ms"},
    "mcp": {"list_p50_ms", "call_p50_ms", "call_p99_ms", "tool_p50_ms"},
    "adapters": {"step_p50_ms", "bare_step_p50_ms", "ratio_to_bare", "step_p99_ms"},
    "orchestrator": {"step_p50_ms", "step_p99_ms", "bare_step_p50_ms", "ratio_to_bare"},
}


def measure(*words):
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *words], cwd=ROOT, capture_output=True, text=True, timeout=880
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
@pytest.mark.timeout(900)  # `adapters` may have to make its environments first
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


@pytest.fixture(scope="module")
def boxes_measured():
    """One short run of `sandbox`, as a script reads it."""
    return json.loads(measure("sandbox", "--quick", "--profile", "--json"))


_THINGS = ("rain", "train", "book", "song", "city", "price", "film", "flight", "recipe", "poem", "star", "river")
_DEEDS = ("find", "count", "rank", "describe", "compare", "translate")


def _data_sets(folder):
    """Tools that are told apart by one word of two, and eight questions for each in other words."""
    tools = [(f"{deed}_{thing}", deed, thing) for thing in _THINGS for deed in _DEEDS]
    for name in ("seal", "stabletoolbench", "metatool"):
        (folder / name).mkdir(parents=True)
        corpus = [{"id": tool, "name": tool, "desc": f"{deed} a {thing}", "params": ""} for tool, deed, thing in tools]
        queries = [
            {"query": f"please {deed} the {thing} number {number}", "gold": [tool]}
            for tool, deed, thing in tools
            for number in range(8)
        ]
        for which, rows in (("corpus", corpus), ("queries", queries)):
            (folder / name / f"{which}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder


@pytest.mark.long
def test_retrieval_prints_its_recall_by_data_set(tmp_path):
    figures = json.loads(measure("retrieval", "--quick", "--json", "--data", str(_data_sets(tmp_path))))
    sets = {"seal", "stabletoolbench", "metatool", "metatool_with_requests"}
    for key in ("recall_at_1", "recall_at_5", "ndcg_at_10", "no_tool_fits"):
        assert set(figures[key]) == sets
    assert figures["recall_at_1"]["seal"] > 0.9  # each question holds both words of its tool
    assert set(figures["no_tool_fits"]["seal"]) == {
        "tool_is_there_and_found", "tool_is_not_there_and_none_found", "told_apart",
    }  # fmt: skip


def test_retrieval_without_data_sets_says_what_it_needs(tmp_path):
    shutil.copytree(ROOT / "benchmarks", tmp_path / "alone" / "benchmarks")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "retrieval"], cwd=tmp_path / "alone", capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "retrieval needs --data FOLDER, one with seal, stabletoolbench, metatool" in done.stderr


@pytest.mark.long
def test_every_target_is_measured_or_said_to_be_skipped(boxes_measured):
    judged = {row["figure"]: row for row in boxes_measured["targets"]}
    assert list(judged) == [one.key for one in targets.TARGETS]
    for key, row in judged.items():
        assert (row["value"] is None) == (row["met"] is None)
        assert row["value"] == boxes_measured.get(key)
    skipped = boxes_measured["skipped"]
    assert judged["pandas_cold_p50_ms"]["value"] is None
    assert "--quick" in skipped["pandas"]
    measured = {key.removesuffix("_p50_ms") for key in boxes_measured if key.endswith("_p50_ms")}
    for peer in ("bubblewrap", "smolagents", "monty", "podman_exec", "podman_run", "landlock_warm", "container_warm"):
        assert (peer in measured) != (peer in skipped)  # each is there, or it is said why not
        assert peer in measured or skipped[peer]


@pytest.mark.long
def test_the_table_shows_each_target_each_layer_and_where_the_time_goes(boxes_measured):
    shown = "\n".join(lines(boxes_measured))
    for one in targets.TARGETS:
        assert one.words in shown
    assert boxes_measured["layers_us"]
    for layer in boxes_measured["layers_us"]:
        assert layer in shown
    for name, reason in boxes_measured["skipped"].items():
        assert f"– {name}: {reason}" in shown
    parts = boxes_measured["where"]["parts_us"]["median"]
    assert parts["whole"] > parts["back"] > 0
    assert "the keeper's functions" in shown


@pytest.mark.parametrize(
    ("value", "mark"), [(0.4, "✓"), (0.39, "✓"), (0.41, "✗"), (None, "–")], ids=["equal", "below", "above", "absent"]
)
def test_a_figure_at_its_bound_is_ticked_and_one_beyond_it_is_a_miss(value, mark):
    figures = {} if value is None else {"warm_p50_ms": value}
    row = next(line for line in targets.lines(figures) if "warm call, trivial tool, p50" in line)
    assert row.split()[0] == mark


@pytest.mark.parametrize(("value", "mark"), [(700, "✓"), (699, "✗")])
def test_a_rate_below_its_bound_is_a_miss(value, mark):
    row = next(line for line in targets.lines({"fresh_guests_per_s": value}) if "fresh guests" in line)
    assert row.split()[0] == mark


def test_blocks_take_turns_and_the_first_round_is_not_counted():
    called = []
    ways = {"a": (lambda: called.append("a"), 2), "b": (lambda: called.append("b"), 1)}
    taken = blocks_ms(ways, rounds=2, gap_s=0)
    assert "".join(called) == "aab" * 3
    assert {name: len(times) for name, times in taken.items()} == {"a": 4, "b": 2}
    assert taken["a"] == sorted(taken["a"])


def test_what_is_slow_is_called_in_some_rounds_only():
    called = []
    ways = {"quick": (lambda: called.append("q"), 1), "slow": (lambda: called.append("s"), 0.5)}
    taken = blocks_ms(ways, rounds=4, gap_s=0)
    assert "".join(called) == "q" + "qs" + "q" + "qs" + "q"
    assert {name: len(times) for name, times in taken.items()} == {"quick": 4, "slow": 2}


@pytest.mark.long
def test_figures_are_measured_and_not_written_down():
    first, second = (json.loads(measure("orchestrator", "--quick", "--json")) for _ in range(2))
    assert first["step_p50_ms"] != second["step_p50_ms"]
    assert first["bare_step_p50_ms"] != second["bare_step_p50_ms"]


def test_every_benchmark_that_runs_without_a_name_is_promised_here():
    assert {*NAMES, "adapters"} == set(PROMISED)


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
        # Each home signs with a key of its own; that both hold is seen when they are loaded.
        assert len(record.pop("signature")) == 2
    assert records[0] == records[1]
    with shelf.shelf(tmp_path / "filled") as registry:
        assert registry.rebuild() == 1
        assert registry.get(name).digest == verdict.candidate.digest


def test_an_unknown_benchmark_is_refused():
    done = subprocess.run([sys.executable, "-m", "benchmarks", "speed"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert "speed" in done.stderr
