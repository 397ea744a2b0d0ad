"""LangChain, LangGraph and deepagents, in an environment of their own: `inside/langchain_*.py`."""

import pytest

from adapters import venvs

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("langchain"), pytest.mark.timeout(1800)]


@pytest.mark.parametrize("file", ["langchain_runs.py", "langchain_graphs.py", "langchain_resume.py"])
def test_langchain(file):
    venvs.tests_in("langchain", file)


def test_nothing_of_langchain_is_imported_before_it_is_asked_for(tmp_path):
    code = (
        "import sys, toolwright\n"
        "with toolwright.Toolwright(home=sys.argv[1]) as tw:\n"
        "    tw.guest_runs(id='mine')\n"
        "    print([one for one in sys.modules if one.startswith(('langchain', 'langgraph', 'langsmith'))])\n"
        "    tw.as_langchain_tools()\n"
        "    print('langchain_core' in sys.modules)\n"
    )
    done = venvs.run_in("langchain", "-c", code, str(tmp_path), HOME=str(tmp_path))
    assert done.stdout.splitlines() == ["[]", "True"], done.stderr
