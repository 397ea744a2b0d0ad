"""Each errand can be awaited, in a running loop that nothing holds up; what is cancelled or closed leaves nothing."""

from __future__ import annotations

import asyncio
import inspect
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cli.shop import ADD, NAP, OneCall, family, napping
from outside.endpoint import Endpoint
from toolwright import ApprovalAnswer, Toolwright
from toolwright.errands import Errands
from toolwright.errors import UserError

FETCH = '''
import urllib.request


def fetch(path: str) -> str:
    """Fetch a page."""
    return urllib.request.urlopen("http://127.0.0.1:9/" + path, timeout=5).read().decode()
'''


def write(folder, name, source):
    file = folder / f"{name}.py"
    file.write_text(source)
    return file


def test_each_errand_has_a_twin_with_the_same_parameters():
    at_once = {
        "retire",
        "prune",
        "prune_by_policy",
        "retire_proposed",
        "keep_value",
        "kept_value",
    }  # they ask nobody and run nothing
    assert inspect.iscoroutinefunction(Toolwright.adoctor)
    for name, method in inspect.getmembers(Errands, inspect.isfunction):
        if name.startswith("_") or name in at_once or inspect.iscoroutinefunction(method):
            continue
        twin = getattr(Errands, f"a{name}")
        assert inspect.iscoroutinefunction(twin)
        assert inspect.signature(twin).parameters == inspect.signature(method).parameters


def test_errands_are_awaited_while_the_loop_goes_on(tmp_path):
    async def main():
        ticks = 0

        async def tick():
            nonlocal ticks
            while True:
                await asyncio.sleep(0.005)
                ticks += 1

        ticking = asyncio.create_task(tick())
        async with Toolwright(home=tmp_path) as tw:
            made = await tw.aimport_file(write(tmp_path, "add", ADD))
            assert str(made.version) == "add@1"
            outcomes = await asyncio.gather(*(tw.acall("add", {"a": n}) for n in range(8)))
            assert [one.value for one in outcomes] == [n + 1 for n in range(8)]
            assert (await tw.avalidate("add", ADD)).passed
            edited = await tw.aedit("add", ADD.replace("a + b", "b + a"))
            assert str(edited.version) == "add@2"
            assert (await tw.acall("add", {"a": "x"})).status == "bad-call"
            (tmp_path / "old").mkdir()
            write(tmp_path / "old", "add", ADD)
            write(tmp_path / "old", "nap", NAP)
            (tmp_path / "old" / "manifest.json").write_text(
                '{"add": {"description": "Add.", "file": "add.py"}, "nap": {"description": "Nap.", "file": "nap.py"}}'
            )
            report = await tw.aimport_folder(tmp_path / "old")
            assert ([str(one.version) for one in report.taken], len(report.left)) == (["nap@1"], 1)
            assert (await tw.adoctor()).layers
            assert tw.registry.stats("add").calls == 0  # of the version in force
        ticking.cancel()
        assert ticks > 20
        with pytest.raises(UserError, match="closed"):
            tw.run("more")

    asyncio.run(main())


def test_a_cancelled_call_ends_its_box(tmp_path):
    async def main():
        async with Toolwright(home=tmp_path) as tw:
            await tw.aimport_file(write(tmp_path, "nap", NAP), example="nap('a') == 'a'")
            asleep = asyncio.create_task(tw.acall("nap", {"word": "sleep"}))
            while not napping(os.getpid(), before):
                await asyncio.sleep(0.01)
            asleep.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asleep

    before = set(family(os.getpid()))
    asyncio.run(main())
    assert set(family(os.getpid())) <= before


def test_an_async_approve_answers_an_awaited_call_on_its_own_loop(tmp_path):
    seen = []

    async def approve(request):
        seen.append((asyncio.get_running_loop(), request.question.name))
        return ApprovalAnswer(False, reason="not today")

    async def main():
        async with Toolwright(home=tmp_path, approve=approve) as tw:
            made = await tw.aimport_file(write(tmp_path, "fetch", FETCH), hosts=["127.0.0.1:9"])
            assert made.version is None
            assert "not today" in made.reason
            assert seen == [(asyncio.get_running_loop(), "fetch")]

    asyncio.run(main())


def test_a_stream_resumes_a_run(tmp_path):
    with Endpoint(OneCall("add", a=2, b=3)) as endpoint:

        async def main():
            async with Toolwright("openai:x", base_url=endpoint.url, home=tmp_path) as tw:
                await tw.aimport_file(write(tmp_path, "add", ADD))
                first = [event async for event in tw.stream("2+3?")]
                again = [event async for event in tw.stream(resume=first[0].run_id)]
                return first, again

        first, again = asyncio.run(main())
    assert first[-1].data["output"] == "It says 5"
    assert [event.kind for event in again] == ["result"]  # it had ended: nothing happens any more
    assert again[0].data["output"] == "It says 5"


