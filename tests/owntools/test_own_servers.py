"""MCP servers as a person's own tools: real ones on standard input and over HTTP, good, bad and stubborn."""

import os
import signal
import subprocess
import sys
import time

import pytest

from outside.endpoint import calls
from owntools.own_stage import SERVER, alive, environ, json_lines, last_result, mcp_command, wait_for
from toolwright.errors import UserError

# Each starts servers; one run with a real server is in the short suite: test_own_done_when.py.
pytestmark = pytest.mark.long


@pytest.fixture
def pids(stage, monkeypatch):
    """The processes of servers that were started."""
    monkeypatch.setenv("OWN_SERVER_PIDS", str(stage.folder / "pids"))

    def started():
        try:
            return [int(line) for line in (stage.folder / "pids").read_text().split()]
        except OSError:
            return []

    yield started
    for pid in started():
        if alive(pid):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def over_http(stage):
    """The address of a server over streamable HTTP."""
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, SERVER, "http", str(port)], env=environ(stage.folder))

    def listens():
        with socket.socket() as one:
            return one.connect_ex(("127.0.0.1", port)) == 0

    wait_for(listens)
    yield f"http://127.0.0.1:{port}/mcp"
    process.kill()
    process.wait()


def test_a_server_on_standard_input_brings_its_tools_with_what_it_says_of_them(stage, pids):
    with stage.open(mcp=[mcp_command()]) as tw:
        assert not pids()  # nothing is started before somebody looks
        infos = {one.name: one for one in tw.registry.list()}
        assert infos["stock_level"].effect == "reads"
        assert infos["reserve_item"].effect == "writes"
        assert {one.origin for one in infos.values()} == {"host"}
        assert infos["stock_level"].description == "Say how many pieces of an item the store has."
        assert tw.call("stock_level", {"item": "lamp"}).value == 7
        assert tw.call("find-item", {"item": " Lamp "}).value == "lamp"
        broken = tw.call("break_down")
        assert (broken.status.value, "the till is stuck" in broken.detail) == ("raised", True)
        assert tw.call("stock_level", {"thing": 1}).status.value == "bad-call"
        assert len(pids()) == 1
    assert not alive(pids()[0])


def test_a_name_that_no_model_can_call_is_left_out_with_a_word(stage):
    with stage.open(mcp=[mcp_command()]) as tw:
        assert not [name for name in tw.registry.names() if "good" in name]
    assert any("no good name!" in one["text"] for one in stage.heard.of("warning"))


def test_a_server_over_http_brings_its_tools_too(stage, over_http):
    stage.speaks(calls(("stock_level", {"item": "lamp"})), last_result)
    assert stage.run(mcp=[over_http]).output == "It gave 7"


def test_two_servers_with_the_same_names_need_a_prefix(stage, over_http):
    with stage.open(mcp=[mcp_command(), over_http]) as tw, pytest.raises(UserError, match="stock_level") as raised:
        tw.registry.names()
    assert "NAME=" in str(raised.value)
    with stage.open(mcp=[mcp_command(), f"far={over_http}"]) as tw:
        assert {"stock_level", "far_stock_level"} <= set(tw.registry.names())
        assert tw.call("far_stock_level", {"item": "lamp"}).value == 7


def test_a_name_that_an_own_function_has_is_an_error_and_never_a_second_one(stage):
    def stock_level(item: str) -> int:
        """Mine."""
        return 1

    with stage.open(tools=[stock_level], mcp=[mcp_command()]) as tw:
        with pytest.raises(UserError, match="stock_level"):
            tw.registry.names()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (mcp_command("dies"), "the store's ledger is not where it was"),
        ("no-such-program-at-all --x", "no-such-program-at-all"),
        ("", "URL"),
        ("'unfinished", "unfinished"),
        ("http://127.0.0.1:9/mcp", "http://127.0.0.1:9/mcp"),
    ],
)
def test_a_server_that_cannot_be_had_is_named_with_what_it_printed(stage, given, said):
    def look():
        with stage.open(mcp=[given]) as tw:
            tw.run("Go.")

    began = time.monotonic()
    with pytest.raises(UserError) as raised:
        look()
    assert said in str(raised.value)
    assert "MCP server" in str(raised.value)
    assert time.monotonic() - began < 20
    assert not stage.asked


