"""The tests that a box must pass, for pytest with `-p toolwright.escape.plugin`: one each for every attack."""

from __future__ import annotations

import pytest

from toolwright.escape.attack import Attack
from toolwright.escape.campaign import Finding

pytestmark = pytest.mark.xdist_group("escape")


def test_the_box_holds(escape_attack: Attack, held_finding: Finding) -> None:
    """The attack gets nothing."""
    assert held_finding.good, f"{held_finding.verdict}: would have gained: {escape_attack.gain}; {held_finding.detail}"


def test_it_succeeds_without_a_wall(escape_attack: Attack, bare_finding: Finding) -> None:
    """So the test above does not pass because the attack is broken."""
    assert bare_finding.good, f"{escape_attack.name}: {bare_finding.detail}"
