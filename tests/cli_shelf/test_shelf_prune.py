"""What is proposed for retiring and why: the pure decision by tables and properties, the command with a person or none."""

import time
from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shop import Terminal, as_json, toolwright

from docs_support.pages import code, page
from toolwright import policy, pruning
from toolwright.pruning import DAY_S, Alike, Rules, proposals
from toolwright.registry import ToolInfo

NOW = 1000 * DAY_S


def info(name="one", *, age=100.0, last=1.0, calls=10, ok=10, origin="agent", state="active", number=1):
    """A tool made *age* days ago and called *last* days ago (None: never)."""
    return ToolInfo(
        name, "local", number, "", "", "", (), (), "none", origin, state, NOW - age * DAY_S, calls, ok,
        None if last is None else NOW - last * DAY_S, None, {}, {},
    )  # fmt: skip


def reasons(*tools, alike=(), **rules):
    found = proposals(tools, now=NOW, rules=Rules(**rules), alike=[Alike(*pair) for pair in alike])
    return {one.info.name: one.reason for one in found}


@pytest.mark.parametrize(
    ("tool", "reason"),
    [
        (info(), None),
        (info(last=29.9), None),
        (info(last=30.0), "unused"),
        (info(last=None, calls=0, ok=0, age=29.0), None),
        (info(last=None, calls=0, ok=0, age=31.0), "unused"),
        (info(last=90.0, age=29.0), None),
        (info(calls=10, ok=5), "failing"),
        (info(calls=10, ok=6), None),
        (info(calls=2, ok=0), None),
        (info(calls=3, ok=0), "failing"),
        (info(calls=3, ok=0, last=99.0), "failing"),
        (info(calls=3, ok=0, origin="person"), None),
        (info(last=None, calls=0, ok=0, origin="host"), None),
        (info(calls=3, ok=0, state="retired"), None),
    ],
)
def test_a_tool_is_proposed_by_what_is_known_of_it(tool, reason):
    assert reasons(tool).get("one") == reason


def test_the_rules_can_be_set():
    assert reasons(info(last=8.0), unused_days=7.0) == {"one": "unused"}
    assert reasons(info(calls=10, ok=9), failing_rate=0.1, failing_calls=1) == {"one": "failing"}
    assert reasons(info(calls=0, ok=0, last=None, age=1), failing_rate=0.0) == {}


@pytest.mark.parametrize(
    ("other", "score", "gone"),
    [
        (info("two", ok=11, calls=11), 0.7, "one"),
        (info("two", ok=11, calls=11), 0.69, None),
        (info("two", ok=9, calls=9), 0.9, "two"),
        (info("two", last=0.5), 0.9, "one"),
        (info("two", age=99.0), 0.9, "one"),
        (info("two", ok=1, calls=1, origin="person"), 0.9, "one"),
        (info("two", ok=0, calls=0, last=None, origin="host"), 0.9, "one"),
        (info("two", ok=11, calls=11, state="retired"), 0.9, None),
    ],
)
def test_of_two_alike_the_one_of_less_use_or_the_older_goes(other, score, gone):
    found = reasons(info("one"), other, alike=[("one", "two", score)])
    assert found == ({gone: "superseded"} if gone else {})


def test_a_tool_that_fails_or_is_forgotten_takes_nobodys_place():
    bad = info("two", calls=40, ok=20)
    assert reasons(info("one"), bad, alike=[("one", "two", 0.9)]) == {"two": "failing"}
    old = info("two", calls=40, ok=40, last=50.0)
    assert reasons(info("one"), old, alike=[("one", "two", 0.9)]) == {"two": "unused"}


def test_where_a_persons_own_function_has_the_name_the_made_one_is_superseded():
    found = proposals([info("one"), info("one", origin="host", number=0)], now=NOW, rules=Rules())
    assert [(one.reason, one.info.origin, one.evidence) for one in found] == [
        ("superseded", "agent", "your own tool of this name answers in its place")
    ]


def test_evidence_says_numbers():
    tools = [
        info("bad", calls=10, ok=3),
        info("old", last=None, calls=0, ok=0),
        info("two", ok=40, calls=40),
        info("two_b", ok=2, calls=2),
    ]
    found = proposals(tools, now=NOW, rules=Rules(), alike=[Alike("two", "two_b", 0.82)], failures={"bad": "7 raised"})
    assert {one.info.name: one.evidence for one in found} == {
        "bad": "7 of 10 calls failed (70%): 7 raised",
        "old": "never called in the 100 days since it was made",
        "two_b": "two@1 does the like (likeness 0.82) and was of use 40 times, this one 2",
    }
    assert [one.reason for one in found] == ["failing", "superseded", "unused"]


