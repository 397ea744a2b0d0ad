"""Who is listed: by promotion alone, for everybody at once, and those who want to know are told."""

from __future__ import annotations

import asyncio

import pytest
from door_stage import ASKED, PATIENCE_S, RIGHT, play
from mcp.shared.subscriptions import ResourcesListChanged, ToolsListChanged

from cli.shop import Page, as_json, fetcher, toolwright
from toolwright import Toolwright
from toolwright.settings import load

FIXED = ["search_tools", "request_new_tool", "run_tool", "show_tool"]
SOON = {"TOOLWRIGHT_CLIENTS_EVERY_S": "0.2"}


async def names(client):
    return [one.name for one in (await client.list_tools(cache_mode="refresh")).tools]


def adder(number):
    name = f"add_{number}"
    source = f'def {name}(amount: int) -> int:\n    """Add {number} to an amount."""\n    return amount + {number}\n'
    return {"tool_name": name, "example": f"{name}(1) == {1 + number}", "reason": "another number"}, source


def stocked(home, count=0, **given):
    """A home with `count_vowels`, and so many more."""
    with Toolwright(settings=load(home, given)) as tw:
        assert tw.request(ASKED, source=RIGHT).won
        for number in range(1, count + 1):
            asked, source = adder(number)
            assert tw.request(asked, source=source).won


def test_a_new_tool_joins_on_the_timer_and_both_eras_are_told(office):
    async def scene():
        url = office.serve(**SOON)["url"]
        told = asyncio.Event()

        async def hears(message):
            if getattr(message, "method", "") == "notifications/tools/list_changed":
                told.set()

        async with office.at(url) as modern, office.at(url, "legacy", message_handler=hears) as legacy:
            assert modern.server_capabilities.tools.list_changed
            assert legacy.server_capabilities.tools.list_changed
            async with modern.listen(tools_list_changed=True, resources_list_changed=True) as stream:
                await modern.call_tool("request_new_tool", {**ASKED, "source": RIGHT})
                heard = set()
                async for event in stream:
                    heard.add(type(event))
                    if heard == {ToolsListChanged, ResourcesListChanged}:
                        break
                await asyncio.wait_for(told.wait(), PATIENCE_S)
            for client in (modern, legacy):
                assert await names(client) == [*FIXED, "count_vowels"]
                called = await client.call_tool("count_vowels", {"text": "aeon"})
                assert called.structured_content == {"result": 3}

    play(scene())


@pytest.mark.long
def test_a_listed_tool_says_what_it_takes_gives_and_may_do(office):
    stocked(office.home)
    with Page() as page, Toolwright(home=office.home, approve=True) as tw:
        asked, source = fetcher("look", page.host)
        assert tw.request(asked, source=source).won
        tw.promote("look")

        async def scene():
            async with office.client() as client:
                listed = await client.list_tools()
                assert (listed.ttl_ms, listed.cache_scope) == (60_000, "private")
                tools = {one.name: one for one in listed.tools}
                assert list(tools) == [*FIXED, "count_vowels", "look"]
                quiet, loud = tools["count_vowels"], tools["look"]
                assert quiet.input_schema["properties"] == {"text": {"type": "string"}}
                assert quiet.output_schema["properties"] == {"result": {"type": "integer"}}
                hints = quiet.annotations
                assert (hints.read_only_hint, hints.open_world_hint, hints.destructive_hint) == (True, False, False)
                hints = loud.annotations
                assert (hints.read_only_hint, hints.open_world_hint, hints.destructive_hint) == (True, True, False)
                assert (await client.call_tool("look", {"path": "x"})).structured_content == {"result": 5}

        play(scene())


def test_what_writes_is_said_to_be_destructive(office):
    folder = office.home.parent / "out"
    folder.mkdir()
    source = (
        'def keep(text: str) -> str:\n    """Write a text into a file."""\n'
        f'    with open("{folder}/kept", "w") as file:\n        file.write(text)\n    return text\n'
    )
    with Toolwright(home=office.home, approve=True) as tw:
        asked = {"tool_name": "keep", "powers": {"writes": [str(folder)]}, "example": "keep('a')"}
        made = tw.request(asked, source=source)
        assert made.won, made.reason
        tw.promote("keep")

    async def scene():
        async with office.client() as client:
            hints = {one.name: one.annotations for one in (await client.list_tools()).tools}["keep"]
            assert (hints.read_only_hint, hints.destructive_hint) == (False, True)

    play(scene())


