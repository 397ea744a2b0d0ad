"""The code of README and docs runs, and their links lead somewhere."""

import contextlib
import json
import re
import sys
import tomllib
import urllib.request
from pathlib import Path

import pytest
import yaml

from docs_support.console import commands, differs
from docs_support.pages import PAGES, ROOT, Block, Page, page
from docs_support.world import world
from toolwright import settings
from toolwright.models.scripted import ScriptedServer
from toolwright.sandbox.linux import LinuxSandbox
from toolwright.store.home import Home

LANGUAGES = {"python", "toml", "yaml", "json", "console", "text", "markdown"}
RUN_PYTHON = Path(__file__).parent / "docs_support" / "run_python.py"
LINKED = [*PAGES, Page("CONTRIBUTING.md"), Page("CHANGELOG.md")]


def having(language):
    """One case for each page that has blocks in *language* to run."""
    return pytest.mark.parametrize("shown", [pytest.param(one, id=one.name) for one in PAGES if one.of(language)])


def each(language):
    """One case for each block in *language* to run."""
    return pytest.mark.parametrize("block", [pytest.param(b, id=str(b)) for one in PAGES for b in one.of(language)])


def lay_out(shown, folder):
    """Put the files that a page shows (a first line `# name.ext`) where its code looks for them."""
    for block in shown.blocks:
        if block.named and block.language in ("yaml", "toml", "python", "json", "text"):
            (folder / block.named).write_text(block.text, "utf-8")


@having("python")
def test_python_runs(shown, tmp_path):
    with world(tmp_path) as here:
        lay_out(shown, here.folder)
        listed = tmp_path / "blocks.json"
        listed.write_text(json.dumps([(block.line, block.text) for block in shown.of("python")]))
        done = here.run(sys.executable, str(RUN_PYTHON), str(shown.path), str(listed))
        assert done.returncode == 0, done.stderr
        with contextlib.closing(Home.open(here.home)) as home:
            ended = {run.task: run.status for run in home.runs.list(limit=100, offset=0)}
    wanted = {"complete"} if LinuxSandbox().profile == "full" else {"complete", "incomplete"}
    assert set(ended.values()) <= wanted, ended


def test_python_of_the_docs_makes_and_reuses_tools(tmp_path):
    """The model behind the docs is scripted; everything that it sets in motion is real."""
    with world(tmp_path) as here:
        code = "from toolwright import Toolwright\nwith Toolwright() as tw:\n"
        code += " for _ in 1, 2:\n  result = tw.run('How many vowels are there?'); print(result.made, result.reused)"
        done = here.run(sys.executable, "-c", code)
    assert done.stdout.splitlines() == ["('count_vowels@1',) ()", "() ('count_vowels@1',)"], done.stderr


@having("console")
def test_console_commands_end_as_shown(shown, tmp_path):
    with world(tmp_path) as here:
        lay_out(shown, here.folder)
        for block in shown.of("console"):
            for command in commands(block):
                done = here.run("bash", "-c", command.text)
                where = f"{block.page}:{command.line}  $ {command.text}"
                assert done.returncode == command.exit_code, f"{where}\n{done.stdout}{done.stderr}"
                assert "Traceback" not in done.stderr, f"{where}\n{done.stderr}"
                if block.rest == "check":
                    assert not (wrong := differs(command.shown, done.stdout)), f"{where}\n{wrong}"


