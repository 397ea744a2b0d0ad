"""The index is disposable: deleted, broken, outdated or behind, it comes back equal; opening never scans."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from shelf import Shelf, open_shelf, spec_of, verdict_of

from toolwright.errors import EditedError
from toolwright.search import FtsRetriever
from toolwright.store.index import Index

OPENED = """
import sys
from pathlib import Path
seen = []
sys.path.insert(0, sys.argv[1])
from shelf import open_shelf
counted = ("open", "os.scandir", "os.listdir", "sqlite3.connect")
sys.addaudithook(lambda event, args: seen.append(event) if event in counted else None)
shelf = open_shelf(Path(sys.argv[2]))
print(sorted(seen))
"""


def fill(shelf: Shelf, count: int) -> None:
    for number in range(count):
        shelf.registry.admit(verdict_of(f"tool_{number}", f"Do thing number {number}.", body=f"rate + {number}"))


def everything(shelf: Shelf) -> list[Any]:
    registry = shelf.registry
    return [
        registry.list(every=True),
        registry.list(),
        registry.names(),
        registry.count(),
        [(match.info.name, round(match.score, 6)) for match in registry.search("thing number 3 or 4", limit=5)],
        registry.near(spec_of("tool_2", "Do thing number 2.")),
        [registry.get(name) for name in registry.names()],
    ]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    shelf = open_shelf(tmp_path / "home")
    fill(shelf, 6)
    shelf.registry.admit(verdict_of("tool_3", "Do thing number 3.", body="amount"), new_version=True)
    shelf.registry.retire("tool_5")
    shelf.registry.admit(verdict_of("tool_1", "Do thing of a team.", namespace="team"))
    shelf.close()
    return tmp_path / "home"


def remove(home: Path) -> None:
    for path in home.glob("index.db*"):
        path.unlink()


def leave_the_wal(home: Path) -> None:
    (home / "index.db").unlink()
    (home / "index.db-wal").write_bytes(b"left over")


def overwrite(home: Path) -> None:
    remove(home)
    (home / "index.db").write_bytes(b"this is no database at all" * 400)


def tear(home: Path) -> None:
    data = (home / "index.db").read_bytes()
    remove(home)
    (home / "index.db").write_bytes(data[: len(data) // 2 // 4096 * 4096])


def scramble(home: Path) -> None:
    data = bytearray((home / "index.db").read_bytes())
    remove(home)
    data[4096:] = bytes(len(data) - 4096)
    (home / "index.db").write_bytes(bytes(data))


def empty(home: Path) -> None:
    remove(home)
    (home / "index.db").touch()


def outdate(home: Path) -> None:
    with sqlite3.connect(home / "index.db") as db:
        db.execute("UPDATE meta SET form = 'older'")
    db.close()


@pytest.mark.parametrize("harm", [remove, leave_the_wal, overwrite, tear, scramble, empty, outdate])
def test_an_index_that_came_to_harm_is_made_anew_and_equal(home: Path, harm: Any) -> None:
    shelf = open_shelf(home)
    before = everything(shelf)
    shelf.close()
    harm(home)
    again = open_shelf(home)
    assert everything(again) == before
    again.registry.admit(verdict_of("one_more"))
    assert "one_more" in again.registry
    again.close()


def test_rebuild_counts_all_versions_and_changes_nothing(home: Path) -> None:
    shelf = open_shelf(home)
    before = everything(shelf)
    assert shelf.registry.rebuild() == 8
    assert everything(shelf) == before
    shelf.close()


def test_an_index_deleted_under_an_open_shelf_comes_back_at_the_next_question(home: Path) -> None:
    shelf = open_shelf(home)
    before = everything(shelf)
    remove(home)
    assert everything(shelf) == before
    remove(home)
    assert shelf.registry.admit(verdict_of("one_more")).won
    assert "one_more" in shelf.registry
    shelf.close()


def test_an_index_that_another_process_made_anew_is_the_one_that_is_read(home: Path) -> None:
    one = open_shelf(home)
    assert one.registry.names()
    remove(home)
    other = open_shelf(home)
    other.registry.admit(verdict_of("fresh", "A fresh thing."))
    assert "fresh" in one.registry
    one.close()
    other.close()


@pytest.mark.parametrize("first", ["question", "admission"])
def test_an_index_with_any_page_damaged_comes_back_at_the_next_deed(home: Path, first: str) -> None:
    shelf = open_shelf(home)
    before = everything(shelf)
    shelf.close()
    sound = (home / "index.db").read_bytes()
    for page in range(1, len(sound) // 4096):
        remove(home)
        (home / "index.db").write_bytes(sound)
        shelf = open_shelf(home)
        with (home / "index.db").open("r+b") as file:
            file.seek(page * 4096)
            file.write(b"\xff" * 4096)
        if first == "admission":
            body = f"rate + {page}"
            shelf.registry.admit(verdict_of("tool_1", "Do thing number 1.", body=body), new_version=True)
            assert body in shelf.registry.get("tool_1").candidate.source
        else:
            assert everything(shelf) == before, page
        shelf.close()


def test_what_another_process_does_is_seen_at_once(home: Path) -> None:
    one, other = open_shelf(home), open_shelf(home)
    one.registry.admit(verdict_of("fresh", "A fresh thing."))
    assert "fresh" in other.registry
    other.registry.retire("fresh")
    assert "fresh" not in one.registry
    one.registry.rebuild()
    assert other.registry.names() == one.registry.names()
    one.close()
    other.close()


def test_tools_copied_in_by_hand_are_listed_after_a_rebuild_and_not_believed(home: Path, tmp_path: Path) -> None:
    other = open_shelf(tmp_path / "other")
    shutil.copytree(home / "tools/tool_2", tmp_path / "other/tools/tool_2")
    assert other.registry.rebuild() == 1
    assert [info.name for info in other.registry.list()] == ["tool_2"]
    with pytest.raises(EditedError, match="registry adopt tool_2") as refused:
        other.registry.get("tool_2")
    assert refused.value.reason == "unknown-key"
    other.close()


def test_opening_costs_the_same_with_ten_tools_and_a_thousand(tmp_path: Path) -> None:
    seen = {}
    for count in (10, 1000):
        home = tmp_path / str(count)
        shelf = open_shelf(home)
        fill(shelf, 1)
        template = home / "tools/tool_0"
        for number in range(1, count):
            folder = home / f"tools/tool_{number}"
            shutil.copytree(template, folder)
            record = json.loads((folder / "1.json").read_text())
            record["name"] = record["spec"]["name"] = folder.name
            (folder / "1.json").write_text(json.dumps(record))
        assert shelf.registry.rebuild() == count
        shelf.close()
        command = [sys.executable, "-c", OPENED, str(Path(__file__).parent), str(home)]
        seen[count] = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert seen[10] == seen[1000]
    assert "os.scandir" not in seen[10]
    assert "os.listdir" not in seen[10]


def test_a_mark_of_a_living_writer_is_left_alone_and_a_dead_ones_is_cleared(home: Path) -> None:
    from toolwright.store.files import locked

    index = Index.open(home / "index.db", FtsRetriever())
    index.mark("local", "tool_1")
    with locked(home / "lock"):
        shelf = open_shelf(home)
        assert index.pending() == [("local", "tool_1")]
        assert shelf.registry.get("tool_1").number == 1
        shelf.close()
    open_shelf(home).close()
    assert index.pending() == []
    index.close()


def test_many_threads_on_one_shelf_lose_nothing(tmp_path: Path) -> None:
    shelf = open_shelf(tmp_path / "home")
    failed: list[BaseException] = []

    def work(which: int) -> None:
        try:
            for number in range(6):
                assert shelf.registry.admit(verdict_of(f"t_{which}_{number}", "A thing.")).won
                assert shelf.registry.search("thing")
                shelf.registry.get(f"t_{which}_{number}")
        except BaseException as error:  # noqa: BLE001 - handed to the test's own thread
            failed.append(error)

    threads = [threading.Thread(target=work, args=(which,)) for which in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert shelf.registry.count() == 24
    shelf.close()
