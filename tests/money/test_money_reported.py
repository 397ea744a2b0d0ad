"""What a provider says of a call, whatever it says: a price that none can be is not believed."""

import json

import pytest
from money_stage import COUNTED, PRICES, says

from toolwright.models.pricetable import read_prices

EACH = (1000 * 1.0 + 100 * 10.0) / 1e6
"""Dollars for an answer that is `COUNTED`, by `PRICES`."""
NONE_CAN_BE = (-100.0, float("inf"), float("-inf"), float("nan"), 1e308, 10**400, 1000.1)


def strict(text):
    """*text* as JSON, which knows neither infinity nor NaN."""

    def unknown(word):
        raise AssertionError(f"{word} is no JSON")

    return json.loads(text, parse_constant=unknown)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_price_that_none_can_be_is_as_if_none_were_reported(till, monkeypatch, stream):
    monkeypatch.setenv("TOOLWRIGHT_STREAM", str(stream))
    turns = [
        says("Hello.", usage=COUNTED | {"cost": bad}, when={"last_user": f"number {number}."})
        for number, bad in enumerate(NONE_CAN_BE)
    ]
    one = till(*turns)
    for number in range(len(NONE_CAN_BE)):
        assert one.do(f"Say number {number}.").cost.dollars == pytest.approx(EACH), NONE_CAN_BE[number]
    assert {row["priced_by"] for row in one.rows()} == {read_prices(one.home / "prices.toml").version}
    assert one.spent() == pytest.approx(len(NONE_CAN_BE) * EACH)
    # A cap that lacks a little for one more call holds: none of them has lifted it, none has filled it.
    assert "spent" in one.do("Say number 0.", day_dollars=one.spent() + 0.08).reason
    assert one.do("Say number 0.", day_dollars=one.spent() + 0.12).output == "Hello."


def test_what_older_books_believed_is_unknown_to_caps_and_sums_and_is_mended(till):
    one = till(says("Hello.", usage=COUNTED | {"cost": 0.5}), prices="")
    for number in range(4):
        one.do(f"Say so, {number}.")
    for number, bad in enumerate((-100.0, float("inf"), float("nan")), 1):
        one.sql("UPDATE ledger SET dollars = ? WHERE id = ?", bad, number)
    told = strict(one.command("costs", "--json").stdout)
    assert (told["total"]["known_dollars"], told["total"]["unpriced"]) == (0.5, 3)
    shown = one.command("costs")
    assert (shown.returncode, "$0.5000 + 3 unknown" in shown.stdout) == (0, True), shown.stderr
    one.price(PRICES)
    assert "3 calls within it cost nobody knows what" in one.do("Say more.", day_dollars=5.0).reason
    # Where nobody says another price, what none can be goes all the same.
    one.price("")
    told = strict(one.command("costs", "--recompute", "--json").stdout)
    assert (told["before"], told["after"], told["unpriced_after"]) == (0.5, 0.5, 3)
    assert [row["dollars"] for row in one.rows()] == [None, None, None, 0.5]
    one.price(PRICES)
    told = strict(one.command("costs", "--recompute", "--json").stdout)
    assert (told["changed"], told["unpriced_after"], told["after"]) == (3, 0, pytest.approx(0.5 + 3 * EACH))
    assert one.do("Say more.", day_dollars=5.0).output == "Hello."


SIDES = {
    "neither": (0, 0),
    "the prompt alone": (10, 0),
    "the answer alone": (0, 5),
    "less than none": (10, -100_000),
    "more than there is": (10**30, 5),
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_each_side_that_was_not_counted_stays_at_its_worst_case(till, monkeypatch, stream):
    monkeypatch.setenv("TOOLWRIGHT_STREAM", str(stream))
    one = till(
        *(
            says("Hello.", usage={"input": counts[0], "output": counts[1], "cost": None}, when={"last_user": f"{how}."})
            for how, counts in SIDES.items()
        )
    )
    for how in SIDES:
        assert one.do(f"{how}.").output == "Hello."
    for how, row in zip(SIDES, one.rows(), strict=True):
        tokens_in, tokens_out = (n if 0 < n < 10**9 else None for n in SIDES[how])
        if stream and how == "less than none":
            tokens_in = None  # the client takes nothing out of a last piece that says so
        assert row["state"] == "unknown", how
        assert row["tokens_out"] == (tokens_out or 8192), how
        assert row["tokens_in"] == tokens_in if tokens_in else row["tokens_in"] > 1000, how
        assert row["dollars"] == pytest.approx((row["tokens_in"] + 10 * row["tokens_out"]) / 1e6), how
    # What was counted in part is as little known after it is reckoned anew.
    before = one.spent()
    assert strict(one.command("costs", "--recompute", "--json").stdout)["after"] == pytest.approx(before)


def test_a_reported_price_holds_for_what_was_not_counted_and_an_empty_answer_has_no_tokens(till):
    one = till(
        says("Hello.", usage={"input": 10, "output": 0, "cost": 0.25}, when={"last_user": "one."}),
        {
            "when": {"last_user": "two."},
            "fault": "empty",
            "usage": {"input": 10, "output": 0, "cost": None},
            "times": 1,
        },
        says("There.", when={"last_user": {"regex": ".*"}}),
    )
    assert one.do("one.").output == "Hello."
    assert one.do("two.").output == "There."
    first, empty, _ = one.rows()
    assert (first["state"], first["tokens_in"], first["tokens_out"], first["dollars"]) == ("settled", 10, 8192, 0.25)
    assert (empty["state"], empty["tokens_out"], empty["dollars"]) == ("settled", 0, pytest.approx(10 / 1e6))
