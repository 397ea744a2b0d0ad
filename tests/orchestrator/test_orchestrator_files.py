"""Files of a run, long values, and what is handed on from call to call."""

import json

from orchestrator_stage import calls, says, writes

SAVE = '''def save(text: str) -> str:
    """Save a text as a file."""
    with open("note.txt", "w", encoding="utf-8") as file:
        file.write(text)
    return "saved"
'''
READ = '''import os


def read_back(name: str) -> str:
    """Read a file of the work folder; empty if it is not there."""
    if not os.path.isfile(name):
        return ""
    with open(name, encoding="utf-8") as file:
        return file.read()
'''
ROWS = '''def rows(count: int) -> list[str]:
    """Make rows."""
    return [f"row {number}" for number in range(count)]
'''
COUNT = '''def total(lines: list[str]) -> int:
    """Count lines."""
    return len(lines)
'''


def head(source):
    """The name and the parameters of the function in *source*."""
    name, _, rest = source.partition("def ")[2].partition("(")
    return name, rest.partition(")")[0]


def ask(source, returns, example):
    name, parameters = head(source)
    description = source.split('"""')[1]
    return (
        "request_new_tool",
        {
            "tool_name": name,
            "description": description,
            "input_params": parameters,
            "return_type": returns,
            "example": example,
        },
    )


def written(source):
    name, _ = head(source)
    return writes(source, when={"last_user": {"regex": rf"\b{name}\b"}})


def test_what_one_call_left_the_next_one_finds_and_the_person_gets_at_the_end(stage):
    scene = stage(
        calls(ask(SAVE, "str", "save('x')"), ask(READ, "str", "read_back('x')"), step=0),
        calls(("save", {"text": "hello"}), ("read_back", {"name": "note.txt"}), step=1),
        says("Done."),
        written(READ),
        written(SAVE),
    )
    result = scene.do()
    assert result.made == ("save@1", "read_back@1"), scene.results()
    saved, read = scene.results()[2:]
    assert json.loads(saved) == {"value": "saved", "files": [{"path": "note.txt", "size": 5}]}
    assert "hello" in read
    assert [path.read_text() for path in result.files] == ["hello"]
    assert result.files[0].parent == scene.home.parent / "out"
    assert (scene.heard.of("outcome")[0][1])["files"] == ["note.txt"]


def test_a_file_that_a_person_gives_is_there_and_is_not_handed_out(stage, tmp_path):
    (tmp_path / "letter.txt").write_text("Dear all")
    scene = stage(
        calls(ask(READ, "str", "read_back('x')"), step=0),
        calls(("read_back", {"name": "letter.txt"}), step=1),
        says("Done."),
        written(READ),
    )
    result = scene.do(files=[tmp_path / "letter.txt"])
    assert json.loads(scene.results()[1]) == "Dear all"
    assert "letter.txt" in scene.asked_of("orchestrator")[0]["messages"][1]["content"]
    assert result.files == ()


def test_a_long_value_is_handed_on_by_its_handle(stage):
    scene = stage(
        calls(ask(ROWS, "list[str]", "rows(1)"), ask(COUNT, "int", "total(['a'])"), step=0),
        calls(("rows", {"count": 5000}), step=1),
        {
            "when": {"role": "orchestrator", "step": 2, "last_result": {"regex": 'handle is "(?P<handle>[^"]+)"'}},
            "calls": [{"name": "total", "arguments": {"lines": {"$value": "{{match.handle}}"}}}],
        },
        calls(("total", {"lines": {"$value": "nothing"}}), step=3),
        says("Done."),
        written(COUNT),
        written(ROWS),
    )
    scene.do()
    shown, counted, unknown = scene.results()[2:]
    assert len(shown.encode()) < 16 * 1024
    assert '"row 0"' in shown
    assert json.loads(counted) == 5000
    assert "no value" in unknown.lower()
