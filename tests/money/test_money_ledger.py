"""The ledger under caps: whatever is debited, settled or forgotten, by several homes on one file, no sum passes its cap."""

import signal
import subprocess
import sys
import time
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from toolwright.budgets import Budget, BudgetError, Cap, Held, Wanted, begins, fits
from toolwright.store.audit import Deed
from toolwright.store.home import Home
from toolwright.trace import Cost, Place, Try

RUNS = ("20261130-101010-00000a", "20261130-101010-00000b")
TOOLS = ("", "convert", "save")
TENANTS = ("local", "acme")
NOON = time.mktime((2026, 11, 28, 12, 0, 0, 0, 0, -1))
"""Three days later is another month."""
DOLLARS = st.sampled_from([0.0, 0.1, 0.2, 0.3, 0.7, 1.1])
TOKENS = st.integers(0, 40)
# A cap in dollars alone refuses what has no price; the two together leave that to the tokens.
BUDGETS = st.builds(
    Budget,
    **{
        name: st.none() | (st.sampled_from([0.0, 0.3, 1.0, 2.5]) if name.endswith("dollars") else st.integers(0, 120))
        for name in Budget.__dataclass_fields__
    },
)


@dataclass
class Entry:
    """One try as the test knows it: what it was debited with, or what it is known to have cost."""

    run: str
    tool: str
    tenant: str
    dollars: float | None
    tokens: int
    worst: tuple
    at: float
    open: bool = True


class Books(RuleBasedStateMachine):
    """Two homes on one file, as two processes have it, and a plain list of what they let through."""

    folder = None
    now = 0.0

    def __init__(self):
        super().__init__()
        self.entries, self.homes = {}, []
        Books.now = NOON

    @initialize(budget=BUDGETS)
    def open(self, budget):
        self.budget = budget
        place = self.folder / str(time.monotonic_ns())
        self.homes = [Home.open(place) for _ in range(2)]

    @rule(
        home=st.integers(0, 1),
        run=st.sampled_from(RUNS),
        tool=st.sampled_from(TOOLS),
        tenant=st.sampled_from(TENANTS),
        dollars=st.none() | DOLLARS,
        tokens=TOKENS,
    )
    def debit(self, home, run, tool, tenant, dollars, tokens):
        books = self.homes[home].ledger.under(self.budget, tenant)
        try:
            entry = books.debit(Try("generator", Place(run, 1), "a:b", tokens, 1, dollars, tool))
        except BudgetError:
            return
        self.entries[entry] = Entry(run, tool, tenant, dollars, tokens + 1, (dollars, tokens + 1), Books.now)

    @rule(hours=st.sampled_from([1, 13, 24]))
    def wait(self, hours):
        Books.now += hours * 3600

    @rule(home=st.integers(0, 1), part=st.floats(0, 1), data=st.data())
    def settle(self, home, part, data):
        waiting = [key for key, one in self.entries.items() if one.open]
        if waiting:
            key = data.draw(st.sampled_from(waiting))
            one = self.entries[key]
            dollars = None if one.worst[0] is None else one.worst[0] * part
            one.dollars, one.tokens, one.open = dollars, int(one.worst[1] * part), False
            self.homes[home].ledger.settle(key, Cost(one.tokens, 0, dollars, 1), "settled")

    @rule(home=st.integers(0, 1), data=st.data())
    def fail(self, home, data):
        waiting = [key for key, one in self.entries.items() if one.open]
        if waiting:
            key = data.draw(st.sampled_from(waiting))
            self.entries[key].dollars, self.entries[key].tokens, self.entries[key].open = 0.0, 0, False
            self.homes[home].ledger.settle(key, Cost(calls=1), "failed")

    @rule(home=st.integers(0, 1))
    def die(self, home):
        """What this process had in flight stays as it was born: nobody knows what became of it."""
        place = self.homes[home].path
        self.homes[home].close()
        self.homes[home] = Home.open(place)

    @invariant()
    def no_sum_passes_its_cap(self):
        for cap in self.budget.caps if self.homes else ():
            for within in self.scopes(cap):
                assert cap.tokens is None or sum(one.tokens for one in within) <= cap.tokens, cap
                known = sum(one.dollars for one in within if one.dollars is not None)
                assert cap.dollars is None or known <= cap.dollars + 1e-6, cap
                if cap.dollars is not None and cap.tokens is None:
                    assert all(one.dollars is not None for one in within), cap

    def scopes(self, cap):
        entries = list(self.entries.values())
        if cap.scope == "call":
            return [[one] for one in entries]
        if cap.scope == "tool":
            return [
                [one for one in entries if (one.run, one.tool) == (run, tool)] for run in RUNS for tool in TOOLS[1:]
            ]
        if cap.scope == "run":
            return [[one for one in entries if one.run == run] for run in RUNS]
        times = {begins(cap.scope, one.at) for one in entries}
        within = [[one for one in entries if begins(cap.scope, one.at) == at] for at in times]
        if not cap.tenant:
            return within
        return [[one for one in some if one.tenant == tenant] for tenant in TENANTS for some in within]

    def teardown(self):
        for home in self.homes:
            home.close()


