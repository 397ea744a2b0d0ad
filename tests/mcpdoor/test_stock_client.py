"""A stock client with no key anywhere makes a tool, mends it, calls it: over both transports, in both eras."""

from __future__ import annotations

import json

import pytest
from door_stage import ASKED, RIGHT, WAYS, WRONG, play, text_of

FEW = [pytest.param(*one, marks=[pytest.mark.long] if one[0] == "stdio" else []) for one in WAYS]


@pytest.mark.parametrize(("transport", "mode"), FEW)
def test_wrong_source_is_told_what_failed_and_the_repair_is_called(office, transport, mode):
    async def scene():
        async with office.client(transport, mode) as client:
            before = await client.list_tools()
            assert [one.name for one in before.tools] == ["search_tools", "request_new_tool", "run_tool", "show_tool"]
            assert (client.protocol_version >= "2026") is (mode == "auto")

            wrong = await client.call_tool("request_new_tool", {**ASKED, "source": WRONG})
            assert wrong.is_error
            failed = [one for one in wrong.structured_content["checks"] if one["passed"] is False]
            assert [one["check"] for one in failed] == ["examples"]
            assert "3" in failed[0]["detail"]
            assert failed[0]["detail"] in text_of(wrong)

            made = await client.call_tool("request_new_tool", {**ASKED, "source": RIGHT})
            assert not made.is_error, text_of(made)
            known = made.structured_content
            assert (known["status"], known["tool"]) == ("ready", "count_vowels@1")
            assert known["arguments"]["properties"]["text"] == {"type": "string"}
            assert json.loads(text_of(made)) == known

            called = await client.call_tool("run_tool", {"name": known["tool"], "arguments": {"text": "aeon"}})
            assert called.structured_content == {"result": 3}
            assert json.loads(text_of(called)) == {"result": 3}

            # The list is what it was: nothing that was asked on this connection changed it.
            assert (await client.list_tools(cache_mode="refresh")).tools == before.tools

            found = await client.call_tool("search_tools", {"query": "vowels in a text"})
            assert [one["name"] for one in found.structured_content["tools"]] == ["count_vowels"]
            shown = await client.call_tool("show_tool", {"name": "count_vowels"})
            assert shown.structured_content["source"] == RIGHT

    play(scene())


def test_what_cannot_be_is_said_in_words(office):
    async def scene():
        async with office.client() as client:

            async def said(tool, **arguments):
                result = await client.call_tool(tool, arguments)
                assert result.is_error
                return text_of(result)

            assert "request_new_tool" in await said("run_tool", name="nobody_has_it")
            assert "needs the name" in await said("run_tool")
            assert "needs the name" in await said("show_tool")
            assert "snake_case" in await said("request_new_tool", tool_name="Not This", source=RIGHT)
            assert "hand it in as `source`" in await said("request_new_tool", **ASKED)
            await client.call_tool("request_new_tool", {**ASKED, "source": RIGHT})
            assert "text" in await said("run_tool", name="count_vowels", arguments={"words": "a"})
            assert "not a JSON object" in await said("run_tool", name="count_vowels", arguments="nonsense")
            listed = await client.call_tool(
                "run_tool", {"name": "count_vowels", "arguments": [{"text": "a"}, {"text": 1}, {"text": "ee"}]}
            )
            assert [one["status"] for one in listed.structured_content["results"]] == ["ok", "bad-call", "ok"]
            assert "list of arguments is empty" in await said("run_tool", name="count_vowels", arguments=[])
            assert "has the versions 1" in await said("run_tool", name="count_vowels@9", arguments={})

    play(scene())


def test_a_name_that_nobody_has_is_an_error_of_the_protocol(office):
    from mcp.shared.exceptions import MCPError

    async def scene():
        async with office.client() as client:
            with pytest.raises(MCPError, match="Unknown tool: nobody_has_it"):
                await client.call_tool("nobody_has_it", {})
            with pytest.raises(MCPError, match="no address of a tool"):
                await client.read_resource("toolwright://tool/../1")

    play(scene())
