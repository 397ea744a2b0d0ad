"""The cloud that the tests of the shared shelf meet: real servers on loopback, one of each for a session of tests."""

from __future__ import annotations

from collections.abc import Iterator

import cloud
import pytest

from toolwright.cli import look


@pytest.fixture(autouse=True)
def consoles_of_this_test() -> None:
    """Each console is made for the standard output of its time, which is another one in each run of a command."""
    for console in (look.out, look.err):
        console.cache_clear()


@pytest.fixture(scope="session")
def servers() -> Iterator[cloud.Cloud]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in cloud.KEYS.items():
            patch.setenv(name, value)
        with cloud.ministack() as url, cloud.dynamodb_local() as table:
            yield cloud.Cloud(url, table or url).made()