TOOLS = st.lists(
    st.builds(
        lambda age, last, calls, failed, origin: info(age=age, last=last, calls=calls + failed, ok=calls, origin=origin),
        st.floats(0, 90), st.none() | st.floats(0, 90), st.integers(0, 9), st.integers(0, 9),
        st.sampled_from(["agent", "agent", "person", "host"]),
    ),
    max_size=7,
).map(lambda some: [replace(one, name=f"t{number}") for number, one in enumerate(some)])  # fmt: skip
PAIRS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6), st.sampled_from([0.5, 0.7, 1.0])), max_size=12)


@given(TOOLS, PAIRS)
def test_only_agents_tools_go_each_once_and_no_job_that_was_of_use_is_left_undone(tools, pairs):
    alike = [Alike(f"t{one}", f"t{other}", score) for one, other, score in pairs]
    found = proposals(tools, now=NOW, rules=Rules(), alike=alike)
    gone = {one.info.name: one.reason for one in found}
    assert len(gone) == len(found)
    assert all(one.info.origin == "agent" for one in found)
    beside = {
        name: {
            b if a == name else a
            for a, b, score in ((p.one, p.other, p.score) for p in alike)
            if name in (a, b) and score >= 0.7
        }
        for name in gone
    }
    for name, reason in gone.items():
        if reason == "superseded":
            reached, waiting = set(), [name]
            while waiting:
                reached.add(one := waiting.pop())
                waiting += [two for two in beside.get(one, ()) if two not in reached]
            staying = reached - gone.keys()
            assert staying & {one.name for one in tools}, "one of those alike stays"


def test_the_page_says_the_rules_that_hold():
    rows = {code(row["reason"])[0]: row for row in page("docs/registry.md").table("reason")}
    assert list(rows) == list(get_args(pruning.Reason))
    rules = Rules()
    assert f"{rules.failing_calls} or more failed" in rows["failing"]["holds when"]
    assert f"they are {rules.failing_rate} or more of all" in rows["failing"]["holds when"]
    assert f"the last {rules.unused_days:.0f} days" in rows["unused"]["holds when"]


def test_what_was_put_back_lately_is_not_unused_and_on_a_shared_shelf_nothing_is():
    old = info("old", last=None, calls=0, ok=0)
    kept = proposals([old], now=NOW, rules=Rules(), restored={"old": NOW - 5 * DAY_S})
    assert kept == []
    late = proposals([old], now=NOW, rules=Rules(), restored={"old": NOW - 40 * DAY_S})
    assert [one.reason for one in late] == ["unused"]
    assert proposals([old], now=NOW, rules=Rules(), shared=True) == []
    assert [one.reason for one in proposals([info(calls=3, ok=0)], now=NOW, rules=Rules(), shared=True)] == ["failing"]


def test_a_tool_of_a_lower_shelf_is_never_proposed_and_may_supersede():
    lower = replace(info("two", ok=11, calls=11), shelf="/home/me")
    assert reasons(info("one"), lower, alike=[("one", "two", 0.9)]) == {"one": "superseded"}
    assert reasons(replace(info(calls=3, ok=0), shelf="/home/me")) == {}


# -- the shelf and the command -----------------------------------------------------------------------------------------


def test_the_shelf_is_judged_by_its_books(tw):
    found = {one.info.name: one for one in tw.prune()}
    assert {name: one.reason for name, one in found.items()} == {"flaky": "failing", "reversed_words": "superseded"}
    assert found["flaky"].evidence == "3 of 4 calls failed (75%): 3 raised"
    assert "reverse_words@1 does the like" in found["reversed_words"].evidence
    later = pruning.prune(tw.registry, now=lambda: time.time() + 31 * DAY_S)
    assert {one.info.name: one.reason for one in later} == {
        "flaky": "failing", "reverse_words": "unused", "reversed_words": "unused"
    }  # fmt: skip


def test_without_a_person_it_only_prints_and_yes_retires_all(home):
    at = ["--home", str(home)]
    done = toolwright(home, "prune", *at)
    assert [line.split()[:2] for line in done.stdout.splitlines()] == [
        ["flaky@1", "failing"],
        ["reversed_words@1", "superseded"],
    ]
    assert "prune --yes" in done.stderr
    found = as_json(toolwright(home, "prune", "--json", *at))
    assert (found["type"], found["retired"]) == ("pruned", [])
    assert [(one["tool"]["name"], one["reason"]) for one in found["proposals"]] == [
        ("flaky", "failing"),
        ("reversed_words", "superseded"),
    ]
    done = toolwright(home, "prune", "--yes", *at)
    assert "retired flaky@1; `toolwright restore flaky` brings it back" in done.stdout
    assert "Nothing to prune" in toolwright(home, "prune", *at).stdout
    why = as_json(toolwright(home, "show", "flaky@1", "--json", *at))["versions"][0]["changes"][-1]["why"]
    assert why.startswith("failing: 3 of 4 calls failed")
    unused = as_json(toolwright(home, "prune", "--unused-days", "0", "--yes", "--json", *at))
    assert unused["retired"] == ["reverse_words@1"]


