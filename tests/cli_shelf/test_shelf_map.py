"""`call` with many arguments: from a file, from standard input, from Python; a line for each and what they came to."""

import asyncio
import io
import json

from rich.console import Console
from shop import toolwright

from toolwright import Toolwright
from toolwright.cli.live import Live
from toolwright.trace import Event

PAIRS = [{"a": 1, "b": 2}, {"a": "x", "b": 2}, {"a": 3, "b": 4}]
GOOD = [PAIRS[0], PAIRS[2]]


def lines(done):
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_list_from_a_file_or_from_standard_input_is_called_one_by_one(home):
    at = ["--home", str(home)]
    (home / "pairs.json").write_text(json.dumps(GOOD))
    (home / "pairs.jsonl").write_text("\n".join(json.dumps(one) for one in GOOD) + "\n\n")
    for name in ("pairs.json", "pairs.jsonl"):
        done = toolwright(home, "call", "add", "--map", str(home / name), *at)
        assert (done.stdout, done.stderr) == ("3\n7\n", "")
    assert toolwright(home, "call", "add", "-", *at, stdin=json.dumps(GOOD)).stdout == "3\n7\n"
    assert toolwright(home, "call", "add", "--map", "-", *at, stdin='{"a": 1, "b": 1}\n').stdout == "2\n"


def test_what_fails_is_told_by_its_number_and_the_rest_is_done(home):
    at = ["--home", str(home)]
    (home / "pairs.json").write_text(json.dumps(PAIRS))
    done = toolwright(home, "call", "add", "--map", str(home / "pairs.json"), *at, code=2)
    assert done.stdout == "3\n7\n"
    assert done.stderr.startswith("2: bad-call: add: ")
    assert done.stderr.endswith("3 calls: 2 ok, 1 bad-call\n") or "2 ok" in done.stderr
    told = lines(toolwright(home, "call", "add", "--map", str(home / "pairs.json"), "--json", *at, code=2))
    assert [(one["type"], one.get("item"), one.get("status")) for one in told] == [
        ("outcome", 1, "ok"), ("outcome", 2, "bad-call"), ("outcome", 3, "ok"), ("mapped", None, None),
    ]  # fmt: skip
    assert told[-1] == {"type": "mapped", "calls": 3, "statuses": {"ok": 2, "bad-call": 1}, "files": []}
    assert all(one["usage"]["wall_s"] >= 0 for one in told[:-1])


def test_what_is_no_list_of_objects_is_said_with_its_place(home):
    at = ["--home", str(home)]
    (home / "wrong.jsonl").write_text('{"a": 1, "b": 2}\n{"a": 1,\n')
    assert (
        "line 2 is no JSON" in toolwright(home, "call", "add", "--map", str(home / "wrong.jsonl"), *at, code=2).stderr
    )
    (home / "wrong.json").write_text('[{"a": 1, "b": 2}, 5]')
    assert "item 2 is 5" in toolwright(home, "call", "add", "--map", str(home / "wrong.json"), *at, code=2).stderr
    assert "nowhere" in toolwright(home, "call", "add", "--map", "nowhere", *at, code=2).stderr
    both = toolwright(home, "call", "add", "--a", "1", "--map", str(home / "wrong.json"), *at, code=2)
    assert "leave out '--a'" in both.stderr
    assert "not a JSON object" in toolwright(home, "call", "add", "-", *at, stdin="[1]", code=2).stderr


def test_python_maps_and_awaits_it_and_records_each(home):
    heard = []
    with Toolwright(home=home) as tw:
        got = tw.map("add", PAIRS, on_each=lambda place, outcome: heard.append((place, outcome.status.value)))
        assert [one.value for one in got] == [3, None, 7]
        assert sorted(heard) == [(0, "ok"), (1, "bad-call"), (2, "ok")]
        again = asyncio.run(tw.amap("add", iter(GOOD)))
        assert [one.value for one in again] == [3, 7]
        assert tw.registry.stats("add").ok == 4
        assert tw.map("add", []) == []


def test_own_tools_are_mapped_one_after_the_other(home):
    def half(number: float) -> float:
        """Half a number."""
        return number / 2

    with Toolwright(home=home, tools=[half]) as tw:
        assert [one.value for one in tw.map("half", [{"number": 2}, {"number": 4}])] == [1.0, 2.0]


def test_files_that_calls_leave_are_handed_out_once_each(home, tmp_path):
    source = 'def keep(name: str) -> str:\n    """Keep a file."""\n    open(name, "w").write(name)\n    return name\n'
    (tmp_path / "keep.py").write_text(source)
    with Toolwright(home=home) as tw:
        assert tw.import_file(tmp_path / "keep.py", example="keep('a')").version
        got = tw.map("keep", [{"name": "one"}, {"name": "two"}], out=tmp_path / "out")
        assert {file.path for one in got for file in one.files} == {
            str(tmp_path / "out" / name) for name in ("one", "two")
        }
        assert (tmp_path / "out" / "two").read_text() == "two"


def test_of_a_long_list_in_a_run_the_first_few_are_printed_and_what_went_wrong():
    console = Console(file=io.StringIO(), width=80)
    live = Live(console)
    for item in range(1, 21):
        live.emit(Event("tool-called", "r", {"name": "t", "arguments": {"a": item}, "item": item, "of": 20}))
    for item in range(1, 21):
        status = "raised" if item == 17 else "ok"
        live.emit(
            Event(
                "outcome", "r", {"name": "t", "status": status, "detail": "boom", "value": item, "item": item, "of": 20}
            )
        )
    lines = console.file.getvalue().splitlines()
    assert len(lines) == 12
    assert "15 more of a list" in lines[5]
    assert "boom" in lines[-1]
