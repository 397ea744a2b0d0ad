"""What happens to tools whose files a person moves, and to examples that name files."""

import shutil

import pytest

from toolwright import Toolwright

ADD = 'def add_up(a: int, b: int) -> int:\n    """Add two numbers."""\n    return a + b\n'
LIAR = 'def f(x: str) -> str:\n    """F."""\n    raise FileNotFoundError(x)\n'
LINES = 'def f(x: str) -> int:\n    """F."""\n    return len(open(x).readlines())\n'


def test_a_retired_tool_is_denied_and_a_deleted_one_that_is_put_back_is_there_again(tmp_path):
    source = tmp_path / "add_up.py"
    source.write_text(ADD, "utf-8")
    with Toolwright(home=tmp_path / "home") as tw:
        assert tw.import_file(source).version is not None
        tw.registry.retire("add_up")
        refused = tw.call("add_up", {"a": 1, "b": 2})
        assert (refused.status, refused.reason) == ("denied", "retired")
        assert "registry restore add_up" in refused.detail
        tw.registry.restore("add_up")
        folder = tmp_path / "home" / "tools" / "add_up"
        shutil.move(folder, tmp_path / "away")
        with pytest.raises(LookupError):
            tw.call("add_up", {"a": 1, "b": 2})
        shutil.move(tmp_path / "away", folder)
        assert tw.call("add_up", {"a": 1, "b": 2}).value == 3


def test_a_missing_file_excuses_only_code_that_would_use_it(tmp_path):
    with Toolwright(home=tmp_path / "home") as tw:
        for example in ("f('a') == 'b'", "f('a.csv') == 'b'"):
            failed = tw.validate("f", LIAR, example=example).failed
            assert failed is not None
            assert failed.name == "examples"
        waiting = tw.validate("f", LINES, example="f('a.csv') == 3")
        assert waiting.passed
        assert "not there yet" in waiting.untested[0]


WRITES = (
    'def leave(text: str) -> str:\n    """Leave a file."""\n    open("left.txt", "w").write(text)\n    return text\n'
)


def test_files_that_cannot_be_copied_out_are_not_lost_nor_is_the_answer(tmp_path):
    (tmp_path / "leave.py").write_text(WRITES, "utf-8")
    (tmp_path / "taken").write_text("a file where the folder should be", "utf-8")
    with Toolwright(home=tmp_path / "home") as tw:
        assert tw.import_file(tmp_path / "leave.py").version is not None
        outcome = tw.call("leave", {"text": "hello"}, out=tmp_path / "taken" / "out")
        assert (outcome.status, outcome.value, outcome.files) == ("ok", "hello", ())
        assert "could not be copied" in outcome.detail
        kept = list((tmp_path / "home" / "runs").rglob("left.txt"))
        assert [one.read_text("utf-8") for one in kept] == ["hello"]
        again = tw.call("leave", {"text": "hello"}, out=tmp_path / "out")
        assert [one.path for one in again.files] == [str(tmp_path / "out" / "left.txt")]
