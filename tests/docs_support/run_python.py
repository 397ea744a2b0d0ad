"""`python run_python.py PAGE`: runs blocks `[line, code]`, one JSON line each, in one namespace; says what each printed."""

import ast
import asyncio
import contextlib
import io
import json
import os
import sys
import traceback

page = sys.argv[1]
asked, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
# What a page shows has no input, and what it starts prints to standard error.
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
os.dup2(2, 1)
namespace = {"__name__": "__main__"}


def run(runner, line, code):
    # Pages show `await` and `async for` as in a notebook.
    ready = compile("\n" * (line - 1) + code, page, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    waiting = eval(ready, namespace)
    if waiting is not None:
        runner.run(waiting)


with asyncio.Runner() as runner:
    for given in asked:
        printed, wrong = io.StringIO(), ""
        with contextlib.redirect_stdout(printed):
            try:
                run(runner, *json.loads(given))
            except BaseException:  # noqa: BLE001 - whatever the page raises is told to who runs it
                wrong = traceback.format_exc()
        answers.write(json.dumps({"printed": printed.getvalue(), "wrong": wrong}) + "\n")
        answers.flush()
