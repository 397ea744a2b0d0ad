"""home.db: what a run leaves is there after any end; old homes grow, newer ones are refused; secrets never reach it."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from toolwright.call import FileRef, Status
from toolwright.errors import FaultError, NotFoundError, SettingsError
from toolwright.policy import Approval, Question
from toolwright.powers import Grant
from toolwright.store import migrations
from toolwright.store.calls import CallRow
from toolwright.store.home import Home
from toolwright.trace import Cost, Event, Place, Run, Try

RELEASED = Path(__file__).parent / "released"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    opened = Home.open(tmp_path / "home")
    yield opened
    opened.close()


def reopened(home: Home) -> Home:
    home.close()
    return Home.open(home.path)


def test_a_new_home_belongs_to_its_owner_alone(tmp_path: Path) -> None:
    home = Home.open(tmp_path / "some/where/home")
    home.runs.begin(Run("r1", "task"))
    assert stat.S_IMODE((tmp_path / "some/where/home").stat().st_mode) == 0o700
    for path in (tmp_path / "some/where/home").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    home.close()


def test_a_run_comes_back_as_it_was_kept(home: Home) -> None:
    begun = Run("r1", "Do it.", model="a:b", started_at=5.0, settings={"surface": "native", "steps": 3})
    home.runs.begin(begun)
    assert home.runs.get("r1") == begun
    ended = Run(
        "r1",
        "Do it.",
        status="complete",
        started_at=5.0,
        ended_at=9.0,
        output="done",
        made=("a@1",),
        reused=("b@2",),
        files=(FileRef("out.csv", 3, "ab"),),
        cost=Cost(1, 2, None, 3),
    )
    home.runs.finish(ended)
    again = reopened(home)
    assert again.runs.get("r1") == ended
    with pytest.raises(NotFoundError, match="toolwright runs"):
        again.runs.get("r2")
    again.close()


def test_a_run_that_says_no_end_ends_now(home: Home) -> None:
    home.runs.finish(Run("r1", "task", status="failed", started_at=1.0))
    assert (home.runs.get("r1").ended_at or 0) > 1_700_000_000


def test_runs_are_listed_newest_first_in_pages(home: Home) -> None:
    for number in range(5):
        home.runs.begin(Run(f"r{number}", "task", started_at=float(number)))
    assert [run.id for run in home.runs.list(limit=2)] == ["r4", "r3"]
    assert [run.id for run in home.runs.list(limit=2, offset=4)] == ["r0"]


def test_events_come_back_in_order(home: Home) -> None:
    for number in range(3):
        home.runs.append(Event("text", "r1", {"text": f"é {number}"}, at=float(number)))
    home.runs.append(Event("text", "r2", {"text": "other"}))
    assert [(event.data["text"], event.at) for event in home.runs.events("r1")] == [
        ("é 0", 0.0),
        ("é 1", 1.0),
        ("é 2", 2.0),
    ]
    assert home.runs.events("nobody") == []


def test_the_journal_answers_by_role_and_place_and_the_first_word_stays(home: Home) -> None:
    place = Place("r1", 2, "0.1")
    home.journal.put("generator", place, b"\x00answer")
    home.journal.put("generator", place, b"another")
    again = reopened(home)
    assert again.journal.get("generator", place) == b"\x00answer"
    for role, other in [("tool", place), ("generator", Place("r1", 2, "0.2")), ("generator", Place("r2", 2, "0.1"))]:
        assert again.journal.get(role, other) is None
    again.journal.put("tool", Place("r1", 3, "0"), b"")
    assert again.journal.get("tool", Place("r1", 3, "0")) == b""
    assert again.journal.places("r1") == [("generator", place), ("tool", Place("r1", 3, "0"))]
    again.close()


KILLED = """
import os, signal, sys
from pathlib import Path
from toolwright.store.home import Home
from toolwright.trace import Place, Try
home = Home.open(Path(sys.argv[1]))
for number in range(int(sys.argv[2])):
    home.journal.put("orchestrator", Place("r1", number), b"answer %d" % number)
    home.ledger.debit(Try("orchestrator", Place("r1", number), "m", 10, 20, 0.5))
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_was_put_is_there_after_a_kill(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "home"), "7"])
    assert done.returncode == -signal.SIGKILL
    home = Home.open(tmp_path / "home")
    assert [home.journal.get("orchestrator", Place("r1", number)) for number in range(8)] == [
        *(b"answer %d" % number for number in range(7)),
        None,
    ]
    spent = home.ledger.spent("r1")
    assert (spent.cost, spent.tries, spent.unsettled) == (Cost(70, 140, 3.5, 7), 7, 7)
    home.close()


