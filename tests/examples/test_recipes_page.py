"""docs/recipes.md shows each recipe as its file is, at the version that its tests install, and the list of examples links it."""

import re

import pytest

from docs_support.pages import ROOT, code, page

FILES = sorted((ROOT / "examples" / "frameworks").glob("*.py"))
PINS = ROOT / "tests" / "adapters" / "requirements"


@pytest.mark.parametrize("file", [pytest.param(one, id=one.name) for one in FILES])
def test_the_page_shows_the_file(file):
    path = str(file.relative_to(ROOT))
    shown = [one for one in page("docs/recipes.md").blocks if one.language == "python" and path in one.reason]
    assert [one.text for one in shown] == [file.read_text("utf-8")], f"docs/recipes.md does not show {path} as it is"
    assert f"(frameworks/{file.name})" in (ROOT / "examples" / "README.md").read_text("utf-8")


@pytest.mark.parametrize("file", [pytest.param(one, id=one.name) for one in FILES])
def test_a_copy_of_the_file_hides_no_package(file):
    """A program's folder stands first on its path: a file named as the framework would be imported in its place."""
    imported = set(re.findall(r"(?m)^(?:from|import) (\w+)", file.read_text("utf-8")))
    assert {one.stem for one in FILES}.isdisjoint(imported)


def test_the_page_says_which_versions_were_tried():
    said = {}
    for row in page("docs/recipes.md").table("framework"):
        for name, version in re.findall(r"`([\w-]+)` ([\d.]+)", row["tried with"]):
            said[name] = version
    texts = [(PINS / f"{one}.txt").read_text() for one in ("agent-framework", "llama-index", "smolagents", "crewai")]
    pinned = dict(re.findall(r"(?m)^([\w-]+)(?:\[\w+\])?==([\d.]+)$", "\n".join(texts)))
    assert said.items() <= pinned.items()
    assert len(said) == 7


def test_what_the_page_switches_off_the_recipes_switch_off():
    off = {line for row in page("docs/recipes.md").table("package") for line in code(row["is switched off by"])}
    lines = [re.findall(r"os\.environ \|= (\{.*\})", one.read_text("utf-8"))[0] for one in FILES]
    done = {f"{name}={value}" for line in lines for name, value in re.findall(r'"(\w+)": "(\w+)"', line)}
    assert off == done
