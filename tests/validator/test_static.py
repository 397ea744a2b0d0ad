"""Syntax and shape: what is no tool falls before anything runs, and what is merely written otherwise does not."""

from __future__ import annotations

from typing import Any

import pytest
from proving import Bench, failing

from toolwright.validator.static import Said, check_shape, check_syntax

PLAIN = 'def f(x: int) -> int:\n    """Work a value out."""\n    return x + 1\n'


def shape(bench: Bench, source: str, origin: Any = "agent", **said: Any) -> Said:
    return check_shape(bench.candidate(source, **said), origin)


def syntax(bench: Bench, source: str) -> str:
    return check_syntax(bench.candidate("pass").__class__(bench.candidate("pass").spec, source)).detail()


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("def f(x: int) -> int:\n    return x +\n", "line 2: invalid syntax: return x +"),
        ("def f(x: int) -> int\n    return x\n", "line 1: expected ':'"),
        ("x = (((1)\n", "line 1: '(' was never closed"),
        ("def f():\n\treturn 1\n        return 2\n", "line 3"),
        ("x = 1\0", "null bytes"),
        ("x = '\ud800'", "cannot be parsed"),
        ("x = " + "(" * 5000 + ")" * 5000, ""),
        ("x = " + "-" * 20000 + "1", "nested"),
        ("x = " + "+".join(["1"] * 50000), "nested"),
        ("#" * (256 * 1024 + 1), "262,145 bytes"),
    ],
)
def test_source_that_cannot_be_read_fails_syntax_with_its_line(bench: Bench, source: str, says: str) -> None:
    detail = syntax(bench, source)
    assert detail
    assert says in detail


def test_a_warning_of_the_parser_is_not_shown(bench: Bench, recwarn: pytest.WarningsRecorder) -> None:
    assert syntax(bench, "import re\nX = re.compile('\\d')\nY = 1 is 1\n") == ""
    assert not recwarn.list


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("def g(x: int) -> int:\n    return x", "no function 'f' at module level; the source defines: g"),
        ("f = lambda x: x", "no function 'f'"),
        ("class f:\n    pass", "no function 'f'"),
        ('async def f(x: int) -> int:\n    """D."""\n    return x', "write a plain 'def f(...)'"),
        ('def f(x: int) -> int:\n    """D."""\n    yield x', "is a generator; collect the items"),
        ('def f(y: int) -> int:\n    """D."""\n    return y', "parameter 'x' is missing"),
        ('def f(x: str) -> int:\n    """D."""\n    return 1', "The spec says: f(x: int)"),
        ('def f(x: int, y: int) -> int:\n    """D."""\n    return x', "'y' was not asked for"),
        ('def f(x: int) -> str:\n    """D."""\n    return ""', "The spec says: -> int"),
        ('def f(x: int) -> int | None:\n    """D."""\n    return x', "The spec says: -> int"),
        ('def f(x: int):\n    """D."""\n    return x', "the answer has no type"),
        ('def f(x) -> int:\n    """D."""\n    return x', "parameter 'x' has no type"),
        ("def f(x: int) -> int:\n    return x", "has no docstring"),
        ('def f(*x: int) -> int:\n    """D."""\n    return 1', "write each parameter out"),
    ],
)
def test_another_shape_than_the_spec_asks_for_is_refused_with_what_to_write(
    bench: Bench, source: str, says: str
) -> None:
    assert says in shape(bench, source).detail()


@pytest.mark.parametrize(
    "statement",
    [
        "print('hello')",
        "f(1)",
        "open('out.txt', 'w').write('x')",
        "DATA = open('in.txt').read()",
        "import os\nos.makedirs('x')",
        "import time\ntime.sleep(1)",
        "import requests\nDATA = requests.get('https://a.example.net').json()",
        "from pathlib import Path\nTEXT = Path('a').read_text()",
        "def _save():\n    open('x', 'w')\nX = _save()",
        "def main():\n    pass\nmain()",
        "if True:\n    print(1)",
        "for i in range(3):\n    print(i)",
        "with open('x') as h:\n    pass",
        "class A:\n    print(1)",
        "def g(x=print(1)):\n    pass",
        "@print\ndef g():\n    pass",
        "X = [print(i) for i in range(3)]",
        "try:\n    print(1)\nexcept Exception:\n    pass",
        "import threading\nthreading.Thread(target=print).start()",
        "import logging\nlogging.getLogger().addHandler(logging.FileHandler('x')) or print(1)",
    ],
)
def test_what_happens_on_import_is_refused(bench: Bench, statement: str) -> None:
    assert "runs on import" in shape(bench, PLAIN + "\n" + statement).detail()