def test_what_the_policy_lists_goes_unasked_but_not_what_a_person_put_back(home):
    at = ["--home", str(home)]
    (home / "policy.toml").write_text('[prune]\nretire = ["failing"]\n')
    done = toolwright(home, "prune", *at)
    assert "retired flaky@1 by policy; `toolwright restore flaky` brings it back" in done.stdout
    assert "reversed_words@1" in done.stdout
    assert "retired reversed_words" not in done.stdout
    (change,) = as_json(toolwright(home, "show", "flaky@1", "--json", *at))["versions"][0]["changes"][1:]
    assert (change["state"], change["who"], change["why"][:27]) == ("retired", "policy", "failing: 3 of 4 calls faile")
    toolwright(home, "restore", "flaky", *at)
    done = as_json(toolwright(home, "prune", "--json", *at))
    assert ([one["tool"]["name"] for one in done["proposals"]], done["retired"]) == (["flaky", "reversed_words"], [])
    (home / "policy.toml").write_text('[prune]\nretire = ["superseded", "failing"]\n')
    assert as_json(toolwright(home, "prune", "--json", *at))["retired"] == ["reversed_words@1"]
    (home / "policy.toml").write_text('[prune]\nretire = ["boring"]\n')
    said = toolwright(home, "prune", *at, code=2).stderr
    assert "[prune] (line 2): reason 'boring' is not one of failing, superseded, unused." in said


def test_a_version_that_took_the_place_of_a_proposed_one_stays(tw):
    found = [one for one in tw.prune() if one.info.name == "flaky"]
    better = tw.edit("flaky", 'def flaky(word: str) -> str:\n    """Say a word."""\n    return word\n')
    assert str(better.version) == "flaky@2"
    assert tw.retire_proposed(found) == []
    assert str(tw.registry.get("flaky")) == "flaky@2"


def test_the_policy_knows_the_reasons():
    assert get_args(pruning.Reason) == policy.PRUNED


def test_a_person_at_a_terminal_chooses_all_each_or_none(home):
    at = ["--home", str(home), "--failing-rate", "0.7"]
    terminal = Terminal(home, "prune", *at, columns=60)
    terminal.wait_for("Retire [a] all of them, [e] ask for each, [N] none?")
    terminal.send("\n")
    code, screen = terminal.end()
    assert (code, "Nothing was retired." in screen) == (0, True)
    assert max(map(len, screen.splitlines())) <= 60
    terminal = Terminal(home, "prune", *at)
    terminal.wait_for("none?")
    terminal.send("what\n")
    terminal.wait_for("'what' is not one of a, e, n.")
    terminal.send("each\n")
    terminal.wait_for("Retire flaky@1? [y/N]")
    terminal.send("\n")
    terminal.wait_for("Retire reversed_words@1? [y/N]")
    terminal.send("y\n")
    terminal.wait_for("retired reversed_words@1")
    assert terminal.end()[0] == 0
    terminal = Terminal(home, "prune", *at)
    terminal.wait_for("none?")
    terminal.send("\x03")
    assert terminal.end()[0] == 130
    terminal = Terminal(home, "prune", *at)
    terminal.wait_for("none?")
    terminal.send("a\n")
    terminal.wait_for("retired flaky@1")
    assert terminal.end()[0] == 0


def test_names_are_retired_together_or_not_at_all_and_come_back(home):
    at = ["--home", str(home)]
    said = toolwright(home, "retire", "add", "nobody", *at, code=2).stderr
    assert "'nobody'" in said
    assert "add@1" in toolwright(home, "tools", *at).stdout
    assert "'add@1'" in toolwright(home, "retire", "add@1", *at, code=2).stderr
    done = as_json(toolwright(home, "retire", "add", "flaky", "add", "--why", "too many", "--json", *at))
    assert done == {"type": "retired", "retired": ["add@1", "flaky@1"]}
    assert "restore add" in toolwright(home, "retire", "add", *at, code=4).stderr
    assert toolwright(home, "restore", "add", *at).stdout == "restored add@1\n"
    assert as_json(toolwright(home, "restore", "flaky@1", "--json", *at))["restored"] == "flaky@1"
    assert "nobody" in toolwright(home, "restore", "nobody", *at, code=2).stderr