def test_no_order_of_debits_and_ends_passes_a_cap(tmp_path, monkeypatch):
    monkeypatch.setattr("time.time", lambda: Books.now)
    Books.folder = tmp_path
    how = settings(
        max_examples=40,
        stateful_step_count=25,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],  # each step is several writes to a disk: making a failure smaller takes minutes
    )
    run_state_machine_as_test(Books, settings=how)


SPENDS = """
import os, signal, sys
from pathlib import Path
from toolwright.budgets import Budget, BudgetError
from toolwright.store.home import Home
from toolwright.trace import Cost, Place, Try
books = Home.open(Path(sys.argv[1])).ledger.under(Budget(day_dollars=1.0), "local")
sys.stdin.readline()
for step in range(1000):
    try:
        entry = books.debit(Try("generator", Place(f"r{sys.argv[2]}", step), "a:b", 1, 1, 0.03))
    except BudgetError:
        break
    if sys.argv[2] == "0" and step == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    books.settle(entry, Cost(1, 0, 0.01, 1), "settled")
"""


def test_processes_share_a_cap_and_one_that_is_killed_leaves_its_worst_case(tmp_path):
    Home.open(tmp_path / "home").close()
    words = [sys.executable, "-c", SPENDS, str(tmp_path / "home")]
    killed, *others = [subprocess.Popen([*words, str(number)], stdin=subprocess.PIPE) for number in range(4)]
    killed.communicate(b"go\n", timeout=60)  # first and alone: the others might leave it nothing to die of
    assert killed.returncode == -signal.SIGKILL
    for one in others:
        one.stdin.write(b"go\n")
        one.stdin.close()
    assert [one.wait(60) for one in others] == [0, 0, 0]
    home = Home.open(tmp_path / "home")
    (spent,) = (group.spent for group in home.ledger.by("model"))
    assert (spent.unsettled, spent.cost.calls) == (1, spent.tries)
    # What is left does not reach for one more call while one of each of the others is in flight.
    assert 1.0 - 4 * 0.03 < spent.cost.dollars <= 1.0 + 1e-9
    home.close()


CALL = Wanted(0.5, 100, "a:b")


def a_try(step, dollars):
    return Try("generator", Place("r", step), "a:b", 1, 1, dollars)


