"""Every form in which a model has been seen to answer holds the same tool."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from toolwright.answers import body_of, code_in, declared_in, json_object

CODE = '''"""Adds."""
import math


def _twice(number: float) -> float:
    return number * 2


def add(a: float, b: float) -> float:
    """Add *a* and *b*."""
    if math.isnan(a):
        raise ValueError("a is not a number\\n")
    return a + b
'''
FENCED = f"```python\n{CODE}```"
OUTLINE = "```python\ndef add(a: float, b: float) -> float:\n    ...\n```"
OTHER = "```python\nvalue = add(1, 2)\n```"
DOCSTRING_WITH_FENCE = '''def add(a: float, b: float) -> float:
    """Add.

    ```python
    add(1, 2)
    ```
    """
    return a + b
'''

TEXTS = {
    "one fenced block": FENCED,
    "prose around the block": f"Sure! Here is the tool:\n\n{FENCED}\n\nIt adds two numbers. Let me know.",
    "a block without a language": f"```\n{CODE}```",
    "a block called py": f"```py\n{CODE}```",
    "a block with attributes": f'```python title="add.py"\n{CODE}```',
    "a block of tildes": f"~~~python\n{CODE}~~~",
    "a longer fence": f"````python\n{CODE}````",
    "a fence that never closes": f"Here:\n```python\n{CODE}",
    "an indented block in a list": "1. The code:\n\n" + "\n".join("   " + line for line in FENCED.split("\n")),
    "no fence at all": CODE,
    "no fence, prose before": f"Here is the function you asked for.\n\n{CODE}",
    "no fence, prose on both sides": f"Here you are:\n{CODE}\nThis adds the numbers; it's simple.",
    "no fence, a word behind it": f"{CODE}\nDone",
    "Windows line ends": FENCED.replace("\n", "\r\n"),
    "old line ends": CODE.replace("\n", "\r"),
    "a byte order mark": "\ufeff" + CODE,
    "another block before it": f"First call it so:\n{OTHER}\nThe tool:\n{FENCED}",
    "another block behind it": f"{FENCED}\nUse it so:\n{OTHER}",
    "an outline first": f"The shape:\n{OUTLINE}\nIn full:\n{FENCED}",
    "an outline last": f"{FENCED}\nIn short:\n{OUTLINE}",
    "a shell block beside it": f"```bash\npip install nothing\n```\n{FENCED}",
    "thoughts first": f"<think>```python\ndef add(a, b): return a - b\n```</think>\n{FENCED}",
    "JSON in the text": json.dumps({"source": CODE, "packages": []}),
    "JSON in a fence": f"```json\n{json.dumps({'source': CODE})}\n```",
    "JSON with prose around": f"My answer is {json.dumps({'source': CODE, 'notes': 'x'})} as asked.",
    "JSON with raw line breaks": '{"source": "' + CODE.replace("\\", "\\\\").replace('"', '\\"') + '", "packages": []}',
    "JSON whose quotes are not escaped": '{"source": "' + CODE + '", "packages": []}',
    "a tool call as text": f"<tool_call>{json.dumps({'name': 's', 'arguments': {'source': CODE}})}</tool_call>",
    "JSON inside JSON": json.dumps({"name": "submit", "arguments": json.dumps({"source": CODE})}),
    "a JSON string": json.dumps(CODE),
    "escapes without quotes": json.dumps(CODE)[1:-1],
    "escapes in a fence": f"```python\n{json.dumps(CODE)[1:-1]}\n```",
    "tags around it": f"<source>\n{CODE}</source>",
    "line numbers as in a repair": "\n".join(f"{n:>4} | {line}" for n, line in enumerate(CODE.split("\n"), 1)),
    "a demonstration behind it": f'```python\n{CODE}\n\nif __name__ == "__main__":\n    print(add(1, 2))\n```',
    "a print behind it": f"```python\n{CODE}\nprint(add(1, 2))\n```",
    "a script header": f"```python\n# /// script\n# dependencies = []\n# ///\n\n{CODE}```",
    "spaces that do not break": FENCED.replace("    return a + b", "\u00a0\u00a0\u00a0\u00a0return a + b"),
    "a draft, then the final": f"```python\ndef add(a, b):\n    return a - b\n```\nWait, wrong sign.\n{FENCED}",
}

STRUCTURES = {
    "as asked": {"source": CODE, "packages": [], "powers": {}, "notes": ""},
    "a fence inside": {"source": FENCED},
    "prose and a fence inside": {"source": f"Here it is:\n{FENCED}\nBye."},
    "escaped twice": {"source": json.dumps(CODE)[1:-1]},
    "a JSON string inside": {"source": json.dumps(CODE)},
    "a list of lines": {"source": CODE.split("\n")},
    "under another key": {"code": CODE},
    "wrapped once": {"arguments": {"source": CODE}},
    "wrapped twice": {"result": {"tool": {"code": CODE}}},
    "wrapped as text": {"input": json.dumps({"source": CODE})},
    "Windows line ends": {"source": CODE.replace("\n", "\r\n")},
    "no last line end": {"source": CODE.rstrip()},
    "line ends to spare": {"source": f"\n\n  \n{CODE}\n\n\n"},
    "indented as a whole": {"source": "\n".join("    " + line if line else line for line in CODE.split("\n"))},
    "line numbers": {"source": "\n".join(f"{n}: {line}" for n, line in enumerate(CODE.split("\n"), 1))},
}


@pytest.mark.parametrize("form", TEXTS)
def test_a_plain_answer_in_any_form_holds_the_tool(form: str) -> None:
    read = code_in(TEXTS[form], None, "add")
    assert body_of(read.source, "add", ["a", "b"]).source == CODE


@pytest.mark.parametrize("form", STRUCTURES)
def test_a_structured_answer_in_any_form_holds_the_tool(form: str) -> None:
    read = code_in("", STRUCTURES[form], "add")
    assert body_of(read.source, "add", ["a", "b"]).source == CODE


def test_what_was_declared_stays_with_the_code() -> None:
    given = {"source": CODE, "packages": ["httpx"], "powers": {"hosts": ["a.example"]}, "notes": "n"}
    assert code_in("", given, "add").declared == given
    assert code_in(json.dumps(given), None, "add").declared == given
    assert code_in("", {"arguments": json.dumps(given)}, "add").declared == given


def test_a_structure_without_code_leaves_the_words_to_be_read() -> None:
    assert code_in(FENCED, {"notes": "see the text"}, "add").source == CODE


def test_a_fence_in_a_docstring_does_not_cut_the_code() -> None:
    assert code_in(f"```python\n{DOCSTRING_WITH_FENCE}```", None, "add").source == DOCSTRING_WITH_FENCE
    assert code_in("", {"source": DOCSTRING_WITH_FENCE}, "add").source == DOCSTRING_WITH_FENCE


def test_code_that_does_not_parse_is_kept_for_the_syntax_check() -> None:
    torn = "def helper() -> int:\n    return 1\n\n\ndef add(a: float, b: float) -> float:\n    return (a + b\n"
    assert code_in("", {"source": torn}, "add").source == torn
    assert code_in(f"Here:\n```python\n{torn}```\nDone.", None, "add").source == torn


@pytest.mark.parametrize(
    ("text", "data", "says"),
    [
        ("", None, "empty"),
        ("  \n ", {}, "empty"),
        ("I cannot write this tool, since it would harm somebody.", None, "I cannot write this tool"),
        ("", {"notes": "no idea"}, "no idea"),
        ("<think>def add(a, b): return 1</think>", None, "empty"),
    ],
)
def test_an_answer_without_code_says_what_it_held_instead(text: str, data: dict[str, str] | None, says: str) -> None:
    read = code_in(text, data, "add")
    assert read.source == ""
    assert says in read.problem


def test_lone_surrogates_are_no_source() -> None:
    read = code_in("", {"source": "def add(a, b):\n    return '\ud800'\n"}, "add")
    assert read.source == ""
    assert "Unicode" in read.problem


@pytest.mark.parametrize(
    "text",
    [
        "{" * 200_000,
        "[" * 200_000,
        '{"source": ' * 50_000,
        "```\n" * 20_000,
        "def add(a, b):\n" * 5_000,
        "def add(a, b): return " + "(" * 50_000,
        "def add(a, b): return " + "-" * 50_000 + "1",
        "def add(a, b): return '\0'",
        "\\n" * 100_000,
    ],
    ids=["braces", "brackets", "nested", "fences", "heads", "parentheses", "signs", "nul", "escapes"],
)
@pytest.mark.timeout(20)
def test_a_hostile_answer_is_read_in_bounded_time(text: str) -> None:
    code_in(text, None, "add")
    read = code_in("", {"source": text}, "add")
    body_of(read.source, "add", ["a", "b"])


@given(st.text(max_size=300), st.dictionaries(st.sampled_from(["source", "code", "packages"]), st.text(max_size=300)))
def test_no_answer_whatever_raises(text: str, data: dict[str, str]) -> None:
    read = code_in(text, data, "add")
    assert bool(read.source) != bool(read.problem)
    body_of(read.source, "add", ["a", "b"])
    json_object(text)


# --- the body ---------------------------------------------------------------------------------------------------------

RECURSIVE = '''def factorial(n: int) -> int:
    """Of é: ünïcode before the call."""
    label = "ü"; return 1 if n < 2 else n * factorial(n - 1)


def helper(x: int) -> int:
    return factorial(x)
'''


def test_a_wrong_name_is_put_right_at_the_definition_and_at_each_call_of_it() -> None:
    body = body_of(RECURSIVE, "compute_factorial", ["n"])
    assert body.source == RECURSIVE.replace("factorial(", "compute_factorial(")
    assert "compute_factorial" in body.changes[0]


@pytest.mark.parametrize(
    "source",
    [
        "def one(n: int) -> int:\n    return n\n\n\ndef two(n: int) -> int:\n    return n\n",
        "def one(m: int) -> int:\n    return m\n",
        "def one(n: int) -> int:\n    one = 2\n    return one\n",
        "wanted = 3\n\n\ndef one(n: int) -> int:\n    return wanted\n",
        "class Tool:\n    def one(self, n: int) -> int:\n        return n\n",
        "def one(n: int) -> int:\n    return (n\n",
    ],
    ids=["two fit", "none fits", "name used twice", "new name in use", "a method", "no syntax"],
)
def test_a_wrong_name_that_is_not_certain_is_left_for_the_check(source: str) -> None:
    assert body_of(source, "wanted", ["n"]).source == source


def test_a_string_or_attribute_of_the_old_name_is_not_touched() -> None:
    source = 'import math\n\n\ndef sqrt(x: float) -> float:\n    """sqrt."""\n    return math.sqrt(x)\n'
    assert body_of(source, "root", ["x"]).source == source.replace("def sqrt", "def root")


def test_the_packages_of_a_header_are_read_before_it_goes() -> None:
    header = '# /// script\n# requires-python = ">=3.11"\n# dependencies = [\n#   "httpx>=0.27",\n# ]\n# ///\n'
    body = body_of(header + CODE, "add", ["a", "b"])
    assert body.packages == ("httpx>=0.27",)
    assert body.source == CODE


def test_constants_and_docstrings_at_module_level_stay() -> None:
    source = '"""Doc."""\nLIMIT = 3\n\n\ndef f(a: int) -> int:\n    return a * LIMIT\n'
    assert body_of(source, "f", ["a"]).source == source


def test_a_demonstration_on_the_same_line_as_code_stays_for_the_check() -> None:
    source = "X = 1; print(X)\n\n\ndef f(a: int) -> int:\n    return a\n"
    assert body_of(source, "f", ["a"]).source == source


HEADER = """# /// script
# dependencies = ["httpx>=0.27"]
# [tool.toolwright.powers]
# hosts = ["api.example.com:443"]
# secrets = ["EXAMPLE_KEY"]
# ///
"""


@pytest.mark.parametrize("table", ["[tool.toolwright.powers]", "[tool.toolwright]"])
def test_a_header_declares_packages_and_powers(table: str) -> None:
    body = body_of(HEADER.replace("[tool.toolwright.powers]", table) + CODE, "add", ["a", "b"])
    assert body.packages == ("httpx>=0.27",)
    assert body.powers == {"hosts": ["api.example.com:443"], "secrets": ["EXAMPLE_KEY"]}
    assert "///" not in body.source


@pytest.mark.parametrize("header", ["# /// script\n# dependencies = [\n# ///\n", "# /// script\n# tool = 3\n# ///\n"])
def test_a_header_that_cannot_be_read_declares_nothing_and_goes(header: str) -> None:
    body = body_of(header + CODE, "add", ["a", "b"])
    assert (body.packages, body.powers, "///" in body.source) == ((), None, False)


@pytest.mark.parametrize(
    ("words", "declared"),
    [
        ("Packages: httpx, lxml>=5", {"packages": ["httpx", "lxml>=5"]}),
        ("**Hosts:** `api.example.com`", {"powers": {"hosts": ["api.example.com"]}}),
        ("- Dependencies: none", {"packages": []}),
        (
            "Hosts: a.example and b.example\nSecrets: A_KEY",
            {"powers": {"hosts": ["a.example", "b.example"], "secrets": ["A_KEY"]}},
        ),
        (
            "Plain secrets: PASSWORD\nTCP: mail.example:25\nSubprocess: yes",
            {"powers": {"plain_secrets": ["PASSWORD"], "tcp": ["mail.example:25"], "subprocess": ["yes"]}},
        ),
        (
            "Subprocess: none\nSecrets: KEY@a.example/header/X-Key",
            {"powers": {"subprocess": [], "secrets": ["KEY@a.example/header/X-Key"]}},
        ),
        ("Reads: the two numbers that are added", {}),
        ("It reads: nothing of importance here", {}),
        ("```\nPackages: evil\n```", {}),
    ],
)
def test_lines_around_the_block_declare_what_they_list(words: str, declared: dict[str, object]) -> None:
    assert declared_in(f"{words}\n\n{FENCED}\n") == declared
    assert declared_in(f"{FENCED}\n{words}\n") == declared
