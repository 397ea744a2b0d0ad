"""One executor over the real sandbox for all tests of the validator."""

from __future__ import annotations

import pytest
from proving import Bench


@pytest.fixture(scope="session")
def bench() -> Bench:
    return Bench()
