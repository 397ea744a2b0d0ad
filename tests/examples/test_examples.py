"""Each program under examples/ runs as its own first lines say, against a scripted model behind a real endpoint."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request

import pytest
from example_world import EXAMPLES, VOWELS, kernel_in, run

from docs_support.pages import ROOT
from docs_support.steady import differs
from docs_support.world import has_full_sandbox
from toolwright.store.home import Home

RATE = "What is the USD to ILS exchange rate now, and how much are 5,000 USD in ILS?"
needs_hosts = pytest.mark.skipif(not has_full_sandbox(), reason="hosts can be granted in the full profile only")


def test_every_example_stands_in_the_list_and_has_a_test():
    listed = (EXAMPLES / "README.md").read_text()
    tested = (ROOT / "tests" / "examples" / "test_examples.py").read_text()
    programs = [path.name for path in EXAMPLES.iterdir() if path.suffix in (".py", ".ipynb")]
    assert len(programs) == 6
    for name in programs:
        assert f"({name})" in listed, f"examples/README.md does not link {name}"
        assert name.removesuffix(".py") in tested
        assert len((EXAMPLES / name).read_text().splitlines()) <= 140


def as_listed(name, printed, *, number=0):
    """What was printed is what the list of examples shows, in its block of that number."""
    blocks = re.findall(rf"```text {re.escape(name)}\n(.*?)```", (EXAMPLES / "README.md").read_text(), re.DOTALL)
    assert not (wrong := differs(blocks[number].splitlines(), printed)), f"examples/README.md, {name}:\n{wrong}"


def test_a_script_makes_a_tool_and_the_next_run_of_it_reuses_the_tool(here):
    first, second = run(here, "script.py", VOWELS), run(here, "script.py")
    assert first.stdout.splitlines() == [
        "5 vowels.",
        "made ['count_vowels@1'], reused [], on the shelf: ['count_vowels']",
    ]
    as_listed("script.py", first.stdout)
    as_listed("script.py", second.stdout, number=1)
    assert "tool-made: count_vowels" in first.stderr
    assert "reused ['count_vowels@1']" in second.stdout


def test_a_box_of_ones_own_runs_every_guest(here):
    done = run(here, "own_box.py", VOWELS)
    said = re.fullmatch(r"5 vowels\.\n(\d+) guests, [\d.]+ s in all\n", done.stdout)
    assert said is not None, done.stdout
    assert int(said[1]) >= 3  # it was loaded, tried and called
    as_listed("own_box.py", done.stdout)


@needs_hosts
def test_ones_own_code_is_asked_and_its_yes_is_on_record(here, tmp_path):
    empty = tmp_path / "empty.toml"
    empty.write_text("")
    here.environment["TOOLWRIGHT_POLICY"] = str(empty)
    done = run(here, "own_approval.py", RATE)
    as_listed("own_approval.py", done.stdout)
    assert re.match(r"fetch_exchange_rate asks for host 127\.0\.0\.1:\d+\n", done.stdout), done.stdout
    assert "complete 1 USD is 3.71 ILS now; 5,000 USD are 18550.0 ILS." in done.stdout
    with contextlib.closing(Home.open(here.home)) as home:
        assert {event.data["who"] for event in events(home, "approval-answered")} == {"the desk"}


def test_ones_own_no_reaches_the_model_with_its_reason(here):
    done = run(here, "own_approval.py", "Fetch from somewhere", code=1)
    assert "fetch_from_somewhere asks for host nowhere.example:443" in done.stdout
    assert "incomplete It could not be fetched." in done.stdout
    with contextlib.closing(Home.open(here.home)) as home:
        reasons = [event.data["reason"] for event in events(home, "approval-answered")]
    assert reasons == ["nowhere.example:443 is not one of our hosts."]


def events(home, kind):
    runs = home.runs.list(limit=5, offset=0)
    return [event for one in runs for event in home.runs.events(one.id) if event.kind == kind]


@needs_hosts
def test_a_cron_job_is_answered_by_its_policy_file(here):
    policy = here.home / "policy.toml"
    done = run(here, "cron_job.py", str(policy), RATE)
    assert done.stdout == ""
    as_listed("cron_job.py", re.sub(r",\d{3} INFO", ",875 INFO", done.stderr))  # one line, and nothing of libraries
    assert re.search(r" INFO complete run=\S+ made=\['fetch_exchange_rate@1', 'convert_amount@1'\]", done.stderr)


def test_a_cron_job_that_may_not_says_the_lines_that_would_allow_it(here, tmp_path):
    policy = tmp_path / "nothing.toml"
    policy.write_text('[[rule]]\naction = "deny"\nhosts = ["*.example"]\n')
    done = run(here, "cron_job.py", str(policy), "Fetch from somewhere", code=3)
    assert " INFO incomplete run=" in done.stderr
    assert "WARNING" in done.stderr
    wrong = run(here, "cron_job.py", str(tmp_path / "none.toml"), VOWELS, code=2)
    assert "there is no such file" in wrong.stderr


@contextlib.contextmanager
def served(here):
    """The FastAPI example on loopback; its process, with address, is ended at the end."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = [sys.executable, "-m", "uvicorn", "--app-dir", str(EXAMPLES), "fastapi_stream:app", "--port", str(port)]
    process = subprocess.Popen(words, cwd=here.folder, env=here.environment, stderr=subprocess.PIPE, text=True)
    try:
        until = time.monotonic() + 60
        while time.monotonic() < until and process.poll() is None:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/tools", timeout=5).close()
                break
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        _, said = process.communicate(timeout=30)
        assert "Traceback" not in said, said


