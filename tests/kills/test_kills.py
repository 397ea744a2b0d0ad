"""kill -9 at named points and at random moments of runs that make, approve and use tools: every one comes to its end."""

from __future__ import annotations

import itertools
import random
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pytest
from kill_program import lines_of
from kill_stage import KEYS, Death, KilledRun, Until, after, asking, check_home, within
from sections import NAMES

from toolwright.store.home import Home

IN_ORDER = (
    *("begin:7", "event:3", "debit:3", "settle:2", "answer:3", "lease:3", "proving:9", "placing:5", "placing:20"),
    *("question:5", "approval:6", "admitting:54", "started:3", "calling:4", "taking:5", "counting:2", "result:2"),
    *("rewinding:1", "handing-out:4", "turn:3", "finish:7"),
)
"""A point in each section, in the order in which a run that is resumed each time comes to them."""

OFTEN = (
    *("event", "debit", "asking", "settle", "answer", "proving"),
    *("started", "calling", "taking", "counting", "result"),
)
"""Sections that a run comes to several times."""


@pytest.fixture
def killed_run(tmp_path: Path) -> Iterator[KilledRuns]:
    """Runs, each by the name of its home and by who signs it."""
    runs = KilledRuns(tmp_path)
    yield runs
    for one in runs.opened:
        one.close()


class KilledRuns:
    def __init__(self, folder: Path) -> None:
        self._folder, self.opened = folder, list[KilledRun]()

    def __call__(self, home: str = "one", who: str = "A") -> KilledRun:
        self.opened.append(KilledRun(self._folder / home / "home", who))
        return self.opened[-1]


def told(deaths: Iterable[Death]) -> Counter[str]:
    """How many kills found a process in each section; printed, for who runs this with `-s`."""
    deaths = list(deaths)
    found = Counter(section for death in deaths for section in death.sections)
    found["outside"] = sum(not death.sections for death in deaths)
    print(f"\n{len(deaths)} kills landed in: {', '.join(f'{name} {found[name]}' for name in (*NAMES, 'outside'))}")
    return found


def test_a_run_that_is_killed_in_each_section_once_comes_to_its_end(killed_run: KilledRuns) -> None:
    run = killed_run()
    for point in IN_ORDER:
        assert not run.live(point), (point, run.told())
        if point.startswith("debit"):
            assert not run.live(until=asking), run.told()
    assert run.live()
    run.check()
    check_home(run.home, 1)
    assert set(told(run.deaths)) >= set(NAMES)


def test_what_writes_to_the_world_is_done_once_by_a_person_who_looks(killed_run: KilledRuns) -> None:
    run = killed_run()
    # Before its first call begins, and behind that call and each one of the list, before their ends are on record.
    for point, there in (("calling:20", 0), ("counting:2", 1), ("counting:5", 2), ("counting:2", 3)):
        assert not run.live(point), (point, run.told())
        assert len(lines_of(run.notes, "A")) == there, (point, run.told())
    assert run.live()
    run.check()
    check_home(run.home, 1)
    answers = run.sql("SELECT what FROM audit WHERE detail LIKE '%once more%' OR what = 'denied' ORDER BY id")
    assert answers == [("approved",), ("denied",), ("denied",), ("denied",)]


def test_what_is_on_record_is_synced_before_anything_acts_on_it(tmp_path: Path) -> None:
    """No kill shows that, since the kernel lives on; a power cut would."""
    home = Home.open(tmp_path)
    with home._data.reading() as db:
        modes = [db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]
    home.close()
    assert modes == ["wal", 2]


