"""A run that is killed again and again: started, killed, looked at, resumed, until it comes to its end; and what then holds."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kill_program import lines_of
from sections import has_begun, read_marks

from toolwright import Toolwright
from toolwright.models.scripted import Received, ScriptedServer

PROGRAM = str(Path(__file__).with_name("kill_program.py"))
TALLY = '''def tally(word: str) -> int:
    """Add a word to the tally, and say how many words it holds."""
    with open("tally.txt", "a", encoding="utf-8") as file:
        file.write(word + "\\n")
    with open("tally.txt", encoding="utf-8") as file:
        return len(file.readlines()){wrong}
'''
UNREADY = "\nREADY = 1 / 0\n"
"""It does not load, which is tried after the yes: the yes covers what is written then."""
NOTE = '''def keep_note(text: str) -> str:
    """Put a note into the book of notes."""
    with open("{notes}/notes.txt", "a", encoding="utf-8") as file:
        file.write(text + "\\n")
    return "kept"
'''
BOTH = ["admitted", "covered"]
ANSWER = "Tallied 1 and 2."
TOOLS = ("tally", "keep_note")
Key = tuple[str, int, str]
"""A model call by its place in the run: role, step, position."""
KEYS: frozenset[Key] = frozenset(
    [("orchestrator", step, "") for step in (1, 2, 3, 4)]
    + [("generator", 1, position) for position in ("0.g0", "0.g1", "1.g0", "1.g1")]
    + [("examiner", 1, position) for position in ("0.e0", "0.e1", "1.e0")]
)
"""All that a run asks which makes both tools."""
_ASKS = {"Write": "g0", "Mend": "g1", "Set": "e0", "Give": "e1"}


def asked(name: str, description: str, parameter: str, returns: str, example: str, **more: Any) -> tuple[str, Any]:
    given = {"tool_name": name, "description": description, "input_params": f"{parameter}: str", **more}
    return "request_new_tool", {**given, "return_type": returns, "example": example}


def turn(
    role: str, *, step: int | None = None, user: str = "", calls: Iterable[tuple[str, Any]] = (), **said: Any
) -> Any:
    when = {"role": role} | ({} if step is None else {"step": step}) | ({"last_user": user} if user else {})
    named = [{"name": name, "arguments": arguments} for name, arguments in calls]
    # Time in which an answer is under way, so that kills find it there.
    return {"when": when, "delay": 0.02, "text": "", **said, **({"calls": named} if named else {})}


def turns(notes: Path, who: str) -> list[Any]:
    """What the model says: two tools in one step, each written wrong at first; both used, one with a list."""
    powers = {"writes": [str(notes)], "why": "the book of notes is there"}
    says = "Add a word to the tally, and say how many words it holds."
    tally = asked("tally", says, "word", "int", "tally('x') == 1", stateful=True)
    note = asked("keep_note", "Put a note into the book of notes.", "text", "str", "keep_note('x')", powers=powers)
    listed = {"name": "keep_note", "arguments": [{"text": f"{who} 2"}, {"text": f"{who} 3"}]}
    held_back = json.dumps({"examples": [{"arguments": {"word": "y"}, "expected": 1}], "properties": []})
    source = NOTE.replace("{notes}", str(notes))
    return [
        turn("orchestrator", step=0, calls=[tally, note]),
        turn("orchestrator", step=1, calls=[("tally", {"word": "one"}), ("keep_note", {"text": f"{who} 1"})]),
        turn("orchestrator", step=2, calls=[("tally", {"word": "two"}), ("run_tool", listed)]),
        turn("orchestrator", step=3, text="Tallied {{results[2]}} and {{results[4]}}."),
        turn("examiner", user="tool tally", text=held_back, plain=True),
        turn("examiner", text='{"examples": [], "properties": []}', plain=True),
        turn("generator", user="Write the tool tally", text=fenced(TALLY.replace("{wrong}", " + 1")), plain=True),
        turn("generator", user="Mend the tool tally", text=fenced(TALLY.replace("{wrong}", "")), plain=True),
        turn("generator", user="Write the tool keep_note", text=fenced(source + UNREADY), plain=True),
        turn("generator", user="Mend the tool keep_note", text=fenced(source), plain=True),
    ]


def fenced(source: str) -> str:
    return f"```python\n{source}```\n"


def key_of(request: Received) -> Key:
    """Where in its run a request stands, by what it says."""
    said = request.body["messages"]
    if request.role == "orchestrator":
        return "orchestrator", 1 + sum(one["role"] == "assistant" for one in said), ""
    words = next(one["content"] for one in reversed(said) if one["role"] == "user")
    name = next(name for name in TOOLS if f"the tool {name}" in words)
    return request.role, 1, f"{TOOLS.index(name)}.{_ASKS[words.split()[0]]}"


@dataclass(frozen=True)
class Death:
    """One kill: where, and what stood in endpoint, journal and ledger after it."""

    point: str
    sections: frozenset[str]
    asked: Counter[Key]
    """What this process asked the endpoint."""
    recorded: frozenset[Key]
    """The answers that were in the journal when it was dead."""
    tries: Counter[Key]
    """Entries of the ledger, of all processes so far."""


Until = Callable[["KilledRun", Path, "subprocess.Popen[str]"], object]
"""Waits until the process is to be killed, or has ended by itself; told the file with its marks."""


def after(seconds: float, *, early: bool = False) -> Until:
    """So long after the run began, or went on; *early*: after the process was started, while it opens the home."""

    def wait(_: KilledRun, marks: Path, process: subprocess.Popen[str]) -> None:
        _poll(process, lambda: early or has_begun(marks))
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)

    return wait


def asking(run: KilledRun, _: Path, process: subprocess.Popen[str]) -> None:
    """As soon as the endpoint has got the next request."""
    heard = len(run.server.log)
    _poll(process, lambda: len(run.server.log) > heard)


def within(section: str, times: int) -> Until:
    """As soon as the process is seen within *section* for that many times."""

    def wait(_: KilledRun, marks: Path, process: subprocess.Popen[str]) -> None:
        seen = [False]

        def there() -> bool:
            now = section in read_marks(marks)
            if now != seen[-1]:
                seen.append(now)
            return sum(seen) == times

        _poll(process, marks.exists)
        _poll(process, there)

    return wait


def _poll(process: subprocess.Popen[str], there: Callable[[], bool]) -> None:
    while not there() and process.poll() is None:
        time.sleep(0.0002)


@dataclass
class KilledRun:
    """One run in *home*, asked of an endpoint of its own; *who* signs what it writes."""

    home: Path
    who: str = "A"
    deaths: list[Death] = field(default_factory=list)
    result: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder = self.home.parent
        self.out, self.notes = self.folder / f"out-{self.who}", self.folder / "notes"
        self.notes.mkdir(exist_ok=True, parents=True)
        self.server = ScriptedServer({"turns": turns(self.notes, self.who)})
        self.server.start()
        self._seen = 0

    def close(self) -> None:
        self.server.close()

    def live(self, die: str = "", *words: str, until: Until | None = None) -> bool:
        """One process, to its end (True) or to its death (False): at the point *die*, or as soon as *until* returns."""
        marks = self.folder / f"marks-{self.who}"
        marks.unlink(missing_ok=True)
        places = [str(one) for one in (self.home, self.server.base_url, self.out, self.notes, marks)]
        resumed = ["--resume", self.run_id] if self.run_id else []
        command = [sys.executable, PROGRAM, *places, self.who, *resumed, *(["--die", die] if die else []), *words]
        temp = self.folder / "temp"
        temp.mkdir(exist_ok=True)
        process = subprocess.Popen(
            command,
            env={**os.environ, "TMPDIR": str(temp)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
        )
        if until is not None:
            until(self, marks, process)
            process.kill()
        said, errors = process.communicate(timeout=120)
        if process.returncode == -9:
            self._died(die or "a moment", errors, marks)
            return False
        assert process.returncode == 0, errors
        self.result = json.loads(said.splitlines()[-1])
        self._look(self._asked(), self.deaths[-1].recorded if self.deaths else frozenset())
        return True

    def _died(self, point: str, errors: str, marks: Path) -> None:
        asked, before = self._asked(), self.deaths[-1].recorded if self.deaths else frozenset()
        self._look(asked, before)
        self._look_at_order()
        assert self.came() in ([], BOTH), (self.came(), self.told())
        about = " ".join(errors.split())
        sections = frozenset(read_marks(marks)) if marks.exists() else frozenset()
        self.deaths.append(Death(f"{point} {about}".strip(), sections, asked, self.recorded(), self.tries()))

    def _look(self, asked: Counter[Key], recorded: frozenset[Key]) -> None:
        """No process asks what was on record when it began, nor the same thing twice."""
        assert not recorded & set(asked), (recorded & set(asked), self.deaths[-1])
        assert not asked or max(asked.values()) == 1, asked

    def _look_at_order(self) -> None:
        """Nothing was done on an answer that was not on disk: what is lost was in flight, and nothing came of it yet."""
        run_id, recorded, asked = self.run_id, self.recorded(), set(map(key_of, self.server.log))
        sql = "SELECT DISTINCT step FROM journal WHERE run_id = ? AND role = 'tool'"
        acted = {step for (step,) in self.sql(sql, run_id)}
        acted |= {step - 1 for role, step, _ in asked if role == "orchestrator"}
        needed = {("orchestrator", step, "") for step in acted if step > 0}
        parts = {key[2] for key in asked}
        needed |= {("examiner", 1, f"{tool}.e0") for tool in (0, 1) if f"{tool}.e1" in parts}
        if "0.g1" in parts:
            needed |= {("generator", 1, "0.g0"), ("examiner", 1, "0.e0"), ("examiner", 1, "0.e1")}
        if "1.g1" in parts:
            needed |= {("generator", 1, "1.g0"), ("examiner", 1, "1.e0")}
        for tool, last in (("tally", "0.g1"), ("keep_note", "1.g1")):
            records = (self.home / "tools" / tool).glob("*.json")
            if run_id and any(run_id in one.read_text("utf-8") for one in records):
                needed.add(("generator", 1, last))
        assert needed <= recorded, (needed - recorded, self.told())

    def _asked(self) -> Counter[Key]:
        # A request that was on its way when its process died comes to the log all the same.
        under_way = self.server._listening._server.server_state
        while under_way.connections or under_way.tasks:
            time.sleep(0.002)
        new = self.server.log[self._seen :]
        self._seen += len(new)
        return Counter(map(key_of, new))

    def sql(self, text: str, *values: object) -> list[Any]:
        if not (self.home / "home.db").exists():
            return []
        with closing(sqlite3.connect(self.home / "home.db", timeout=30)) as db:
            table = re.search(r"FROM (\w+)", text)[1]
            there = db.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone()
            return db.execute(text, values).fetchall() if there else []  # killed while the home was made

    @property
    def run_id(self) -> str:
        found = self.sql("SELECT id FROM runs WHERE task LIKE ?", f"%, {self.who}.")
        assert len(found) <= 1, found
        return found[0][0] if found else ""

    def came(self) -> list[str]:
        """What the record holds of the tool that came on a yes to an earlier form of it."""
        sql = "SELECT what FROM audit WHERE name = 'keep_note' AND what IN ('admitted', 'covered') ORDER BY id"
        return [what for (what,) in self.sql(sql)]

    def recorded(self) -> frozenset[Key]:
        sql = "SELECT role, step, position FROM journal WHERE run_id = ? AND role != 'tool'"
        return frozenset(map(tuple, self.sql(sql, self.run_id)))

    def tries(self, state: str = "%") -> Counter[Key]:
        sql = "SELECT role, step, position FROM ledger WHERE run_id = ? AND state LIKE ?"
        return Counter(map(tuple, self.sql(sql, self.run_id, state)))

    # ── what holds at the end ───────────────────────────────────────────────────────────────────────────────────────

    def check(self) -> None:
        """All that is promised of a run which was killed as often as this one."""
        assert (self.result["status"], self.result["output"]) == ("complete", ANSWER), self.told()
        assert [path.name for path in self.out.iterdir()] == ["tally.txt"], self.told()
        assert (self.out / "tally.txt").read_text() == "one\ntwo\n", self.told()
        assert lines_of(self.notes, self.who) == [f"{self.who} {number}" for number in (1, 2, 3)], self.told()
        self._check_asked()
        self._check_ledger()
        self._check_trace()
        assert self.came() == BOTH, self.told()

    def _lost(self, key: Key, of: str) -> int:
        """How many kills came after *key* was asked (or was on the books), and before its answer was on record."""
        lost, before = 0, Counter[Key]()
        for death in self.deaths:
            new = death.asked if of == "asked" else death.tries - before
            lost += key in new and key not in death.recorded
            before = death.tries
        return lost

    def _check_asked(self) -> None:
        """Each call was asked once, and once more for each kill that found it in flight; each time with the same words."""
        made_here = {one.partition("@")[0] for one in self.result["made"]} == set(TOOLS)
        total = Counter(map(key_of, self.server.log))
        assert set(total) == KEYS if made_here else set(total) <= KEYS, self.told()
        for key, count in total.items():
            # One that waited for another run's tool may have asked nothing after its kill.
            most = 1 + self._lost(key, "asked")
            assert count == most if made_here else count <= most, (key, count, self.told())
        words: dict[Key, set[str]] = {}
        for one in self.server.log:
            words.setdefault(key_of(one), set()).add(json.dumps(one.body, sort_keys=True))
        assert all(len(some) == 1 for some in words.values()), self.told()

    def _check_ledger(self) -> None:
        """Every try is on the books, and none is open but those that a kill cut off."""
        total, settled, unknown = self.tries(), self.tries("settled"), self.tries("unknown")
        assert total == settled + unknown, self.told()
        for key in self.recorded():
            assert settled[key] >= 1, (key, self.told())
        for key in total:
            assert total[key] <= 1 + self._lost(key, "tried"), (key, self.told())
            assert unknown[key] <= self._lost(key, "tried"), (key, self.told())
        assert all(total[key] >= count for key, count in Counter(map(key_of, self.server.log)).items()), self.told()

    def _check_trace(self) -> None:
        with Toolwright("openai:scripted", base_url=self.server.base_url, home=self.home) as tw:
            run = tw.run_record(self.run_id)
            assert (run.status, run.output, list(run.made)) == ("complete", ANSWER, self.result["made"])
            kinds = Counter(event.kind for event in tw.events(run.id))
            deeds = Counter(line.deed.what for line in tw.audit(run_id=run.id, limit=500))
        assert kinds["result"] == 1, self.told()
        assert kinds["tool-made"] >= len(run.made), self.told()
        assert (deeds["run-begun"], deeds["run-ended"]) == (1, 1), self.told()

    def told(self) -> str:
        """The story of this run, for who has to find out what went wrong."""
        lines = [f"{self.home}, run {self.run_id}: {self.result}"]
        for death in self.deaths:
            lines.append(f"  died at {death.point}, in {sorted(death.sections)}; asked {sorted(death.asked)}")
        return "\n".join(lines)


def check_home(home: Path, runs: int) -> None:
    """What holds of the home as a whole, after all of its runs came to their end."""
    with Toolwright("openai:scripted", base_url="http://127.0.0.1:9/v1", home=home) as tw:
        listed = tw.registry.list(every=True)
        # A number is spent as soon as a file of its name was there, and 2 is the first one then.
        assert [(info.name, info.state) for info in listed] == [("keep_note", "active"), ("tally", "active")], listed
        refs = {name: tw.registry.get(name) for name in TOOLS}
        made = [ref for run in tw.runs() for ref in run.made]
        assert sorted(made) == sorted(map(str, refs.values()))
        assert tw.registry.rebuild() == len(listed) == 2
        assert tw.registry.list(every=True) == listed
        verified = tw.verify_audit()
        assert verified.whole, verified
        admitted = [line.deed.name for line in tw.audit(limit=1000) if line.deed.what == "admitted"]
        assert sorted(admitted) == ["keep_note", "tally"]
        assert [run.status for run in tw.runs()] == ["complete"] * runs
    for file in ("home.db", "index.db"):
        with closing(sqlite3.connect(home / file)) as db:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    with closing(sqlite3.connect(home / "home.db")) as db:
        assert db.execute("SELECT name FROM approvals").fetchall() == [("keep_note",)]
    for name in TOOLS:
        left = {path.name for path in (home / "tools" / name).iterdir() if path.suffix != ".void"}
        assert left == {f"{refs[name].number}.json", f"{refs[name].number}.py"}, left
    assert list((home.parent / "temp").iterdir()) == []
    for folder in (home / "runs").iterdir():
        assert not list(folder.glob("landing/*")), folder
        assert all(path.read_text() == "one\ntwo\n" for path in folder.glob("work/*")), folder