@pytest.mark.parametrize(
    "statement",
    [
        "import re\nP = re.compile(r'\\d+')",
        "from decimal import Decimal, getcontext\nD = Decimal('1')\ngetcontext().prec = 50",
        "from collections import namedtuple, OrderedDict\nN = namedtuple('N', 'a b')\nO = OrderedDict(a=1)",
        "from typing import TypeVar, NewType, TYPE_CHECKING\nT = TypeVar('T')\nU = NewType('U', int)\n"
        "if TYPE_CHECKING:\n    from pathlib import Path",
        "import logging\nlog = logging.getLogger(__name__)\nlogging.basicConfig(level=logging.INFO)",
        "from pathlib import Path\nBASE = Path('.')\nOUT = BASE / 'out'",
        "S = frozenset({1, 2})\nL = sorted(S)\nM = {k: v for k, v in zip('ab', range(2))}\nW = 'a b'.split()",
        "TABLE = []\nfor i in range(4):\n    TABLE.append(i * i)\nTABLE.sort()",
        "def _table(n):\n    return [i * i for i in range(n)]\nTABLE = _table(4)",
        "from dataclasses import dataclass, field\n@dataclass\nclass A:\n    xs: list = field(default_factory=list)",
        "import enum\nclass C(enum.Enum):\n    A = enum.auto()",
        "from functools import cache, lru_cache, partial\n@lru_cache(None)\ndef g(x):\n    return x\nh = partial(g, 1)",
        "__all__ = ['f']\n__version__ = '1.0'\n'a string'",
        "if __name__ == '__main__':\n    print(f(1))",
        "import sys\nsys.setrecursionlimit(10_000)\nimport random\nrandom.seed(0)",
        "import os\nHOME = os.environ.get('HOME', '')\nHERE = os.getcwd()",
        "from zoneinfo import ZoneInfo\nfrom datetime import timedelta\nZ = ZoneInfo('UTC')\nD = timedelta(days=1)",
        "import string\nT = str.maketrans('', '', string.punctuation)",
        "from pydantic import BaseModel, Field\nclass M(BaseModel):\n    a: int = Field(default=1)",
        "import requests\nSESSION = requests.Session()",
        "import warnings\nwarnings.filterwarnings('ignore')",
        "square = lambda x: print(x)",
        "try:\n    import ujson as json\nexcept ImportError:\n    import json",
        "def _decorate(function):\n    return function\n@_decorate\ndef g():\n    pass",
    ],
)
def test_constants_functions_and_classes_at_module_level_are_not_refused(bench: Bench, statement: str) -> None:
    assert shape(bench, PLAIN + "\n" + statement).problems == ()


@pytest.mark.parametrize(
    ("said", "head"),
    [
        ({"return_type": "float"}, "def f(x: int) -> int:"),
        ({"input_params": "x: int", "return_type": "int"}, "def f(x: float) -> int:"),
        ({"return_type": "list[dict[str, str]]"}, "def f(x: int) -> List[Dict[str, str]]:"),
        ({"return_type": "str | None"}, "def f(x: int) -> Optional[str]:"),
        ({"return_type": "str | None"}, "def f(x: int) -> str:"),
        ({"return_type": "dict"}, "def f(x: int) -> Dict[str, Any]:"),
        ({"return_type": "dict"}, "def f(x: int) -> Row:"),
        ({"return_type": "dict[str, int]"}, "def f(x: int) -> Row:"),
        ({"return_type": "Any"}, "def f(x: int) -> tuple[int, str]:"),
        ({"return_type": "list[int]"}, "def f(x: int) -> set[int]:"),
        ({"input_params": "x: int, y: list[str] = None"}, "def f(x: int, y: Optional[List[str]] = None) -> int:"),
        ({"input_params": "x: int, y: str = 'USD'"}, "def f(x: int, *, y: str = USD) -> int:"),
        ({"input_params": "x: int"}, "def f(x: int, verbose: bool = False) -> int:"),
        ({"input_params": "x: int"}, "def f(x: 'int') -> 'int':"),
        ({"input_params": "x: int | str"}, "def f(x: Union[str, int]) -> int:"),
    ],
)
def test_schemas_are_compared_and_not_their_spelling(bench: Bench, said: dict[str, str], head: str) -> None:
    source = (
        "from typing import Any, Dict, List, Optional, TypedDict, Union\nUSD = 'USD'\n"
        f'class Row(TypedDict):\n    a: int\n{head}\n    """D."""\n    return x\n'
    )
    assert shape(bench, source, **said).problems == ()


def test_a_persons_function_takes_its_types_from_the_spec(bench: Bench) -> None:
    said = shape(bench, "def f(x):\n    return x", "person")
    assert said.problems == ()
    assert any("no docstring" in note for note in said.notes)


def test_the_first_failed_check_ends_the_verdict(bench: Bench) -> None:
    verdict = bench.prove("import os\ndef f(x: int) -> int:\n    return os.system('id')\nprint(1)")
    assert [check.name for check in verdict.checks] == ["syntax", "shape"]
    assert failing(verdict)[0] == "shape"
    assert not verdict.passed
