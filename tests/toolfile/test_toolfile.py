"""A version becomes one plain file and its record, and comes back byte for byte, or an edit is told apart."""

import json
import re
import subprocess
import sys
import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolwright import toolfile
from toolwright.errors import EditedError, SpecError
from toolwright.schema import tool_spec
from toolwright.tool import CHECKS, Candidate, Check, Contract, Example, HeldBack, ToolVersion, Verdict

BODY = '''"""Rates of a day."""

import datetime
from datetime import date
from decimal import Decimal as encode  # names of the footer's machinery must not meet these
from typing import TypedDict

json = "a name of the footer's own"


class Day(TypedDict):
    total: float
    next: date


def convert(amount: float, day: date, tags: set[str] | None = None) -> Day:
    """Convert."""
    print("noise on standard output")
    if amount < 0:
        raise ValueError(f"amount {amount} is negative")
    return {"total": amount * 2, "next": day + datetime.timedelta(days=len(tags or ())), "of": encode("1.5")}
'''
LOCK = ("httpx==0.27.0 --hash=sha256:" + "a" * 64 + " --hash=sha256:" + "b" * 64, "idna==3.7 --hash=sha256:" + "c" * 64)


def version(source=BODY, *, description="Converts.", lock=(), number=3, powers=None, contract=None, **more):
    spec = tool_spec(
        tool_name="convert",
        description=description,
        input_params="amount: float, day: date, tags: set[str] = None",
        return_type="dict[str, Any]",
        example="convert(1.5, date(2026, 1, 31)) == {'total': 3.0}\nconvert(2, date(2026, 1, 31))",
        powers=powers,
    )
    candidate = Candidate(
        spec, source, packages=("httpx",) if lock else (), lock=lock, grant=spec.grant, parent="f" * 64
    )
    contract = contract or Contract(spec, (HeldBack(spec.examples[0], True),), ("total is twice amount",), ("a note",))
    checks = tuple(Check(name, True, "well", 0.25, ("seen",), {"tried": 25}, "secret") for name in CHECKS)
    verdict = Verdict(candidate, contract, checks, ("nothing ran live",))
    return ToolVersion(
        verdict, number, "agent", "active", 1.5, "20261125-101500-9f3a2c", "m:x", ("convert it",), **more
    )


def through_disk(tool):
    """The texts of both files, as they come back from UTF-8 bytes."""
    text = toolfile.write(tool).encode("utf-8").decode("utf-8")
    return text, json.loads(json.dumps(toolfile.to_record(tool), indent=1))


def run(path, *arguments, **more):
    return subprocess.run([sys.executable, "-I", path, *arguments], capture_output=True, text=True, timeout=30, **more)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    path = tmp_path_factory.mktemp("tools") / "3.py"
    path.write_bytes(toolfile.write(version()).encode("utf-8"))
    return path


def test_a_version_comes_back_equal_from_its_two_files():
    tool = version(lock=LOCK, powers={"hosts": ["a.com"], "reads": ["/data"], "why": {"a.com": "the rates"}})
    text, record = through_disk(tool)
    back = toolfile.from_record(text, record, number=3)
    assert back == tool
    assert back.digest == tool.digest


def test_a_contract_of_another_wording_and_examples_without_a_value_come_back_too():
    other = tool_spec(tool_name="convert", description="Other words.", input_params="", return_type="None")
    contract = Contract(other, (HeldBack(Example({}, None, "convert() == None")), HeldBack(Example({"a": 1}))), (), ())
    tool = version(contract=contract, signature="s")
    back = toolfile.from_record(*through_disk(tool), number=3)
    assert back == tool
    assert back.verdict.contract.held_back[0].example.has_expected
    assert not back.verdict.contract.held_back[1].example.has_expected


def test_the_source_stands_in_the_file_and_not_in_the_record():
    text, record = through_disk(version())
    assert BODY in text
    assert "names of the footer" not in json.dumps(record)


def test_the_record_answers_by_the_names_that_the_contract_gives():
    _, record = through_disk(version())
    assert {"spec", "contract", "checks", "untested", "origin", "parent", "state", "requests", "run_id"} <= set(record)
    assert {"model", "created_at", "digest", "name", "namespace"} <= set(record)