@each("toml")
def test_toml_is_read_by_what_reads_it(block, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    is_policy = "rule" in tomllib.loads(block.text)
    (tmp_path / ("policy.toml" if is_policy else "config.toml")).write_text(block.text, "utf-8")
    read = settings.load(tmp_path)
    if is_policy:
        assert len(read.policy.rules) == block.text.count("[[rule]]")
    else:
        assert set(read.origins) > {"home"}


@each("yaml")
def test_yaml_is_a_script_that_can_be_served(block, tmp_path):
    (tmp_path / "script.yaml").write_text(block.text, "utf-8")
    with ScriptedServer(tmp_path / "script.yaml") as base_url, urllib.request.urlopen(f"{base_url}/models") as answer:
        assert json.load(answer)["data"][0]["id"] == yaml.safe_load(block.text).get("model", "scripted")


@each("json")
def test_json_is_json(block):
    try:
        json.loads(block.text)
    except ValueError:
        for line in block.text.splitlines():
            json.loads(line)


ALL_BLOCKS = [pytest.param(block, id=str(block)) for one in PAGES for block in one.blocks]


@pytest.mark.parametrize("block", ALL_BLOCKS)
def test_a_block_is_in_a_language_that_is_run_or_says_why_it_is_not(block):
    assert block.language in LANGUAGES, f"{block}: {block.info!r} would not be run; name one of {sorted(LANGUAGES)}"
    if not block.runs:
        assert block.language in ("python", "console", "toml", "yaml"), f"{block}: nothing would run it anyway"
        assert len(block.reason.split()) >= 3, f"{block}: write why, as in `{block.language} not-run: needs a key`"
    elif block.rest:
        assert (block.language, block.rest) == ("console", "check"), f"{block}: {block.rest!r} means nothing"


def test_the_pages_are_found():
    assert {"README.md", "docs/python.md", "docs/decisions/0001-dependencies.md"} <= {one.name for one in PAGES}
    assert any(one.of("python") for one in PAGES)
    assert any(one.of("console") for one in PAGES)


@pytest.mark.parametrize("shown", [pytest.param(one, id=one.name) for one in LINKED])
def test_links_lead_somewhere(shown):
    for link in shown.links:
        if re.match(r"[a-z][a-z0-9+.-]*:", link):
            continue
        target, _, anchor = link.partition("#")
        there = (shown.path.parent / target).resolve() if target else shown.path
        assert there.is_relative_to(ROOT), f"{shown.name}: {link} leads out of the repository"
        assert there.exists(), f"{shown.name}: {link} leads nowhere"
        if anchor:
            assert anchor in Page(str(there.relative_to(ROOT))).anchors, f"{shown.name}: {link}: no such heading"


def test_the_index_has_each_page_once():
    listed = [link for link in page("docs/index.md").links if not link.startswith("http")]
    pages = [one.path.name for one in PAGES if one.path.parent == ROOT / "docs" and one.path.name != "index.md"]
    assert sorted(listed) == sorted([*pages, "decisions/"])


def measured(text):
    """*text* without what differs from run to run: durations and ports."""
    return re.sub(r" *[\d.]+ (ms|s)\b", " TIME", re.sub(r"127\.0\.0\.1:\d+", "LOOPBACK", text))


@pytest.mark.long
def test_the_demo_prints_what_the_readme_shows(tmp_path):
    if LinuxSandbox().profile != "full":
        pytest.skip("the task that the README shows needs a host grant, which this machine cannot hold")
    shown = next(b.text for b in page("README.md").blocks if b.language == "text" and b.text.startswith("task "))
    with world(tmp_path) as here:
        done = here.toolwright("demo", "--home", str(tmp_path / "demo"))
    assert done.returncode == 0, done.stderr
    assert measured(shown) in measured(done.stdout), done.stdout


SAMPLE = """# One `two`

```console check
$ first \\
  --more   # exit 3
shown
$ second
```

See [here](#one-two), `[not](a-link)`.

| a | b |
|---|---|
| `x \\| y` | 2 |
"""


def test_a_page_is_read_as_it_is_meant(tmp_path, monkeypatch):
    sample = Page("docs/sample.md")
    monkeypatch.setitem(sample.__dict__, "text", SAMPLE)
    (block,) = sample.blocks
    assert (block.line, block.language, block.rest) == (4, "console", "check")
    first, second = commands(block)
    assert (first.text, first.exit_code, first.shown) == ("first \\\n  --more", 3, ["shown"])
    assert (second.text, second.exit_code, second.line) == ("second", 0, 7)
    assert sample.links == ["#one-two"]
    assert sample.anchors == {"one-two"}
    assert sample.table("a") == [{"a": "`x | y`", "b": "2"}]


def test_shown_output_is_held_against_what_was_printed():
    assert not differs(["made 1", "…", "took … ms"], "made 1\n2\n3\ntook 0.1 ms\n")
    assert "printed" in differs(["made 1"], "made 2")
    assert differs(["made 1"], "made 1\nmore\n")


def test_a_block_that_is_not_run_must_say_why():
    assert Block("p", 1, "console not-run: needs a key", "").reason == "needs a key"
    assert Block("p", 1, "console not-run", "").reason == ""
