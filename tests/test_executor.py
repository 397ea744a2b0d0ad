"""The one road with the real box: every status, batches in which one call crashes, secrets, policy, trouble of ours."""

from __future__ import annotations

import json
import textwrap
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from toolwright import outcomes
from toolwright.call import Call, Outcome, Status, Usage
from toolwright.errors import FaultError
from toolwright.executor import Executor
from toolwright.policy import Policy
from toolwright.policyfile import policy_from
from toolwright.powers import NO_POWERS, STRICT_LIMITS, Limits
from toolwright.sandbox import Ending, Exit
from toolwright.sandbox.linux import LinuxSandbox
from toolwright.schema import tool_spec
from toolwright.tool import CHECKS, Candidate, Check, Contract, ToolVersion, Verdict

BOX = LinuxSandbox()
KEY = 's3cret-väl"ue'


class Nobody:
    def covering(self, question):
        return None


class Keys:
    def get(self, name):
        return KEY if name == "WEATHER_KEY" else None


class Trouble:
    """Packages that cannot be had; waits until it is cancelled if *wait*."""

    def __init__(self, wait: bool = False) -> None:
        self.wait = wait

    def lock(self, packages: Sequence[str], *, cancel=None) -> tuple[str, ...]:
        return tuple(f"{one}==1.0" for one in packages)

    def path(self, lock: Sequence[str], *, cancel=None) -> Path:
        if self.wait:
            assert cancel.wait(20)
        raise FaultError("The package index does not answer.")


def executor(policy: str = "", *, box=BOX, limits: Limits | None = None, environments=None, keep_out=()) -> Executor:
    import tomllib

    rules = policy_from(tomllib.loads(policy), "policy.toml") if policy else Policy()
    return Executor(box, rules, Nobody(), environments or Trouble(), Keys(), limits, keep_out)


def tool(body: str, params: str = "n: int", returns: str = "int", before: str = "", **more) -> Candidate:
    spec = tool_spec(tool_name="work", description="Do the work.", input_params=params, return_type=returns, **more)
    source = f'{before}\n\ndef work({params}) -> {returns}:\n    """Do the work."""\n' + textwrap.indent(body, "    ")
    return Candidate(spec, source, packages=spec.packages, grant=spec.grant)


def call(body: str, params: str = "n: int", returns: str = "int", arguments=None, limits=None, **more) -> Outcome:
    given = {"n": 1} if arguments is None else arguments
    return executor().call(tool(body, params, returns, **more), Call("work", given), limits=limits)


def version(candidate: Candidate, state="active") -> ToolVersion:
    checks = tuple(Check(name, True) for name in CHECKS)
    return ToolVersion(Verdict(candidate, Contract(candidate.spec), checks), 1, state=state)


SHORT = Limits(wall_s=0.7, cpu_s=0.7)


@pytest.mark.parametrize(
    ("status", "reason", "detail", "made"),
    [
        (Status.OK, "", "", {"body": "return n + 1"}),
        (Status.BAD_CALL, "arguments", "work: ", {"body": "return n", "arguments": {"n": "one"}}),
        (Status.BAD_CALL, "arguments", "m", {"body": "return n", "arguments": {"n": 1, "m": 2}}),
        (Status.BAD_VALUE, "output-schema", "does not fit", {"body": "return 'one'"}),
        (Status.BAD_VALUE, "output-schema", "does not fit", {"body": "return None"}),
        (Status.BAD_VALUE, "output-schema", "", {"body": "return float('nan')", "returns": "float"}),
        (
            Status.BAD_VALUE,
            "no-json-form",
            "no JSON form",
            {"body": "return object()", "returns": "Any", "before": "from typing import Any"},
        ),
        (Status.BAD_VALUE, "no-answer", "without an answer", {"body": "import os\nos._exit(0)"}),
        (Status.RAISED, "ValueError", "ValueError: n is 1 (line ", {"body": "raise ValueError(f'n is {n}')"}),
        (Status.RAISED, "load", "no_such_module", {"body": "return n", "before": "import no_such_module"}),
        (Status.TIMEOUT, "timeout", "limits.", {"body": "while True:\n    pass", "limits": SHORT}),
        (
            Status.TIMEOUT,
            "timeout",
            "limits.wall_s",
            {"body": "time.sleep(60)\nreturn n", "before": "import time", "limits": SHORT},
        ),
        (Status.KILLED, "memory", "limits.memory_bytes", {"body": "return len(bytearray(2**31))"}),
        (Status.KILLED, "output", "limits.output_bytes", {"body": "print('x' * 2**22)\nreturn n"}),
        (Status.KILLED, "output", "limits.answer_bytes", {"body": "return 'x' * 2**21", "returns": "str"}),
        (Status.KILLED, "signalled", "", {"body": "import os\nos.abort()"}),
    ],
)
def test_each_end_of_a_guest_is_a_status_with_a_reason(status, reason, detail, made):
    outcome = call(**made)
    assert (outcome.status, outcome.reason) == (status, reason), outcome
    assert detail in outcome.detail
    assert (outcome.value is not None) == (status is Status.OK)


