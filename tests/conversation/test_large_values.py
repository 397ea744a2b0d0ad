"""A value of half a megabyte never travels through the prompt: it is paged, handed on, and there in later turns."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from talk_stage import Speaker, result_bytes, with_tools

from outside.endpoint import calls, says
from toolwright.errors import NotFoundError, UserError
from toolwright.largevalues import MAX_SHOWN
from toolwright.paging import page
from toolwright.store.home import Home

COUNT, WIDTH = 5000, 98
"""With quotes, commas and blanks some 510 kB of JSON."""
BOUND = 64 * 1024
"""Bytes that no request may have, whatever the value's size: prompt, tools, and a few pages."""

ORCHESTRATOR_PAGE = Path(__file__).parents[2] / "docs/orchestrator.md"


def handle(request):
    return re.findall(r'Its handle is "([0-9a-f]+)"', "\n".join(request.results))[-1]


def passes(request):
    return calls(("longest", {"texts": {"$value": handle(request)}}))


def pages(through_run_tool, **more):
    def asks(request):
        arguments = {"handle": handle(request), **more}
        if through_run_tool:
            return calls(("run_tool", {"name": "read_value", "arguments": arguments}))
        return calls(("read_value", arguments))

    return asks


@pytest.mark.parametrize("surface", ["native", "fixed"])
def test_half_a_megabyte_is_paged_and_handed_on_whole_and_is_there_in_a_later_turn(talk, surface):
    makes = with_tools(
        "lines",
        "longest",
        do=[
            calls(("run_tool", {"name": "lines", "arguments": {"count": COUNT, "width": WIDTH}})),
            pages(True, offset=400_000, length=300),
            pages(False, path=str(COUNT - 1)),
            pages(True, length=10**9),
            passes,
        ],
    )
    later = [pages(False, path=[0], length=12), passes, lambda request: says(f"Again {request.results[-1]}")]
    one = talk(Speaker(make=makes, again=later))
    first = one.run("Make lines.", given={"surface": surface})
    told, middle, last, most, total = one.asked[-1].results[2:]
    assert "is 510000 bytes of JSON" in told
    assert told.split("\n")[0] in ORCHESTRATOR_PAGE.read_text(), "the page shows it as it is"
    assert "Characters 400000 to 400300 of the 510000 of the JSON of a list of 5000. The next begin at offset" in middle
    assert last.startswith("Characters 0 to 98 of the 98 of a text (shown as a JSON string). That is its end.\n")
    assert json.loads(last.partition("\n")[2]) == "04999 ".ljust(WIDTH, "x")
    assert 15_000 < len(most.encode()) <= MAX_SHOWN
    assert json.loads(total) == COUNT * WIDTH
    assert first.output == f"It gave {COUNT * WIDTH}"
    second = one.run("Again, please.", history=first, given={"surface": surface})
    assert second.output == f"Again {COUNT * WIDTH}"
    assert json.loads(one.asked[-1].results[-2].partition("\n")[2]) == "00000 xxxxxx"
    assert max(map(result_bytes, one.endpoint.requests)) < BOUND
    offered = {name for request in one.asked for name in request.tools}
    assert offered <= {"search_tools", "request_new_tool", "run_tool", "lines", "longest"}
    if surface == "fixed":
        assert offered == {"search_tools", "request_new_tool", "run_tool"}
    assert one.asked[0].tools[:3] == ["search_tools", "request_new_tool", "run_tool"]


def test_what_a_page_shows_is_the_value_in_the_order_in_which_it_was_told(talk):
    """The head that the model was shown and the pages behind it fit together to the letter."""

    def reads_on(request):
        onward = json.loads(re.search(r"To read on, run_tool (\{.*?\}\});", request.results[-1])[1])
        return calls(("run_tool", onward))

    making = {"count": 3000, "width": 30}
    one = talk(Speaker(make=with_tools("lines", do=[calls(("lines", making)), reads_on])))
    one.run("Make lines.")
    told, page_text = (text.split("It begins:\n")[-1] for text in one.asked[-1].results[1:])
    whole = json.dumps([f"{n:05d} ".ljust(30, "x") for n in range(3000)])
    assert whole.startswith(told + page_text.partition("\n")[2])


