"""A person's own functions as tools: what they are read from, what comes of a call, what is refused."""

import asyncio
import dataclasses
import datetime
import decimal
import functools

import pytest

from toolwright import Toolwright
from toolwright.errors import UserError


@dataclasses.dataclass
class Bill:
    number: str
    due: datetime.date
    amount: decimal.Decimal


def bill(number: str, due: datetime.date = datetime.date(2026, 1, 31)) -> Bill:
    """Write a bill.

    Args:
        number: As printed on it.
        due: The day.
    """
    assert isinstance(due, datetime.date)
    return Bill(number, due, decimal.Decimal("12.50"))


async def later(text: str, times: int = 1) -> str:
    """Say a text after a while."""
    await asyncio.sleep(0)
    return text * times


def fails(text: str) -> str:
    """Fail."""
    raise LookupError(f"no {text} here")


def opaque(text: str):
    """Give something that no JSON holds."""
    return object()


def nan(text: str) -> float:
    """Give what is no number."""
    return float("nan")


def lies(text: str) -> int:
    """Promise a number and give a text."""
    return text


@pytest.fixture
def tw(stage):
    with stage.open(tools=[bill, later, fails, opaque, nan, lies]) as opened:
        yield opened


def test_its_schema_comes_from_hints_defaults_and_docstring(tw):
    info = next(one for one in tw.registry.list() if one.name == "bill")
    assert info.description == "Write a bill."
    assert info.input_schema["required"] == ["number"]
    assert info.input_schema["properties"]["number"] == {"type": "string", "description": "As printed on it."}
    assert info.input_schema["properties"]["due"]["format"] == "date"
    assert info.output_schema["properties"]["amount"]
    assert (info.origin, info.number, info.state, info.effect) == ("host", 0, "active", "writes")
    assert "number: str" in info.parameters


def test_arguments_become_what_the_hints_say_and_the_value_becomes_json(tw):
    outcome = tw.call("bill", {"number": "A-1", "due": "2026-03-01"})
    assert outcome.ok, outcome
    assert outcome.value == {"number": "A-1", "due": "2026-03-01", "amount": "12.50"}


def test_an_async_function_is_awaited(tw):
    assert tw.call("later", {"text": "ab", "times": 2}).value == "abab"


@pytest.mark.parametrize(
    ("name", "arguments", "status", "said"),
    [
        ("bill", {"number": 3}, "bad-call", "number"),
        ("bill", {}, "bad-call", "number"),
        ("bill", {"number": "A", "colour": "red"}, "bad-call", "colour"),
        ("fails", {"text": "lamp"}, "raised", "LookupError: no lamp here"),
        ("opaque", {"text": ""}, "bad-value", "object"),
        ("nan", {"text": ""}, "bad-value", "nan"),
        ("lies", {"text": "many"}, "bad-value", "many"),
    ],
)
def test_what_goes_wrong_is_an_outcome_that_says_what(tw, name, arguments, status, said):
    outcome = tw.call(name, arguments)
    assert outcome.status.value == status, outcome
    assert said in outcome.detail
    assert outcome.value is None


def test_a_raised_error_says_in_which_line_of_whose_file(tw):
    assert "test_own_functions.py, line " in tw.call("fails", {"text": "lamp"}).detail


def test_a_function_can_be_registered_later_under_a_name_a_description_and_an_effect_of_its_own(tw):
    info = tw.registry.register(later, name="echo", description="Echo a text.", effect="none")
    assert (info.name, info.description, info.effect, info.origin) == ("echo", "Echo a text.", "none", "host")
    assert tw.call("echo", {"text": "x"}).value == "x"


def test_it_stands_in_lists_searches_and_names_and_on_no_disk(stage, tw):
    assert "bill" in tw.registry
    assert "bill" in tw.registry.names()
    assert [one.info.name for one in tw.registry.search("write a bill")][:1] == ["bill"]
    assert tw.registry.count() == 0
    with stage.open() as other:
        assert other.registry.names() == []


