"""A question about a tool that is on the shelf, or about its next version: what changed since a yes, checks and cost."""

from __future__ import annotations

import pytest
from people_stage import Clerk

from cli.shop import Page, Terminal
from docs_support.world import has_full_sandbox
from outside.endpoint import calls, says

pytestmark = pytest.mark.skipif(not has_full_sandbox(), reason="a host can be granted in the full sandbox only")

PRICES = '[[price]]\nmodel = "openai:anything"\ninput = 1000.0\noutput = 1000.0\n'
LONG = "".join(f"    # and number {number}\n" for number in range(60))


def put(place, source, *hosts, policy=""):
    """*source* as look, or as its next version; its powers are agreed to, or allowed by *policy* and nobody is asked."""
    file, rules = place.home / "look.py", place.home / "policy.toml"
    file.write_text(source)
    rules.write_text(policy)
    with place.open(approve=not policy) as tw:
        there = "look" in tw.registry
        given = {"hosts": list(hosts), "example": "look('a') == 5"}
        made = tw.edit("look", source, **given) if there else tw.import_file(file, **given)
        assert made.version is not None, made.reason
    rules.unlink()


def allowing(*hosts):
    return f'[[rule]]\naction = "allow"\nhosts = {[*hosts]}\n'.replace("'", '"')


def revoke_all(place):
    with place.open() as tw:
        for one in tw.grants():
            tw.revoke(one.id)


def uses(request):
    if request.results:
        return says(f"It says {request.results[-1]}")
    return calls(("run_tool", {"name": "look", "arguments": {"path": "x"}}))


class MakesThenUses(Clerk):
    made = False

    def __call__(self, request):
        return uses(request) if self.made else super().__call__(request)


def changed(place, text):
    return place.source.replace("    # remark 7\n", text)


def as_asked(screen):
    """The lines of the question, from its title on."""
    lines = screen.splitlines()
    return lines[next(number for number, line in enumerate(lines) if line.startswith("look@")) :]


def test_a_call_of_a_later_version_whose_yes_was_taken_back_shows_what_nobody_has_seen(office):
    place = office(lambda one: uses)
    put(place, place.source, place.page.host)
    put(place, changed(place, "    # another remark\n"), place.page.host)
    with place.open() as tw:
        assert [line.deed.what for line in tw.audit(name="look")].count("approved") == 1, "one yes covered both"
    revoke_all(place)
    terminal = Terminal(place.home, "call", "look", "--path", "x", "--home", str(place.home), columns=80, rows=24)
    screen = terminal.wait_for("Enter is no")
    shown = as_asked(screen)
    assert len(shown) <= 23, screen
    assert max(map(len, shown)) <= 80, screen
    assert "look@2 is to be called, and no yes to its powers holds" in screen
    assert "  does     Say the length of a page." in shown
    assert f"  host {place.page.host}  (no reason was given)" in shown
    assert "  checks   passed syntax, shape, screen, load, contract; examples could not be" in shown, "one yes, one try"
    assert "  cost to write it so far nothing: a person wrote it" in shown
    assert "since then this changed" in screen
    assert "  | -    # remark 7" in shown
    assert "  | +    # another remark" in shown
    assert "is tried with" not in screen
    assert "remark 29" not in screen
    terminal.send("y\n")
    code, screen = terminal.end()
    assert (code, screen.rstrip()[-1]) == (0, "5")

    revoke_all(place)
    run = place.paused()
    asked = place.says("approvals", "show", str(run["question"]))
    assert "since then" not in asked, "now somebody has said yes to that very code"
    assert "somebody said yes to this very code before:" in asked
    assert f'  | HOST = "{place.page.host}"' in asked


@pytest.mark.long
def test_a_version_that_was_widened_under_a_rule_is_asked_about_with_all_that_changed(office):
    with Page() as other:
        place = office(lambda one: uses)
        put(place, place.source, place.page.host)
        hosts = [place.page.host, other.host]
        put(place, changed(place, LONG), *hosts, policy=allowing(*hosts))
        run = place.paused()
        number = str(run["question"])
        words = ["approvals", "show", number, "--home", str(place.home)]
        code, screen = Terminal(place.home, *words, columns=80, rows=24).end()
        assert (code, len(screen.splitlines()) <= 24) == (0, True), screen
        assert f"  host {other.host}  (no reason was given)" in screen.splitlines()
        assert "  | +    # and number 0" in screen
        assert "more lines; --code shows them" in screen
        assert "number 59" not in screen
        whole = place.says("approvals", "show", number, "--code")
        assert "\n+    # and number 59\n" in whole
        assert f"\n{changed(place, LONG)}" in whole
        place.do("approvals", "approve", number)
        assert place.run("--resume", run["run_id"], code=0)["reused"] == ["look@2"]


@pytest.mark.long
def test_a_call_of_what_a_model_made_tells_why_it_wants_each_power_and_what_it_cost(office):
    place = office(lambda one: MakesThenUses(one.asked, (one.source, [one.page.host])))
    (place.home / "prices.toml").write_text(PRICES)
    made = place.run("Look at the page.", "--yes", code=0)
    assert made["made"] == ["look@1"]
    revoke_all(place)
    place.speaker.made = True
    run = place.paused()
    shown = place.says("approvals", "show", str(run["question"]))
    assert "look@1 is to be called, and no yes to its powers holds" in shown
    assert f"  host {place.page.host}  (the page is there)\n" in shown
    assert "checks   passed syntax, shape, screen, load, examples, contract\n" in shown
    cost = shown.partition("cost to write it so far $")[2].split()[0]
    assert 0 < float(cost) < made["cost"]["dollars"], "the generator's part of it"
    assert "somebody said yes to this very code before:" in shown


def test_the_next_version_is_held_against_the_one_before_only_if_somebody_agreed_to_that(office):
    asked = []

    def no(request):
        asked.append(request.before)
        return False

    with Page() as other:
        place = office(lambda one: uses)
        alone, both = [place.page.host], [place.page.host, other.host]

        def before(number=1):
            """What a wider next version is held against: by `edit`, and by `adopt` of a file that was edited by hand."""
            asked.clear()
            file = place.home / "tools" / "look" / f"{number}.py"
            whole = file.read_text()
            with place.open(approve=no) as tw:
                tw.edit("look", changed(place, "    # wider\n"), hosts=both)
                file.write_text(whole.replace("    # remark 7\n", "    # by hand\n"))
                tw.adopt("look")
                file.write_text(whole)
            return asked

        first, second = place.source, changed(place, "    # remark 7\n    # and more\n")
        put(place, first, *alone, policy=allowing(*alone))
        assert before() == ["", ""], "a rule allowed it, and nobody said yes"
        with place.open(approve=True) as tw:
            assert tw.call("look", {"path": "x"}).value == 5
        revoke_all(place)
        assert before() == [first, ""], "what the file held that was edited nobody knows any more"
        put(place, second, *alone, policy=allowing(*alone))
        assert before(2) == [first, first], "a rule allowed the second, and somebody agreed to the first"
        with place.open(approve=True) as tw:
            assert tw.call("look", {"path": "x"}).value == 5
        revoke_all(place)
        assert before(2) == [second, first]
