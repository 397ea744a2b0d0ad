"""What all tests share: their folder on the path, and no key of the person who runs them."""

import importlib
import os
import pathlib
import signal
import sys
import sysconfig

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

# A command compiles our modules once, as it does for those who use it, and not at each start.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# A suite that is started in the background ignores Ctrl-C, and so would each command that it starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

importlib.import_module("warm").install()

pytest_plugins = ["toolwright.escape.plugin"]


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


@pytest.fixture
def lent_packages():
    """Where another user finds the packages that these tests run with; skips where that user may not read them."""
    packages = pathlib.Path(sysconfig.get_paths()["purelib"])
    for folder in (packages, *packages.parents):
        if not folder.stat().st_mode & 0o001:
            pytest.skip(f"an ordinary user may not enter {folder}, and so not borrow the packages of these tests")
    return packages
