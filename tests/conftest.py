"""What all tests share: their folder on the path, and no key of the person who runs them."""

import os
import pathlib
import signal
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))


@pytest.fixture(autouse=True)
def _no_command_is_left():
    yield
    for terminal in getattr(sys.modules.get("shop"), "OPEN", ()):
        if terminal.process.poll() is None:
            os.killpg(terminal.process.pid, signal.SIGKILL)
            terminal.process.wait()


@pytest.fixture(autouse=True)
def _nobodys_settings(monkeypatch):
    for name in list(os.environ):
        if name.endswith("_API_KEY") or name.startswith("TOOLWRIGHT_"):
            monkeypatch.delenv(name)
