"""The audit: what is decided is in it, and whoever changes it from outside is found; damage is not healed by going on."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
import tarfile
from contextlib import closing
from pathlib import Path

import pytest

from toolwright import ApprovalAnswer, Toolwright
from toolwright.deeds import Deed
from toolwright.store import database
from toolwright.store.audit import AuditBook, Head, link
from toolwright.store.home import Home
from toolwright.store.redaction import Redaction
from toolwright.trace import Run

RELEASED = Path(__file__).parents[1] / "registry" / "released"
COLUMNS = ("id", "at", "who", "what", "namespace", "name", "number", "detail", "run_id", "hash")
LINES = 8
NO_HASHES = "UPDATE audit SET hash = ''"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    with closing(Home.open(tmp_path / "home")) as opened:
        opened.runs.begin(Run("r1", "Do it.", model="a:b"))
        opened.runs.finish(Run("r1", "Do it.", status="complete"))
        for number in range(LINES - 2):
            opened.audit.add(Deed("person", "retired", "local", f"tool_{number}", number, f"reason {number}"))
    return tmp_path / "home"


def edited(home: Path, *statements: str) -> None:
    with closing(sqlite3.connect(home / "home.db")) as db, db:
        for one in statements:
            db.execute(one)


def command(home: Path, *words: str, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "toolwright", "audit", *words, "--home", str(home)], capture_output=True, text=True
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def problem(home: Path, known: Head | None = None) -> str:
    with closing(Home.open(home)) as opened:
        return opened.audit.verify(known).problem


def head_of(home: Path) -> Head:
    with closing(Home.open(home)) as opened:
        return opened.audit.verify().head


def moved(one: int, other: int) -> list[str]:
    return [
        f"UPDATE audit SET id = -1 WHERE id = {one}",
        f"UPDATE audit SET id = {one} WHERE id = {other}",
        f"UPDATE audit SET id = {other} WHERE id = -1",
    ]


def swapped(one: int, other: int) -> list[str]:
    """What the two lines say changes places; their numbers and hashes stay where they are."""
    columns = [name for name in COLUMNS if name not in ("id", "hash")]
    both = ", ".join(f"{name} = (SELECT {name} FROM aside WHERE aside.id != audit.id)" for name in columns)
    return [
        f"CREATE TEMP TABLE aside AS SELECT * FROM audit WHERE id IN ({one}, {other})",
        f"UPDATE audit SET {both} WHERE id IN ({one}, {other})",
    ]


def test_a_changed_byte_of_the_file_is_found(home: Path) -> None:
    assert json.loads(command(home, "verify", "--json")) == {
        "type": "audit-verified", "whole": True, "count": LINES, "hash": head_of(home).hash,
        "line": None, "problem": "", "unchained": 0,
    }  # fmt: skip
    edited(home, "PRAGMA wal_checkpoint(TRUNCATE)")
    data = (home / "home.db").read_bytes()
    for wanted in (b"reason 4", b"tool_4"):
        at = data.rindex(wanted)
        for byte in (b"R", b"\xff"):
            (home / "home.db").write_bytes(data[:at] + byte + data[at + 1 :])
            said = command(home, "verify", code=1)
            assert said.startswith("not whole: Line 7 does not fit"), said
            assert "tool_3" in command(home), "what can be read of it is shown all the same"
    (home / "home.db").write_bytes(data)
    assert command(home, "verify").startswith(f"whole: {LINES} lines, head {LINES}:")


@pytest.mark.parametrize("column", COLUMNS)
def test_a_change_in_any_column_is_found(home: Path, column: str) -> None:
    for line in (1, 4, LINES):
        shutil.copytree(home, home.parent / "copy", dirs_exist_ok=True)
        new = "99" if column in ("id", "number", "at") else "'other'"
        edited(home.parent / "copy", f"UPDATE audit SET {column} = {new} WHERE id = {line}")
        assert "does not fit" in problem(home.parent / "copy"), line
        shutil.rmtree(home.parent / "copy")


@pytest.mark.parametrize(
    ("statements", "found"),
    [
        pytest.param(["DELETE FROM audit WHERE id = 1"], "Line 2 does not fit", id="first line removed"),
        pytest.param(["DELETE FROM audit WHERE id = 4"], "Line 5 does not fit", id="line removed"),
        pytest.param(
            ["DELETE FROM audit WHERE id = 4", "UPDATE audit SET id = id - 1 WHERE id > 4"],
            "Line 4 does not fit",
            id="line removed and the gap closed",
        ),
        pytest.param(moved(3, 4), "Line 3 does not fit", id="two lines swapped"),
        pytest.param(swapped(3, 4), "Line 3 does not fit", id="what two lines say swapped"),
        pytest.param([f"DELETE FROM audit WHERE id > {LINES - 2}"], "2 of 8 lines are missing", id="end cut off"),
        pytest.param([f"DELETE FROM audit WHERE id = {LINES}"], "1 of 8 lines are missing", id="last line removed"),
        pytest.param(["DELETE FROM audit"], "8 of 8 lines are missing", id="all lines removed"),
        pytest.param(["DELETE FROM audit_head"], "their head is gone", id="head removed"),
        pytest.param([NO_HASHES, "DELETE FROM audit_head"], "Line 1 does not fit", id="as if never chained"),
        pytest.param(
            [NO_HASHES, "UPDATE audit_head SET count = 0, hash = ''"], "Line 1 does not fit", id="as if just begun"
        ),
        pytest.param(
            ["DELETE FROM audit", "DELETE FROM audit_head"], "both were taken away", id="all and head removed"
        ),
        pytest.param(["UPDATE audit_head SET count = 7"], "the lines say 8:", id="count changed"),
        pytest.param(["UPDATE audit_head SET count = 'x'"], "the lines say 8:", id="count no number"),
        pytest.param(["UPDATE audit_head SET hash = 'x'"], "the lines say 8:", id="hash of the head changed"),
        pytest.param(
            [
                "INSERT INTO audit SELECT 9, at, who, what, namespace, name, number, detail, '', '' FROM audit WHERE id = 3"
            ],
            "Line 9 does not fit",
            id="line added",
        ),
    ],
)
def test_what_was_done_to_the_lines_is_found_and_stays_so(home: Path, statements: list[str], found: str) -> None:
    edited(home, *statements)
    assert found in problem(home)
    with closing(Home.open(home)) as opened:
        opened.audit.add(Deed("person", "restored", "local", "x"))
    assert problem(home), "what comes later hides nothing"


def test_who_rewrites_lines_and_head_is_found_by_a_head_that_was_kept_elsewhere(home: Path) -> None:
    known = head_of(home)
    *_, last = (json.loads(line) for line in command(home, "export").splitlines())
    assert last == {"type": "audit-head", "count": known.count, "hash": known.hash}
    shutil.copytree(home, home.parent / "cut")
    edited(
        home.parent / "cut",
        f"DELETE FROM audit WHERE id > {LINES - 2}",
        f"UPDATE audit_head SET count = {LINES - 2}, hash = (SELECT hash FROM audit WHERE id = {LINES - 2})",
    )
    assert command(home.parent / "cut", "verify").startswith("whole: 6 lines")
    said = command(home.parent / "cut", "verify", "--head", str(known), code=1)
    assert "A head with 8 lines was kept elsewhere, but there are 6: the end was cut off." in said
    rewritten(home, 3, "another reason")
    assert problem(home) == ""
    assert problem(home, known).startswith("Line 8 is not the one whose hash was kept elsewhere")
    assert "not COUNT:HASH" not in command(home, "verify", "--head", str(head_of(home)))


def rewritten(home: Path, line: int, detail: str) -> None:
    """The work of one who knows how: every hash from *line* on is made anew, and the head."""
    with closing(sqlite3.connect(home / "home.db")) as db, db:
        db.execute("UPDATE audit SET detail = ? WHERE id = ?", (detail, line))
        before, count = "", 0
        for row in db.execute(f"SELECT {', '.join(COLUMNS[:-1])} FROM audit ORDER BY id").fetchall():
            before, count = link(before, row), count + 1
            db.execute("UPDATE audit SET hash = ? WHERE id = ?", (before, row[0]))
        db.execute("UPDATE audit_head SET count = ?, hash = ?", (count, before))


def test_anybody_can_check_an_export_with_the_rule_that_the_page_gives(home: Path) -> None:
    import hashlib

    *lines, head = (json.loads(line) for line in command(home, "export").splitlines())
    before = ""
    for line in lines:
        order = ("id", "at", "who", "what", "namespace", "name", "number", "detail", "run_id")
        text = json.dumps([before, *(line[key] for key in order)], separators=(",", ":"))
        before = hashlib.sha256(text.encode("ascii")).hexdigest()
        assert before == line["hash"]
    assert (len(lines), before) == (head["count"], head["hash"])
    assert [line["what"] for line in lines[:2]] == ["run-begun", "run-ended"]
    assert command(home, "export", "--since", "2100-01-01").count("\n") == 1


@pytest.mark.parametrize("name", sorted(path.name for path in RELEASED.glob("*.tar.gz")))
def test_lines_of_an_older_home_are_chained_when_it_is_first_opened(tmp_path: Path, name: str) -> None:
    with tarfile.open(RELEASED / name) as packed:
        packed.extractall(tmp_path)
    with closing(sqlite3.connect(tmp_path / "home.db")) as db:
        db.executescript((tmp_path / "home.sql").read_text())
        before = db.execute("SELECT at, who, what, name, detail FROM audit ORDER BY id").fetchall()
        chained = db.execute("PRAGMA user_version").fetchone()[0] >= 5
    begun = [] if chained else [("chain-begun", f"lines that were not chained until then: {len(before)}")]
    with closing(Home.open(tmp_path)) as opened:
        found = opened.audit.verify()
        assert (found.whole, found.unchained, found.head.count) == (True, 0, len(before) + len(begun))
        opened.audit.add(Deed("person", "retired", "local", "slugify"))
        found = opened.audit.verify()
        assert (found.whole, found.head.count) == (True, len(before) + len(begun) + 1)
        latest = [line.deed for line in reversed(opened.audit.latest(limit=1000))]
    assert [(one.at, one.who, one.what, one.name, one.detail) for one in latest[: len(before)]] == before
    assert [(one.what, one.detail) for one in latest[len(before) : -1]] == begun
    edited(tmp_path, "UPDATE audit SET who = 'nobody' WHERE id = 1")
    assert "Line 1 does not fit" in problem(tmp_path)


def test_an_older_home_that_can_only_be_read_is_told_to_be_from_before(tmp_path: Path) -> None:
    with tarfile.open(RELEASED / "home-4.tar.gz") as packed:
        packed.extractall(tmp_path)
    with closing(sqlite3.connect(tmp_path / "home.db")) as db:
        db.executescript((tmp_path / "home.sql").read_text())
    data = database.Database(database.connect_reading(tmp_path / "home.db"), tmp_path / "home.db")
    found = AuditBook(data, Redaction()).verify()
    data.close()
    assert (found.whole, found.unchained, found.head) == (True, 7, Head())


WRITER = """
import sys
from pathlib import Path
from toolwright.deeds import Deed
from toolwright.store.home import Home
home = Home.open(Path(sys.argv[1]))
number = 0
while number < int(sys.argv[2]):
    home.audit.add(Deed("person", "retired", "local", sys.argv[3], number))
    number += 1
    print(number, flush=True)