def test_the_header_is_the_script_metadata_that_the_standard_describes():
    tool = version(description="Say \"hi\" and 'bye' \\ 🎉", lock=LOCK, powers={"hosts": ["a.com"], "secrets": ["KEY"]})
    text = toolfile.write(tool)
    # The regular expression of the inline script metadata specification.
    block = r"(?m)^# /// (?P<type>[a-zA-Z0-9-]+)$\s(?P<content>(^#(| .*)$\s)+)^# ///$"
    (found,) = re.finditer(block, text)
    lines = found["content"].splitlines(keepends=True)
    data = tomllib.loads("".join(line[2:] if line.startswith("# ") else line[1:] for line in lines))
    assert data["requires-python"] == ">=3.11"
    assert data["dependencies"] == ["httpx==0.27.0", "idna==3.7"]
    table = data["tool"]["toolwright"]
    assert table["digest"] == tool.digest == toolfile.read(text).digest
    assert table["description"] == tool.spec.description
    assert json.loads(table["input_schema"]) == tool.spec.input_schema
    assert json.loads(table["output_schema"]) == tool.spec.output_schema
    bound = ["KEY@a.com:443/header/Authorization"]
    assert table["powers"] == {"hosts": ["a.com:443"], "reads": [], "writes": [], "secrets": bound}
    assert "outside\n# the sandbox" in text


def test_loud_powers_stand_in_header_and_record_and_others_leave_no_trace():
    powers = {"hosts": ["tcp://mail.a.com:25"], "plain_secrets": ["KEY"], "subprocess": True}
    tool = version(powers=powers)
    text, record = through_disk(tool)
    read = toolfile.read(text)
    assert read.header["powers"] == tool.candidate.grant.to_json()
    assert (read.header["powers"]["subprocess"], read.digest) == (True, tool.digest)
    assert toolfile.from_record(text, record, number=3).candidate.grant == tool.candidate.grant
    quiet = version(powers={"hosts": ["a.com"]})
    assert set(toolfile.read(toolfile.write(quiet)).header["powers"]) == {"hosts", "reads", "secrets", "writes"}


def test_a_tool_from_before_secrets_were_bound_is_not_run_and_says_how_to_go_on():
    text, record = through_disk(version(powers={"hosts": ["a.com"], "plain_secrets": ["KEY"]}))
    powers = {"hosts": ["a.com:443"], "reads": [], "secrets": ["KEY"], "writes": []}
    old = json.loads(json.dumps(record))
    old["powers"] = powers
    with pytest.raises(EditedError, match=r"registry adopt .*plain_secrets"):
        toolfile.from_record(text, {**old, "digest": "of then"}, number=3)


def test_a_body_that_begins_with_a_block_of_its_own_leaves_the_header_alone():
    body = '# /// script\n# dependencies = ["evil"]\n# ///\n' + BODY
    text, record = through_disk(version(body))
    assert toolfile.read(text).header["dependencies"] == []
    assert toolfile.from_record(text, record, number=3).candidate.source == body


MARKS = [f"{toolfile.BEGIN}\n", f"\n{toolfile.END}\n", toolfile.END, "# /// script\n", "# ///\n", "\n", "\r\n", "\r"]


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from([*MARKS, BODY, 'if __name__ == "__main__":\n', "é🎉\u2028\f\0"]) | st.text(max_size=8)))
def test_any_body_comes_back_byte_for_byte_and_is_never_misread(pieces):
    body = "".join(pieces)
    try:
        body.encode("utf-8")
    except UnicodeEncodeError:
        with pytest.raises(SpecError):
            toolfile.write(version(body))
        return
    tool = version(body)
    text, record = through_disk(tool)
    read = toolfile.read(text)
    assert read.source == tool.candidate.source == body.replace("\r\n", "\n").replace("\r", "\n")
    assert read.header["name"] == "convert"
    assert toolfile.from_record(text, record, number=3) == tool


def test_line_ends_that_changed_on_the_way_are_no_edit():
    text, record = through_disk(version())
    assert toolfile.from_record(text.replace("\n", "\r\n"), record, number=3) == version()
    assert version(BODY.replace("\n", "\r\n")).digest == version().digest


EDITS = {
    "code": ("amount * 2", "amount * 3"),
    "header": ('effect = "none"', 'effect = "writes"'),
    "footer": ("return 0", "return 1"),
}


@pytest.mark.parametrize("part", EDITS)
def test_an_edit_is_noticed_and_its_part_named(part):
    text, record = through_disk(version())
    before, after = EDITS[part]
    assert before in text
    with pytest.raises(
        EditedError, match=rf"tools/convert/3\.py was edited: its {part} changed.*registry adopt convert"
    ):
        toolfile.from_record(text.replace(before, after), record, number=3)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_single_change_of_the_file_goes_unnoticed(data):
    text, record = through_disk(version())
    at = data.draw(st.integers(0, len(text) - 1))
    new = data.draw(st.sampled_from(["", "x", "#", "\n", " "]))
    changed = text[:at] + new + text[at + 1 :]
    if changed != text:
        with pytest.raises(EditedError):
            toolfile.from_record(changed, record, number=3)


@pytest.mark.parametrize("keep", [0, 20, 400, 1500, -10, -400])
def test_a_file_that_is_cut_off_is_an_edit(keep):
    text, record = through_disk(version())
    with pytest.raises(EditedError, match=r"tools/convert/3\.py"):
        toolfile.from_record(text[:keep], record, number=3)