def test_a_debit_stands_at_its_worst_case_until_it_is_settled(home: Home) -> None:
    place = Place("r1", 1, "0")
    entry = home.ledger.debit(Try("generator", place, "a:b", 1000, 500, 0.75))
    assert home.runs.cost("r1") == Cost(1000, 500, 0.75, 1)
    home.ledger.settle(entry, Cost(900, 10, 0.125, 1), "settled")
    assert home.runs.cost("r1") == Cost(900, 10, 0.125, 1)
    failed = home.ledger.debit(Try("generator", place, "a:b", 1000, 500, 0.75))
    home.ledger.settle(failed, Cost(calls=1), "failed")
    lost = home.ledger.debit(Try("generator", place, "a:b", 1, 2, 0.5))
    home.ledger.settle(lost, None, "unknown")
    spent = home.ledger.spent("r1")
    assert (spent.cost, spent.tries, spent.unsettled) == (Cost(901, 12, 0.625, 3), 3, 1)
    with pytest.raises(NotFoundError):
        home.ledger.settle(99, None, "unknown")


def test_a_price_that_nobody_knows_makes_the_sum_unknown_and_not_zero(home: Home) -> None:
    home.ledger.debit(Try("generator", Place("r1"), "a:b", 1, 1, 0.5))
    home.ledger.debit(Try("generator", Place("r1"), "local:x", 1, 1, None))
    assert home.ledger.spent("r1").cost.dollars is None
    assert home.ledger.spent("r2").cost == Cost(0, 0, 0.0, 0)


def approval(**more: object) -> Approval:
    given = {
        "namespace": "local",
        "name": "rate",
        "grant": Grant(hosts=("api.example.com",), secrets=("KEY",)),
        "packages": ("numpy",),
        "effect": "reads",
        "origin": "agent",
        "digest": "d",
        "at": 5.0,
    }
    return Approval(**given | more)  # type: ignore[arg-type]


def question(**more: object) -> Question:
    given = {"name": "rate", "description": "", "grant": Grant(hosts=("api.example.com",)), "effect": "reads"}
    return Question(**given | more)  # type: ignore[arg-type]


def test_an_approval_answers_what_it_covers_and_nothing_else(home: Home) -> None:
    assert home.approvals.covering(question()) is None
    home.approvals.record(approval())
    again = reopened(home)
    assert again.approvals.covering(question()) == approval()
    for other in [
        question(name="other"),
        question(namespace="team"),
        question(origin="person"),
        question(effect="writes"),
        question(grant=Grant(hosts=("evil.example.com",))),
        question(packages=("scipy",)),
    ]:
        assert again.approvals.covering(other) is None
    again.close()


def test_a_standing_approval_covers_every_name_for_its_hosts(home: Home) -> None:
    home.approvals.record(approval(standing=True, grant=Grant(hosts=("api.example.com",))))
    assert home.approvals.covering(question(name="another")) is not None
    assert home.approvals.covering(question(name="another", effect="writes")) is None


def test_a_revoked_approval_covers_nothing_any_more(home: Home) -> None:
    home.approvals.record(approval())
    [(number, kept)] = home.approvals.list()
    assert kept == approval()
    home.approvals.revoke(number)
    assert home.approvals.covering(question()) is None
    assert home.approvals.list() == []
    with pytest.raises(NotFoundError):
        home.approvals.revoke(number)


def test_a_value_is_fetched_by_its_handle_within_its_run_only(home: Home) -> None:
    value = {"rows": [{"a": 1.5, "b": None, "c": "é"}] * 50}
    handle = home.values.put("r1", value)
    assert home.values.put("r1", value) == handle
    assert home.values.get("r1", handle) == value
    for run_id, other in [("r2", handle), ("r1", "nothing")]:
        with pytest.raises(NotFoundError):
            home.values.get(run_id, other)


SECRET = 'tøp-"secret"\\value-123'


def test_the_value_of_a_secret_reaches_no_file_of_the_home(home: Home) -> None:
    home.hide({"API_KEY": SECRET, "SHORT": "abc"})
    home.runs.begin(Run("r1", f"Use {SECRET}.", output=SECRET, settings={"note": SECRET}))
    home.runs.append(Event("outcome", "r1", {"detail": f"401 for {SECRET}", "deep": [{"k": SECRET}]}))
    home.journal.put("tool", Place("r1"), f"it said {SECRET}".encode())
    home.calls.add(CallRow("local", "rate", 1, Status.RAISED, error=f"bad key {SECRET}"))
    handle = home.values.put("r1", {"echo": SECRET, "abc": 1})
    assert home.values.get("r1", handle) == {"echo": "[secret API_KEY]", "abc": 1}
    assert home.runs.events("r1")[0].data["detail"] == "401 for [secret API_KEY]"
    assert home.runs.get("r1").task == "Use [secret API_KEY]."
    assert home.journal.get("tool", Place("r1")) == b"it said [secret API_KEY]"
    home.close()
    for path in home.path.iterdir():
        data = path.read_bytes()
        for spelled in (b'secret"\\value-123', b"value-123"):
            assert spelled not in data, path


