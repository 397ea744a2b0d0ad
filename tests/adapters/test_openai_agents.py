"""The OpenAI Agents SDK: `extend(agent, tw)`, against the real package and a scripted model, in an environment of its own."""

import pytest

from adapters import venvs

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("openai-agents"), pytest.mark.timeout(900)]


@pytest.mark.parametrize("file", ["agents_runs.py", "agents_asks.py"])
def test_in_its_environment(file):
    venvs.tests_in("openai-agents", file)