def streamed(port, task):
    query = urllib.parse.urlencode({"task": task})
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", f"/runs?{query}")
    return connection, connection.getresponse()


def test_fastapi_stream_sends_each_event_and_who_leaves_cancels_the_run(here):
    with served(here) as port:
        _, answer = streamed(port, VOWELS)
        assert answer.headers["content-type"].startswith("text/event-stream")
        blocks = [block.splitlines() for block in answer.read().decode().strip().split("\n\n")]
        as_listed("fastapi_stream.py", "\n".join(blocks[0]))
        kinds = [block[0].removeprefix("event: ") for block in blocks]
        assert (kinds[0], kinds[-1]) == ("run-started", "result")
        assert "tool-made" in kinds
        assert json.loads(blocks[-1][1].removeprefix("data: "))["output"] == "5 vowels."
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/tools", timeout=10) as listed:
            assert [one["name"] for one in json.load(listed)] == ["count_vowels"]
        connection, answer = streamed(port, "Take your time")
        assert answer.readline().startswith(b"event: run-started")
        answer.close()
        connection.close()
        assert ended_as(here, "Take your time") == "cancelled"


def ended_as(here, task):
    until = time.monotonic() + 30
    status = "running"
    while status == "running" and time.monotonic() < until:
        with contextlib.closing(Home.open(here.home)) as home:
            status = next(one.status for one in home.runs.list(limit=5, offset=0) if one.task == task)
        time.sleep(0.1)
    return status


def test_a_notebook_installs_nothing_runs_a_task_and_shows_the_tool(tmp_path, monkeypatch):
    import nbformat
    from nbclient import NotebookClient

    for name, value in kernel_in(tmp_path).items():
        monkeypatch.setenv(name, value)
    notebook = nbformat.read(EXAMPLES / "notebook.ipynb", as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs for cell in code)
    NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    first, second, third, shelf, last = code
    assert "pip install" not in re.sub(r"#.*|`.*`", "", first.source)
    assert first.outputs == last.outputs == []
    assert shown(second)["text/plain"].startswith("RunResult(output='5 vowels.', status='complete'")
    as_listed("notebook.ipynb", second.outputs[0]["text"])
    table = shown(second)["text/html"]
    assert "<table" in table
    assert "count_vowels@1" in table
    code_shown = shown(third)["text/html"]
    assert "count_vowels@1(text: str) -&gt; int" in code_shown
    assert re.search(r'<span style="[^"]*">def</span>', code_shown)
    assert "Count the vowels in a text." in shown(shelf)["text/html"]


def shown(cell):
    """The data of the last value that a cell shows."""
    assert not [one for one in cell.outputs if one["output_type"] == "error"], cell.outputs
    return next(one["data"] for one in reversed(cell.outputs) if one["output_type"] == "execute_result")


def test_no_example_needs_a_place_of_its_authors(here):
    for path in EXAMPLES.iterdir():
        if path.is_file():
            assert str(ROOT) not in path.read_text(), path
    assert os.listdir(here.folder) == []
