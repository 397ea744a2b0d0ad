"""A kill while the audit is told of a version that came on a yes: both lines or none, and both are there later, once."""

from __future__ import annotations

import signal

import pytest
from people_stage import Clerk

from docs_support.world import has_full_sandbox

pytestmark = pytest.mark.skipif(not has_full_sandbox(), reason="a host can be granted in the full sandbox only")

DIES = """
import os, signal, sys
from toolwright import Toolwright
from toolwright.store.audit import AuditBook

home, url, at = sys.argv[1:4]
real = AuditBook.add

def add(self, deed, **how):
    if deed.what == at:
        os.kill(os.getpid(), signal.SIGKILL)
    real(self, deed, **how)

AuditBook.add = add
with Toolwright("openai:anything", base_url=url, home=home, approve=True) as tw:
    tw.run("Look at the page.")
"""


def repaired(one):
    wrong = one.source.replace("len(answer.read())", "0")
    return Clerk(one.asked, (wrong, [one.page.host]), (one.source, [one.page.host]))


def told(place):
    """What the record says of the version, and the run that made it."""
    with place.open() as tw:
        assert tw.verify_audit().whole
        lines = [line.deed for line in tw.audit(name="look", limit=100)]
        assert str(tw.registry.get("look")) == "look@1", "it is there all the while"
        return [one.what for one in reversed(lines) if one.what in ("admitted", "covered")], tw.runs()[0].id


@pytest.mark.parametrize("at", ["admitted", "covered"])
@pytest.mark.parametrize("later", ["resumed", pytest.param("called", marks=pytest.mark.long)])
def test_a_kill_leaves_both_lines_or_none_and_they_come_with_the_resume_or_the_first_call(office, at, later):
    place = office(repaired)
    done = place.elsewhere(DIES, at)
    assert done.returncode == -signal.SIGKILL, done.stderr
    lines, run = told(place)
    assert lines == []
    if later == "resumed":
        assert place.run("--resume", run, code=0)["made"] == ["look@1"]
    else:
        assert place.do("call", "look", "--path", "x")["value"] == 5
    assert told(place)[0] == ["admitted", "covered"]
    assert place.do("call", "look", "--path", "x")["value"] == 5
    assert told(place)[0] == ["admitted", "covered"]
    if later == "called":
        assert place.run("--resume", run, code=0)["made"] == ["look@1"]
        assert told(place)[0] == ["admitted", "covered"]
