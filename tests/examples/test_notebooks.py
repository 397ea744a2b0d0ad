"""In a real kernel: steps stand under the cell that runs, an interrupt ends the run, and the kernel goes on."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from example_world import kernel_in

from cli.shop import ADD, NAP
from outside.endpoint import Endpoint, Request, calls, says
from toolwright import Toolwright

STEPS = ["model  openai:x", 'call   add {"a": 1}', "reuses add@1", "  =    2"]


def speaker(request: Request):
    """Adds, or naps for ever."""
    if request.results:
        return says(f"It says {request.results[-1]}")
    name, arguments = ("nap", {"word": "sleep"}) if "nap" in request.user[-1] else ("add", {"a": 1})
    return calls(("run_tool", {"name": name, "arguments": arguments}))


@dataclass
class Shown:
    """What one cell showed, and where else something was shown meanwhile."""

    printed: str = ""
    value: str = ""
    error: str = ""
    elsewhere: list[str] = field(default_factory=list)
    interrupted_s: float = 0.0
    """From the interrupt to the end of the cell."""


class Kernel:
    """Runs cells as a notebook does."""

    def __init__(self, kernel, client) -> None:
        self._kernel, self._client = kernel, client

    def cell(self, code: str, *, interrupt_at: str = "") -> Shown:
        shown, number, at = Shown(), self._client.execute(code), 0.0
        while True:
            message = self._client.get_iopub_msg(timeout=60)
            kind, content = message["msg_type"], message["content"]
            if message["parent_header"].get("msg_id") != number:
                shown.elsewhere += [content["text"]] if kind == "stream" else []
            elif kind == "stream":
                shown.printed += content["text"]
                if interrupt_at and not at and interrupt_at in shown.printed:
                    time.sleep(0.3)
                    at = time.monotonic()
                    self._kernel.interrupt_kernel()
            elif kind == "execute_result":
                shown.value = content["data"]["text/plain"]
            elif kind == "error":
                shown.error = content["ename"]
            elif kind == "status" and content["execution_state"] == "idle":
                shown.interrupted_s = time.monotonic() - at if at else 0.0
                return shown


@contextmanager
def kernel():
    from jupyter_client.manager import start_new_kernel

    manager, client = start_new_kernel(kernel_name="python3")
    try:
        yield Kernel(manager, client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    for name, value in kernel_in(tmp_path / "jupyter").items():
        monkeypatch.setenv(name, value)
    with Toolwright(home=tmp_path / "home") as tw:
        for name, source, example in (("nap", NAP, "nap('a') == 'a'"), ("add", ADD, "add(1, 2) == 3")):
            (tmp_path / f"{name}.py").write_text(source)
            assert tw.import_file(tmp_path / f"{name}.py", example=example).version is not None
    return tmp_path / "home"


@pytest.mark.long
def test_steps_stand_under_their_cell_and_an_interrupt_ends_the_run_and_not_the_kernel(home):
    with Endpoint(speaker) as endpoint, kernel() as notebook:
        opened = notebook.cell(
            "from toolwright import Toolwright, Steps\n"
            f"tw = Toolwright('openai:x', base_url={endpoint.url!r}, home={str(home)!r})"
        )
        assert opened == Shown()
        for how in ("tw.run", "tw.run", "await tw.arun"):  # the thread began in the first one
            shown = notebook.cell(f"result = {how}('add', sink=Steps())\nresult.output")
            assert (shown.printed.splitlines(), shown.value, shown.error) == (STEPS, "'It says 2'", "")
            assert shown.elsewhere == []
        stopped = notebook.cell("tw.run('nap', sink=Steps()).status", interrupt_at="call   nap")
        assert (stopped.value, stopped.error) == ("'cancelled'", "")
        awaited = notebook.cell("await tw.arun('nap', sink=Steps())", interrupt_at="call   nap")
        assert awaited.error == "CancelledError"
        called = notebook.cell("print('now', flush=True)\ntw.call('nap', {'word': 'sleep'})", interrupt_at="now")
        assert called.error == "KeyboardInterrupt"
        # Sooner than the limit of the box, 5 s.
        assert max(one.interrupted_s for one in (stopped, awaited, called)) < 4
        assert notebook.cell("tw.run('add').output").value == "'It says 2'"
        assert notebook.cell("[run.status for run in tw.runs()][:3]").value == "['complete', 'cancelled', 'cancelled']"
        assert notebook.cell("tw.close()").error == ""
