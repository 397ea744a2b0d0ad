"""One table of what is refused by a limit: the words say its value, and the setting that lifts it or that none does."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from docs_support.command_tree import all_commands, spelled
from toolwright import asked, examples, listcalls, literals, outcomes, requests, schema, settings, workspace
from toolwright.call import FileRef
from toolwright.ceilings import CEILINGS, reached
from toolwright.errors import ToolwrightError
from toolwright.powers import Grant, Limits
from toolwright.sandbox import Job, plan, ways
from toolwright.sandbox.egress import http, placing
from toolwright.sandbox.egress.rules import Rules
from toolwright.sandbox.linux import LinuxSandbox
from toolwright.signature import LARGEST_SOURCE, parse_source
from toolwright.store.secrets import SecretStore

SRC = Path(__file__).parents[1] / "src" / "toolwright"
HOW = re.compile(r"\(setting ([a-z_.]+)[,)]")


def checked(said: str, value: str, setting: str = "") -> None:
    """*setting* '': nothing lifts it."""
    assert value in said
    if setting:
        assert setting in HOW.findall(said), said
        assert setting in settings.KEYS
    else:
        assert "fixed" in said
        assert not HOW.search(said)


@pytest.mark.parametrize("name", CEILINGS)
def test_a_limit_of_runs_and_shelf(name: Any) -> None:
    said = reached(name, 7)
    assert said.startswith(f"The limit of 7 {CEILINGS[name].what} was reached (")
    checked(said, "7", CEILINGS[name].setting)
    option = CEILINGS[name].option
    assert option in said
    assert not option or option.split()[0] in spelled(all_commands()["run"])
    assert CEILINGS[name].cure in said


IN_THE_BOX = {
    "wall_s": ("    import time\n    time.sleep(30)", 0.5, "0.5 s"),
    "cpu_s": ("    while True:\n        pass", 1, "1 s"),
    "memory_bytes": ("    return len(bytearray(400_000_000))", 2**25, "32 MiB"),
    "answer_bytes": ("    return 'x' * 5000", 1000, "1000 bytes"),
    "output_bytes": ("    print('x' * 100_000)\n    import time\n    time.sleep(5)", 1000, "1000 bytes"),
    "files_count": ("    for n in range(9):\n        open(f'{n}', 'w').close()", 3, "3 files"),
    "files_bytes": ("    open('a', 'w').write('x' * 9000)", 1000, "1000 bytes"),
    "threads": (
        "    import threading, time\n    for n in range(40):\n"
        "        threading.Thread(target=time.sleep, args=(5,)).start()\n    time.sleep(5)", 8, "may start 8"),
}  # fmt: skip


@pytest.fixture(scope="module")
def box() -> Iterator[LinuxSandbox]:
    one = LinuxSandbox()
    yield one
    one.close()


@pytest.mark.parametrize("limit", IN_THE_BOX)
def test_a_limit_of_a_call(limit: str, box: LinuxSandbox, tmp_path: Path) -> None:
    body, value, words = IN_THE_BOX[limit]
    limits = Limits(**{"wall_s": 60.0, limit: value})
    ended = box.run(Job(f"def tool():\n{body}\n", "tool", ({},), limits=limits), collect=tmp_path)
    (outcome,) = outcomes.of_items(ended, 1, {}, limits)
    checked(outcome.detail, words, f"limits.{limit}")


def spec(**more: Any) -> Callable[[], object]:
    given = {"tool_name": "add", "description": "Add.", "input_params": "a: int", "return_type": "int", "example": ""}
    return lambda: schema.tool_spec(**{**given, **more})


def carried(folder: Path) -> str:
    space = workspace.Workspace(folder / "run")
    into = space.collect_into()
    names = [str(number) for number in range(workspace.MAX_FILES + 1)]
    for name in names:
        (into / name).write_text("x")
    space.take(tuple(FileRef(name, 1, "") for name in names), into)
    return space.left_out[0]


def rules() -> Rules:
    return Rules(("a.example:443",), None, 1000, 20, 1.0, 1.0, 1.0)  # type: ignore[arg-type]


def folders() -> str:
    grant = Grant(reads=tuple(f"/srv/{number}" for number in range(99)))
    return plan.refusal(Job("def tool(): ...", "tool", ({},), grant=grant), "full")


FIXED: dict[str, tuple[Callable[[Path], object], str]] = {
    "a list's arguments": (lambda _: listcalls.refusal("add", [{}] * 1001), f"{listcalls.MAX_ITEMS}"),
    "requests that failed": (lambda _: reached("failures", requests.MAX_FAILURES), "2 failed requests"),
    "files of a run": (carried, f"{workspace.MAX_FILES} files"),
    "folders of a tool": (lambda _: folders(), "at most 64"),
    "tcp hosts of a tool": (
        lambda _: ways.refusal(Grant(tuple(f"tcp://h{number}.example:5432" for number in range(99)))), f"{ways.MOST}"),
    "bytes over the network": (lambda _: rules().over_bytes(), "1000 bytes"),
    "requests over the network": (lambda _: rules().over_requests("requests"), "20 requests"),
    "head of a request": (
        lambda _: http.parse_head(b"GET / HTTP/1.1\r\nx: " + b"y" * 2**16 + b"\r\n\r\n"), f"{http.MAX_HEAD} bytes"),
    "header lines": (
        lambda _: http.parse_head(b"GET / HTTP/1.1\r\nhost: a\r\n" + b"x: y\r\n" * 101 + b"\r\n"), "100 header lines"),
    "a secret's value": (
        lambda place: SecretStore(place).set("LONG", "x" * 70_000, where="file"), "64 KiB"),
    "a name": (lambda _: spec(tool_name="a" * 200)(), "at most"),
    "a description": (lambda _: spec(description="a" * 10**5)(), "at most"),
    "parameters' text": (lambda _: spec(input_params="a" * 10**6)(), f"{literals.LONGEST_TEXT:,}"),
    "parameters": (
        lambda _: spec(input_params=", ".join(f"a{number}: int" for number in range(500)))(), "at most"),
    "an example's text": (lambda _: spec(example="a" * 10**6)(), f"{literals.LONGEST_TEXT:,}"),
    "examples": (lambda _: spec(example="\n".join(["add(1) == 1"] * 500))(), f"{examples._MOST_EXAMPLES} calls"),
    "nested annotations": (lambda _: spec(input_params="a: " + "list[" * 30 + "int" + "]" * 30)(), "20 deep"),
    "powers": (
        lambda _: spec(powers={"hosts": [f"h{number}.example" for number in range(500)]})(), f"{asked._MOST_POWERS}"),
    "one power": (lambda _: spec(powers={"hosts": ["h" * 10**4]})(), f"{asked._LONGEST_POWER} characters"),
    "source": (lambda _: parse_source("x" * (LARGEST_SOURCE + 1)), "256 KiB"),
}  # fmt: skip


@pytest.mark.parametrize("name", FIXED)
def test_a_limit_that_nothing_lifts(name: str, tmp_path: Path) -> None:
    refused, value = FIXED[name]
    try:
        said = str(refused(tmp_path))
    except (ToolwrightError, http.BadRequest) as error:
        said = str(error)
    checked(said, value)


UNSAID = {
    # No refusal: a note, a frame that is no message, and what another guest goes on with.
    ("models/fitted.py", "longer than the model's window of {} tokens ({})"),
    ("sandbox/container/calls.py", "an exit of more than {} bytes"),
    ("sandbox/egress/relay.py", "longer than {} bytes"),
    ("sandbox/seen.py", "Its answers hold more than {} bytes together; those behind are for another guest."),
    # Said in the guest, about its own value.
    ("_codec.py", "the value is nested more than {} deep, or holds itself"),
    ("ceilings.py", "The limit of {} {} was reached ({}). {}"),
}


def test_no_message_speaks_of_a_bound_without_a_word_of_what_lifts_it() -> None:
    bound = re.compile(r"\b(at most|more than|longer than|larger than|limit of)\b[^.;:]*?\{\}")
    found = set()
    for path in SRC.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.JoinedStr):
                text = "".join(str(one.value) if isinstance(one, ast.Constant) else "{}" for one in node.values)
                if bound.search(text) and not re.search(r"\bfixed\b|\bsetting\b", text):
                    found.add((path.relative_to(SRC).as_posix(), text))
    assert found == UNSAID


def test_a_value_that_is_bound_as_a_header_says_how_long_it_may_be() -> None:
    assert f"{placing.MAX_VALUE} bytes (fixed)" in placing.why_unfit("x" * (placing.MAX_VALUE + 1))
