"""`make --spec FILE`: each form, each key, and what is said where a file cannot be a spec."""

from __future__ import annotations

import json
import os

import pytest
from shop import as_json, at_model, toolwright
from wishes import DOUBLE, Wishes

from outside.endpoint import Endpoint
from toolwright import Toolwright
from toolwright.errors import SpecError, UserError
from toolwright.specfile import read_spec

TOML = """
# What is wanted.
tool_name = "double"
description = "Double a whole number."
input_params = "number: int"
return_type = "int"
example = ["double(2) == 4", "double(0) == 0"]
effect = "reads"
deterministic = false

[powers]
packages = ["pydantic"]
why = { pydantic = "it checks" }
"""
YAML = """
name: double
description: Double a whole number.
input_params: 'number: int'
return_type: int
examples: |
  double(2) == 4
  double(0) == 0
"""


@pytest.mark.parametrize(
    ("file", "text"), [("a.toml", TOML), ("a.json", json.dumps(DOUBLE)), ("a.yaml", YAML), ("a.YML", YAML)]
)
def test_each_form_of_file_says_the_same_tool(tmp_path, file, text):
    (tmp_path / file).write_text(text)
    said = read_spec(tmp_path / file)
    assert (said["tool_name"], said["return_type"]) == ("double", "int")
    assert "double(2) == 4" in str(said["example"])


def test_a_file_makes_a_tool_with_all_that_it_says(home, tmp_path):
    (tmp_path / "spec.toml").write_text(TOML)
    with Endpoint(Wishes()) as endpoint:
        at = ["--home", str(home), *at_model(endpoint.url)]
        made = toolwright(home, "make", "--spec", str(tmp_path / "spec.toml"), *at)
        assert made.stdout == "made double@1\n"
        # A flag, and a name, go over the file.
        file = str(tmp_path / "spec.toml")
        other = toolwright(home, "make", "double_number", "--spec", file, "-e", "double_number(3) == 6", *at)
        assert other.stdout == "made double_number@1\n"
        assert "note   double@1 looks like it" in other.stderr
        assert not endpoint.of("orchestrator")
    with Toolwright(home=home) as tw:
        spec = tw.registry.get("double").spec
        assert (len(spec.examples), spec.effect, spec.deterministic, spec.packages) == (
            2,
            "reads",
            False,
            ("pydantic",),
        )
        assert [one.text for one in tw.registry.get("double_number").spec.examples] == ["double_number(3) == 6"]


@pytest.mark.long
def test_json_comes_from_standard_input_too(home):
    with Endpoint(Wishes()) as endpoint:
        words = ["make", "--spec", "-", "--json", "--home", str(home), *at_model(endpoint.url)]
        assert as_json(toolwright(home, *words, stdin=json.dumps(DOUBLE)))["made"] == "double@1"
        assert "standard input: cannot be read" in toolwright(home, *words, stdin="{", code=2).stderr


@pytest.mark.parametrize(
    ("file", "text", "told"),
    [
        ("a.toml", 'descripton = "x"', "no key 'descripton'. Did you mean 'description'?"),
        ("a.toml", 'colour = "x"', "no key 'colour'. The keys are tool_name"),
        ("a.toml", 'name = "a"\ntool_name = "b"', "'tool_name' is said twice"),
        ("a.toml", 'name = "a"\nx = = 2', "line 2"),
        ("a.json", "[1]", "a spec has keys"),
        ("a.json", "{", "cannot be read: Expecting"),
        ("a.yaml", "a: [", "line 1"),
        ("a.yaml", "", "a spec has keys"),
        ("a.yaml", "name: !!python/object:os.system {}", "cannot be read"),
        ("a.txt", "", "a .toml, .json, .yaml or .yml file"),
        ("a.toml", b"\xff", "UTF-8"),
        ("a.json", "[" * 100_000, "cannot be read"),
        ("a.json", " " * 2_000_000, "larger than 1 MiB"),
    ],
)
def test_a_file_that_is_no_spec_is_told_with_its_place(tmp_path, file, text, told):
    (tmp_path / file).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError) as caught:
        read_spec(tmp_path / file)
    assert told in str(caught.value)
    assert str(tmp_path / file) in str(caught.value)


def test_a_file_that_is_not_there_a_folder_and_a_closed_one_are_told(tmp_path):
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(UserError):
            read_spec(path)
    if os.geteuid():
        (tmp_path / "closed.toml").write_text("")
        (tmp_path / "closed.toml").chmod(0)
        with pytest.raises(UserError, match="cannot be read"):
            read_spec(tmp_path / "closed.toml")


def test_what_a_spec_lacks_is_told_by_its_name(home, tmp_path):
    (tmp_path / "a.json").write_text('{"tool_name": "double"}')
    with Endpoint(Wishes()) as endpoint:
        words = ["--spec", str(tmp_path / "a.json"), "--home", str(home), *at_model(endpoint.url)]
        assert "description is empty" in toolwright(home, "make", *words, code=2).stderr
        assert not endpoint.requests


def test_the_same_keys_are_checked_from_python(tmp_path):
    from toolwright.specfile import checked

    with pytest.raises(SpecError, match=r"here: a spec has no key 'nam'\. Did you mean 'name'\?"):
        checked({"nam": "x"}, "here")
