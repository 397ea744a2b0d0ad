"""The output that pages show: what varies is masked, drift is seen, and a second refreshing changes nothing."""

import re
from dataclasses import replace

import pytest

from docs_support.console import commands
from docs_support.pages import Block, Page
from docs_support.play import opened, play
from docs_support.refresh import refreshed
from docs_support.screen import steps
from docs_support.steady import differs, holds, masked, merged

RUN = "20261125-070428-0a1b2c"


def test_shown_output_is_held_against_what_was_printed():
    assert not differs(["made 1", "…", "took … ms"], "made 1\n2\n3\ntook 0.1 ms\n")
    assert "printed" in differs(["made 1"], "made 2")
    assert differs(["made 1"], "made 1\nmore\n")
    assert differs(["made 1", "more"], "made 1\n")
    assert not differs(["…", "end", "…"], "a\nend\nb\nend\nc")


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("examples  passed           49 ms", "examples  passed            9.3 ms"),
        ("       4.3 s", "       990 ms"),
        (f"run {RUN}", "run 20270101-000000-ffffff"),
        ("at http://127.0.0.1:35379/v1", "at http://127.0.0.1:8000/v1"),
        ("last used 2026-11-25 07:04", "last used 2027-01-01 00:00"),
        ('{"wall_s": 0.12, "at": 1795.5, "last_used": null}', '{"wall_s": 1e-05, "at": 1, "last_used": null}'),
        (f"digest {'0a' * 32}", f"digest {'b1' * 32}"),
        ("$0.0000 (7,861 tokens)", "$0.0000 (12 tokens)"),
        ("│ add │ ──────────── │", "│ add │ ───────────── │"),
    ],
)
def test_what_varies_is_the_same_when_masked(shown, printed):
    assert masked(shown) == masked(printed)
    assert not differs([shown], printed)


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("5 s wall", "15 s wall"),
        ("9 vowels", "8 vowels"),
        ("add@1", "add@2"),
        ("$0.0000", "$0.0001"),
        ("exit 3", "exit 4"),
    ],
)
def test_what_is_said_is_not_masked(shown, printed):
    assert differs([shown], printed)


def test_columns_are_as_wide_as_what_varies_in_them():
    table = ["tool   last used  does", "a@1    just now   this", "b@1    never      that"]
    wider = "tool   last used     does\na@1    1 minute ago  this\nb@1    never         that\n"
    assert not differs(table, wider)
    assert not holds(table, wider)
    assert differs(["a    b"], "a  b")


def test_a_page_shows_what_was_printed_and_stays_elided_where_it_was():
    assert merged(["a  3 ms", "b  4 ms"], "a  7 ms\nc  4 ms\n") == ["a  7 ms", "c  4 ms"]
    assert merged(["a … d", "b"], "a b c d\nc") == ["a … d", "c"]
    assert merged(["a…"], "a…\nb") == ["a…", "b"]
    assert merged(["one", "two", "…", "nine"], "one\n2\n3\n4\nnine") == ["one", "2", "…", "nine"]
    assert merged(["one", "…"], "1\n2\n3") == ["1", "…"]
    assert merged(["…", "nine"], "1\n8\n9") == ["…", "9"]
    assert merged(["…"], "1\n2") == ["…"]


def test_a_command_goes_on_while_it_is_open_and_no_further():
    text = "$ cat <<'EOF'\n> two\nEOF\n> is shown\n$ echo 'a\n  b' \\\n  c   # exit 1\nout\n"
    first, second = commands(Block("p", 1, "console check", text))
    assert (first.text, first.shown) == ("cat <<'EOF'\ntwo\nEOF", ["> is shown"])
    assert (second.text, second.exit_code, second.shown) == ("echo 'a\n  b' \\\n  c", 1, ["out"])
    assert "\n".join([*first.source, *first.shown, *second.source, *second.shown]) + "\n" == text


SAMPLE = """# Sample

<!-- before
toolwright registry import add.py -e "add(1, 2) == 3"
-->

```python
# add.py
def add(a: int, b: int) -> int:
    "Add two whole numbers."
    return a + b
```

```text output
```

- In a list:

  ```console check
  $ toolwright call add '{"a": 1, "b": 2}'

  $ toolwright call add '{"a": 1}' 2>&1   # exit 2
  $ echo ~ $(pwd)
  ```

<!-- typed
wait sure?
keys nn
key backspace
resize 20
type o
-->

```console screen 40
$ read -p 'sure? ' said; stty size; echo $said
```

```python
from toolwright import Toolwright

with Toolwright() as tw:
    print(tw.call("add", {"a": 2, "b": add(1, 1)}).value)
```

```text output
5
…
```
"""


def sample(text):
    shown = Page("docs/sample.md")
    shown.__dict__["text"] = text
    return shown


def renewed(text):
    shown = sample(text)
    with opened(shown) as here:
        played = list(play(shown, here, long=False))
    return refreshed(shown, played), [one.wrong for one in played if one.wrong]


@pytest.mark.long
def test_a_page_is_filled_with_what_is_printed_and_then_stays():
    (first, wrong), drift = renewed(SAMPLE)
    assert not wrong
    assert '$ toolwright call add \'{"a": 1, "b": 2}\'\n  3\n\n  $ toolwright' in first
    assert "# exit 2\n  bad-call: " in first
    assert "$ echo ~ $(pwd)\n  /home/you /home/you/work\n  ```" in first
    assert "echo $said\nsure? no\n200 20\nno\n```" in first
    assert "```text output\n4\n…\n```" in first
    assert "```text output\n```" in first
    assert [re.search(r"sample.md:(\d+)", one)[1] for one in drift] == ["20", "22", "23", "35", "39"]
    assert renewed(first) == ((first, []), [])


def test_a_page_whose_command_ends_otherwise_is_left_as_it_is():
    text = "```console check\n$ false\nshown\n```\n"
    (same, wrong), _ = renewed(text)
    assert same == text
    assert "ended with 1, not 0" in wrong[0]


def test_python_that_fails_is_said_with_its_line():
    (_, wrong), _ = renewed("# One\n\n```python\nx = 1\n1 / 0\n```\n")
    assert 'docs/sample.md", line 5' in wrong[0]
    assert "ZeroDivisionError" in wrong[0]


def test_steps_that_mean_nothing_are_refused():
    with pytest.raises(AssertionError, match="no step"):
        steps("press enter")
    with pytest.raises(AssertionError, match="none of the keys"):
        steps("key f13")


def test_a_block_is_compared_only_where_it_says_so():
    block = Block("p", 1, "console check full", "")
    assert block.compared
    assert replace(block, info="console screen 80").compared
    assert not replace(block, info="console").compared
    assert not replace(block, info="console not-run: check it").compared
