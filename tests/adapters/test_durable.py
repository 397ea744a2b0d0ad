"""Our toolset under durable engines, each in an environment of its own: DBOS, Prefect, the activities of Temporal."""

import pytest

from adapters import venvs

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]


@pytest.mark.xdist_group("adapter-dbos")
def test_a_killed_workflow_of_dbos_goes_on_in_a_new_process():
    venvs.tests_in("dbos", "durable_dbos.py")


@pytest.mark.xdist_group("adapter-prefect")
def test_a_flow_of_prefect_is_tried_again():
    venvs.tests_in("prefect", "durable_prefect.py")


@pytest.mark.xdist_group("adapter-temporal")
def test_activities_of_temporal_are_run():
    venvs.tests_in("temporal", "durable_temporal.py")
