"""What a notebook shows: tables and code, in which nothing that a model or a tool wrote is markup."""

from __future__ import annotations

import io
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolwright import Event, RunResult, Steps, Toolwright
from toolwright.listing import Infos
from toolwright.notebook import code, facts, listing

HOSTILE = '<script>alert("x")</script><img src=x onerror=alert(1)>&lt;b&gt;\x1b[2J\u202eevil\x00'
SOURCE = '''
def greet(name: str) -> str:
    """Greet <b>somebody</b> & more."""
    # <script>alert(1)</script> </pre></div>
    return "<img src=x onerror=alert(1)>" + name
'''


class Tags(HTMLParser):
    """Collects the elements, their attributes and the text of a piece of HTML."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.text, self.open = set(), set(), "", []
        self.feed(text)
        assert self.open == [], text

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes.update(name for name, _ in attrs)
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def harmless(shown):
    read = Tags(shown)
    assert read.tags <= {"div", "b", "table", "tr", "th", "td", "pre", "span"}
    assert read.attributes <= {"style"}
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", shown)
    return read.text


def test_a_result_is_a_small_table_whatever_its_words_are():
    result = RunResult(
        HOSTILE, "incomplete", made=(HOSTILE,), model=HOSTILE, reason=HOSTILE, run_id="20261125-101500-9f3a2c"
    )
    text = harmless(result._repr_html_())
    assert text.count("<script>") == 4
    assert "20261125-101500-9f3a2c" in text
    assert repr(result).startswith("RunResult(output='<script>")
    assert "price unknown" not in text  # no model call was made: that costs nothing, and is known


def test_a_tool_is_its_highlighted_code(tmp_path):
    with Toolwright(home=tmp_path) as tw:
        (tmp_path / "greet.py").write_text(SOURCE)
        assert tw.import_file(tmp_path / "greet.py").version is not None
        shown = tw.registry.get("greet")._repr_html_()
        listed = tw.registry.list()
        assert isinstance(listed, list)
        table = harmless(listed._repr_html_())
    text = harmless(shown)
    assert "greet@1(name: str) -> str" in text
    assert "passed syntax, shape, screen, load" in text
    assert "</pre></div>" in text  # as words of a comment
    assert '<span style="' in shown
    assert "greet@1" in table
    assert "Greet <b>somebody</b> & more." in table


@given(st.text(), st.text(), st.text())
def test_no_text_breaks_out(title, below, source):
    harmless(code(title, below, source))
    harmless(facts(title, {below: source}))
    harmless(listing([title], [[below], [source]]))


def test_an_endless_answer_is_cut():
    assert len(RunResult("x" * 10**6, "complete")._repr_html_()) < 30_000


@pytest.mark.parametrize("empty", [Infos(), Infos([])])
def test_an_empty_shelf_is_an_empty_table(empty):
    assert "tool" in harmless(empty._repr_html_())


def test_steps_are_lines_that_steer_no_terminal_and_name_what_happens():
    page = io.StringIO()
    steps = Steps(page)
    for kind, data in (
        ("tool-requested", {"name": "add", "description": "Add\nnumbers.\x1b[2J"}),
        ("check", {"check": "load", "passed": None, "detail": "{name.__class__}"}),
        ("outcome", {"status": "raised", "value": None, "detail": "ValueError: no"}),
        ("outcome", {"status": "ok", "value": {"a": "é"}, "detail": ""}),
        ("approval-asked", {"name": "add", "powers": ["host a.example:443"]}),
        ("approval-answered", {"yes": False, "who": "nobody", "reason": "not \u202etoday"}),
        ("tool-called", {"name": "add", "arguments": {"a": "x" * 1000}}),
        ("text-delta", {"text": "not a step"}),
    ):
        steps.emit(Event(kind, "20261125-101500-9f3a2c", data))
    *lines, longest = page.getvalue().splitlines()
    assert lines == [
        "asks for a tool  add: Add numbers.\\x1b[2J",
        "    load      could not run  {name.__class__}",
        "  =    raised: ValueError: no",
        '  =    {"a": "é"}',
        "  add asks for host a.example:443",
        "  nobody said no not \\x202etoday",
    ]
    assert len(longest) == 200
