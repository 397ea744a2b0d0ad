"""A tool's examples go in; each is called in a process of its own, and its answer held against what was shown.

Standard library only, no import of Toolwright; `cases.json` lies beside it. Run it, or let pytest find it.
"""

import json
import math
import os
import subprocess
import sys
import unittest
from pathlib import Path
from typing import Any

_HERE = Path(__file__).resolve().parent
_DATA: dict[str, Any] = json.loads((_HERE / "cases.json").read_text(encoding="utf-8"))
_LIVE = "TOOLWRIGHT_LIVE_TESTS"
_PATIENCE_S = 120


class TestExamples(unittest.TestCase):
    """The examples that the tool was proven with."""

    def test_it_says_how_it_is_called(self) -> None:
        """Even where it has no example, it can be started."""
        done = _run(["--help"], "")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(_DATA["name"], done.stdout)

    def test_each_example_holds(self) -> None:
        """Each shown value comes out again; a call without a shown value ends without an error."""
        if _DATA["powers"] and not os.environ.get(_LIVE):
            self.skipTest(f"it uses {', '.join(_DATA['powers'])}; {_LIVE}=1 calls it all the same")
        for case in _DATA["cases"]:
            with self.subTest(case["text"]):
                done = _run([], json.dumps(case["arguments"]))
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                value = json.loads(done.stdout.splitlines()[-1])
                if "expected" in case:
                    self.assertTrue(
                        same(case["expected"], value), f"it should give {case['expected']!r}, gave {value!r}"
                    )


def _run(words: list[str], text: str) -> "subprocess.CompletedProcess[str]":
    start = [str(_HERE / one) if one.endswith(".py") else one for one in _DATA["run"]]
    command = [sys.executable, *start, *words]
    return subprocess.run(command, input=text, capture_output=True, text=True, timeout=_PATIENCE_S)


def same(expected: Any, value: Any) -> bool:
    """Whether two JSON values stand for the same: whole numbers exactly, others nearly; true is no 1."""
    if isinstance(expected, dict) and isinstance(value, dict):
        return expected.keys() == value.keys() and all(same(one, value[name]) for name, one in expected.items())
    if isinstance(expected, list) and isinstance(value, list):
        return len(expected) == len(value) and all(map(same, expected, value))
    if isinstance(expected, bool) or isinstance(value, bool):
        return expected is value
    if isinstance(expected, int) and isinstance(value, int):
        return expected == value
    if isinstance(expected, (int, float)) and isinstance(value, (int, float)):
        return math.isclose(expected, value, rel_tol=1e-6, abs_tol=1e-9)
    return type(expected) is type(value) and bool(expected == value)


if __name__ == "__main__":
    unittest.main()