def test_a_secret_that_is_a_number_leaves_json_readable(home: Home) -> None:
    home.hide({"PIN": "12345678"})
    data = {"n": 12345678, "text": "pin 12345678", "12345678": [912345678, True, None, 0.5]}
    hidden = {"n": "[secret PIN]", "text": "pin [secret PIN]", "[secret PIN]": [912345678, True, None, 0.5]}
    home.runs.append(Event("outcome", "r1", data))
    assert home.runs.events("r1")[0].data == hidden
    assert home.values.get("r1", home.values.put("r1", data)) == hidden
    home.journal.put("tool", Place("r1"), json.dumps(data).encode())
    assert json.loads(home.journal.get("tool", Place("r1")) or b"") == hidden
    untouched = b'{"spaced" :  1}\xff'
    home.journal.put("tool", Place("r1", 1), untouched)
    assert home.journal.get("tool", Place("r1", 1)) == untouched


def test_a_long_error_is_kept_in_part(home: Home) -> None:
    home.calls.add(CallRow("local", "rate", 1, Status.RAISED, error="x" * 10**6))
    assert len(home.calls.list("local", "rate")[0].error) == 2000


def test_calls_are_listed_newest_first_by_version(home: Home) -> None:
    for number in (1, 2, 1):
        home.calls.add(CallRow("local", "rate", number, Status.OK, at=float(number)))
    assert [row.number for row in home.calls.list("local", "rate")] == [1, 2, 1]
    assert [row.number for row in home.calls.list("local", "rate", 2)] == [2]
    assert home.calls.highest("local", "rate") == 2
    assert home.calls.highest("local", "other") == 0


def test_threads_and_two_openings_write_side_by_side(home: Home) -> None:
    other = Home.open(home.path)
    failed: list[BaseException] = []

    def write(book: Home, which: int) -> None:
        try:
            for number in range(15):
                book.journal.put("tool", Place(f"r{which}", number), b"x")
                book.runs.append(Event("text", f"r{which}", {"n": number}))
        except BaseException as error:  # noqa: BLE001 - handed to the test's own thread
            failed.append(error)

    threads = [threading.Thread(target=write, args=((home, other)[which % 2], which)) for which in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    for which in range(4):
        assert len(home.journal.places(f"r{which}")) == 15
        assert [event.data["n"] for event in other.runs.events(f"r{which}")] == list(range(15))
    other.close()


def schema_of(path: Path) -> list[str]:
    with sqlite3.connect(path) as db:
        rows = db.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name").fetchall()
    db.close()
    return [" ".join(row[0].split()) for row in rows]


def make_released(version: int, path: Path) -> None:
    with sqlite3.connect(path) as db:
        db.executescript((RELEASED / f"home-{version}.sql").read_text())
        db.execute(f"PRAGMA user_version = {version}")
    db.close()


def test_every_released_form_of_the_home_is_kept_here() -> None:
    assert [int(path.stem.removeprefix("home-")) for path in sorted(RELEASED.glob("home-*.sql"))] == list(
        range(1, len(migrations.STEPS) + 1)
    )


@pytest.mark.parametrize("version", range(1, len(migrations.STEPS) + 1))
def test_a_home_of_any_release_grows_into_todays(tmp_path: Path, version: int) -> None:
    folder = tmp_path / "old"
    folder.mkdir()
    make_released(version, folder / "home.db")
    Home.open(folder).close()
    Home.open(tmp_path / "new").close()
    assert schema_of(folder / "home.db") == schema_of(tmp_path / "new/home.db")


def test_a_released_step_never_changes(tmp_path: Path) -> None:
    for version in range(1, len(migrations.STEPS) + 1):
        with sqlite3.connect(tmp_path / f"{version}.db", isolation_level=None) as db:
            migrations.migrate(db, migrations.STEPS[:version])
        db.close()
        make_released(version, tmp_path / f"released-{version}.db")
        assert schema_of(tmp_path / f"{version}.db") == schema_of(tmp_path / f"released-{version}.db")


def test_a_step_that_fails_leaves_the_home_as_it_was(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "home.db", isolation_level=None) as db:
        migrations.migrate(db)
        before = schema_of(tmp_path / "home.db")
        with pytest.raises(sqlite3.OperationalError):
            migrations.migrate(db, (*migrations.STEPS, "CREATE TABLE extra (x); CREATE TABLE runs (x)"))
        assert migrations.check(db) == len(migrations.STEPS)
    db.close()
    assert schema_of(tmp_path / "home.db") == before


def test_a_home_of_a_newer_release_is_refused_in_words(home: Home) -> None:
    home.close()
    with sqlite3.connect(home.path / "home.db") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(SettingsError, match="newer"):
        Home.open(home.path)


def test_a_damaged_home_is_refused_in_words_and_left_as_it_is(home: Home) -> None:
    home.close()
    (home.path / "home.db").write_bytes(b"no database" * 1000)
    with pytest.raises(FaultError, match="damaged"):
        Home.open(home.path)
    assert (home.path / "home.db").read_bytes() == b"no database" * 1000


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_place_where_no_home_can_be_made_is_said(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(SettingsError, match="--home"):
        Home.open(tmp_path / "home")
    tmp_path.chmod(0o700)


def test_a_file_in_the_place_of_the_home_is_said(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")
    with pytest.raises((SettingsError, FaultError), match="home"):
        Home.open(tmp_path / "home")
