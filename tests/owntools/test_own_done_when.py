"""A run with nothing but what a person brings: their function, a server's tool and a made one; then another process."""

import json
import subprocess
import sys

import pytest

from outside.endpoint import calls, says
from owntools.own_stage import LABEL_ASKED, PATIENCE_S, environ, json_lines, mcp_command


def _label(request):
    """Call the made tool with what the other two said."""
    pieces = int(request.results[1])
    return calls(("make_label", {"customer": f"owes {request.results[0]}", "count": pieces}))


def _answer(request):
    return says(f"The label says {json.loads(request.results[-1])}.")


FIRST = (
    calls(("look_up", {"customer": "A-1"})),
    calls(("stock_level", {"item": "lamp"})),
    calls(("request_new_tool", LABEL_ASKED)),
    _label,
    _answer,
)
SECOND = (FIRST[0], FIRST[1], _label, _answer)
TASK = "Write the label of the parcel: what A-1 owes, and how many lamps there are."
RUN = """
import json, sys
import corner_shop
from toolwright import Toolwright
home, url, task, server = sys.argv[1:]
with Toolwright("openai:scripted", base_url=url, home=home, tools=[corner_shop.look_up], mcp=[server]) as tw:
    print(json.dumps(tw.run(task).to_json()))
"""


@pytest.mark.long
def test_all_three_kinds_in_one_run_and_the_made_one_again_in_another_process(stage):
    own = ["--tools", "corner_shop:look_up", "--mcp", mcp_command()]
    stage.speaks(*FIRST)
    done = stage.command("run", TASK, *own, "--json", *stage.flags, flags=[], OPENAI_API_KEY="none")
    *events, result = json_lines(done)
    assert result["output"] == "The label says owes 120.5 x7."
    assert (result["status"], result["made"], result["reused"]) == ("complete", ["make_label@1"], [])
    called = [(one["name"], one["origin"], one["version"]) for one in events if one["type"] == "tool-called"]
    assert called == [("look_up", "host", 0), ("stock_level", "host", 0), ("make_label", "agent", 1)]
    assert stage.asked[0].tools[:5] == ["search_tools", "request_new_tool", "run_tool", "look_up", "stock_level"]

    stage.speaks(*SECOND)
    code = [sys.executable, "-c", RUN, str(stage.home), stage.endpoint.url, TASK, mcp_command()]
    done = subprocess.run(
        code,
        capture_output=True,
        text=True,
        cwd=stage.folder,
        timeout=PATIENCE_S,
        env=environ(stage.folder, OPENAI_API_KEY="none"),
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["output"] == "The label says owes 120.5 x7."
    assert (result["made"], result["reused"]) == ([], ["make_label@1"])
    assert len(stage.endpoint.of("generator")) == 1

    with stage.open() as tw:
        assert [(one.name, one.origin) for one in tw.registry.list()] == [("make_label", "agent")]
    with stage.open(tools=["corner_shop:look_up"], mcp=[mcp_command()]) as tw:
        used = {one.name: one.calls for one in tw.registry.list() if one.calls}
    assert used == {"look_up": 2, "stock_level": 2, "make_label": 2}
