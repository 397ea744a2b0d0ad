"""A stocked home with tokens, copied for each test, and a server that is stopped at its end."""

import shutil
import signal

import pytest
from door import Door, Writer

from cli.shop import ADD, FAIL, NAP
from outside.endpoint import Endpoint
from toolwright import Toolwright

SCOPES = {
    "all": ("read", "run", "make", "approve"),
    "reader": ("read",),
    "runner": ("run",),
    "maker": ("make",),
    "approver": ("approve",),
}


@pytest.fixture(scope="session")
def _stocked(tmp_path_factory):
    home = tmp_path_factory.mktemp("stocked-web")
    with Toolwright(home=home) as tw:
        for name, source in {"add": ADD, "fail": FAIL, "nap": NAP}.items():
            (home / f"{name}.py").write_text(source)
            made = tw.import_file(home / f"{name}.py")
            assert made.version is not None, made.reason
        tokens = {name: tw.add_token(name, scopes).text for name, scopes in SCOPES.items()}
    return home, tokens


def _closed(doors):
    for one in doors:
        if one.process.poll() is None:
            one.stop(signal.SIGINT)
            one.stop(signal.SIGINT)
            code, errors = one.close()
            assert code == 0, errors


@pytest.fixture
def served(_stocked, tmp_path):
    """`served(...)`: a server of its own, with a home of its own."""
    stocked, tokens = _stocked
    doors, homes = [], []

    def start(*words, **more):
        home = tmp_path / f"home{len(homes)}"
        homes.append(home)
        shutil.copytree(stocked, home)
        doors.append(Door(home, dict(tokens), *words, **more))
        return doors[-1]

    yield start
    _closed(doors)


@pytest.fixture(scope="module")
def writer():
    return Writer()


@pytest.fixture(scope="module")
def door(_stocked, tmp_path_factory, writer):
    """One server for the tests of a file, with a model that writes `double` and `half`."""
    stocked, tokens = _stocked
    home = tmp_path_factory.mktemp("served") / "home"
    shutil.copytree(stocked, home)
    with Endpoint(writer) as endpoint:
        one = Door(home, dict(tokens), model=endpoint.url)
        yield one
        _closed([one])
