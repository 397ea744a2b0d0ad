"""docs/models.md says what is so: its script runs, its tables are the tables."""

import json
import re
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from toolwright.models.script import _LIST_KEYS, _NUMBER_KEYS, _TEXT_KEYS, _TURN_KEYS
from toolwright.models.scripted import ScriptedServer
from toolwright.models.table import PROVIDERS

PAGE = (Path(__file__).parents[2] / "docs" / "models.md").read_text("utf-8")


def ask(url, *messages):
    body = json.dumps({"model": "m", "messages": list(messages)}).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{url}/chat/completions", body), timeout=10) as answer:
        return json.load(answer)["choices"][0]["message"]


@pytest.fixture
def example(tmp_path, monkeypatch):
    text = re.search(r"```yaml\n(# turns\.yaml\n.*?)```", PAGE, re.DOTALL).group(1)
    (tmp_path / "turns.yaml").write_text(text)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "turns.yaml"


def test_the_script_of_the_page_does_what_the_page_says(example):
    system = {"role": "system", "content": "[toolwright:orchestrator]\n"}
    user = {"role": "user", "content": "What is the rate?"}
    generator = {"role": "system", "content": "[toolwright:generator]\n"}
    wanted = {"role": "user", "content": "Write the tool get_rate."}
    with ScriptedServer(example) as url:
        first = ask(url, system, user)
        call = first["tool_calls"][0]
        assert json.loads(call["function"]["arguments"])["name"] == "get_rate"
        result = {"role": "tool", "tool_call_id": call["id"], "content": '{"status": "ok", "value": 3.7}'}
        assert ask(url, system, user, first, result)["content"] == "The rate is 3.7."
        with pytest.raises(urllib.error.HTTPError, match="429"):
            ask(url, generator, wanted)
        assert '{\\"USD\\": {\\"ILS\\": 3.7}}' in ask(url, generator, wanted)["content"]


def test_the_python_of_the_page_runs(example, capsys):
    code = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL).group(1)
    exec(code, {})
    assert capsys.readouterr().out.startswith("http://127.0.0.1:")


def test_the_table_of_providers_is_the_one_that_decides():
    rows = []
    for row in PROVIDERS:
        variables = ", ".join(f"`{name}`" for name in row.variables)
        install = f"`pip install 'toolwright[{row.extra}]'`" if row.extra else ""
        rows.append(f"   | {variables} | `{row.provider}` | `{row.default_model}` | {install} |".replace("|  |", "| |"))
    assert "\n".join(rows) in PAGE


@pytest.mark.parametrize("key", [*_TURN_KEYS, *_TEXT_KEYS, *_NUMBER_KEYS, *_LIST_KEYS])
def test_every_key_of_a_turn_is_on_the_page(key):
    assert f"`{key}`" in PAGE