def test_its_calls_are_kept_so_that_it_has_a_success_rate(stage, tw):
    for name, arguments in (("bill", {"number": "A"}), ("fails", {"text": "a"}), ("bill", {"number": 3})):
        tw.call(name, arguments)
    with stage.open(tools=[bill, fails]) as other:
        calls = {one.name: (one.calls, one.ok) for one in other.registry.list()}
        assert calls == {"bill": (1, 1), "fails": (1, 0)}
        assert all(one.last_used for one in other.registry.list())


def test_it_cannot_be_retired_and_the_words_say_what_to_do(tw):
    with pytest.raises(UserError, match=r"bill.*leave it out"):
        tw.retire("bill")
    assert tw.call("bill", {"number": "A"}).ok


def test_other_callables_can_be_tools_too(stage):
    class Till:
        def open(self, amount: int) -> int:
            """Open the till."""
            return amount + 1

    with stage.open() as tw:
        tw.registry.register(Till().open, name="open_till")
        tw.registry.register(functools.partial(later, times=3), name="thrice", description="Say it three times.")
        assert tw.call("open_till", {"amount": 1}).value == 2
        assert tw.call("thrice", {"text": "a"}).value == "aaa"


def _unreadable(text: "NoSuchType") -> str:  # noqa: F821 -- that is the point
    """Take what nobody knows."""


@pytest.mark.parametrize(
    ("given", "more", "said"),
    [
        (bill, {}, "bill"),
        (later, {"name": "run_tool"}, "run_tool"),
        (later, {"name": "read_value"}, "read_value"),
        (later, {"name": "no name"}, "no name"),
        (lambda text: text, {}, "name="),
        (_unreadable, {}, "NoSuchType"),
        (Bill, {}, "Bill"),
        (7, {}, "7"),
        (later, {"name": "other", "effect": "much"}, "much"),
    ],
)
def test_what_can_be_no_tool_is_refused_with_the_cure(tw, given, more, said):
    before = tw.registry.names()
    with pytest.raises(UserError, match=said):
        tw.registry.register(given, **more)
    assert tw.registry.names() == before


def test_coroutines_run_on_the_loop_of_whoever_awaits_the_run(stage):
    from outside.endpoint import calls

    stage.speaks(calls(("where", {"at": 1})), lambda request: {"role": "assistant", "content": request.results[-1]})
    loops = []

    async def where(at: int) -> int:
        """Say where it runs."""
        loops.append(asyncio.get_running_loop())
        return at

    async def awaited(tw):
        await tw.arun("Go.")
        async for _ in tw.stream("Go."):
            pass
        return asyncio.get_running_loop()

    with stage.open(tools=[where]) as tw:
        loop = asyncio.run(awaited(tw))
        assert loops == [loop, loop]
        tw.run("Go.")
        tw.call("where", {"at": 2})
        assert loops[2] is loops[3]
        assert loops[2] is not loop


def test_a_run_inside_an_own_function_that_is_awaited_does_not_wait_for_itself(stage):
    from outside.endpoint import calls

    stage.speaks(
        lambda request: calls(("nested", {})) if "Go" in request.user[-1] else calls(("leaf", {})),
        lambda request: {"role": "assistant", "content": request.results[-1]},
    )

    async def leaf() -> str:
        """End it."""
        return "leaf"

    with stage.open() as tw:

        async def nested() -> str:
            """Run another task, as a person should not but may."""
            return await asyncio.to_thread(lambda: tw.run("Another.").output)

        tw.registry.register(leaf)
        tw.registry.register(nested)
        assert asyncio.run(tw.arun("Go.")).output == '"\\"leaf\\""'


def test_nothing_of_it_is_imported_where_nobody_brings_tools(stage):
    import subprocess
    import sys

    code = (
        "import sys, toolwright; toolwright.Toolwright(home=sys.argv[1]).close(); print('pydantic_ai' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(stage.home)], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr


def test_tools_of_a_closed_toolwright_cannot_be_called(tmp_path):
    tw = Toolwright(home=tmp_path, tools=[bill])
    tw.close()
    with pytest.raises(UserError):
        tw.call("bill", {"number": "A"})