def test_output_and_what_it_took_come_back_with_the_value():
    outcome = call("print('on the way')\nreturn n")
    assert (outcome.status, outcome.value, outcome.output) == (Status.OK, 1, "on the way\n")
    assert outcome.usage.wall_s > 0


def test_a_call_is_cancelled_at_once():
    cancel = threading.Event()
    threading.Timer(0.3, cancel.set).start()
    began = time.monotonic()
    outcome = executor().call(tool("while True:\n    pass"), Call("work", {"n": 1}), cancel=cancel)
    assert (outcome.status, outcome.reason) == (Status.CANCELLED, "cancelled")
    assert time.monotonic() - began < 3


def test_a_crash_costs_its_own_call_only():
    body = (
        "if n == 2:\n    import os\n    os.abort()\nif n == 4:\n    raise ValueError('four')\n"
        "if n == 5:\n    while True: pass\nif n == 7:\n    return 'seven'\nreturn n * 10"
    )
    calls = [Call("work", {"n": n}) for n in range(9)] + [Call("work", {"n": "ten"})]
    got = executor().map(tool(body), calls, limits=SHORT)
    assert [one.status.value for one in got] == [
        "ok", "ok", "killed", "ok", "raised", "timeout", "ok", "bad-value", "ok", "bad-call",
    ]  # fmt: skip
    assert [one.value for one in got if one.ok] == [0, 10, 30, 60, 80]


def test_calls_share_a_guest_unless_the_tool_keeps_state():
    body = "SEEN.append(n)\nreturn len(SEEN)"
    calls = [Call("work", {"n": n}) for n in range(3)]
    plain = tool(body, before="SEEN = []")
    assert [one.value for one in executor().map(plain, calls)] == [1, 2, 3]
    stateful = replace(plain, spec=replace(plain.spec, stateful=True))
    assert [one.value for one in executor().map(stateful, calls)] == [1, 1, 1]


def test_source_that_does_not_load_is_told_for_every_call_and_by_load():
    broken = tool("return n", before="raise RuntimeError('no')")
    got = executor().map(broken, [Call("work", {"n": n}) for n in range(3)])
    assert {one.status for one in got} == {Status.RAISED}
    loaded = executor().load(broken)
    assert (loaded.status, "no" in loaded.detail) == (Status.RAISED, True)
    assert executor().load(tool("return n")).ok


