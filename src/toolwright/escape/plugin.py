"""The suite in pytest: `pytest -p toolwright.escape.plugin --pyargs toolwright.escape.suite --box=MODULE:FACTORY`.

All attacks that were selected run at once, several at a time, as soon as the first test asks for one; each test then
waits for its own. At the end stands a line with the counts.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator

import pytest

from toolwright.escape import campaign
from toolwright.escape.attack import Attack
from toolwright.escape.boxes import LINUX, make_box
from toolwright.escape.families import every_attack

_TRIES = {"held_finding": "box", "bare_finding": "bare"}
"""What a test asks for, and what is tried then."""
_PROPERTY = "toolwright.escape"
_SELECTED = pytest.StashKey[list[tuple[str, Attack]]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Which box is attacked."""
    group = parser.getgroup("escape", "toolwright's escape suite")
    group.addoption("--box", default=LINUX, metavar="MODULE:FACTORY", help="the box to attack (default: %(default)s)")
    group.addoption("--box-profile", default="", metavar="NAME", help="handed to the factory of the box")
    group.addoption("--box-threads", default=4, type=int, metavar="N", help="attacks at a time (default: %(default)s)")


def pytest_configure(config: pytest.Config) -> None:
    """Make room for the counts, and make the mark known where pytest-xdist is not installed."""
    config.stash[_SELECTED] = []
    config.pluginmanager.register(_Counts())
    config.addinivalue_line("markers", "xdist_group(name): run by one worker of pytest-xdist")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test for each attack."""
    if "escape_attack" in metafunc.fixturenames:
        metafunc.parametrize("escape_attack", every_attack(), ids=lambda one: f"{one.family}: {one.name}")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Note which attacks are to be tried, and how."""
    for item in session.items:
        attack = getattr(item, "callspec", None) and item.callspec.params.get("escape_attack")  # type: ignore[attr-defined]
        if attack is not None:
            asked = [name for name in _TRIES if name in item.fixturenames]  # type: ignore[attr-defined]
            session.config.stash[_SELECTED] += [(_TRIES[name], attack) for name in asked]


@pytest.fixture(scope="session")
def escape_box(pytestconfig: pytest.Config) -> Iterator[object]:
    """The box under attack."""
    box = make_box(pytestconfig.getoption("--box"), pytestconfig.getoption("--box-profile"))
    yield box
    box.close()


@pytest.fixture(scope="session")
def escape_campaign(pytestconfig: pytest.Config, escape_box: object) -> Iterator[campaign.Campaign]:
    """All selected attacks, under way."""
    tries: dict[str, campaign.Try] = {"box": functools.partial(campaign.walled, escape_box), "bare": campaign.bare}  # type: ignore[arg-type]
    with campaign.Campaign(tries, pytestconfig.getoption("--box-threads")) as started:
        for name, attack in pytestconfig.stash[_SELECTED]:
            started.start(name, attack)
        yield started


@pytest.fixture
def held_finding(
    escape_attack: Attack, escape_campaign: campaign.Campaign, request: pytest.FixtureRequest
) -> campaign.Finding:
    """What came of the attack in the box."""
    return _found("box", escape_attack, escape_campaign, request)


@pytest.fixture
def bare_finding(
    escape_attack: Attack, escape_campaign: campaign.Campaign, request: pytest.FixtureRequest
) -> campaign.Finding:
    """What came of the attack without a wall."""
    return _found("bare", escape_attack, escape_campaign, request)


def _found(name: str, attack: Attack, started: campaign.Campaign, request: pytest.FixtureRequest) -> campaign.Finding:
    found = started.start(name, attack).result()
    request.node.user_properties.append((_PROPERTY, [attack.family, attack.name, found.verdict.value]))
    return found


class _Counts:
    """Hears of each attack, from whichever process tried it."""

    def __init__(self) -> None:
        self._heard: list[tuple[str, str, campaign.Verdict]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count it."""
        if report.when == "call":
            for name, value in report.user_properties:
                if name == _PROPERTY and isinstance(value, list):
                    self._heard.append((value[0], value[1], campaign.Verdict(value[2])))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """The line with the counts."""
        if self._heard:
            terminalreporter.section("escape suite")
            terminalreporter.write_line(campaign.summary(self._heard))
