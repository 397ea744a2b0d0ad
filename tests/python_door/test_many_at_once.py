"""Many runs on one instance at once: each gets its own answer, its own events, and none waits for ever."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from cli.shop import ADD
from outside.endpoint import Endpoint, Request, calls, says
from toolwright import Event, Toolwright

MANY = 10


def adder(request: Request):
    """Adds 1 to the number that the task names, with the tool of the shelf."""
    if request.results:
        return says(f"It says {request.results[-1]}")
    number = int(request.user[-1].split()[-1])
    return calls(("run_tool", {"name": "add", "arguments": {"a": number}}))


@pytest.fixture
def tw(tmp_path):
    (tmp_path / "add.py").write_text(ADD)
    with Endpoint(adder) as endpoint, Toolwright("openai:x", base_url=endpoint.url, home=tmp_path) as one:
        assert one.import_file(tmp_path / "add.py").version is not None
        yield one


class Ear:
    def __init__(self) -> None:
        self.heard: list[Event] = []

    def emit(self, event: Event) -> None:
        self.heard.append(event)


def is_of_one_run(events: list[Event], number: int) -> str:
    """The run that they are of; they are all there, and speak of *number* alone."""
    assert {event.run_id for event in events} == {events[0].run_id}
    called = [event.data["arguments"] for event in events if event.kind == "tool-called"]
    assert called == [{"a": number}]
    assert events[-1].kind == "result"
    assert events[-1].data["output"] == f"It says {number + 1}"
    return events[0].run_id


def test_threads_each_hear_their_own_run(tw):
    ears = [Ear() for _ in range(MANY)]
    start = threading.Barrier(MANY)

    def one(number):
        start.wait()
        return tw.run(f"add one to {number}", sink=ears[number])

    with ThreadPoolExecutor(MANY) as pool:
        results = list(pool.map(one, range(MANY)))
    assert [one.output for one in results] == [f"It says {n + 1}" for n in range(MANY)]
    assert [is_of_one_run(ear.heard, n) for n, ear in enumerate(ears)] == [one.run_id for one in results]
    for number, result in enumerate(results):  # what is kept is as separate as what was heard
        is_of_one_run(tw.events(result.run_id), number)


def test_streams_gathered_on_one_loop_and_calls_beside_them_do_not_mix(tw):
    async def stream(number):
        return [event async for event in tw.stream(f"add one to {number}")]

    async def main():
        streams = asyncio.gather(*(stream(n) for n in range(MANY)))
        outcomes = await asyncio.gather(*(tw.acall("add", {"a": n}) for n in range(MANY)))
        return await streams, outcomes

    streams, outcomes = asyncio.run(main())
    assert len({is_of_one_run(events, n) for n, events in enumerate(streams)}) == MANY
    assert [one.value for one in outcomes] == [n + 1 for n in range(MANY)]


def test_own_functions_that_use_the_same_instance_do_not_wait_for_each_other(tmp_path):
    # More of them at once than a loop's pool has threads, and each waits for another run or call of the same house.
    met = threading.Barrier(MANY)

    def ask(number: int) -> str:
        """Ask another run."""
        met.wait(30)
        return tw.run(f"add one to {number}").output

    def speaker(request: Request):
        if "ask" not in request.user[-1]:
            return adder(request)
        if request.results:
            return says(f"It says {request.results[-1]}")
        return calls(("ask", {"number": int(request.user[-1].split()[-1])}))

    (tmp_path / "add.py").write_text(ADD)
    with Endpoint(speaker) as endpoint:
        with Toolwright("openai:x", base_url=endpoint.url, home=tmp_path, tools=[ask], approve=True) as tw:
            assert tw.import_file(tmp_path / "add.py").version is not None

            async def main():
                return await asyncio.wait_for(asyncio.gather(*(tw.arun(f"ask {n}") for n in range(MANY))), 60)

            outputs = [one.output for one in asyncio.run(main())]
    assert outputs == [f'It says "It says {n + 1}"' for n in range(MANY)]