def test_a_secret_is_masked_wherever_it_stands_and_a_missing_one_is_named():
    policy = '[[rule]]\naction = "allow"\nplain_secrets = ["WEATHER_KEY", "OTHER_KEY"]\n'
    body = "import os\nkey = os.environ['WEATHER_KEY']\nprint('key', key)\nif n: raise ValueError(key)\nreturn {key: [key, 'x']}"
    holder = tool(body, returns="dict[str, list[str]]", powers={"plain_secrets": ["WEATHER_KEY"]})
    good = executor(policy).call(holder, Call("work", {"n": 0}))
    assert (good.status, good.value, good.output) == (Status.OK, {"[secret]": ["[secret]", "x"]}, "key [secret]\n")
    bad = executor(policy).call(holder, Call("work", {"n": 1}))
    assert (bad.status, bad.detail.startswith("ValueError: [secret]")) == (Status.RAISED, True)
    without = executor(policy).call(holder, Call("work", {"n": 0}), grant=NO_POWERS)
    assert (without.status, "KeyError" in without.detail) == (Status.RAISED, True), "without powers there is none"
    other = tool("return n", powers={"plain_secrets": ["OTHER_KEY"]})
    missing = executor(policy).call(other, Call("work", {"n": 0}))
    assert (missing.status, missing.reason) == (Status.DENIED, "secret-missing")
    assert "OTHER_KEY" in missing.detail


ALLOW = '[[rule]]\naction = "allow"\nhosts = ["127.0.0.1:9"]\n'
FETCH = {"body": "return n", "powers": {"hosts": ["127.0.0.1:9"]}}


def test_who_may_not_run_is_answered_with_a_reason_and_nothing_runs():
    fetch, once = tool(**FETCH), Call("work", {"n": 1})
    asks = executor().call(fetch, once)
    assert (asks.status, asks.reason) == (Status.NEEDS_APPROVAL, "powers")
    assert "host 127.0.0.1:9" in asks.detail
    asks = executor(ALLOW.replace("allow", "ask")).call(fetch, once)
    assert (asks.reason, "rule 1 of policy.toml" in asks.detail) == ("powers", True)
    denied = executor('[[rule]]\naction = "deny"\nhosts = ["127.0.0.1:9"]\n').call(fetch, once)
    assert (denied.status, denied.reason) == (Status.DENIED, "policy")
    strict = executor(ALLOW, limits=STRICT_LIMITS).call(fetch, once)
    assert (strict.status, strict.reason) == (Status.DENIED, "limits")
    half = executor(ALLOW, box=LinuxSandbox("landlock")).call(fetch, once)
    assert (half.status, half.reason) == (Status.DENIED, "missing-layer")
    for state in ("retired", "revoked"):
        gone = executor().call(version(tool("return n"), state), once)
        assert (gone.status, gone.reason) == (Status.DENIED, state)
        assert ("registry restore" in gone.detail, "another name" in gone.detail) == (
            state == "retired",
            state == "revoked",
        )
    off_the_list = executor().call(tool("return n", packages=["numpy"]), once)
    assert (off_the_list.status, "package numpy" in off_the_list.detail) == (Status.NEEDS_APPROVAL, True)
    assert executor().call(version(tool("return n")), once).ok


def test_no_grant_reaches_toolwrights_own_home_whatever_policy_says(tmp_path):
    home, beside = tmp_path / "home", tmp_path / "home-work"
    for folder in (home / "tools", beside):
        folder.mkdir(parents=True)
    (tmp_path / "way").symlink_to(home)
    rules = '[[rule]]\naction = "allow"\nreads = ["/"]\nwrites = ["/"]\neffects = ["none", "reads", "writes"]\n'
    road = executor(rules, keep_out=(tmp_path / "way",))
    for kind in ("reads", "writes"):
        for path in (home, home / "tools", tmp_path):
            got = road.call(tool("return n", powers={kind: [str(path)]}), Call("work", {"n": 1}))
            assert (got.status, got.reason) == (Status.DENIED, "home"), path
            assert str(home) in got.detail
        got = road.call(tool("return n", powers={kind: [str(beside)]}), Call("work", {"n": 1}))
        assert got.ok, got


def test_a_tool_may_not_write_where_the_policy_file_lies(tmp_path):
    import tomllib

    rules = '[[rule]]\naction = "allow"\nreads = ["/"]\nwrites = ["/"]\neffects = ["none", "reads", "writes"]\n'
    (tmp_path / "mine.toml").write_text(rules)
    policy = policy_from(tomllib.loads(rules), str(tmp_path / "mine.toml"))
    road = Executor(BOX, policy, Nobody(), Trouble(), Keys())
    got = road.call(tool("return n", powers={"writes": [str(tmp_path)]}), Call("work", {"n": 1}))
    assert (got.status, got.reason, "--policy" in got.detail) == (Status.DENIED, "home", True)
    assert road.call(tool("return n", powers={"reads": [str(tmp_path)]}), Call("work", {"n": 1})).ok


