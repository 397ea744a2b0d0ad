"""The code of README and docs runs, and their links lead somewhere."""

import contextlib
import json
import re
import tomllib
import urllib.request

import pytest
import yaml

from docs_support.console import commands
from docs_support.pages import PAGES, ROOT, Block, Page, page
from docs_support.play import has_parts, opened, output_of, play
from docs_support.world import has_full_sandbox
from toolwright import settings
from toolwright.models.pricetable import FILE as PRICES
from toolwright.models.pricetable import read_prices
from toolwright.models.scripted import ScriptedServer
from toolwright.store.home import Home

LANGUAGES = {"python", "toml", "yaml", "json", "console", "text", "markdown", "before", "typed"}
FILE = r"file [\w./-]+"
MEANT = {"console": r"(check|screen \d+(x\d+)?)( full)?( long)?", "text": rf"output( full)?|drawing|{FILE}"}
LINKED = [*PAGES, Page("CONTRIBUTING.md"), Page("CHANGELOG.md")]


SLOW = {
    "docs/commands.md",
    "docs/python.md",
    "docs/chat.md",
    "docs/own-tools.md",
    "docs/moving-over.md",
    "docs/approvals.md",
    "docs/costs.md",
    "docs/guardrails.md",
    "docs/telemetry.md",
    "docs/http.md",
    "docs/policy.md",
    "docs/record.md",
    "docs/mcp.md",
    "docs/pydantic-ai.md",
}
"""Pages whose commands take long together: they run with the long tests."""
RUN = [
    pytest.param(one, id=one.name, marks=[pytest.mark.long] if one.name in SLOW or one.elsewhere else [])
    for one in PAGES
    if has_parts(one)
]
LONG = [pytest.param(one, id=one.name) for one in PAGES if any("long" in b.words for b in one.of("console"))]


def each(language):
    """One case for each block in *language* to run."""
    return pytest.mark.parametrize("block", [pytest.param(b, id=str(b)) for one in PAGES for b in one.of(language)])


def play_through(shown, *, long):
    with opened(shown) as here:
        wrong = [one.wrong for one in play(shown, here, long=long) if one.wrong]
        assert not wrong, "\n".join(wrong)
        with contextlib.closing(Home.open(here.home)) as home:
            return {run.task: run.status for run in home.runs.list(limit=100, offset=0)}


@pytest.mark.parametrize("shown", RUN)
def test_a_page_runs_from_top_to_end_and_prints_what_it_shows(shown):
    ended = play_through(shown, long=False)
    wanted = {"complete"} if has_full_sandbox() else {"complete", "incomplete"}
    of_python = {status for task, status in ended.items() if any(task in block.text for block in shown.of("python"))}
    assert of_python <= wanted, ended


@pytest.mark.long
@pytest.mark.parametrize("shown", LONG)
def test_what_takes_long_prints_what_the_page_shows(shown):
    play_through(shown, long=True)


@each("toml")
def test_toml_is_read_by_what_reads_it(block, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    tables = set(tomllib.loads(block.text))
    if "price" in tables:
        (tmp_path / PRICES).write_text(block.text, "utf-8")
        assert len(read_prices(tmp_path / PRICES).prices) == block.text.count("[[price]]")
        return
    is_policy = bool({"rule", "packages", "prune"} & tables)
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
        assert block.language in ("python", "console", "toml", "yaml", "text"), f"{block}: nothing would run it anyway"
        assert len(block.reason.split()) >= 3, f"{block}: write why, as in `{block.language} not-run: needs a key`"
    elif block.rest:
        assert re.fullmatch(MEANT.get(block.language, FILE), block.rest), f"{block}: {block.rest!r} means nothing"


@pytest.mark.parametrize("block", [one for one in ALL_BLOCKS if one.values[0].language == "console"])
def test_what_a_console_block_shows_is_compared(block):
    if block.runs and not block.compared:
        shown = [line for command in commands(block) for line in command.shown if line]
        assert not shown, f"{block}: shows {shown[0]!r}, and nothing compares it: write ```console check"


def shown_as_output(one):
    return {found.line for number in range(len(one.blocks)) if (found := output_of(one, number))}


@pytest.mark.parametrize("block", [one for one in ALL_BLOCKS if one.values[0].language == "text"])
def test_a_text_block_says_what_it_is(block):
    assert not block.runs or block.rest, f"{block}: is it `text output` of the Python above it, or a `text drawing`?"
    if block.words[:1] == ["output"]:
        assert block.line in shown_as_output(page(block.page)), f"{block}: no Python block stands before it"


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
    listed = [link for link in page("docs/index.md").links if "://" not in link]
    pages = [one.path.name for one in PAGES if one.path.parent == ROOT / "docs" and one.path.name != "index.md"]
    assert sorted(listed) == sorted([*pages, "decisions/"])


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


def test_a_block_that_is_not_run_must_say_why():
    assert Block("p", 1, "console not-run: needs a key", "").reason == "needs a key"
    assert Block("p", 1, "console not-run", "").reason == ""
