"""A person's own functions, and tools of MCP servers that they bring, through the server: found and called, never listed."""

from __future__ import annotations

import os

import pytest
from door_stage import play, text_of

from owntools.own_stage import SHOP, mcp_command


@pytest.mark.long
def test_own_tools_are_found_and_called_and_stand_in_no_catalogue(office):
    (office.home.parent / "shop.py").write_text(SHOP)
    path = os.pathsep.join([str(office.home.parent), os.environ.get("PYTHONPATH", "")])

    async def scene():
        said = office.serve("--tools", "shop:look_up", "--mcp", mcp_command(), "--yes", PYTHONPATH=path)
        async with office.at(said["url"]) as client:
            assert len((await client.list_tools()).tools) == 4
            found = await client.call_tool("search_tools", {"query": "what a customer owes"})
            assert "look_up" in [one["name"] for one in found.structured_content["tools"]]
            owes = await client.call_tool("run_tool", {"name": "look_up", "arguments": {"customer": "A-1"}})
            assert owes.structured_content == {"result": 120.5}, text_of(owes)
            level = await client.call_tool("run_tool", {"name": "stock_level", "arguments": {"item": "lamp"}})
            assert level.structured_content == {"result": 7}, text_of(level)
            shown = await client.call_tool("show_tool", {"name": "look_up"})
            assert not shown.is_error, text_of(shown)
            assert shown.structured_content["origin"] == "host"

    play(scene())