def test_a_password_in_an_address_is_not_repeated(stage):
    with stage.open(mcp=["http://me:s3cr@t@127.0.0.1:9/mcp"]) as tw, pytest.raises(UserError) as raised:
        tw.registry.names()
    assert "http://***@127.0.0.1:9/mcp" in str(raised.value)
    assert "s3cr" not in str(raised.value)


def test_a_server_that_never_answers_is_given_up_in_time_and_ended(stage, pids, monkeypatch):
    monkeypatch.setattr("toolwright.owntools.toolsets.OPENING_S", 4.0)
    with stage.open(mcp=[mcp_command("silent")]) as tw, pytest.raises(UserError, match="4 s"):
        tw.registry.names()
    wait_for(lambda: not any(map(alive, pids())), 15)


def test_what_a_server_prints_stays_off_the_terminal(stage):
    done = stage.command("tools", "--json", "--mcp", mcp_command("noisy"))
    assert "ledger" not in done.stdout + done.stderr
    assert "stock_level" in [one["name"] for one in json_lines(done)[0]["tools"]]


def test_a_server_sees_the_environment_but_no_key_of_a_model(stage, monkeypatch):
    for key in ("OPENAI_API_KEY", "AZURE_OPENAI_API_KEY", "XAI_API_KEY", "OLLAMA_API_KEY", "TOGETHER_API_KEY"):
        monkeypatch.setenv(key, "sk-1")
    monkeypatch.setenv("WEATHER_API_KEY", "its own")
    with stage.open(mcp=[mcp_command()]) as tw:
        assert tw.call("whoami").value.split()[1:] == ["WEATHER_API_KEY"]


@pytest.mark.long
def test_a_stubborn_server_is_ended_all_the_same(stage, pids):
    with stage.open(mcp=[mcp_command("stubborn")]) as tw:
        assert tw.call("stock_level", {"item": "lamp"}).value == 7
    assert not alive(pids()[0])


@pytest.mark.parametrize("mode", ["", pytest.param("stubborn", marks=pytest.mark.long)])
def test_after_ctrl_c_in_the_middle_of_its_call_no_process_is_left(stage, pids, mode):
    stage.speaks(calls(("doze", {})), last_result)
    process = stage.begun(
        "run", "Doze.", "--mcp", mcp_command(mode), "--json", *stage.flags, flags=[], OPENAI_API_KEY="none"
    )
    while '"tool-called"' not in (line := process.stdout.readline()):
        assert line, process.stderr.read()
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=40)
    assert process.returncode == 130, err
    assert '"status": "cancelled"' in out
    assert "Traceback" not in err
    wait_for(lambda: not any(map(alive, pids())), 10)


def test_a_call_that_is_stopped_leaves_the_server_fit_for_the_next(stage):
    import threading

    stage.speaks(calls(("doze", {})), last_result)
    with stage.open(mcp=[mcp_command()], given={"run_wall_s": 4}) as tw:
        tw.registry.names()
        assert tw.run("Doze.").status == "incomplete"
        assert [one["name"] for one in stage.heard.of("tool-called")] == ["doze"]
        assert tw.call("stock_level", {"item": "lamp"}).value == 7
        assert threading.active_count() < 40


def test_without_the_extra_the_words_say_how_to_install_it(stage):
    code = (
        "import sys; sys.modules['fastmcp'] = None; sys.modules['fastmcp.client'] = None\n"
        "from toolwright import Toolwright\n"
        "Toolwright(home=sys.argv[1], mcp=['uvx mcp-server-git']).registry.names()"
    )
    done = subprocess.run([sys.executable, "-c", code, str(stage.home)], capture_output=True, text=True)
    assert "UserError" in done.stderr
    assert "pip install 'toolwright[mcp]'" in done.stderr


def test_a_server_that_dies_between_calls_is_an_outcome_that_says_so(stage, pids):
    with stage.open(mcp=[mcp_command()]) as tw:
        assert tw.call("stock_level", {"item": "lamp"}).ok
        os.kill(pids()[0], signal.SIGKILL)
        began = time.monotonic()
        outcome = tw.call("stock_level", {"item": "lamp"})
        assert (outcome.status.value, time.monotonic() - began < 20) == ("raised", True), outcome
