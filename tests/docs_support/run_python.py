"""`python run_python.py PAGE BLOCKS.json`: runs `[[line, code], …]` of a page in one namespace, at the page's own lines."""

import ast
import asyncio
import json
import sys

page, listed = sys.argv[1:]
with open(listed, encoding="utf-8") as file:
    blocks = json.load(file)
namespace = {"__name__": "__main__"}
with asyncio.Runner() as runner:
    for line, code in blocks:
        # Pages show `await` and `async for` as in a notebook.
        ready = compile("\n" * (line - 1) + code, page, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        waiting = eval(ready, namespace)
        if waiting is not None:
            runner.run(waiting)