def test_no_tool_may_be_called_read_value(talk, tmp_path):
    asked = {
        "tool_name": "read_value",
        "description": "Read a value.",
        "input_params": "handle: str",
        "return_type": "str",
        "example": "read_value('a') == 'a'",
    }
    one = talk(Speaker(make=[calls(("request_new_tool", asked)), says("INCOMPLETE: it is taken.")]))
    one.run("Make read_value.")
    assert "read_value" in one.asked[-1].results[0]
    assert "always there" in one.asked[-1].results[0]
    (tmp_path / "read_value.py").write_text('def read_value(handle: str) -> str:\n    """Read."""\n    return handle\n')
    with one.open() as tw:
        with pytest.raises(UserError, match="always there"):
            tw.import_file(tmp_path / "read_value.py")
        assert "read_value" not in tw.registry


def test_whatever_is_asked_of_a_handle_is_answered_in_words(talk):
    one = talk(
        Speaker(
            make=[
                calls(
                    ("read_value", {}),
                    ("read_value", {"handle": "nothing"}),
                    ("run_tool", {"name": "read_value", "arguments": {"handle": 5}}),
                ),
                says("INCOMPLETE: nothing to read."),
            ]
        )
    )
    one.run("Make nothing.")
    results = one.asked[-1].results
    assert "needs the handle" in results[0]
    assert "No value of this conversation has the handle 'nothing'" in results[1]
    assert "needs the handle" in results[2]


def test_a_value_comes_back_with_its_keys_in_the_order_in_which_they_were_told(tmp_path):
    home = Home.open(tmp_path / "home")
    handle = home.values.put("r", {"b": 1, "a": {"d": 2, "c": 3}})
    assert json.dumps(home.values.get("r", handle)) == '{"b": 1, "a": {"d": 2, "c": 3}}'
    assert home.values.put("r", {"a": {"c": 3, "d": 2}, "b": 1}) == handle
    home.close()


def read(value, **asked):
    def fetch(name):
        if name != "h":
            raise NotFoundError("no such")
        return value

    return page({"handle": "h", **asked}, fetch)


NESTED = {"rows": [{"name": "a"}, {"name": "b"}], "total": 2, "note": "é" * 9000, "a.b": 1}


def test_a_path_looks_inside_lists_and_objects():
    assert read(NESTED, path="rows.1.name").endswith('\n"b"')
    assert read(NESTED, path=["rows", -1]).endswith('\n{"name": "b"}')
    assert read(NESTED, path="rows[0]").endswith('\n{"name": "a"}')
    assert read(NESTED, path=["a.b"]).endswith("\n1")
    assert read(NESTED, handle={"$value": "h"}, path="total", offset="0", length="5").endswith("\n2")
    assert 'Its keys: "rows": list of 2; "total": value; "note": text of 9000' in read(NESTED, length=10)
    assert "Its keys" not in read(NESTED, offset=10)


def test_a_path_or_number_that_leads_nowhere_says_what_is_there():
    assert 'has no key "x"' in read(NESTED, path="x")
    assert "has 2 items, counted from 0" in read(NESTED, path="rows.2")
    assert "nothing inside" in read(NESTED, path="total.x")
    assert "is no path" in read(NESTED, path={})
    assert "offset is a whole number from 0" in read(NESTED, offset=-1)
    assert "length is a whole number from 1" in read(NESTED, length=True)
    assert "there is none at offset" in read("abc", offset=3)
    assert "That is its end." in read("")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=40) | st.integers(1, 9000).map("\x01é".__mul__),
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.text(max_size=500), inner, max_size=8),
)


@given(
    JSON | st.lists(st.integers(100, 5000).map("\x01é".__mul__), min_size=2),
    st.integers(-2, 50) | st.text(max_size=3),
    st.integers(-2, 10**9),
    st.none() | st.text(max_size=20) | st.lists(JSON, max_size=3),
)
def test_no_page_is_longer_than_its_bound_and_none_fails(value, offset, length, path):
    assert len(read(value, offset=offset, length=length, path=path).encode(errors="replace")) <= MAX_SHOWN


@settings(max_examples=50, deadline=None)
@given(st.text(min_size=1, max_size=30_000) | st.lists(st.text(max_size=300), max_size=60), st.integers(1, 30_000))
def test_the_pages_of_a_value_are_the_whole_value(value, length):
    whole = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(", ", ": "))
    read_so_far, offset = "", 0
    while offset < len(whole):
        text = read(value, offset=offset, length=length).partition("\n")[2]
        piece = json.loads(text) if isinstance(value, str) else text
        assert piece
        read_so_far, offset = read_so_far + piece, offset + len(piece)
    assert read_so_far == whole
