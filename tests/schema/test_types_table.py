"""docs/types.md is the contract: each row of its table is read and held against the code."""

import ast
import collections
import datetime
import decimal
import json
import pathlib
import re
import typing
import uuid
from collections.abc import Iterable, Mapping, Sequence

import pytest

from toolwright._codec import decode, encode
from toolwright.literals import literal_text
from toolwright.schema import annotation_schema, canonical, fits, same

PAGE = pathlib.Path(__file__).parents[2] / "docs" / "types.md"
# The names with which a person writing Python would read the table's cells; the code under test evaluates nothing.
NAMES = {
    **{name: getattr(typing, name) for name in ("Annotated", "Any", "List", "Literal", "Optional", "Union")},
    **{name: getattr(datetime, name) for name in ("date", "time", "datetime", "timedelta")},
    "Decimal": decimal.Decimal,
    "Path": pathlib.Path,
    "UUID": uuid.UUID,
    "Sequence": Sequence,
    "Iterable": Iterable,
    "Mapping": Mapping,
    "Counter": collections.Counter,
    "deque": collections.deque,
}


def rows():
    text = PAGE.read_text(encoding="utf-8").partition("## The table")[2].partition("\n## ")[0]
    for line in text.splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))]
        if len(cells) == 4 and cells[0].startswith("`"):
            yield tuple(cell.strip("`").replace("\\|", "|") for cell in cells)


ROWS = list(rows())


def test_the_table_names_every_kind_of_annotation_that_the_contract_allows():
    text = " ".join(row[0] for row in ROWS)
    for kind in ("int", "float", "str", "bool", "None", "bytes", "date", "time", "Decimal", "Path", "list", "dict"):
        assert re.search(rf"\b{kind}\b", text), kind
    for kind in ("tuple", "set", "Optional", "|", "Literal", "Any"):
        assert kind in text, kind


@pytest.mark.parametrize(("annotation", "schema", "python", "form"), ROWS, ids=[row[0] for row in ROWS])
def test_an_annotation_has_the_schema_and_the_form_of_its_row(annotation, schema, python, form):
    expected_schema, expected_form = json.loads(schema), json.loads(form)
    hint, value = eval(annotation, dict(NAMES)), eval(python, dict(NAMES))
    assert annotation_schema(annotation) == expected_schema
    encoded = encode(value)
    assert not fits(encoded, expected_schema)
    assert canonical(encoded, expected_schema) == expected_form
    assert same(encoded, expected_form, expected_schema)
    decoded = decode(hint, json.loads(json.dumps(expected_form)))
    assert decoded == value or annotation.startswith("Annotated[float")
    assert type(decoded) in (type(value), str)


@pytest.mark.parametrize("python", [row[2] for row in ROWS])
def test_each_value_of_the_table_can_be_written_in_an_example(python):
    read, meant = literal_text(python, "value"), eval(python, dict(NAMES))
    assert encode(read) == encode(meant)


ALIASES = {
    "typing.List[int]": "list[int]",
    "t.Dict[str, int]": "dict[str, int]",
    "dt.date": "date",
    "datetime.datetime": "datetime",
    "Set[int]": "set[int]",
    "collections.abc.Sequence[int]": "list[int]",
    "decimal.Decimal": "Decimal",
    "Dict": "dict",
    "'list[int]'": "list[int]",
    "Optional['int']": "int | None",
    "int | None | None": "Optional[int]",
    "Union[int, Union[str, None]]": "int | str | None",
    "int | Any": "Any",
}


@pytest.mark.parametrize("spelled", ALIASES)
def test_other_spellings_have_the_same_schema(spelled):
    assert annotation_schema(spelled) == annotation_schema(ALIASES[spelled])


def test_an_annotation_is_never_evaluated(tmp_path):
    trap = tmp_path / "trap"
    for text in (f"open({str(trap)!r}, 'w')", f"[open({str(trap)!r}, 'w')]", f"list[open({str(trap)!r}, 'w')]"):
        with pytest.raises(ValueError, match="write for example"):
            annotation_schema(text)
    assert not trap.exists()


@pytest.mark.parametrize(
    ("text", "instead"),
    [
        ("DataFrame", "list[dict[str, Any]]"),
        ("pd.DataFrame", "list[dict[str, Any]]"),
        ("Callable[[int], int]", "write for example str"),
        ("float (USD)", "float alone"),
        ("Foo", "dict[str, Any]"),
        ("list[", "never closed"),
        ("dict[str]", "dict[str, float]"),
        ("list[" * 30 + "int" + "]" * 30, "write 'Any' further down"),
        ("x" * 200_000, "200,000 characters"),
        ("a\0b", "cannot be read"),
    ],
)
def test_what_has_no_form_is_answered_with_what_to_write_instead(text, instead):
    with pytest.raises(ValueError) as caught:
        annotation_schema(text)
    assert instead in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_the_codec_is_standard_library_only():
    source = pathlib.Path(annotation_schema.__code__.co_filename).with_name("_codec.py").read_text(encoding="utf-8")
    import sys

    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            assert all(alias.name.partition(".")[0] in sys.stdlib_module_names for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            assert node.module
            assert node.module.partition(".")[0] in sys.stdlib_module_names