def test_noise_on_the_answer_channel_while_loading_is_an_unreadable_answer():
    noisy = tool("return n", before="import os\nos.write(4, b'\\0\\0\\0\\x02{]')")
    answers = [executor().call(noisy, Call("work", {"n": 1})), executor().load(noisy)]
    assert [(one.status, one.reason) for one in answers] == [(Status.BAD_VALUE, "torn")] * 2


def test_a_bad_call_is_told_before_anybody_is_asked():
    outcome = executor().call(tool(**FETCH), Call("work", {"n": "one"}))
    assert outcome.status is Status.BAD_CALL


def test_trouble_of_ours_is_a_fault_and_getting_packages_stops_when_it_is_told_to():
    needs = replace(tool("return n", packages=["pandas"]), lock=("pandas==1.0",))
    outcome = executor().call(needs, Call("work", {"n": 1}))
    assert (outcome.status, outcome.reason) == (Status.FAULT, "packages")
    cancel = threading.Event()
    threading.Timer(0.1, cancel.set).start()
    stopped = executor(environments=Trouble(wait=True)).call(needs, Call("work", {"n": 1}), cancel=cancel)
    assert stopped.status is Status.CANCELLED

    class FullDisk:
        def inputs(self):
            return ()

        def collect_into(self):
            raise OSError(28, "No space left on device")

        def take(self, files, folder):
            raise AssertionError

    full = executor().call(tool("return n"), Call("work", {"n": 1}), files=FullDisk())
    assert (full.status, "No space left" in full.detail) == (Status.FAULT, True)


def test_strict_limits_hold_half_a_core():
    began = time.monotonic()
    outcome = executor(limits=replace(STRICT_LIMITS, wall_s=2.0, cpu_s=2.0)).call(
        tool("while True:\n    pass"), Call("work", {"n": 1})
    )
    assert outcome.status is Status.TIMEOUT
    assert outcome.usage.cpu_s < 1.6
    assert time.monotonic() - began < 10


def test_the_assembled_house_keeps_its_home_out_of_every_grant(tmp_path):
    from toolwright.settings import load
    from toolwright.trace import Silence
    from toolwright.wiring import build

    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "policy.toml").write_text(
        '[[rule]]\naction = "allow"\nwrites = ["/"]\neffects = ["none", "reads", "writes"]\n'
    )
    parts = build(load(tmp_path / "home"), Silence(), sandbox=BOX)
    try:
        asks = tool("return n", powers={"writes": [str(tmp_path / "home" / "tools")]})
        got = parts.executor.call(asks, Call("work", {"n": 1}))
    finally:
        parts.close()
    assert (got.status, got.reason) == (Status.DENIED, "home"), got


def test_a_list_of_calls_ends_with_a_time_for_each_that_adds_up_to_the_guests():
    ended = Exit(
        Ending.EXITED,
        claims=tuple(json.dumps({"item": n, "ok": True, "value": n}).encode() for n in range(3)),
        times=(0.25, 0.5, 0.125),
        loaded=True,
        output="all",
        usage=Usage(1.0, 0.75, 4096),
    )
    got = outcomes.of_items(ended, 3, {"type": "integer"}, Limits())
    assert [one.value for one in got] == [0, 1, 2]
    assert [one.usage.wall_s for one in got] == [0.375, 0.5, 0.125], "loading is the first one's"
    assert [one.usage.cpu_s for one in got] == [0, 0, 0.75]
    cut = replace(ended, ending=Ending.SIGNALLED, claims=ended.claims[:1], times=ended.times[:1])
    got = outcomes.of_items(cut, 3, {"type": "integer"}, Limits())
    assert [(one.status.value, one.usage.wall_s) for one in got] == [("ok", 0.25), ("killed", 0.75)]
    assert (got[0].output, got[1].output) == ("", "all")


