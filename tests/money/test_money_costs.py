"""What was spent, by day, run, tool, model and tenant; prices of one's own; the books reckoned anew."""

import json
import os
import sys
import time

import pytest
from money_stage import COUNTED, HALVE, HALVE_ASKED, PRICES, calls, says, writes

from docs_support.screen import Terminal
from toolwright.budgets import begins
from toolwright.errors import SettingsError, UserError
from toolwright.models.prices import Prices
from toolwright.models.pricetable import read_prices
from toolwright.models.values import ModelChoice

EACH = (1000 * 1.0 + 100 * 10.0) / 1e6
"""Dollars for an answer that is `COUNTED`, by `PRICES`."""

TURNS = (
    calls("request_new_tool", HALVE_ASKED, results=0, not_offered=["halve"]),
    says("It is {{result('halve').value}}.", when={"result_of": "halve"}),
    calls("halve", {"number": 5.0}),
    writes(HALVE),
)


@pytest.fixture
def spent(till):
    """A home in which one run made `halve`, and two later ones used it."""
    one = till(*TURNS)
    for number in range(3):
        result = one.do(f"Halve 5, {number}.")
        assert (result.status, result.output) == ("complete", "It is 2.5."), result.reason
    return one


def test_what_a_tool_cost_served_and_saved(spent):
    with spent.open() as tw:
        found = tw.costs("tool")
        rows = {row.key: row for row in found.rows}
        halve, others = rows["halve"], rows[""]
        assert halve.known == pytest.approx(EACH)
        assert (halve.use.served, halve.use.runs, halve.use.saved) == (3, 2, pytest.approx(2 * EACH))
        assert others.known == pytest.approx(7 * EACH)
        assert others.use is None
        # A call outside of a run serves, and saves nobody the making.
        assert tw.call("halve", {"number": 1.0}).value == 0.5
        use = next(row.use for row in tw.costs("tool").rows if row.key == "halve")
        assert (use.served, use.runs) == (4, 2)


def test_sums_by_run_model_tenant_and_day_agree(spent):
    earlier = begins("day", time.time()) - 2 * 86_400 + 7200
    spent.sql("UPDATE ledger SET at = ? WHERE run_id = (SELECT min(run_id) FROM ledger)", earlier)
    with spent.open(namespace="acme") as tw:
        sums = {by: tw.costs(by) for by in ("day", "run", "model", "tenant")}
        assert {found.total.known for found in sums.values()} == {sums["day"].total.known}
        assert sums["day"].total.known == pytest.approx(8 * EACH)
        days = [(row.key, row.tries > 0) for row in sums["day"].rows]
        assert [there for _, there in days] == [True, False, True], days
        assert [day for day, _ in days] == sorted(day for day, _ in days)
        assert len(sums["run"].rows) == 3
        assert [row.key for row in sums["model"].rows] == ["openai:scripted"]
        assert tw.costs("model", tenant="acme").rows == ()
        assert tw.costs("day", since=begins("day", time.time())).total.known < sums["day"].total.known
        with pytest.raises(UserError, match="not by 'week'"):
            tw.costs("week")


def test_costs_on_a_narrow_terminal_and_from_a_pipe_without_blocks(spent):
    words = [sys.executable, "-P", "-m", "toolwright", "costs", "--home", str(spent.home), "--no-pager"]
    with Terminal(words, folder=spent.home.parent, environment=dict(os.environ), columns=60, rows=40) as terminal:
        shown, code = terminal.play([])
    assert code == 0
    lines = [line for line in shown.splitlines() if line.strip()]
    assert any("█" in line for line in lines)
    assert max(map(len, lines)) <= 60
    done = spent.command("costs", "--by", "tool", PYTHONIOENCODING="ascii", COLUMNS="70")
    assert "#" in done.stdout
    assert done.stdout.isascii()
    assert max(map(len, done.stdout.splitlines())) <= 70
    assert spent.command("costs", "--since", "2031-01-01").stdout == "Nothing was spent in that time.\n"
    wrong = spent.command("costs", "--since", "soon")
    assert (wrong.returncode, "'soon' is no day" in wrong.stderr) == (2, True)


