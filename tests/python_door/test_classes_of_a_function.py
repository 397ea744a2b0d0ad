"""A person's function may use classes of its own file in its head, as docs/types.md says."""

from toolwright import Toolwright

SOURCE = '''
from dataclasses import dataclass
from enum import Enum
from typing import TypedDict


class Row(TypedDict):
    name: str
    count: int


@dataclass
class Point:
    x: float
    y: float


class Color(Enum):
    RED = "red"


def describe(row: Row, point: Point, color: Color = Color.RED) -> list[Row]:
    """Say where a row stands."""
    return [{"name": f"{row['name']} {color.value}", "count": row["count"] + int(point.x)}]
'''


def test_classes_of_the_file_count_in_the_head_of_the_function(tmp_path):
    with Toolwright(home=tmp_path / "home") as tw:
        verdict = tw.validate("describe", SOURCE)
        assert verdict.passed, verdict.failed
        (tmp_path / "describe.py").write_text(SOURCE, "utf-8")
        assert tw.import_file(tmp_path / "describe.py").version is not None
        outcome = tw.call("describe", {"row": {"name": "a", "count": 1}, "point": {"x": 2.0, "y": 0.0}})
        assert outcome.value == [{"name": "a red", "count": 3}]
        wrong = tw.call("describe", {"row": {"name": "a"}, "point": {"x": 2.0, "y": 0.0}})
        assert wrong.status == "bad-call"