def test_a_body_with_a_footer_mark_in_a_file_cut_off_is_not_taken_for_whole():
    text, record = through_disk(version(f"x = 1\n{toolfile.END}\n{BODY}"))
    with pytest.raises(EditedError):
        toolfile.from_record(text[: text.rindex(toolfile.END)], record, number=3)


def test_a_record_that_was_changed_no_longer_belongs_to_its_file():
    text, record = through_disk(version())
    record["spec"] = {**record["spec"], "description": "Something else."}
    with pytest.raises(EditedError, match="do not belong together"):
        toolfile.from_record(text, record, number=3)


def test_powers_added_to_a_record_are_noticed():
    text, record = through_disk(version())
    record["powers"] = {**record["powers"], "hosts": ["evil.example:443"]}
    with pytest.raises(EditedError):
        toolfile.from_record(text, record, number=3)


def test_a_failed_check_written_into_a_record_makes_no_version():
    text, record = through_disk(version())
    record["checks"][2]["passed"] = False
    with pytest.raises(EditedError, match="screen"):
        toolfile.from_record(text, record, number=3)


@pytest.mark.parametrize(
    "torn", ['{"name": "conv', "", "[]", "null", b"\xff", "{}", '{"name": 1, "file": {}}', "[" * 9999]
)
def test_torn_json_is_refused_with_the_cure(torn):
    with pytest.raises(EditedError, match=r"3\.json .*Restore both files"):
        toolfile.from_record(toolfile.write(version()), torn, number=3)


def test_each_key_that_is_missing_or_of_another_kind_is_refused_or_does_not_matter():
    text, record = through_disk(version())
    for key in record:
        for changed in ({name: one for name, one in record.items() if name != key}, {**record, key: 3}):
            try:
                back = toolfile.from_record(text, changed, number=3)
            except EditedError:
                continue
            assert back.digest == version().digest, key


def test_keys_of_a_later_release_are_left_out():
    text, record = through_disk(version())
    record["later"] = {"a": 1}
    record["spec"]["later"] = record["checks"][0]["later"] = record["contract"]["later"] = 1
    assert toolfile.from_record(text, record, number=3) == version()


def test_what_is_no_tool_file_is_told_so():
    for text in ("", "print('hi')\n", "# /// script\n# ///\n", f"# /// script\n# x = [\n# ///\n\n{toolfile.BEGIN}\n"):
        with pytest.raises(SpecError, match="tool file"):
            toolfile.read(text)
    broken = toolfile.write(version()).replace("requires-python", "requires python", 1)
    with pytest.raises(SpecError, match="header"):
        toolfile.read(broken)


def test_the_file_runs_by_itself_with_arguments_in_json(written):
    done = run(written, '{"amount": 2, "day": "2026-01-31", "tags": ["a", "b"]}')
    assert done.returncode == 0, done.stdout
    assert json.loads(done.stdout) == {"total": 4.0, "next": "2026-02-02", "of": "1.5"}
    assert "noise" in done.stderr


def test_the_file_reads_its_arguments_from_standard_input_too(written):
    done = run(written, input='{"amount": 2, "day": "2026-01-31"}')
    assert json.loads(done.stdout)["next"] == "2026-01-31"


@pytest.mark.parametrize(
    ("arguments", "kind", "said"),
    [
        ('{"amount": -1, "day": "2026-01-31"}', "ValueError", "is negative"),
        ('{"amount": "x", "day": "2026-01-31"}', "ValueError", '"x" is no float'),
        ('{"amount": 1}', "TypeError", "day"),
        ('{"amount": 1, "day": "2026-01-31", "more": 1}', "TypeError", "more"),
        ("[]", "TypeError", "JSON object"),
        ("{", "JSONDecodeError", "Expecting"),
    ],
)
def test_a_failure_is_a_json_error_and_exit_code_1(written, arguments, kind, said):
    done = run(written, arguments)
    assert done.returncode == 1
    error = json.loads(done.stdout)["error"]
    assert error["type"] == kind
    assert said in error["message"]


def test_importing_the_file_runs_nothing_and_shows_the_tool_alone(written):
    code = f"import runpy; print(sorted(n for n in runpy.run_path({str(written)!r}) if not n.startswith('__')))"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, timeout=30)
    assert done.stdout.strip() == "['Day', 'TypedDict', 'convert', 'date', 'datetime', 'encode', 'json']"


def test_nothing_of_a_file_is_executed_to_read_it(tmp_path):
    trap = tmp_path / "trap"
    body = f"open({str(trap)!r}, 'w')\n{BODY}"
    toolfile.from_record(*through_disk(version(body)), number=3)
    assert not trap.exists()
