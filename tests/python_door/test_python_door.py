"""`Toolwright` from Python: every way to run, many at once, answers about powers, the parts alone, and the end of it."""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from pathlib import Path

import pytest

from cli.shop import ADD, NAP, Maker, OneCall, Page, alive, family, fetcher, napping
from outside.endpoint import Endpoint, Request, calls, says
from toolwright import ApprovalAnswer, Outcome, Status, Toolwright, ToolwrightError, Verdict
from toolwright.errors import NotFoundError, UserError
from toolwright.schema import tool_spec


@pytest.fixture
def page():
    with Page() as one:
        yield one


def threads() -> set[threading.Thread]:
    return {one for one in threading.enumerate() if one.name.startswith("toolwright")}


def add_to(tw, name="add", source=ADD):
    file = tw.settings.home / f"{name}.py"
    file.write_text(source)
    made = tw.import_file(file)
    assert made.version is not None, made.reason


def test_each_way_to_run_is_the_same_road(tmp_path):
    before = threads()
    with Endpoint(OneCall("add", a=2, b=3)) as endpoint:
        tw = Toolwright("openai:x", base_url=endpoint.url, home=tmp_path)
        add_to(tw)
        result = tw.run("2+3?")
        assert (result.output, result.status, result.made, result.reused) == ("It says 5", "complete", (), ("add@1",))
        assert (result.files, result.cost.dollars, result.cost.calls) == ((), None, 2)
        assert result.cost.tokens_in == 20
        assert tw.run_record(result.run_id).output == "It says 5"
        assert [one.kind for one in tw.events(result.run_id)][-1] == "result"

        async def others():
            awaited = await tw.arun("2+3?")
            inside = tw.run("2+3?")  # as in a notebook: a loop is running already
            kinds = [event.kind async for event in tw.stream("2+3?")]
            many = await asyncio.gather(*(tw.arun(f"{n}: 2+3?") for n in range(8)))
            return awaited, inside, kinds, many

        awaited, inside, kinds, many = asyncio.run(others())
        assert awaited.output == inside.output == "It says 5"
        assert (kinds[0], kinds[-1]) == ("run-started", "result")
        assert "tool-called" in kinds
        assert [one.output for one in many] == ["It says 5"] * 8
        assert len({one.run_id for one in many}) == 8
        assert len(tw.runs(limit=50)) == 12
        tw.close()
        tw.close()
        for use in (lambda: tw.run("again"), lambda: tw.registry, lambda: tw.call("add", {"a": 1}), tw.runs):
            with pytest.raises(UserError, match="closed"):
                use()
        assert threads() <= before


@pytest.mark.parametrize("way", ["stream", "arun"])
def test_whoever_cancels_again_and_again_finds_the_run_cancelled(tmp_path, way):
    go = threading.Event()

    def slow(_: Request):
        go.wait(30)
        return says("At last.")

    with Endpoint(slow) as endpoint, Toolwright("openai:x", base_url=endpoint.url, home=tmp_path) as tw:

        async def cancelled(pause):
            async def listen():
                if way == "arun":
                    await tw.arun("x")
                else:
                    async for _ in tw.stream("x"):
                        pass

            task = asyncio.ensure_future(listen())
            while not endpoint.requests:
                await asyncio.sleep(0.01)
            while not task.done():  # as a group of anyio does
                task.cancel()
                await asyncio.sleep(pause)

        for milliseconds in range(12):
            asyncio.run(cancelled(milliseconds / 1000))
            endpoint.requests.clear()
        until = time.monotonic() + 20
        while any(one.status == "running" for one in tw.runs()) and time.monotonic() < until:
            time.sleep(0.05)
        assert [one.status for one in tw.runs()] == ["cancelled"] * 12
        go.set()