"""


def test_writers_in_several_processes_keep_one_chain(tmp_path: Path) -> None:
    Home.open(tmp_path).close()
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), "40", str(n)], stdout=subprocess.DEVNULL)
        for n in range(3)
    ]
    assert [one.wait() for one in writers] == [0, 0, 0]
    with closing(Home.open(tmp_path)) as opened:
        found = opened.audit.verify()
    assert (found.whole, found.head.count) == (True, 120)


@pytest.mark.parametrize("after", [1, 7, pytest.param(20, marks=pytest.mark.long)])
def test_a_kill_leaves_lines_and_head_together(tmp_path: Path, after: int) -> None:
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path), "1000000", "x"], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    said = [writer.stdout.readline() for _ in range(after)][-1]
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    writer.stdout.close()
    with closing(Home.open(tmp_path)) as opened:
        found = opened.audit.verify()
    assert found.whole
    assert found.head.count >= int(said)


KEEP = '''
def keep(word: str) -> str:
    """Look a word up in a folder."""
    import pathlib

    return pathlib.Path("{folder}", word).read_text()
'''


def decided(tw: Toolwright) -> list[tuple[str, str]]:
    return [(line.deed.what, line.deed.who) for line in reversed(tw.audit()) if line.deed.what != "signing-begun"]


def test_questions_answers_and_refusals_are_in_it(tmp_path: Path) -> None:
    folder = tmp_path / "words"
    folder.mkdir()
    (folder / "a").write_text("alpha")
    (tmp_path / "keep.py").write_text(KEEP.format(folder=folder))
    answers: list[ApprovalAnswer] = [
        ApprovalAnswer(False, reason="Not this folder.", who="ada"), ApprovalAnswer(True, who="bob"),
    ]  # fmt: skip

    def import_it(tw: Toolwright) -> object:
        return tw.import_file(tmp_path / "keep.py", example="keep('a') == 'alpha'", reads=[str(folder)])

    with Toolwright(home=tmp_path / "home", approve=lambda request: answers.pop(0)) as tw:
        import_it(tw)
        assert decided(tw) == [("asked", "toolwright"), ("denied", "ada")]
        said = tw.audit()[0].deed
        assert f"read {folder}" in said.detail
        assert said.detail.endswith("; Not this folder.")
        made = import_it(tw).version  # type: ignore[attr-defined]
        assert decided(tw)[2:] == [("asked", "toolwright"), ("approved", "bob"), ("admitted", "person")]
        assert tw.audit()[1].deed.detail.startswith(f"digest {made.digest}; read {folder}")
        ((number, _),) = tw._parts.home.approvals.list()
        tw._parts.home.approvals.revoke(number)
        tw.retire("keep")
        assert decided(tw)[5:] == [("approval-revoked", "person"), ("retired", "person")]
        assert tw.verify_audit().whole
    (tmp_path / "policy.toml").write_text(f'[[rule]]\naction = "deny"\nreads = ["{folder}"]\n')
    with Toolwright(home=tmp_path / "home", policy=tmp_path / "policy.toml", approve=True) as tw:
        import_it(tw)
        assert decided(tw)[7:8] == [("policy-denied", "policy")]
        assert "rule 1" in tw.audit()[0].deed.detail


def test_no_home_is_made_to_be_verified(tmp_path: Path) -> None:
    command(tmp_path / "nowhere", "verify", code=2)
    assert not (tmp_path / "nowhere").exists()
