"""`toolwright run` against an endpoint that was scripted from the contracts alone, in processes of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from outside.endpoint import Endpoint, Reply, Request, calls, says

TASK = "How many vowels are in 'toolwright registry'?"
REQUEST = {
    "tool_name": "count_vowels",
    "description": "Count the vowels in a text.",
    "input_params": "text: str",
    "return_type": "int",
    "example": "count_vowels('banana') == 3",
}
WRONG = 'def count_vowels(text: str) -> int:\n    """Count the vowels in a text."""\n    return len(text)\n'
RIGHT = (
    'def count_vowels(text: str) -> int:\n    """Count the vowels in a text."""\n'
    "    return sum(letter in 'aeiou' for letter in text.lower())\n"
)


def run(home, url: str, *words: str, task: str = TASK) -> tuple[int, dict[str, Any], list[dict[str, Any]]]:
    environ = {key: value for key, value in os.environ.items() if not key.endswith("_API_KEY")}
    command = [sys.executable, "-m", "toolwright", "run", task, "--json", "--home", str(home)]
    command += ["--model", "openai:anything", "--base-url", url, "--out", str(home / "out"), *words]
    done = subprocess.run(command, capture_output=True, text=True, env=environ, cwd=home, timeout=120)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines, done.stderr
    return done.returncode, lines[-1], lines


class Scripted:
    """Asks for the tool if it does not see it, uses it, answers; the generator is wrong once."""

    def __init__(self, surface: str = "native", examiner: Any = None, as_text: bool = False) -> None:
        self.surface, self.examiner, self.as_text = surface, examiner, as_text

    def __call__(self, request: Request) -> Reply | tuple[int, Any]:
        if request.role == "generator":
            return self.generator(request)
        if request.role == "examiner":
            return self.examiner if self.examiner is not None else says('{"examples": [], "properties": []}')
        assert request.role == "orchestrator"
        return self.orchestrator(request)

    def generator(self, request: Request) -> Reply:
        source = WRONG if "len(text)" not in "".join(request.user) else RIGHT
        if self.as_text:
            return says(f"Here it is:\n\n```python\n{source}```\n\nIt counts.")
        return says(json.dumps({"source": source, "packages": [], "powers": {}, "notes": ""}))

    def orchestrator(self, request: Request) -> Reply:
        known = "count_vowels" in request.tools or any("count_vowels" in one for one in request.user + request.results)
        if not known:
            return calls(("request_new_tool", REQUEST))
        if request.results and request.results[-1].strip() == "5":
            return says("There are 5 vowels.")
        if self.surface == "native":
            assert "count_vowels" in request.tools
            return calls(("count_vowels", {"text": "toolwright registry"}))
        assert request.tools == ["search_tools", "request_new_tool", "run_tool"]
        return calls(("run_tool", {"name": "count_vowels", "arguments": json.dumps({"text": "toolwright registry"})}))


@pytest.mark.parametrize(
    ("surface", "as_text"),
    [
        pytest.param("native", False, id="native-structured"),
        pytest.param("fixed", True, id="fixed-text"),
        pytest.param("native", True, id="native-text", marks=pytest.mark.long),
        pytest.param("fixed", False, id="fixed-structured", marks=pytest.mark.long),
    ],
)
def test_a_tool_is_asked_for_repaired_used_and_found_again_by_another_process(tmp_path, surface, as_text):
    with Endpoint(Scripted(surface, as_text=as_text)) as endpoint:
        code, result, lines = run(tmp_path, endpoint.url, "--surface", surface)
        assert (code, result["type"], result["status"]) == (0, "result", "complete")
        assert result["output"] == "There are 5 vowels."
        assert (result["made"], result["reused"]) == (["count_vowels@1"], [])
        assert len(endpoint.of("generator")) == 2
        failed = [one for one in lines if one["type"] == "check" and one["passed"] is False]
        assert [one["check"] for one in failed] == ["examples"]
        assert result["cost"]["dollars"] is None, "the price of an unknown model is unknown and not 0"

        asked = len(endpoint.requests)
        code, result, _ = run(tmp_path, endpoint.url, "--surface", surface)
        assert (code, result["made"], result["reused"]) == (0, [], ["count_vowels@1"])
        assert {one.role for one in endpoint.requests[asked:]} == {"orchestrator"}


@pytest.mark.parametrize(
    "examiner",
    [
        pytest.param((400, {"error": {"message": "unknown role"}}), id="400"),
        pytest.param((500, {"error": {"message": "no"}}), id="500", marks=pytest.mark.long),
        pytest.param((200, b"<html>"), id="not JSON", marks=pytest.mark.long),
        pytest.param(says("Hm?"), id="words", marks=pytest.mark.long),
    ],
)
def test_an_endpoint_that_knows_no_examiner_is_enough(tmp_path, examiner):
    with Endpoint(Scripted(examiner=examiner)) as endpoint:
        code, result, _ = run(tmp_path, endpoint.url)
    assert (code, result["made"]) == (0, ["count_vowels@1"])


def test_the_same_unknown_name_five_times_is_answered_five_times(tmp_path):
    def speaker(request: Request) -> Reply:
        if len(request.results) < 5:
            return calls(("teleport", {"to": "Paris"}))
        return says("I could not.")

    with Endpoint(speaker) as endpoint:
        code, result, _ = run(tmp_path, endpoint.url)
        answers = endpoint.requests[-1].results
    assert (code, result["output"]) == (0, "I could not.")
    assert len(answers) == 5
    assert all("not available; use request_new_tool" in one for one in answers)


def test_an_unknown_name_without_end_meets_the_step_limit(tmp_path):
    with Endpoint(lambda request: calls(("teleport", {"to": "Paris"}))) as endpoint:
        code, result, _ = run(tmp_path, endpoint.url, "--max-steps", "4")
        assert (code, result["status"]) == (3, "incomplete")
        assert len(endpoint.requests) == 4
    assert "max_steps" in result["reason"]


def test_calls_without_ids_and_with_the_same_id_are_each_answered(tmp_path):
    def speaker(request: Request) -> Reply:
        if not request.results:
            return calls(("teleport", {"to": "Paris"}), ("beam", "not json"), ids=False)
        if len(request.results) == 2:
            pair = calls(("teleport", {"to": "Rome"}), ("teleport", {"to": "Oslo"}))
            for call in pair["tool_calls"]:
                call["id"] = "same"
            return pair
        return says("done")

    with Endpoint(speaker) as endpoint:
        code, result, _ = run(tmp_path, endpoint.url)
        last = endpoint.requests[-1]
        ids = [one["tool_call_id"] for one in last.messages if one["role"] == "tool"]
    assert (code, result["output"]) == (0, "done")
    assert len(last.results) == 4
    assert len(set(ids)) == 4


@pytest.mark.long
def test_a_dead_endpoint_ends_in_one_sentence_and_the_exit_code_of_models(tmp_path):
    command = [sys.executable, "-m", "toolwright", "run", TASK, "--home", str(tmp_path), "--model", "openai:x"]
    refused = [*command, "--base-url", "http://127.0.0.1:9/v1"]
    with Endpoint(lambda request: (401, {"error": {"message": "bad key"}})) as endpoint:
        done = subprocess.run([*command, "--base-url", endpoint.url], capture_output=True, text=True, timeout=60)
        assert len(endpoint.requests) == 1, "401 is not tried again"
    assert done.returncode == 5
    assert "Traceback" not in done.stderr
    assert "OPENAI_API_KEY" in done.stderr
    done = subprocess.run(refused, capture_output=True, text=True, timeout=120)
    assert done.returncode == 5
    assert "127.0.0.1:9" in done.stderr


def test_a_resume_needs_no_word_about_the_model_of_the_run(tmp_path):
    script, down = Scripted(), [True]

    def speaker(request: Request) -> Reply | tuple[int, Any]:
        if down[0] and request.role == "generator":
            return 401, {"error": {"message": "not today"}}
        return script(request)

    with Endpoint(speaker) as endpoint:
        code, result, _ = run(tmp_path, endpoint.url)
        assert (code, result["status"]) == (5, "failed")
        down[0] = False
        command = [sys.executable, "-m", "toolwright", "run", "--resume", result["run_id"], "--json", "--home"]
        done = subprocess.run([*command, str(tmp_path)], capture_output=True, text=True, timeout=120)
        again = json.loads(done.stdout.splitlines()[-1])
        orchestrator = endpoint.of("orchestrator")
    assert (done.returncode, again["status"], again["made"]) == (0, "complete", ["count_vowels@1"])
    assert len(orchestrator) == 3, "the recorded step was not asked for again"


def test_an_example_that_names_a_given_file_is_tried_on_it(tmp_path):
    data = tmp_path / "data.csv"
    data.write_text("a\nb\nc\n", "utf-8")
    asked = {
        "tool_name": "count_lines",
        "description": "Count the lines of a text file.",
        "input_params": "path: str",
        "return_type": "int",
        "example": "count_lines('data.csv') == 3",
    }
    right = (
        'def count_lines(path: str) -> int:\n    """Count lines."""\n    return len(open(path).read().splitlines())\n'
    )
    wrong = right.replace("splitlines())", "splitlines()) + 100")

    def speaker(request: Request) -> Reply | tuple[int, Any]:
        if request.role == "generator":
            return says(f"```python\n{right if '+ 100' in ''.join(request.user) else wrong}```")
        if request.role == "examiner":
            return 400, {}
        if not request.results:
            return calls(("request_new_tool", asked))
        if len(request.results) == 1:
            return calls(("count_lines", {"path": "data.csv"}))
        return says(f"It has {request.results[-1]} lines.")

    with Endpoint(speaker) as endpoint:
        code, result, lines = run(tmp_path, endpoint.url, "--file", str(data))
    failed = [one["detail"] for one in lines if one["type"] == "check" and one["passed"] is False]
    assert (code, result["output"], result["files"]) == (0, "It has 3 lines.", [])
    assert len(failed) == 1, "the wrong one was found out before it was used"
    assert "103" in failed[0]


def test_a_denied_power_names_the_lines_to_add_to_whoever_reads_the_end(tmp_path):
    asked = {**REQUEST, "powers": {"hosts": ["api.example.com"]}}
    source = (
        "import urllib.request\n\n\ndef count_vowels(text: str) -> int:\n"
        '    """Count the vowels in a text."""\n'
        '    return len(urllib.request.urlopen("https://api.example.com/" + text).read())\n'
    )

    def speaker(request: Request) -> Reply | tuple[int, Any]:
        if request.role == "generator":
            return says(json.dumps({"source": source, "powers": {"hosts": ["api.example.com"]}}))
        if request.role == "examiner":
            return 400, {}
        return says("I could not.") if request.results else calls(("request_new_tool", asked))

    with Endpoint(speaker) as endpoint:
        code, result, _ = run(tmp_path, endpoint.url)
    assert (code, result["status"]) == (3, "incomplete")
    for line in ("[[rule]]", 'action = "allow"', 'hosts = ["api.example.com:443"]'):
        assert line in result["reason"]


def test_a_run_whose_files_cannot_be_copied_out_keeps_its_answer_and_says_where_they_lie(tmp_path):
    (tmp_path / "out").write_text("a file where the folder should be", "utf-8")
    asked = {
        "tool_name": "leave_note",
        "description": "Leave a note in a file.",
        "input_params": "text: str",
        "return_type": "str",
        "example": "leave_note('a') == 'note.txt'",
    }
    source = (
        'def leave_note(text: str) -> str:\n    """Leave a note in a file."""\n'
        '    with open("note.txt", "w") as file:\n        file.write(text)\n    return "note.txt"\n'
    )

    def speaker(request: Request) -> Reply | tuple[int, Any]:
        if request.role == "generator":
            return says(f"```python\n{source}```")
        if request.role == "examiner":
            return 400, {}
        if not request.results:
            return calls(("request_new_tool", asked))
        return calls(("leave_note", {"text": "b"})) if len(request.results) == 1 else says("done")

    with Endpoint(speaker) as endpoint:
        code, result, lines = run(tmp_path, endpoint.url)
    warnings = [one["text"] for one in lines if one["type"] == "warning"]
    assert (code, result["status"], result["files"]) == (0, "complete", [])
    assert "could not be copied" in warnings[-1]
    assert [one.read_text("utf-8") for one in (tmp_path / "runs").rglob("note.txt")] == ["b"]