def test_leaving_a_stream_early_or_cancelling_arun_ends_the_run_and_its_guest(tmp_path):
    before, others = threads(), family(os.getpid())
    with Endpoint(OneCall("nap", word="sleep")) as endpoint:
        with Toolwright("openai:x", base_url=endpoint.url, home=tmp_path) as tw:
            add_to(tw, "nap", NAP)

            async def leave():
                events = tw.stream("nap")
                async for event in events:
                    if event.kind == "tool-called":
                        while not (below := napping(os.getpid(), others)):
                            await asyncio.sleep(0.05)
                        break
                await events.aclose()
                return event.run_id, below

            began = time.monotonic()
            run_id, below = asyncio.run(leave())
            assert time.monotonic() - began < 10
            assert below
            assert not alive(below)
            assert tw.run_record(run_id).status == "cancelled"

            async def cancel():
                started = asyncio.Event()
                loop = asyncio.get_running_loop()

                class Hears:
                    def emit(self, event):
                        if event.kind == "tool-called":
                            loop.call_soon_threadsafe(started.set)

                task = asyncio.ensure_future(tw.arun("nap", sink=Hears()))
                await started.wait()
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task

            asyncio.run(cancel())
            assert [one.status for one in tw.runs()] == ["cancelled", "cancelled"]
        assert threads() <= before


def _plain(request):
    return True


async def _coroutine(request):
    await asyncio.sleep(0)
    return ApprovalAnswer(True)


def _returns_a_coroutine(request):
    return _coroutine(request)


class Callable_:
    async def __call__(self, request):
        return ApprovalAnswer(True, "host")


@pytest.mark.parametrize("approve", [True, _plain, _coroutine, _returns_a_coroutine, Callable_()])
def test_any_kind_of_approve_is_heard(tmp_path, page, approve):
    with Endpoint(Maker(fetcher("look", page.host))) as endpoint:
        with Toolwright("openai:x", base_url=endpoint.url, home=tmp_path, approve=approve) as tw:
            assert tw.run("look").made == ("look@1",)
            assert tw.call("look", {"path": "a"}).value == 5


@pytest.mark.parametrize("approve", [None, False, lambda request: False, lambda request: "yes"])
def test_anything_but_a_yes_is_a_no(tmp_path, page, approve):
    with Endpoint(Maker(fetcher("look", page.host))) as endpoint:
        with Toolwright("openai:x", base_url=endpoint.url, home=tmp_path, approve=approve) as tw:
            assert tw.run("look").made == ()
            assert page.hits == 0


def test_an_approve_that_is_async_runs_on_the_loop_of_its_caller_and_one_that_raises_is_told(tmp_path, page):
    with Endpoint(Maker(fetcher("look", page.host))) as endpoint:
        seen = []

        async def approve(request):
            seen.append(asyncio.get_running_loop())
            return True

        async def main(tw):
            result = await tw.arun("look")
            return result, asyncio.get_running_loop()

        with Toolwright("openai:x", base_url=endpoint.url, home=tmp_path / "a", approve=approve) as tw:
            result, loop = asyncio.run(main(tw))
            assert (result.made, seen) == (("look@1",), [loop])

        def broken(request):
            raise RuntimeError("the form is broken")

        with Toolwright("openai:x", base_url=endpoint.url, home=tmp_path / "b", approve=broken) as tw:
            with pytest.raises(RuntimeError, match="the form is broken"):
                tw.run("look")
            assert tw.runs()[0].status == "failed"


def test_the_parts_work_without_a_model(tmp_path):
    with Toolwright(home=tmp_path) as tw:
        verdict = tw.validate("add", ADD)
        assert isinstance(verdict, Verdict)
        assert (verdict.passed, "add" in tw.registry) == (True, False), "nothing is registered"
        wrong = tw.validate("add", ADD, example="add(1, 1) == 3")
        assert wrong.failed is not None
        assert wrong.failed.name == "examples"
        with pytest.raises(UserError, match="'exmaple'"):
            tw.validate("add", ADD, exmaple="add(1, 1) == 2")
        assert not tw.validate("add", "def add(:").passed
        add_to(tw)
        assert "add" in tw.registry
        assert "minus" not in tw.registry
        assert tw.registry.names() == ["add"]
        assert [one.name for one in tw.registry.list()] == ["add"]
        assert tw.registry.search("sum of numbers")[0].info.name == "add"
        assert str(tw.registry.get("add")) == "add@1"
        outcome = tw.call("add", {"a": 2})
        assert isinstance(outcome, Outcome)
        assert (outcome.ok, outcome.value) == (True, 3)
        assert tw.call("add", {"a": "x"}).status is Status.BAD_CALL
        with pytest.raises(NotFoundError):
            tw.call("minus", {})
        file = tmp_path / "tools" / "add" / "1.py"
        file.write_text(file.read_text().replace("a + b", "b + a"))
        edited = tw.call("add", {"a": 2})
        assert (edited.status, edited.reason) == (Status.DENIED, "edited")
        adopted = tw.adopt("add")
        assert str(adopted.version) == "add@2"
        for bad in ("no-such-run", "../x"):
            with pytest.raises(ToolwrightError):
                tw.run_record(bad)
        with pytest.raises(UserError, match=r"nowhere\.py"):
            tw.import_file(tmp_path / "nowhere.py")


