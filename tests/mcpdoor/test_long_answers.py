"""A value over 16 KiB reaches the client's model as head, size and handle, and can be had whole in each way there is."""

from __future__ import annotations

import json

import pytest
from door_stage import ERAS, play, text_of
from mcp.shared.exceptions import MCPError

from toolwright import Toolwright

ROWS = '''
def rows(count: int) -> list[dict[str, int]]:
    """Give so many rows.

    >>> rows(1)
    [{'number': 0}]
    """
    return [{"number": number} for number in range(count)]
'''
LONGEST = '''
def total(rows: list[dict[str, int]]) -> int:
    """Add up the numbers of rows.

    >>> total([{'number': 2}])
    2
    """
    return sum(row["number"] for row in rows)
'''
MANY = 2000
WHOLE = [{"number": number} for number in range(MANY)]


@pytest.fixture
def stocked(office):
    with Toolwright(home=office.home) as tw:
        for name, source in {"rows": ROWS, "total": LONGEST}.items():
            (office.home / f"{name}.py").write_text(source)
            assert tw.import_file(office.home / f"{name}.py").version
    return office


@pytest.mark.parametrize("mode", ERAS)
def test_run_tool_gives_the_head_and_a_handle_that_reads_and_hands_on_the_whole(stocked, mode):
    async def scene():
        async with stocked.client("http", mode) as client:

            async def run(name, arguments):
                return await client.call_tool("run_tool", {"name": name, "arguments": arguments})

            small = await run("rows", {"count": 2})
            assert small.structured_content == {"result": [{"number": 0}, {"number": 1}]}

            long = await run("rows", {"count": MANY})
            told = long.structured_content
            assert not long.is_error
            assert len(text_of(long).encode()) < 16 * 1024
            assert json.loads(text_of(long)) == told
            assert told["size"] == len(json.dumps(WHOLE).encode())
            assert told["head"] == json.dumps(WHOLE)[: len(told["head"])]
            handle = told["$value"]

            (link,) = [one for one in long.content if one.type == "resource_link"]
            assert str(link.uri) == f"toolwright://value/{handle}"
            read = await client.read_resource(link.uri)
            assert json.loads(read.contents[0].text) == WHOLE

            # A model that can only call tools reads on, looks inside, and hands the whole on.
            onward = await client.call_tool("run_tool", told["read_on"])
            start = len(told["head"])
            assert text_of(onward).startswith(f"Characters {start} to {start + 4000} of the {told['size']}")
            assert json.dumps(WHOLE)[start : start + 4000] in text_of(onward)
            inside = await run("read_value", {"handle": handle, "path": "1999.number"})
            assert text_of(inside).endswith("1999")
            added = await run("total", {"rows": {"$value": handle}})
            assert added.structured_content == {"result": sum(range(MANY))}
            assert (await client.call_tool("total", {"rows": {"$value": handle}})).structured_content == {
                "result": sum(range(MANY))
            }

            each = await run("rows", [{"count": 1}, {"count": MANY}, {"count": "x"}])
            assert each.structured_content["counts"] == {"ok": 2, "bad-call": 1}
            results = await client.read_resource(f"toolwright://value/{each.structured_content['$value']}")
            assert json.loads(results.contents[0].text)[1] == {"status": "ok", "result": WHOLE}

    play(scene())


def test_a_listed_tool_keeps_the_structure_that_its_schema_promises_and_its_text_is_the_head(stocked):
    async def scene():
        async with stocked.client() as client:
            (listed,) = [one for one in (await client.list_tools()).tools if one.name == "rows"]
            assert listed.output_schema["required"] == ["result"]
            called = await client.call_tool("rows", {"count": MANY})  # which the SDK holds against the schema
            assert called.structured_content == {"result": WHOLE}
            told = json.loads(called.content[0].text)
            assert len(called.content[0].text.encode()) < 16 * 1024
            assert (
                json.loads((await client.read_resource(f"toolwright://value/{told['$value']}")).contents[0].text)
                == WHOLE
            )

    play(scene())


def test_a_handle_that_nobody_has_is_said_to_be_none(stocked):
    async def scene():
        async with stocked.client() as client:
            templates = (await client.list_resource_templates()).resource_templates
            assert "toolwright://value/{handle}" in [one.uri_template for one in templates]
            nobody = "0123456789abcdef01234567"
            with pytest.raises(MCPError, match="has the handle"):
                await client.read_resource(f"toolwright://value/{nobody}")
            called = await client.call_tool("run_tool", {"name": "total", "arguments": {"rows": {"$value": nobody}}})
            assert called.structured_content["status"] == "bad-call"
            paged = await client.call_tool("run_tool", {"name": "read_value", "arguments": {"handle": nobody}})
            assert "has the handle" in text_of(paged)
            assert "needs the handle" in text_of(await client.call_tool("run_tool", {"name": "read_value"}))

    play(scene())
