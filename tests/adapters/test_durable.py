"""Our toolset under a durable engine, DBOS with SQLite, in an environment with both."""

import pytest
import venvs

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("adapter-dbos")]


def test_a_killed_run_goes_on_in_a_new_process():
    venvs.tests_in("dbos", "durable.py")
