"""What a second look found: warnings in a log, the function that is meant, an own tool that does the job already."""

from cli.shop import ADD, OneCall, at_model, toolwright
from outside.endpoint import Endpoint
from toolwright import Toolwright

OWN = '''
def add(a: int, b: int = 1) -> int:
    """Add two whole numbers in the person's own way."""
    return a + b
'''
HALF = '''
def half_of(number: float) -> float:
    """Halve a number.

    >>> half_of(3.0)
    1.5
    """
    return number / 2
'''
SPEC = {
    "tool_name": "level_of_stock",
    "description": "Say how many pieces of an item the store has.",
    "input_params": "item: str",
    "return_type": "int",
    "example": "level_of_stock('lamp')",
}


def test_a_warning_reaches_a_log_and_progress_does_not(tmp_path):
    (tmp_path / "add.py").write_text(ADD)
    toolwright(tmp_path, "import", "add.py", "--home", str(tmp_path / "home"))
    (tmp_path / "mine.py").write_text(OWN)
    with Endpoint(OneCall("add", a=2, b=3)) as endpoint:
        words = ["run", "2+3?", "--home", str(tmp_path / "home"), "--tools", "mine:add", *at_model(endpoint.url)]
        done = toolwright(tmp_path, *words)
    assert done.stdout == "It says 5\n"
    assert done.stderr.splitlines() == [
        "note   Your own tool add stands before the one of that name on the shelf, in this run."
    ]


def test_a_file_is_imported_by_its_only_function_and_asks_which_of_several(tmp_path):
    (tmp_path / "numbers_of_mine.py").write_text(HALF)
    done = toolwright(tmp_path, "import", "numbers_of_mine.py", "--home", str(tmp_path / "home"))
    assert "made half_of@1" in done.stdout
    (tmp_path / "two.py").write_text(HALF + HALF.replace("half_of", "other_half"))
    refused = toolwright(tmp_path, "import", "two.py", "--home", str(tmp_path / "home"), code=2)
    assert "Say which with --name: half_of, other_half." in refused.stderr


def test_a_job_that_an_own_tool_does_is_not_made_unless_it_lacks_something(tmp_path):
    def stock_level(item: str) -> int:
        """Say how many pieces of an item the store has."""
        return len(item)

    asked = []

    def model(request):
        asked.append(request)
        return OneCall("nothing")(request)

    with (
        Endpoint(model) as endpoint,
        Toolwright("openai:x", base_url=endpoint.url, home=tmp_path, tools=[stock_level]) as tw,
    ):
        made = tw.make(SPEC)
        assert made.version is None
        assert made.reason.startswith("Your own tool stock_level does what looks like the same")
        assert asked == []
        tw.make(SPEC | {"reason": "It must look in the other store."})
        assert asked != []