def test_raw_tcp_is_the_open_world_too(office):
    source = (
        'import socket\n\n\ndef greet(name: str) -> str:\n    """Say what a mail server says first."""\n'
        '    with socket.create_connection(("mail.example", 25)) as line:\n        return line.recv(100).decode()\n'
    )
    with Toolwright(home=office.home, approve=True) as tw:
        asked = {"tool_name": "greet", "powers": {"hosts": ["tcp://mail.example:25"]}}
        made = tw.request(asked, source=source)
        assert made.won, made.reason
        tw.promote("greet")

    async def scene():
        async with office.client() as client:
            hints = {one.name: one.annotations for one in (await client.list_tools()).tools}["greet"]
            assert hints.open_world_hint is True

    play(scene())


@pytest.mark.long
def test_of_a_large_shelf_the_promoted_and_the_most_used_are_listed_in_one_order(office):
    stocked(office.home, 5)
    with Toolwright(settings=load(office.home, {"clients.listed": 3})) as tw:
        for name, times in (("add_4", 2), ("add_2", 1)):
            for _ in range(times):
                tw.call(name, {"amount": 1})
        tw.promote("add_5")

    async def scene():
        url = office.serve(TOOLWRIGHT_CLIENTS_LISTED="3")["url"]
        async with office.at(url) as one, office.at(url, "legacy") as other:
            assert await names(one) == await names(other) == [*FIXED, "add_2", "add_4", "add_5"]
            found = await one.call_tool("search_tools", {"query": "add 3 to an amount"})
            assert "add_3" in [tool["name"] for tool in found.structured_content["tools"]]
            # One that is not listed can be called by its name all the same.
            assert (await one.call_tool("add_3", {"amount": 1})).structured_content == {"result": 4}

    play(scene())


@pytest.mark.long
@pytest.mark.parametrize(("rule", "listed"), [("fixed", []), ("promoted", ["add_1"])])
def test_the_setting_says_who_is_listed(office, rule, listed):
    stocked(office.home, 1)
    toolwright(office.home, "mcp", "promote", "add_1", "--home", str(office.home))

    async def scene():
        async with office.at(office.serve(TOOLWRIGHT_CLIENTS_CATALOGUE=rule)["url"]) as client:
            assert await names(client) == [*FIXED, *listed]

    play(scene())


def test_a_person_promotes_and_demotes_while_a_client_listens(office):
    stocked(office.home)
    home = ["--home", str(office.home)]

    async def scene():
        url = office.serve(**SOON)["url"]
        async with office.at(url) as client, client.listen(tools_list_changed=True) as stream:
            assert await names(client) == [*FIXED, "count_vowels"]
            for deed, then in (("demote", []), ("promote", ["count_vowels"])):
                await asyncio.to_thread(toolwright, office.home, "mcp", deed, "count_vowels", *home)
                assert isinstance(await anext(aiter(stream)), ToolsListChanged)
                assert await names(client) == [*FIXED, *then]

    play(scene())
    said = as_json(toolwright(office.home, "mcp", "catalogue", "--json", *home))
    assert [one["name"] for one in said["tools"]] == ["count_vowels"]
    assert "count_vowel" in toolwright(office.home, "mcp", "promote", "count_vowel", *home, code=2).stderr


def test_a_name_of_a_fixed_tool_is_not_taken_by_one_of_the_shelf(office):
    source = 'def show_tool(name: str) -> str:\n    """Say a name."""\n    return name\n'
    with Toolwright(home=office.home) as tw:
        assert tw.request({"tool_name": "show_tool", "example": "show_tool('a') == 'a'"}, source=source).won

    async def scene():
        async with office.client() as client:
            assert await names(client) == FIXED
            called = await client.call_tool("run_tool", {"name": "show_tool@1", "arguments": {"name": "b"}})
            assert called.structured_content == {"result": "b"}

    play(scene())


def test_source_tests_and_provenance_are_resources(office):
    stocked(office.home)

    async def scene():
        async with office.client() as client:
            (one,) = (await client.list_resources()).resources
            assert one.uri == "toolwright://tool/count_vowels/1"
            template, _ = (await client.list_resource_templates()).resource_templates
            assert template.uri_template == "toolwright://tool/{name}/{number}"
            whole = {part.uri.rpartition("/")[2]: part.text for part in (await client.read_resource(one.uri)).contents}
            assert whole["source"] == RIGHT
            assert "count_vowels('banana')" in whole["tests"]
            assert '"origin": "agent"' in whole["provenance"]
            (alone,) = (await client.read_resource(f"{one.uri}/source")).contents
            assert alone.text == RIGHT
            from mcp_types import ResourceTemplateReference

            ref = ResourceTemplateReference(uri=template.uri_template)
            found = await client.complete(ref, {"name": "name", "value": "count"})
            assert found.completion.values == ["count_vowels"]

    play(scene())