def test_a_fault_between_answers_costs_one_item_and_one_before_them_all():
    claim = json.dumps({"item": 0, "ok": True, "value": 1}).encode()
    cut = Exit(Ending.FAULT, "It was ended from outside.", claims=(claim,), loaded=True)
    got = outcomes.of_items(cut, 3, {"type": "integer"}, Limits())
    assert [one.status.value for one in got] == ["ok", "fault"], "the third is sent to a fresh guest"
    got = outcomes.of_items(replace(cut, claims=()), 3, {"type": "integer"}, Limits())
    assert [one.status.value for one in got] == ["fault"] * 3


def test_each_call_of_a_list_has_a_time_of_its_own():
    body = "time.sleep(0.4 if n == 1 else 0)\nreturn n"
    got = executor().map(tool(body, before="import time"), [Call("work", {"n": n}) for n in range(3)])
    assert got[1].usage.wall_s > 0.35 > got[2].usage.wall_s


class Counting:
    """A box that notes how many items each job had, and whose it was."""

    def __init__(self, box):
        self.box, self.jobs = box, []

    def run(self, job, **more):
        self.jobs.append((len(job.arguments), job.tenant))
        return self.box.run(job, **more)

    def __getattr__(self, name):
        return getattr(self.box, name)


@pytest.mark.parametrize(
    ("kind", "jobs"),
    [({}, [3]), ({"stateful": True}, [1, 1, 1]), ({"deterministic": False}, [1, 1, 1])],
)
def test_a_guest_serves_a_batch_unless_the_tool_says_that_calls_are_not_alike(kind, jobs):
    box = Counting(BOX)
    got = executor(box=box).map(tool("return n", **kind), [Call("work", {"n": n}) for n in range(3)])
    assert [one.value for one in got] == [0, 1, 2]
    assert [count for count, _ in box.jobs] == jobs


def test_what_writes_to_the_world_gets_a_guest_for_each_call_but_not_where_it_has_no_powers(tmp_path):
    rules = f'[[rule]]\naction = "allow"\nwrites = ["{tmp_path}"]\neffects = ["none", "reads", "writes"]\n'
    body = f"open('{tmp_path}/log', 'a').write(str(n))\nif n == 1: os.abort()\nreturn n"
    writer = tool(body, before="import os", powers={"writes": [str(tmp_path)]})
    box, calls = Counting(BOX), [Call("work", {"n": n}) for n in range(3)]
    assert [one.status.value for one in executor(rules, box=box).map(writer, calls)] == ["ok", "killed", "ok"]
    assert (tmp_path / "log").read_text() == "012", "each has run once"
    assert [count for count, _ in box.jobs] == [1, 1, 1]
    box.jobs.clear()
    executor(rules, box=box).map(tool("return n", powers={"writes": [str(tmp_path)]}), calls, grant=NO_POWERS)
    assert [count for count, _ in box.jobs] == [3]


def test_calls_of_two_owners_or_runs_never_share_a_guest():
    box = Counting(BOX)
    whose = [("one", "r1"), ("one", "r1"), ("one", "r2"), ("two", "r2")]
    calls = [Call("work", {"n": n}, namespace, run) for n, (namespace, run) in enumerate(whose)]
    got = executor(box=box).map(tool("SEEN.append(n)\nreturn SEEN", before="SEEN = []", returns="list"), calls)
    assert [one.value for one in got] == [[0], [0, 1], [2], [3]]
    assert box.jobs == [(2, "one"), (1, "one"), (1, "two")]


def test_a_list_says_what_is_known_as_it_comes_and_stops_when_it_is_told_to():
    cancel, heard = threading.Event(), []

    def on_each(index, outcome):
        heard.append(index)
        if index == 1:
            cancel.set()

    calls = [Call("work", {"n": "x" if n == 3 else n}) for n in range(5)]
    got = executor().map(tool("return n", stateful=True), calls, cancel=cancel, on_each=on_each)
    assert [one.status.value for one in got] == ["ok", "ok", "cancelled", "bad-call", "cancelled"]
    assert heard == [3, 0, 1, 2, 4]
