"""While a request is under way: progress, and a cancellation that ends the sandbox."""

from __future__ import annotations

import asyncio
import time

import anyio
import pytest
from door_stage import ASKED, ERAS, PATIENCE_S, RIGHT, WAYS, play
from mcp.shared.exceptions import MCPDeprecationWarning

from cli.shop import NAP, alive, family, napping
from toolwright import Toolwright

FEW = [pytest.param(*one, marks=[pytest.mark.long] if one[0] == "stdio" else []) for one in WAYS]


@pytest.mark.long
@pytest.mark.parametrize("mode", ERAS)
def test_each_check_is_told_as_it_ends(office, mode):
    async def scene():
        heard = []

        async def hears(progress, total, message):
            heard.append((progress, message))

        async with office.client("http", mode) as client:
            await client.call_tool("request_new_tool", {**ASKED, "source": RIGHT}, progress_callback=hears)
            words = [message for _, message in heard]
            assert "count_vowels is asked for" in words
            assert [one for one in words if one.startswith("count_vowels: ")][:2] == [
                "count_vowels: syntax passed",
                "count_vowels: shape passed",
            ]
            assert "count_vowels@1 is on the shelf" in words
            steps = [step for step, _ in heard]
            assert steps == sorted(set(steps))

    play(scene())


@pytest.mark.parametrize(("transport", "mode"), FEW)
def test_a_call_that_is_cancelled_leaves_no_process(office, transport, mode):
    file = office.home.parent / "nap.py"
    file.write_text(NAP)
    with Toolwright(home=office.home) as tw:
        assert tw.import_file(file).won

    async def scene():
        async with office.client(transport, mode) as client:
            # One call that ends, so that what waits warm is there already.
            await client.call_tool("run_tool", {"name": "nap", "arguments": {"word": "hello"}})
            server = office.servers[0].pid if office.servers else _server_below_us()
            guests = set()
            async with anyio.create_task_group() as group:

                async def sleeps():
                    await client.call_tool("run_tool", {"name": "nap", "arguments": {"word": "sleep"}})

                group.start_soon(sleeps)
                with anyio.fail_after(PATIENCE_S):
                    while not (guests := napping(server)):
                        await asyncio.sleep(0.02)
                group.cancel_scope.cancel()
            began = time.monotonic()
            with anyio.fail_after(PATIENCE_S):
                while alive(guests):
                    await asyncio.sleep(0.02)
            # Its own limit would have ended it after five seconds: that is not what did.
            assert time.monotonic() - began < 4
            # And the server goes on.
            again = await client.call_tool("run_tool", {"name": "nap", "arguments": {"word": "again"}})
            assert again.structured_content == {"result": "again"}

    play(scene())


def _server_below_us():
    import os
    from pathlib import Path

    for pid, _ in family(os.getpid()):
        if b"toolwright\0mcp\0" in Path(f"/proc/{pid}/cmdline").read_bytes():
            return pid
    raise AssertionError("no server runs")


@pytest.mark.parametrize("mode", ERAS)
def test_what_a_tool_prints_is_logged_to_a_client_that_wants_it(office, mode):
    source = RIGHT.replace("    return", "    print('one')\n    print('two')\n    return")

    async def scene():
        heard = []

        async def hears(params):
            heard.append((params.level, params.logger, params.data))

        url = office.serve()["url"]
        async with office.at(url, mode, logging_callback=hears) as client:
            await client.call_tool("request_new_tool", {**ASKED, "source": source})
            call = {"name": "count_vowels", "arguments": {"text": "aeon"}}
            await client.call_tool("run_tool", call)
            assert heard == []  # nobody asked for it
            wants = {"io.modelcontextprotocol/logLevel": "info"} if mode == "auto" else None
            if mode == "legacy":
                with pytest.warns(MCPDeprecationWarning):
                    await client.set_logging_level("info")
            await client.call_tool("run_tool", call, meta=wants)
            assert heard == [("info", "count_vowels", "one"), ("info", "count_vowels", "two")]

    play(scene())


def test_files_that_a_call_leaves_come_along(office):
    sources = {
        "draw": 'import base64\nPNG = \'iVBORw0KGgo=\'\ndef draw() -> str:\n    """Draw a dot."""\n'
        "    open('dot.png', 'wb').write(base64.b64decode(PNG))\n    open('notes.txt', 'w').write('a dot')\n    return 'drawn'\n",
        "fill": 'def fill() -> int:\n    """Write a long file."""\n    return open(\'long.bin\', \'wb\').write(bytes(5 * 2**20))\n',
    }
    with Toolwright(home=office.home) as tw:
        for name, source in sources.items():
            made = tw.request({"tool_name": name, "example": f"{name}()", "reason": "it is another one"}, source=source)
            assert made.won, made.reason

    async def scene():
        async with office.client() as client:
            drawn = await client.call_tool("run_tool", {"name": "draw"})
            assert drawn.structured_content == {"result": "drawn"}
            image, notes = drawn.content[1:]
            assert (image.type, image.mime_type, image.data) == ("image", "image/png", "iVBORw0KGgo=")
            assert (notes.type, notes.resource.text) == ("resource", "a dot")
            assert list((office.home / "handed-out").iterdir()) == []
            filled = await client.call_tool("run_tool", {"name": "fill"})
            assert "Too long to be sent along" in filled.content[-1].text
            assert [one.name for one in (office.home / "handed-out").rglob("*.bin")] == ["long.bin"]

    play(scene())
