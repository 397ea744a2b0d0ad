"""`python fork_commands.py`: `toolwright` with each line of words that it reads, in a fork of itself; its exit code is said.

What takes long at the start of a command is importing, and that is done once here. Everything else is the command's own.
"""

import atexit
import contextlib
import importlib
import json
import os
import signal
import sys
import traceback

for heavy in (
    "toolwright.app",
    "toolwright.models.provider",
    "pydantic_ai.models.openai",
    "rich.table",
    "toolwright.cli",
):
    importlib.import_module(heavy)


def run(asked: dict[str, object]) -> None:
    """In the child: the command, with the three files in the place of the standard streams."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        os.dup2(os.open(str(asked[name]), os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), number)
    sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w")
    sys.argv = ["toolwright", *asked["words"]]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    code = 1
    try:
        sys.modules["toolwright.cli"].main()
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else 1 if left.code else 0
    except BaseException:  # noqa: BLE001 - as the interpreter would end
        traceback.print_exc()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    os._exit(code)


for line in sys.stdin:
    child = os.fork()
    if child == 0:
        run(json.loads(line))
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print(ended, flush=True)
