"""A world of its own for each example."""

import pytest

from docs_support.world import world


@pytest.fixture
def here(tmp_path):
    with world(tmp_path) as one:
        yield one
