"""A framework that is not installed: whoever asks for its adapter reads which extra brings it."""

import importlib
import importlib.util

import pytest

from toolwright import Toolwright

EXTRAS = [("langchain", "langchain", "langchain"), ("openai_agents", "agents", "openai-agents")]


@pytest.mark.parametrize(("adapter", "package", "extra"), EXTRAS)
def test_the_cure_is_named(adapter, package, extra):
    if importlib.util.find_spec(package):
        pytest.skip(f"{package} is installed here")
    with pytest.raises(ModuleNotFoundError, match=rf"pip install 'toolwright\[{extra}\]'"):
        importlib.import_module(f"toolwright.adapters.{adapter}")


def test_as_langchain_tools_names_it_too(tmp_path):
    if importlib.util.find_spec("langchain"):
        pytest.skip("langchain is installed here")
    with Toolwright(home=tmp_path) as tw, pytest.raises(ModuleNotFoundError, match=r"toolwright\[langchain\]"):
        tw.as_langchain_tools()
