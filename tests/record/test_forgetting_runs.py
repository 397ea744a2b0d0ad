"""Runs are deleted for good: rows, files and bytes; what others need stays; old parts go by the settings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from outside.endpoint import Endpoint, says
from toolwright import Toolwright
from toolwright.errors import NotFoundError, UserError
from toolwright.keeping import DAY_S, Keep, delete_runs, keep_to
from toolwright.runs import held
from toolwright.settings import load
from toolwright.store.home import Home
from toolwright.trace import Event, Place, Run

NEEDLE = "a very telling phrase"


@pytest.fixture
def url() -> Iterator[str]:
    with Endpoint(lambda request: says(f"About {NEEDLE}: {request.user[-1]}")) as endpoint:
        yield endpoint.url


def opened(home: Path, url: str, **settings: Any) -> Toolwright:
    return Toolwright(settings=load(home, {"model": "openai:x", "base_url": url, **settings}))


def command(home: Path, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "toolwright", "runs", *words, "--home", str(home)], capture_output=True, text=True
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done


def holding(home: Path, needle: str = NEEDLE) -> list[str]:
    return [path.name for path in home.rglob("*") if path.is_file() and needle.encode() in path.read_bytes()]


def test_no_byte_of_a_deleted_run_is_left_and_costs_and_audit_stay(tmp_path: Path, url: str) -> None:
    home = tmp_path / "home"
    with opened(home, url) as tw:
        gone = tw.run(f"Tell of {NEEDLE}.").run_id
        kept = tw.run("Another.").run_id
        tw._parts.home.values.put(gone, [NEEDLE] * 500)
        (home / "runs" / gone / "work").mkdir(exist_ok=True)
        (home / "runs" / gone / "work" / "a.txt").write_text(NEEDLE)
        spent = tw._parts.home.ledger.spent(gone)
    assert "home.db" in holding(home)
    with opened(home, url) as tw:
        tw.delete_runs(kept)  # it holds the phrase, too: the model repeats itself
    said = json.loads(command(home, "delete", gone, "--json").stdout)
    assert said == {"type": "runs-deleted", "deleted": [gone], "left": []}
    assert holding(home) == []
    assert not (home / "runs" / gone).exists()
    with opened(home, url) as tw:
        assert tw.runs() == []
        assert tw._parts.home.ledger.spent(gone) == spent
        assert spent.tries == 1
        deed = tw.audit()[0].deed
        assert (deed.what, deed.detail) == ("runs-deleted", f"1: {gone}")
        assert tw.verify_audit().whole
        with pytest.raises(NotFoundError):
            tw.run(resume=gone)


def test_a_run_that_others_go_on_from_goes_with_them_or_stays(tmp_path: Path, url: str) -> None:
    home = tmp_path / "home"
    with opened(home, url) as tw:
        first = tw.run("One.")
        second = tw.run("Two.", history=first)
        other = tw.run("Apart.")
        with pytest.raises(UserError, match=f"Run {second.run_id} goes on from {first.run_id}"):
            tw.delete_runs(other.run_id, first.run_id)
        assert len(tw.runs()) == 3, "all or none"
        tw._parts.home._data._db.execute("UPDATE runs SET started_at = 5 WHERE id = ?", (first.run_id,))
        done = tw.delete_runs_before(10.0)
        assert (done.runs, done.left) == ((), ((first.run_id, f"Run {second.run_id} goes on from it."),))
        assert tw.run("Three.", history=second).status == "complete", "the conversation is whole"
        assert len(tw.delete_runs(first.run_id, conversation=True).runs) == 3
        assert [run.id for run in tw.runs()] == [other.run_id]


def test_a_run_under_way_or_waiting_for_a_person_stays(tmp_path: Path, url: str) -> None:
    home = tmp_path / "home"
    with opened(home, url) as tw:
        run, waiting = tw.run("One."), tw.run("Two.")
        tw._parts.home._data._db.execute("UPDATE runs SET status = 'needs-approval' WHERE id = ?", (waiting.run_id,))
        with held(home / "runs" / run.run_id, run.run_id):
            with pytest.raises(UserError, match=r"Nothing was deleted. Run .* is under way"):
                tw.delete_runs(run.run_id)
            done = tw.delete_runs_before(time.time() + 1)
            assert (done.runs, {run for run, _ in done.left}) == ((), {run.run_id, waiting.run_id})
        with pytest.raises(UserError, match="waits for a person"):
            tw.delete_runs(waiting.run_id)
        assert tw.delete_runs(waiting.run_id, force=True).runs == (waiting.run_id,)
        assert tw.delete_runs_before(time.time() + 1).runs == (run.run_id,)


def test_the_command_says_which_and_asks_before_many_go(tmp_path: Path, url: str) -> None:
    home = tmp_path / "home"
    with opened(home, url) as tw:
        runs = [tw.run(f"Number {number}.").run_id for number in range(2)]
    assert "one of the three" in command(home, "delete", code=2).stderr
    assert "one of the three" in command(home, "delete", runs[0], "--all", code=2).stderr
    assert "say --yes" in command(home, "delete", "--all", code=2).stderr
    assert command(home, "delete", "--before", "2020-01-01", "--yes").stdout == "deleted 0 runs\n"
    assert command(home, "delete", "--all", "--yes").stdout == f"deleted {runs[1]}, {runs[0]}\n"
    assert "All is kept" in command(home, "prune").stderr


def filled(path: Path, now: float) -> Home:
    """Three runs, 30, 20 and 10 days old, each with every kind of thing; of the first somebody waits for an answer."""
    home = Home.open(path)
    for days in (30, 20, 10):
        run = Run(
            f"r{days}", f"task {days}", "local", "complete", started_at=now - days * DAY_S, output=f"answer {days}"
        )
        home.runs.begin(run)
        home.runs.append(Event("run-started", run.id, {"task": run.task}, run.started_at))
        home.runs.append(Event("text", run.id, {"text": f"said {days}"}, run.started_at))
        home.runs.append(Event("outcome", run.id, {"value": f"value {days}"}, run.started_at))
        home.journal.put("orchestrator", Place(run.id, 1), f"prompt {days}".encode())
        home.values.put(run.id, f"long {days}")
        (path / "runs" / run.id).mkdir(parents=True)
        (path / "runs" / run.id / "file").write_text(f"file {days}")
        home.runs.finish(run)
    home._data._db.execute("UPDATE runs SET status = 'needs-approval' WHERE id = 'r30'")
    return home


def test_each_part_goes_after_its_days_and_the_run_stays_listed(tmp_path: Path) -> None:
    now = time.time()
    with closing(filled(tmp_path, now)) as home:
        assert not any(vars_of(keep_to(home, Keep(), now)))
        assert vars_of(keep_to(home, Keep(prompts_days=15), now)) == [0, 0, 1]
        assert holding(tmp_path, "prompt 20") == holding(tmp_path, "said 20") == holding(tmp_path, "task 20") == []
        assert holding(tmp_path, "answer 20") == holding(tmp_path, "value 20") == ["home.db"]
        assert vars_of(keep_to(home, Keep(traces_days=15, values_days=5, prompts_days=15), now)) == [1, 2, 0]
        for gone in ("value 20", "answer 20", "long 20", "file 20", "long 10", "file 10"):
            assert holding(tmp_path, gone) == [], gone
        for kept in ("prompt 30", "long 30", "answer 30", "prompt 10", "task 10", "said 10", "value 10", "answer 10"):
            assert holding(tmp_path, kept), kept
        assert [(run.id, run.task, run.output) for run in home.runs.list()] == [
            ("r10", "task 10", "answer 10"), ("r20", "(removed)", "(removed)"), ("r30", "task 30", "answer 30"),
        ]  # fmt: skip
        assert not (tmp_path / "runs" / "r20").exists()
        assert [line.deed.detail for line in home.audit.latest(limit=3)] == [
            "values of 2 runs", "traces of 1 runs", "prompts of 1 runs",
        ]  # fmt: skip
        assert home.audit.verify().whole


def vars_of(stripped: Any) -> list[int]:
    return [stripped.traces, stripped.values, stripped.prompts]


def test_settings_are_applied_once_a_day_and_what_lost_its_prompts_says_so(tmp_path: Path, url: str) -> None:
    home = tmp_path / "home"
    with opened(home, url) as tw:
        done, cut = tw.run("One.").run_id, tw.run("Two.").run_id
        db = tw._parts.home._data._db
        db.execute("UPDATE runs SET started_at = 5")
        db.execute("UPDATE runs SET status = 'failed' WHERE id = ?", (cut,))
    with opened(home, url, **{"keep.prompts_days": 1}) as tw:
        assert [run.task for run in tw.runs()] == ["(removed)"] * 2
        with pytest.raises(UserError, match=r"was removed .setting keep.prompts_days., so nothing can go on from it"):
            tw.run("More.", history=done)
        with pytest.raises(UserError, match=r"was removed .setting keep.prompts_days.: begin anew"):
            tw.run(resume=cut)
        later = tw.run("Three.").run_id
        tw._parts.home._data._db.execute("UPDATE runs SET started_at = 6 WHERE id = ?", (later,))
    with opened(home, url, **{"keep.prompts_days": 1}) as tw:
        assert tw.run_record(later).task == "Three.", "once a day is enough"
        assert vars_of(tw.prune_runs()) == [0, 0, 1]


def test_what_was_deleted_is_written_over_where_the_file_was_not_written_anew(tmp_path: Path) -> None:
    """As after a kill between the two."""
    with closing(filled(tmp_path, time.time())) as home:
        home.forgetting.delete(["r20"])
        home.forgetting.strip("traces", ["r10"])
    for gone in ("prompt 20", "value 20", "long 20", "value 10"):
        assert holding(tmp_path, gone) == [], gone
    assert holding(tmp_path, "prompt 10") == ["home.db"]


def test_what_an_older_form_of_a_row_left_goes_too(tmp_path: Path) -> None:
    run = Run("20260101-000000-abcdef", "task", "local", "complete", output=f"{NEEDLE} " * 2000)
    with closing(Home.open(tmp_path)) as home:
        home.runs.finish(run)
        home.runs.finish(replace(run, output="short"))
        delete_runs(home, [run.id])
    assert holding(tmp_path) == []


@pytest.mark.parametrize(("answer", "said", "left"), [("n", "Nothing was deleted", 1), ("y", "deleted 2026", 0)])
def test_a_person_at_a_terminal_is_asked_before_all_go(tmp_path: Path, answer: str, said: str, left: int) -> None:
    pexpect = pytest.importorskip("pexpect")
    with closing(Home.open(tmp_path)) as home:
        home.runs.finish(Run("20260101-000000-abcdef", "task", "local", "complete", started_at=1.0))
    child = pexpect.spawn(
        sys.executable, ["-m", "toolwright", "runs", "delete", "--all", "--home", str(tmp_path)], encoding="utf-8"
    )
    child.expect_exact("Delete every run? [y/N] ", timeout=60)
    child.sendline(answer)
    child.expect_exact(said.replace("2026", "20260101-000000-abcdef"), timeout=60)
    child.expect(pexpect.EOF, timeout=60)
    with closing(Home.open(tmp_path)) as home:
        assert len(home.runs.list()) == left


def test_a_folder_that_a_kill_left_of_no_run_goes_with_the_values(tmp_path: Path, url: str) -> None:
    home = tmp_path / "home"
    with opened(home, url) as tw:
        kept = tw.run("Another.").run_id
        now = time.time()
        for name, days in (("20261101-101010-00000a", 9), ("20261101-101010-00000b", 1.1), ("notes", 9), (kept, 2)):
            (home / "runs" / name / "work").mkdir(parents=True, exist_ok=True)
            (home / "runs" / name / "work" / "a.txt").write_text(NEEDLE)
            os.utime(home / "runs" / name, (now - days * DAY_S,) * 2)
        keep_to(tw._parts.home, Keep(traces_days=0.0))
        assert len(list((home / "runs").iterdir())) == 4
        keep_to(tw._parts.home, Keep(values_days=5.0))
        left = sorted(path.name for path in (home / "runs").iterdir())
        assert left == sorted(["20261101-101010-00000b", "notes", kept])
        keep_to(tw._parts.home, Keep(values_days=0.0))
    assert sorted(path.name for path in (home / "runs").iterdir()) == ["notes"]


def test_what_clients_had_made_and_called_without_a_run_goes_after_its_days_too(tmp_path: Path) -> None:
    home, now = tmp_path / "home", time.time()
    with opened(home, "http://127.0.0.1:9") as tw:
        data, book = tw._parts.home._data._db, tw._parts.home
        for number, days in (("1", 20), ("2", 2)):
            errand = f"20261101-10101{number}-00000a"
            book.journal.put("generator", Place(errand, 0), f"prompt {number}".encode())
            book.runs.append(Event("check", errand, {"detail": f"happened {number}"}, now - days * DAY_S))
            handle = tw.keep_value([f"long {number}"])
            data.execute("UPDATE journal SET at = ? WHERE run_id = ?", (now - days * DAY_S, errand))
            data.execute('UPDATE "values" SET at = ? WHERE handle = ?', (now - days * DAY_S, handle))
            folder = home / "handed-out" / errand
            folder.mkdir(parents=True)
            (folder / "big.bin").write_text(f"file {number}")
            os.utime(folder, (now - days * DAY_S,) * 2)
        book.journal.put("tool", Place("visiting-calls", 0, "key #1"), b"note")
        data.execute("UPDATE journal SET at = 5 WHERE run_id = 'visiting-calls'")
        assert keep_to(book, Keep(), now).loose == 0
        assert keep_to(book, Keep(traces_days=10), now).loose == 1
        assert keep_to(book, Keep(values_days=10), now).loose == 2, "a value and a folder"
        assert keep_to(book, Keep(prompts_days=10), now).loose == 1
        assert keep_to(book, Keep(10, 10, 10), now).loose == 0, "nothing goes twice"
        for gone in ("prompt 1", "happened 1", "long 1", "file 1"):
            assert holding(home, gone) == [], gone
        for kept in ("prompt 2", "happened 2", "long 2"):
            assert holding(home, kept), kept
        assert holding(home, "file 2") == ["big.bin"]
        assert book.journal.get("tool", Place("visiting-calls", 0, "key #1")) == b"note"
        # What is handed out once more is as new as that.
        tw.keep_value(["long 2"])
        keep_to(book, Keep(values_days=1), now)
        assert holding(home, "long 2")
        assert list((home / "handed-out").iterdir()) == []
        # What may still be under way is left, however short the days.
        assert keep_to(book, Keep(0, 0, 0), time.time() + 1).loose == 2
        assert holding(home, "long 2")
    said = as_json_of(command(home, "prune", "--json"))
    assert said["loose"] == 0


def as_json_of(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    return dict(json.loads(done.stdout))
