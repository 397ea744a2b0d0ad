"""A person at the terminal says no and why: what asks is written anew with less, and nobody is asked again for that."""

from __future__ import annotations

import pytest
from people_stage import Clerk

from cli.shop import Terminal, at_model
from docs_support.world import has_full_sandbox

pytestmark = pytest.mark.skipif(not has_full_sandbox(), reason="a host can be granted in the full sandbox only")

ALONE = '''def look(path: str) -> int:
    """Say the length of a page."""
    return len(path) + 4
'''


def test_a_no_with_a_reason_is_mended_and_what_needs_no_powers_asks_nobody(office):
    place = office(lambda one: Clerk(one.asked, (one.source, [one.page.host]), (ALONE, [])))
    terminal = Terminal(place.home, "run", "Look.", "--home", str(place.home), *at_model(place.endpoint.url))
    terminal.wait_for("Enter is no")
    terminal.send("n\n")
    terminal.wait_for("Why not?")
    terminal.send("Work it out alone.\n")
    terminal.wait_for("approval  failed")
    terminal.wait_for("attempt 2 of 3")
    terminal.wait_for("made   look@1")
    code, screen = terminal.end()
    assert (code, "It says 5" in screen) == (0, True)
    assert "Work it out alone." in place.endpoint.of("generator")[1].user[-1]
    (question,) = place.do("approvals", "--all")["questions"]
    assert (question["state"], question["answer"]["reason"]) == ("rejected", "Work it out alone.")
    assert place.page.hits == 0


def test_a_resume_at_the_terminal_asks_what_waits_and_shows_it_as_the_command_does(office):
    place = office()
    run = place.paused()
    shown = place.says("approvals", "show", str(run["question"])).splitlines()[2:14]
    words = ["--home", str(place.home), *at_model(place.endpoint.url)]
    terminal = Terminal(place.home, "run", "--resume", run["run_id"], *words, columns=120)
    screen = terminal.wait_for("Enter is no")
    assert not [line for line in shown if line not in screen]
    terminal.send("y\n")
    code, screen = terminal.end()
    assert (code, "It says 5" in screen) == (0, True)
    (question,) = place.do("approvals", "--all")["questions"]
    assert (question["state"], question["answer"]["who"]) == ("approved", "person")