PROGRAM = """
import sys
from toolwright import Toolwright
tw = Toolwright(home=sys.argv[1])
print(tw.call("add", {"a": 1}).value)
# No close: a script may just end.
"""


def test_a_program_that_never_closes_ends_all_the_same(tmp_path):
    with Toolwright(home=tmp_path) as tw:
        tw.import_file(write(tmp_path, "add", ADD))
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", PROGRAM, str(tmp_path)], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "2\n", "")
    assert time.monotonic() - began < 30


def test_open_and_close_leave_no_descriptor_behind(tmp_path):
    def open_now():
        return len(os.listdir("/proc/self/fd"))

    def once():
        with Toolwright(home=tmp_path) as tw:
            assert tw.call("add", {"a": 1}).value == 2
            asyncio.run(tw.acall("add", {"a": 1}))

    with Toolwright(home=tmp_path) as tw:
        tw.import_file(write(tmp_path, "add", ADD))
    once()
    before = open_now()
    for _ in range(3):
        once()
    assert open_now() <= before


CLIENT = """
from collections.abc import Sequence
from typing import assert_type

from toolwright import ApprovalAnswer, ApprovalRequest, Checkup, Cost, Event, FileRef, Forged, ImportReport
from toolwright import ModelChoice, ModelError, NotFoundError, Outcome, Proposal, RefusedError, Run, RunResult
from toolwright import SettingValue, Settings, Sink, Status, Steps, ToolInfo, ToolSpec, ToolVersion, Toolwright
from toolwright import UserError, Verdict


def mine(name: str) -> str:
    return name


async def approve(request: ApprovalRequest) -> ApprovalAnswer:
    return ApprovalAnswer(request.question.name == "x", reason="no")


sink: Sink = Steps()
with Toolwright(tools=[mine], approve=approve, sink=sink) as tw:
    try:
        result = tw.run("task", files=["x.csv"], out="out")
    except (ModelError, RefusedError, NotFoundError, UserError) as error:
        print(error.exit_code)
    assert_type(result, RunResult)
    assert_type(result.cost, Cost)
    assert_type(result.made, tuple[str, ...])
    assert_type(tw.settings, Settings)
    assert_type(tw.model(), ModelChoice)
    assert_type(tw.registry.get("x"), ToolVersion)
    assert_type(tw.registry.names(), list[str])
    assert_type(tw.newest_conversation(), Run)
    outcome = tw.call("x")
    assert_type(outcome.status, Status)
    assert_type(outcome.files, tuple[FileRef, ...])
    assert_type(tw.run("more", history=result), RunResult)
    assert_type(tw.call("x", {"a": 1}), Outcome)
    assert_type(tw.spec("words"), ToolSpec)
    assert_type(tw.make(tw.spec("words")), Forged)
    assert_type(tw.validate("x", "source"), Verdict)
    assert_type(tw.import_file("x.py"), Forged)
    assert_type(tw.import_folder("x"), ImportReport)
    assert_type(tw.adopt("x"), Forged)
    assert_type(tw.edit("x", "source"), Forged)
    assert_type(tw.retire("x"), ToolInfo)
    assert_type(tw.prune(), list[Proposal])
    assert_type(tw.runs(), list[Run])
    assert_type(tw.run_record("last"), Run)
    assert_type(tw.events("last"), list[Event])
    assert_type(tw.config(), list[SettingValue])
    assert_type(tw.doctor(), Checkup)
    assert_type(tw.registry.register(mine, name="other"), ToolInfo)
    tools: Sequence[ToolInfo] = tw.registry.list()


async def main() -> None:
    async with Toolwright() as tw:
        assert_type(await tw.arun("task"), RunResult)
        assert_type(await tw.acall("x"), Outcome)
        assert_type(await tw.amake({}), Forged)
        assert_type(await tw.aspec("words"), ToolSpec)
        assert_type(await tw.avalidate("x", "source"), Verdict)
        assert_type(await tw.aimport_file("x.py"), Forged)
        assert_type(await tw.aimport_folder("x"), ImportReport)
        assert_type(await tw.aadopt("x"), Forged)
        assert_type(await tw.aedit("x", "source"), Forged)
        assert_type(await tw.adoctor(), Checkup)
        events = tw.stream("task", history="last")
        await events.aclose()
        async for event in tw.stream("task"):
            assert_type(event, Event)
"""


@pytest.mark.long
def test_a_strictly_typed_program_knows_what_each_call_gives(tmp_path):
    (tmp_path / "client.py").write_text(CLIENT)
    words = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path / "cache"), "client.py"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (Path(sys.modules["toolwright"].__file__).parent / "py.typed").is_file()
