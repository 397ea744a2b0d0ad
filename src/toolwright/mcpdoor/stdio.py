"""A door goes in; it is served to the one client at standard input and output, until that leaves."""

from __future__ import annotations

from mcp.server.stdio import stdio_server

from toolwright.mcpdoor.server import Door


async def serve(door: Door) -> None:
    """Serve until standard input ends. What anything else prints goes to standard error."""
    async with stdio_server() as (reading, writing):
        await door.server.run(reading, writing, door.server.create_initialization_options())