def at_random(runs: Sequence[KilledRun], draw: random.Random, whole_s: float, kills: int) -> list[Death]:
    """Let *runs* go at the same time, kill each so many times at random, and see that all is well."""

    def go(run: KilledRun, seed: int) -> None:
        own = random.Random(seed)
        for _ in range(kills):
            if run.live(until=some_moment(own, run, whole_s)):
                return
        run.live()

    drawn = [draw.randrange(2**32) for _ in runs]
    errors: list[BaseException] = []

    def guarded(*given: object) -> None:
        try:
            go(*given)  # type: ignore[arg-type]
        except BaseException as error:  # noqa: BLE001 - told by the thread of the test
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=pair) for pair in zip(runs, drawn, strict=True)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    for error in errors:
        raise error
    for run in runs:
        run.check()
    check_home(runs[0].home, len(runs))
    return [death for run in runs for death in run.deaths]


def some_moment(draw: random.Random, run: KilledRun, whole_s: float) -> Until:
    """Half of the time any moment of what the run has still to do, or one while its home is opened; else in a section."""
    kind = draw.choice(["any", "any", "early", "section", "section", "section"])
    if kind == "section":
        return within(draw.choice([*NAMES, *OFTEN * 2]), draw.randint(1, 3))
    left = 1 - len(run.deaths[-1].recorded) / len(KEYS) if run.deaths else 1
    return after(draw.random() * whole_s * (0.2 if kind == "early" else max(left, 0.2)), early=kind == "early")


def whole_time(killed_run: KilledRuns, who: str) -> float:
    """Seconds that runs take at once which nobody kills."""
    runs = [killed_run("whole", one) for one in who]
    at_random(runs, random.Random(), 0.0, 0)
    return max(run.result["wall_s"] for run in runs)


@pytest.mark.long
def test_two_runs_at_once_are_killed_at_random_moments_and_come_to_their_ends(killed_run: KilledRuns) -> None:
    whole_s = whole_time(killed_run, "AB")
    deaths = at_random([killed_run("one", who) for who in "AB"], random.Random(1), whole_s, 3)
    told(deaths)
    assert deaths


KILLS = 200


@pytest.mark.long
@pytest.mark.timeout(1500)
def test_200_random_moments(killed_run: KilledRuns) -> None:
    """Of one run alone, of two at once in one home, and so on, until that many kills have landed."""
    whole_s, draw, deaths = whole_time(killed_run, "AB"), random.Random(20261130), list[Death]()
    for number in itertools.count():
        runs = [killed_run(str(number), who) for who in ("A", "AB")[number % 2]]
        deaths += at_random(runs, draw, whole_s, 4)
        for run in runs:
            run.close()
        if len(deaths) >= KILLS:
            break
    found = told(deaths)
    assert found["outside"] < len(deaths) / 2
    assert set(OFTEN) <= set(+found)


@pytest.mark.long
@pytest.mark.timeout(1500)
def test_a_kill_before_each_write_of_every_section(killed_run: KilledRuns) -> None:
    """Before each kind of statement and of call that changes the disk: its first in a section, and one of the later."""
    whole, draw = killed_run("whole"), random.Random(3)
    assert whole.live("", "--count")
    points = [
        (section, at)
        for section, steps in whole.result["steps"].items()
        for kind in sorted(set(steps))
        for at in chosen([number for number, one in enumerate(steps, 1) if one == kind], draw)
    ]
    print(f"\n{len(points)} points: {Counter(section for section, _ in points)}")
    draw.shuffle(points)
    deaths: list[Death] = []
    while points:
        # In the order in which a run comes to them; one that it has passed already is the next run's.
        some, points = sorted(points[:4], key=lambda point: NAMES.index(point[0])), points[4:]
        run = killed_run(str(len(deaths)))
        ended = False
        while some and not ended:
            section, at = some[0]
            ended = run.live(f"{section}:{at}")
            assert run.deaths, (section, at)
            some = some if ended else some[1:]
        assert ended or run.live(), run.told()
        run.check()
        check_home(run.home, 1)
        run.close()
        deaths, points = deaths + run.deaths, some + points
    assert set(+told(deaths)) >= set(NAMES) - {"asking", "rewinding"}


def chosen(places: Sequence[int], draw: random.Random) -> set[int]:
    """The first of them, and one of the others."""
    return {places[0], draw.choice(places)}