@pytest.mark.parametrize(
    ("cap", "held", "wanted", "said"),
    [
        (Cap("run", dollars=1.0), Held(0.5), CALL, ""),
        (Cap("run", dollars=1.0), Held(0.6, open=2, open_dollars=0.25), CALL, "$0.3500 spent, $0.2500 reserved for 2"),
        (Cap("day", tokens=150), Held(tokens=60), CALL, "budget.day_tokens"),
        (Cap("day", dollars=9.0, tokens=150), Held(tokens=60), CALL, "150 tokens a day"),
        (Cap("call", dollars=0.4), Held(), CALL, "one call of a:b may cost up to $0.5000"),
        (Cap("month", dollars=1.0, tenant=True), Held(0.9), CALL, "budget.tenant_month_dollars"),
        # An unknown price: the token cap decides, and where there is none, the call is refused.
        (Cap("run", dollars=1.0), Held(), Wanted(None, 1, "a:b"), "what one call of a:b costs is unknown"),
        (Cap("run", dollars=1.0, tokens=10), Held(), Wanted(None, 10), ""),
        (Cap("run", dollars=1.0, tokens=10), Held(), Wanted(None, 11), "10 tokens for one run"),
        (Cap("run", dollars=1.0), Held(0.1, unpriced=3), CALL, "3 calls within it cost nobody knows what"),
        (Cap("run", dollars=1.0, tokens=200), Held(0.1, unpriced=3), CALL, ""),
        (Cap("run", dollars=1.0), Held(0.1, unpriced=3), Wanted(0.0, 100), ""),
        # What cannot be counted is refused under any cap.
        (Cap("run", tokens=10**9), Held(), Wanted(None, 1, "a:b", "an image"), "an image, whose tokens nobody can"),
        (Cap("run", dollars=0.0), Held(), Wanted(0.0, 10**6), ""),
    ],
)
def test_what_fits_and_what_is_said_where_it_does_not(cap, held, wanted, said):
    refusal = fits(cap, held, wanted)
    assert (refusal is None) is (said == "")
    if refusal is not None:
        assert said in refusal.text
        assert refusal.cap.setting(refusal.unit) in refusal.text
        assert "prices.toml" in refusal.text or "toolwright config set" in refusal.text


def test_a_day_and_a_month_begin_at_midnight_here(monkeypatch):
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        # A day of 23 hours: the clocks go forward in the night before noon of 2026-03-29.
        noon = time.mktime((2026, 3, 29, 12, 0, 0, 0, 0, -1))
        assert time.strftime("%F %T", time.localtime(begins("day", noon))) == "2026-03-29 00:00:00"
        assert noon - begins("day", noon) == 11 * 3600
        assert time.strftime("%F %T", time.localtime(begins("month", noon))) == "2026-03-01 00:00:00"
        assert begins("run", noon) == 0
    finally:
        monkeypatch.undo()
        time.tzset()


def test_earlier_days_of_a_month_are_summed_anew_when_they_change(tmp_path, monkeypatch):
    now = [NOON]
    monkeypatch.setattr("time.time", lambda: now[0])
    one, other = Home.open(tmp_path), Home.open(tmp_path)
    cap = Cap("month", dollars=9.0)
    first, second = (one.ledger.debit(a_try(step, 1.0)) for step in (1, 2))
    now[0] += 24 * 3600
    one.ledger.debit(a_try(3, 0.5))
    assert one.ledger.held(cap, "local") == Held(2.5, 6, 0, 3, 2.5, 6)
    other.ledger.settle(first, Cost(1, 0, 0.25, 1), "settled")
    assert one.ledger.held(cap, "local").dollars == 1.75
    one.ledger.settle(second, Cost(1, 0, 0.125, 1), "settled")
    assert one.ledger.held(cap, "local").dollars == 0.875
    entries = {entry.id: entry for entry in one.ledger.entries()}
    one.ledger.reprice([(entries[first], 4.0, "me")], Deed("me", "costs-recomputed", "local", ""))
    assert one.ledger.held(cap, "local").dollars == other.ledger.held(cap, "local").dollars == 4.625
    # A clock that was set back and forth again.
    now[0] -= 24 * 3600
    one.ledger.debit(a_try(4, 1.0))
    now[0] += 24 * 3600
    assert one.ledger.held(cap, "local").dollars == 5.625
    one.close()
    other.close()


def test_what_was_spent_before_today_is_not_held_against_today(tmp_path):
    home = Home.open(tmp_path)
    for cap, scope in ((Budget(day_dollars=1.0), "day"), (Budget(month_dollars=1.0), "month")):
        books = home.ledger.under(cap, "local")
        books.debit(a_try(1, 1.0))
        with pytest.raises(BudgetError):
            books.debit(a_try(2, 0.1))
        with home._data.writing() as db:
            db.execute("UPDATE ledger SET at = ?", (begins(scope, time.time()) - 0.001,))
        books.debit(a_try(3, 0.1))
        with home._data.writing() as db:
            db.execute("DELETE FROM ledger")
    assert [line.deed.what for line in home.audit.latest()] == ["budget-stop", "budget-stop"]
    home.close()
