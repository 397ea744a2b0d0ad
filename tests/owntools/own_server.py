"""A small MCP server of the SDK's low level: `python own_server.py [MODE]` on stdio, `http PORT` on loopback.

Modes: `noisy` complains on standard error, `dies` before it answers, `silent` never answers, `slow` takes its time, `stubborn` outlives the
end of its input, `many` offers forty tools, `clash` a tool called like another one's.
"""

import os
import signal
import sys
import time

import anyio
import mcp_types as types
from mcp.server.lowlevel import Server

STOCK = {"lamp": 7, "chair": 0}
ITEM = {"type": "object", "properties": {"item": {"type": "string"}}, "required": ["item"]}


def _tool(name, description, schema=None, **more):
    return types.Tool(
        name=name, description=description, inputSchema=schema or {"type": "object", "properties": {}}, **more
    )


def tools(mode):
    if mode == "many":
        return [_tool(f"shelf_{number}", f"Count what lies on shelf {number} of the store.") for number in range(40)]
    offered = [
        _tool(
            "stock_level",
            "Say how many pieces of an item the store has.",
            ITEM,
            annotations=types.ToolAnnotations(readOnlyHint=True),
            outputSchema={"type": "object", "properties": {"result": {"type": "integer"}}, "required": ["result"]},
        ),
        _tool("reserve_item", "Reserve one piece of an item in the store.", ITEM),
        _tool("find-item", "Find the exact name of an item.", ITEM),
        _tool("break_down", "Always end in an error."),
        _tool("doze", "Take a long time.", annotations=types.ToolAnnotations(readOnlyHint=True)),
        _tool("no good name!", "Have a name that no model can call."),
        _tool("whoami", "Say which process serves this, and which keys it sees."),
    ]
    if mode == "clash":
        offered.append(_tool("greet", "Greet somebody in the server's way."))
    return offered


def _text(text, **more):
    return types.CallToolResult(content=[types.TextContent(type="text", text=text)], **more)


async def _answer(name, arguments):
    if name == "stock_level":
        count = STOCK.get(arguments["item"], 0)
        return _text(str(count), structuredContent={"result": count})
    if name == "reserve_item":
        with open(os.environ.get("OWN_SERVER_LOG", os.devnull), "a") as log:
            log.write(arguments["item"] + "\n")
        return _text(f"reserved {arguments['item']}")
    if name == "find-item":
        return _text(arguments["item"].strip().lower())
    if name == "break_down":
        return _text("the till is stuck", isError=True)
    if name == "doze":
        await anyio.sleep(60)
    if name == "whoami":
        keys = sorted(name for name in os.environ if name.endswith("_API_KEY"))
        return _text(f"{os.getpid()} {' '.join(keys)}")
    return _text(name)


def server(mode):
    async def list_tools(context, parameters):
        return types.ListToolsResult(tools=tools(mode))

    async def call_tool(context, parameters):
        return await _answer(parameters.name, parameters.arguments or {})

    return Server("store", on_list_tools=list_tools, on_call_tool=call_tool)


async def _on_stdio(mode):
    from mcp.server.stdio import stdio_server

    own = server(mode)
    async with stdio_server() as (read, write):
        await own.run(read, write, own.create_initialization_options())


def _over_http(port):
    import uvicorn

    uvicorn.run(server("").streamable_http_app(), host="127.0.0.1", port=port, log_level="warning")


def main():
    mode = sys.argv[1] if sys.argv[1:] else ""
    if os.environ.get("OWN_SERVER_PIDS"):
        with open(os.environ["OWN_SERVER_PIDS"], "a") as log:
            log.write(f"{os.getpid()}\n")
    if mode in ("noisy", "dies"):
        print("the store's ledger is not where it was", file=sys.stderr, flush=True)
    if mode == "dies":
        sys.exit(3)
    if mode == "silent":
        time.sleep(600)
    if mode == "slow":
        time.sleep(7)
    if mode == "http":
        _over_http(int(sys.argv[2]))
        return
    if mode == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    anyio.run(_on_stdio, mode)
    if mode == "stubborn":
        time.sleep(600)


if __name__ == "__main__":
    main()
