"""A run that was cut off in the middle of an own tool, and what its resume does about it."""

import os
import re
import shutil
import signal

import pytest

from outside.endpoint import calls, says
from owntools.own_stage import SHOP, Stage, last_result, wait_for

OWN = ["--tools", "corner_shop:pay_slowly"]


@pytest.fixture(scope="module")
def cut_off_home(tmp_path_factory):
    """A folder with the home of a run that was killed while `pay_slowly` was under way."""
    folder = tmp_path_factory.mktemp("cut_off")
    (folder / "corner_shop.py").write_text(SHOP)
    stage, log = Stage(folder), folder / "log"
    stage.speaks(calls(("pay_slowly", {"customer": "A-1"})), last_result)
    with stage.endpoint:
        process = stage.begun("run", "Pay.", *OWN, *stage.flags, flags=[], OPENAI_API_KEY="none", SHOP_LOG=str(log))
        wait_for(log.exists)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    return folder


@pytest.fixture
def cut_off(stage, cut_off_home):
    """The id of that run, in a home of this test's own."""
    stage.speaks(calls(("pay_slowly", {"customer": "A-1"})), last_result)
    shutil.copytree(cut_off_home / "home", stage.home, dirs_exist_ok=True)
    shutil.copy(cut_off_home / "log", stage.folder / "log")
    (stage.folder / "log.go").touch()
    with stage.open() as tw:
        return tw.runs()[0].id


def paid(stage):
    return (stage.folder / "log").read_text().count("begun")


@pytest.mark.parametrize("yes", [True, False])
def test_a_call_of_unknown_end_runs_again_only_if_a_person_says_so(stage, cut_off, yes):
    asked = []

    def approve(request):
        asked.append(request.question)
        return yes

    result = stage.run(resume=cut_off, tools=["corner_shop:pay_slowly"], approve=approve)
    assert [(one.name, one.origin) for one in asked] == [("pay_slowly", "host")]
    assert "may already have run" in asked[0].description
    assert paid(stage) == (2 if yes else 1)
    assert ('"paid"' if yes else "must not run again") in stage.asked[-1].results[0]
    assert result.status == "complete"


def test_one_that_only_reads_runs_again_unasked(stage, cut_off, monkeypatch):
    monkeypatch.syspath_prepend(str(stage.folder))
    import corner_shop

    with stage.open() as tw:
        tw.registry.register(corner_shop.pay_slowly, effect="reads")
        assert tw.run(resume=cut_off).output == 'It gave "paid"'
    assert paid(stage) == 2


def test_a_resume_without_the_own_tool_says_so_and_goes_on(stage, cut_off):
    result = stage.run(resume=cut_off)
    assert any("pay_slowly" in one["text"] and "bring it again" in one["text"] for one in stage.heard.of("warning"))
    assert "pay_slowly is not available" in stage.asked[-1].results[0]
    assert result.status == "complete"
    assert paid(stage) == 1


def test_ctrl_c_stops_waiting_for_a_function_that_goes_on_and_on(stage):
    stage.speaks(calls(("pay_slowly", {"customer": "A-1"})), last_result)
    log = stage.folder / "log"
    process = stage.begun("run", "Pay.", *OWN, *stage.flags, flags=[], OPENAI_API_KEY="none", SHOP_LOG=str(log))
    wait_for(log.exists)
    os.kill(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130, err
    assert re.search(r"cancelled: .*--resume", out + err)
    assert "Traceback" not in err
    assert "Exception in thread" not in err


def test_a_finished_call_is_never_made_again_on_resume(stage):
    stage.speaks(
        calls(("pay", {"customer": "A-1", "amount": 1})), lambda request: (401, {"error": {"message": "who is this"}})
    )
    with stage.open(tools=["corner_shop:pay"]) as tw:
        broken = tw.run("Pay.")
    assert broken.status == "failed"
    stage.speaks(calls(("pay", {"customer": "A-1", "amount": 1})), lambda request: says(request.results[0]))
    assert stage.run(resume=broken.run_id, tools=["corner_shop:pay"]).output == '"paid"'
    assert (stage.folder / "log").read_text() == "A-1 1.0\n"