def test_a_tool_is_made_from_a_spec_in_either_form(tmp_path):
    source = 'def double(n: int) -> int:\n    """Double a number."""\n    return n * 2\n'
    asked = {
        "tool_name": "double",
        "description": "Double a number.",
        "input_params": "n: int",
        "return_type": "int",
        "example": "double(2) == 4",
    }
    with Endpoint(Maker((asked, source))) as endpoint:
        with Toolwright("openai:x", base_url=endpoint.url, home=tmp_path / "a") as tw:
            made = tw.make({**asked, "thoughts": "a key that nobody knows"})
            assert (str(made.version), made.won) == ("double@1", True)
            assert tw.make(asked).won is False, "it is there already"
            with pytest.raises(ToolwrightError, match="snake_case"):
                tw.make({**asked, "tool_name": "Not Snake"})
        with Toolwright("openai:x", base_url=endpoint.url, home=tmp_path / "b") as tw:
            made = asyncio.run(tw.amake(tool_spec(**asked)))
            assert str(made.version) == "double@1"


def test_what_is_wrong_before_a_run_is_an_error_of_ours(tmp_path, monkeypatch):
    with Toolwright("openai:x", base_url="http://127.0.0.1:9/v1", home=tmp_path) as tw:
        with pytest.raises(UserError, match="task is empty"):
            tw.run("  ")
        with pytest.raises(UserError, match="nowhere"):
            tw.run("x", files=["nowhere.txt"])
        with pytest.raises(ToolwrightError):
            tw.run(resume="20200101-000000-abcdef")
        with pytest.raises(UserError, match="not both"):
            Toolwright("openai:x", settings=tw.settings)
        assert tw.runs() == []


def test_files_come_back_as_paths(tmp_path):
    source = (
        'def note(text: str) -> str:\n    """Write a text to note.txt and name the file."""\n'
        '    with open("note.txt", "w") as file:\n        file.write(text)\n    return "note.txt"\n'
    )
    asked = {
        "tool_name": "note",
        "description": "Write a text to note.txt and name the file.",
        "input_params": "text: str",
        "return_type": "str",
    }
    maker = Maker((asked, source))

    def speaker(request: Request):
        if request.role == "orchestrator" and len(request.results) == 1:
            return calls(("note", {"text": "hello"}))
        return maker(request)

    with Endpoint(speaker) as endpoint, Toolwright("openai:x", base_url=endpoint.url, home=tmp_path) as tw:
        result = tw.run("note", out=tmp_path / "out")
    (path,) = result.files
    assert isinstance(path, Path)
    assert path.read_text() == "hello"
    assert json.loads(json.dumps(result.to_json()))["files"] == [str(path)]


def test_another_agent_takes_our_toolset(tmp_path):
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    def speaker(request: Request):
        return says(f"It says {request.results[-1]}") if request.results else calls(("add", {"a": 2, "b": 3}))

    with Endpoint(speaker) as endpoint, Toolwright(home=tmp_path) as tw:
        add_to(tw)
        model = OpenAIChatModel("x", provider=OpenAIProvider(base_url=endpoint.url, api_key="none"))
        agent = Agent(model, toolsets=[tw.toolset()])
        assert agent.run_sync("add whole numbers 2 and 3").output == "It says 5"
        assert tw.runs()[0].reused == ("add@1",)