def test_the_books_are_reckoned_anew_by_what_was_counted(till):
    one = till(
        says("One.", usage={"cost": 0.5}, when={"last_user": "one"}),
        says("Two.", usage=COUNTED),
        prices="",
    )
    one.do("Say one.")
    one.do("Say two.")
    assert [(row["dollars"], row["priced_by"]) for row in one.rows()] == [(0.5, "provider"), (None, "")]
    assert one.rows()[1]["usage"]["counted"] == {"input_tokens": 1000, "output_tokens": 100}
    one.price(PRICES)
    told = json.loads(one.command("costs", "--recompute", "--json").stdout)
    assert (told["looked_at"], told["changed"], told["unpriced_before"], told["unpriced_after"]) == (2, 1, 1, 0)
    assert (told["before"], told["after"]) == (0.5, pytest.approx(0.5 + EACH))
    (charged, reckoned) = one.rows()
    assert charged["dollars"] == 0.5
    assert reckoned["dollars"] == pytest.approx(EACH)
    assert reckoned["priced_by"].startswith("prices.toml ")
    ((_, _, detail, _),) = one.deeds("costs-recomputed")
    assert detail.startswith("1 of 2 tries priced anew")
    # Nothing has changed since: nothing is written.
    assert json.loads(one.command("costs", "--recompute", "--json").stdout)["changed"] == 0
    # Another table with the same prices changes who said them, and no price.
    one.price(f"# The same.\n{PRICES}")
    assert json.loads(one.command("costs", "--recompute", "--json").stdout)["changed"] == 0
    assert one.rows()[1]["priced_by"] == read_prices(one.home / "prices.toml").version != reckoned["priced_by"]
    assert len(one.deeds("costs-recomputed")) == 1
    # Where nobody knows a price any more, what was known stays.
    one.price("")
    assert json.loads(one.command("costs", "--recompute", "--json").stdout)["changed"] == 0


CHOICE = ModelChoice("openai", "gpt-4o-mini")


def table(tmp_path, text):
    path = tmp_path / "prices.toml"
    path.write_text(text)
    return Prices(read_prices(path))


def test_a_table_of_ones_own_goes_before_the_price_list(tmp_path):
    own = table(
        tmp_path,
        '[[price]]\nmodel = "openai:*"\nbase_url = "http://10.0.0.5/v1/"\nfree = true\n'
        '[[price]]\nmodel = "openai:gpt-4o-*"\ninput = 2\ncached_input = 1\noutput = 20\n',
    )
    used = own.of(CHOICE, type("Usage", (), {"input_tokens": 1000, "cache_read_tokens": 400, "output_tokens": 10}))
    assert used.dollars == pytest.approx((600 * 2 + 400 * 1 + 10 * 20) / 1e6)
    assert used.by == own.table.version
    assert own.worst(CHOICE, 1000, 10).dollars == pytest.approx((1000 * 2 + 10 * 20) / 1e6)
    home = ModelChoice("openai", "any", "http://10.0.0.5/v1")
    assert (own.is_free(home), own.is_free(CHOICE)) == (True, False)
    assert own.worst(ModelChoice("openai", "gpt-5-mini"), 10, 10).by.startswith("genai-prices ")
    assert table(tmp_path, "").table.prices == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[price]]\nmodel = "a:b"\ninput = -1\noutput = 2\n', r"price 1 \(line 3\): input must be US dollars"),
        ('\n[[price]]\nmodel = "a:b"\ninput = 1\n', r"price 1 \(line 2\): say `input` and `output`"),
        ('[[price]]\nmodel = "a:b"\nfree = true\n[[price]]\nmodle = "a:c"\n', r"price 2 \(line 5\): unknown key 'modle'"),
        ('[[price]]\nmodel = "a:b"\ninput = 1\noutput = 1\nfree = true\n', r"\(line 5\): it is free, and has a price"),
        ('[[price]]\nmodel = "a:b"\nfree = true\npart_tokens = 1.5\n', r"\(line 4\): part_tokens must be a whole"),
        ('[[price]]\nfree = true\n', r"\(line 1\): there is no `model`"),
        ('[prices]\nx = 1\n', r"\(line 1\): unknown key 'prices'"),
        ('[[price]]\nmodel = \n', "cannot be read"),
        ('[[price]]\nmodel = "a:b"\ninput = ' + "9" * 5000, r"cannot be read: a number is too long \(at line 3\)"),
        ('[[price]]\nmodel = ' + "[" * 9999, r"cannot be read: a value is nested too deeply \(at line 2\)"),
        ('price = [\n  3]\n', r"price 1 \(line 2\): must be a table"),
        ('\nprice = 3\n', r"\(line 2\): 'price' must be written \[\[price\]\]"),
        ('[["price"]]\nmodel = "a:b"\nnote = """\n[[price]]\n"""\n', r"price 1 \(line 3\): unknown key 'note'"),
    ],
    ids=range(13),
)  # fmt: skip
def test_a_table_that_cannot_be_read_is_named_with_its_line(tmp_path, text, said):
    with pytest.raises(SettingsError, match=said):
        table(tmp_path, text)
