"""A whole run is sent to a collector as spans and metrics, by the conventions, in one trace."""

import json
import re
import signal
import threading
from pathlib import Path

import pytest
from opentelemetry import trace
from telemetry_stage import AT_ONCE, MAKES_AND_USES, Collector, Desk, calls, says

from cli.shop import ADD
from docs_support.pages import code, page
from registry.embedding_server import EmbeddingServer
from toolwright.models.scripted import ScriptedServer
from toolwright.telemetry.instruments import INSTRUMENTS

CLIENT, INTERNAL = 3, 1
FAILS = '''
def fail(text: str, how: str = "raise") -> str:
    """Fail with a text, or say it.

    >>> fail("a", "no")
    'a'
    """
    if how == "raise":
        raise ValueError(text)
    return text
'''


@pytest.fixture
def at_once(collector, monkeypatch):
    """This process sends what it has within moments."""
    for name, value in (AT_ONCE | collector.environment).items():
        monkeypatch.setenv(name, value)
    return collector


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """One run of the program that makes a tool and uses it: the collector that it was sent to."""
    collector, server = Collector(), ScriptedServer({"turns": MAKES_AND_USES})
    server.start()
    environment = collector.environment | {
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment=test",
        "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "process",
    }
    collector.result = Desk(tmp_path_factory.mktemp("desk"), server).run(environment=environment)[1]
    yield collector
    server.close()
    collector.close()


def test_a_run_is_a_tree_of_spans_in_one_trace(whole):
    root = whole.root()
    name, (first, forged, second, used, last) = root.tree
    assert (name, first, second, last) == ("invoke_agent toolwright", "chat scripted", "chat scripted", "chat scripted")
    assert used == ("execute_tool halve", ["sandbox halve"])
    making, checks = forged[1][:2], forged[1][2:]
    assert forged[0] == "forge halve"
    assert making == ["chat scripted", "chat scripted"]
    assert checks[:5] == [
        "check syntax", "check shape", "check screen",
        ("check load", ["sandbox halve"]),
        ("check examples", [("execute_tool halve", ["sandbox halve"])]),
    ]  # fmt: skip
    contract, tried = checks[5]
    assert contract == "check contract"
    assert all(one == used for one in tried)
    assert len({span.trace for span in root.all()}) == 1
    assert root.parent == b""


def test_the_run_is_the_invocation_of_an_agent(whole):
    root, result = whole.root(), whole.result
    assert root.kind == INTERNAL
    assert root.attributes | {"gen_ai.agent.version": "any"} == {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": "toolwright",
        "gen_ai.agent.version": "any",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "scripted",
        "gen_ai.conversation.id": result["run_id"],
        "toolwright.run.id": result["run_id"],
        "toolwright.run.status": "complete",
        "toolwright.run.made": ["halve@1"],
        "toolwright.run.reused": [],
        "toolwright.model_calls": result["cost"]["model_calls"],
        "toolwright.cost.usd": pytest.approx(result["cost"]["dollars"]),
    }


def test_a_model_call_has_the_attributes_of_the_conventions(whole):
    first = whole.root().below[0]
    assert (first.name, first.kind, first.error) == ("chat scripted", CLIENT, False)
    port = first.attributes.pop("server.port")
    assert port > 0
    assert first.attributes == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "scripted",
        "gen_ai.request.max_tokens": 8192,
        "gen_ai.response.model": "scripted",
        "gen_ai.response.finish_reasons": ["tool_call"],
        "gen_ai.usage.input_tokens": 1000,
        "gen_ai.usage.output_tokens": 100,
        "server.address": "127.0.0.1",
        "toolwright.role": "orchestrator",
        "toolwright.run.id": whole.result["run_id"],
        "toolwright.place": "1/",
        "toolwright.tries": 1,
        "toolwright.cost.usd": pytest.approx(0.002),
    }
    roles = [one.attributes["toolwright.role"] for one in whole.root().every("chat scripted")]
    assert sorted(roles) == ["examiner", "generator", "orchestrator", "orchestrator", "orchestrator"]


def test_a_forge_says_what_came_of_it_and_each_check_its_result(whole):
    (forged,) = whole.root().every("forge halve")
    assert {name: forged.attributes[name] for name in forged.attributes if "digest" not in name} == {
        "gen_ai.tool.name": "halve",
        "toolwright.run.id": whole.result["run_id"],
        "toolwright.forge.result": "made",
        "toolwright.forge.attempts": 1,
        "toolwright.tool.version": 1,
        "toolwright.cost.usd": pytest.approx(0.002),
    }
    checks = [one for one in forged.below if one.name.startswith("check ")]
    assert [one.attributes["toolwright.check.name"] for one in checks] == [
        "syntax", "shape", "screen", "load", "examples", "contract",
    ]  # fmt: skip
    assert {one.attributes["toolwright.check.result"] for one in checks} == {"passed"}


def test_a_call_of_a_tool_has_the_attributes_of_the_conventions_and_its_guest_what_the_keeper_saw(whole):
    used = whole.root().below[3]
    assert used.kind == INTERNAL
    assert used.attributes == {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "halve",
        "gen_ai.tool.type": "function",
        "toolwright.call.purpose": "use",
        "toolwright.call.status": "ok",
        "toolwright.tool.origin": "agent",
        "toolwright.tool.version": 1,
        "toolwright.run.id": whole.result["run_id"],
        "toolwright.place": "2/0",
    }
    guest = used.below[0].attributes
    assert (guest["toolwright.sandbox.calls"], guest["toolwright.sandbox.ending"]) == (1, "exited")
    assert guest["toolwright.sandbox.peak_memory_bytes"] > 0
    (examples,) = whole.root().every("check examples")
    assert examples.below[0].attributes["toolwright.call.purpose"] == "proof"


def test_metrics_count_calls_checks_tokens_and_cost(whole):
    metrics, cost = whole.metrics(), whole.result["cost"]

    def sum_of(name, **named):
        wanted = {key.replace("__", "."): value for key, value in named.items()}
        return sum(value for have, value in metrics[name] if wanted.items() <= have.items())

    assert sum_of("toolwright.runs", toolwright__run__status="complete") == 1
    assert sum_of("toolwright.forges", toolwright__forge__result="made") == 1
    assert sum_of("toolwright.checks", toolwright__check__result="passed") == 6
    assert sum_of("toolwright.calls", toolwright__call__purpose="use", toolwright__call__status="ok") == 1
    assert sum_of("toolwright.calls", toolwright__call__purpose="proof") > 1
    assert sum_of("toolwright.cost") == pytest.approx(cost["dollars"])
    tokens = {have["gen_ai.token.type"]: value[1] for have, value in metrics["gen_ai.client.token.usage"]}
    assert tokens == {"input": cost["tokens_in"], "output": cost["tokens_out"]}
    answered = {have.get("error.type"): value[0] for have, value in metrics["gen_ai.client.operation.duration"]}
    assert answered == {None: 4, "400": 1}, "the scripted model knows no examiner"
    assert [value[0] for _, value in metrics["gen_ai.invoke_agent.duration"]] == [1]
    guests = [one for one in whole.root().all() if one.name.startswith("sandbox ")]
    assert sum(value[0] for _, value in metrics["toolwright.sandbox.duration"]) == len(guests)


def test_who_sends_is_named_by_the_usual_variables(whole):
    for resource in whole.resources():
        assert resource["service.name"] == "toolwright"
        assert resource["deployment.environment"] == "test"
        assert not [name for name in resource if name.startswith("process.command")]


def test_failures_are_kinds_and_never_words(at_once, desk, tmp_path):
    (tmp_path / "fail.py").write_text(FAILS)
    with desk().open() as tw:
        assert tw.import_file(tmp_path / "fail.py").version is not None
        statuses = [tw.call("fail", {"text": "words-of-a-value"}).status, tw.call("fail", {"txt": 1}).status]
        tw.retire("fail")
        assert [*statuses, tw.call("fail", {"text": "a"}).status] == ["raised", "bad-call", "denied"]

    def used():
        found = [one for root in at_once.roots() for one in root.every("execute_tool fail")]
        return [one for one in found if one.attributes["toolwright.call.purpose"] == "use"]

    raised, mistaken = at_once.waited_for(lambda: used() if len(used()) >= 2 else [])
    assert (raised.error, raised.attributes["error.type"]) == (True, "raised")
    assert "toolwright.call.reason" not in raised.attributes, "a tool chose the class of its exception"
    assert mistaken.attributes["error.type"] == "bad-call"
    assert mistaken.attributes["toolwright.call.reason"] == "arguments"
    assert mistaken.below == []
    assert {one.said for root in at_once.roots() for one in root.all()} == {""}
    assert {one.events for root in at_once.roots() for one in root.all()} == {0}

    def counted():
        points = at_once.metrics().get("toolwright.calls", [])
        found = {have["toolwright.call.status"]: value for have, value in points}
        return found if {"raised", "bad-call"} <= set(found) else {}

    assert at_once.waited_for(counted)["raised"] == 1
    assert b"words-of-a-value" not in at_once.bytes


def test_a_model_that_refuses_is_an_error_by_its_status(at_once, desk):
    with desk({"fault": {"status": 401}}).open() as tw:
        assert tw.run("Say so.").status == "failed"
    root = at_once.waited_for(at_once.runs)[0]
    (asked,) = root.every("chat scripted")
    assert (asked.error, asked.attributes["error.type"]) == (True, "401")
    assert (root.error, root.attributes["error.type"]) == (True, "failed")


def test_a_resumed_run_asks_nobody_for_what_is_on_record(at_once, desk):
    dear = {"input": 1000, "output": 8000, "cost": None}
    one = desk(calls("search_tools", {"query": "halves"}, usage=dear, step=0), says("Nothing there."))
    with one.open(budget__run_dollars=0.1) as tw:
        stopped = tw.run("Halve 8.")
    assert stopped.stopped == "budget", stopped
    with one.open() as tw:
        assert tw.run(resume=stopped.run_id).status == "complete"

    first, again = at_once.waited_for(lambda: at_once.runs(2))
    assert [span.attributes.get("error.type") for span in first.every("chat scripted")] == [None, "BudgetError"]
    assert first.attributes["toolwright.run.stopped"] == "budget"
    assert again.attributes["toolwright.run.resumed"] is True
    assert [span.attributes["toolwright.place"] for span in again.every("chat scripted")] == ["2/"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_command_that_is_stopped_still_sends_its_run(collector, desk, number):
    one = desk({"when": {"role": "orchestrator"}, "text": "At last.", "delay": 100})
    with one.begun("run", "Say so.", environment=collector.environment) as process:
        collector.waited_for(lambda: one.server.log or process.poll() is not None)
        process.send_signal(number)
        process.communicate(timeout=200)
    assert process.returncode == 128 + number
    (root,) = collector.runs()
    assert root.attributes["toolwright.run.status"] == "cancelled"
    assert root.tree == ("invoke_agent toolwright", ["chat scripted"])
    assert root.below[0].attributes["error.type"] == "CancelledError"


def test_a_conversation_has_one_id(at_once, desk):
    with desk(says("Yes.")).open() as tw:
        first = tw.run("One.")
        second = tw.run("Two.", history=first)
        tw.run("Three.", history=second)
    roots = at_once.waited_for(lambda: at_once.runs(3))
    assert {one.attributes["gen_ai.conversation.id"] for one in roots} == {first.run_id}


def test_runs_at_once_do_not_mix(at_once, desk, tmp_path):
    (tmp_path / "add.py").write_text(ADD)
    many = 6
    turns = [calls("run_tool", {"name": "add", "arguments": {"a": 1}}, results=0), says("It is 2.")]
    with desk(*turns).open() as tw:
        assert tw.import_file(tmp_path / "add.py").version is not None
        threads = [threading.Thread(target=tw.run, args=("Add one to 1.",)) for _ in range(many)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()

    for root in at_once.waited_for(lambda: at_once.runs(many)):
        names = ["chat scripted", ("execute_tool add", ["sandbox add"]), "chat scripted"]
        assert root.tree == ("invoke_agent toolwright", names)
        assert len({one.attributes.get("toolwright.run.id") for one in root.all()} - {None}) == 1


def test_a_list_of_calls_is_one_span_that_counts_them(at_once, desk, tmp_path):
    (tmp_path / "fail.py").write_text(FAILS)
    with desk().open() as tw:
        assert tw.import_file(tmp_path / "fail.py").version is not None
        tw.map("fail", [{"text": "a", "how": "no"}, {"text": "b"}, {"text": "c", "how": "no"}])

    def used():
        return [one for one in at_once.roots() if one.name == "execute_tool fail"]

    (one,) = at_once.waited_for(used)
    assert one.attributes["toolwright.calls"] == 3
    assert (one.attributes["toolwright.calls.ok"], one.attributes["toolwright.calls.raised"]) == (2, 1)
    assert one.attributes["error.type"] == "raised"


def test_an_own_function_runs_within_the_span_of_its_call(at_once, desk):
    seen = []

    def shout(text: str) -> str:
        """Say it louder."""
        seen.append(trace.get_current_span().get_span_context().span_id.to_bytes(8, "big"))
        return text.upper()

    turns = [calls("run_tool", {"name": "shout", "arguments": {"text": "a"}}, results=0), says("A")]
    with desk(*turns).open(tools=[shout]) as tw:
        assert tw.run("Shout.").status == "complete"
    (called,) = at_once.waited_for(at_once.runs)[0].every("execute_tool shout")
    assert seen == [called.id]
    assert called.attributes["toolwright.tool.origin"] == "host"
    assert called.below == [], "it is no guest"


def test_a_question_for_vectors_is_a_span_of_the_run_that_searches(at_once, desk, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-test-123456")
    (tmp_path / "add.py").write_text(ADD)
    one = desk(calls("search_tools", {"query": "sums"}, results=0), says("There is one."))
    with EmbeddingServer() as url:
        with one.open(embeddings="openai:of-the-test", embeddings_base_url=url) as tw:
            assert tw.import_file(tmp_path / "add.py").version is not None
            assert tw.run("Find sums.").status == "complete"

    attributes = at_once.waited_for(at_once.runs)[0].every("embeddings of-the-test")[0].attributes
    assert attributes["gen_ai.operation.name"] == "embeddings"
    assert attributes["toolwright.role"] == "embedder"
    assert attributes["gen_ai.usage.input_tokens"] == 7


def test_what_the_program_has_set_for_itself_is_what_spans_go_to(collector, desk):
    """The span of whoever calls is the parent of the run, over threads and loops, and no second provider is made."""
    own = f"""
import atexit, os, sys
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
provider = TracerProvider(resource=Resource.create({{"service.name": "the program"}}))
provider.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter("{collector.url}/v1/traces")))
trace.set_tracer_provider(provider)
span = trace.get_tracer("mine").start_as_current_span("mine")
span.__enter__()
atexit.register(span.__exit__, None, None, None)
"""
    environment = collector.environment | {"OTEL_METRICS_EXPORTER": "none"}
    desk().run(environment=environment, first=own)
    root = collector.root()
    assert root.name == "mine"
    assert [one.name for one in root.below] == ["invoke_agent toolwright"]
    assert {one["service.name"] for one in collector.resources()} == {"the program"}


def test_every_word_of_it_is_json_to_whoever_reads_standard_output(desk):
    environment = {"OTEL_TRACES_EXPORTER": "console"}
    events, result, complaint = desk().run(environment=environment)
    assert result["status"] == "complete"
    assert events[0]["type"] == "run-started"
    spans = [json.loads(f"{{{text}") for text in complaint.split("\n{")[1:]]
    assert "invoke_agent toolwright" in {one["name"] for one in spans}


ROOT = Path(__file__).parents[2]


def test_the_page_has_every_metric_with_its_kind_unit_and_words():
    rows = [{key: cell.strip("`") for key, cell in row.items()} for row in page("docs/telemetry.md").table("metric")]
    said = {row["metric"]: (row["kind"], row["unit"], row["says"]) for row in rows}
    assert said == {
        name: ("histogram" if one.bounds else "counter", one.unit, one.says) for name, one in INSTRUMENTS.items()
    }


def test_the_page_names_every_attribute_and_no_other():
    files = [*(ROOT / "src/toolwright/watched").glob("*.py"), ROOT / "src/toolwright/validator/__init__.py"]
    files += [ROOT / "src/toolwright/models/traced.py", ROOT / "src/toolwright/models/watched.py"]
    known = r"\"((?:toolwright|gen_ai|server|error)\.[a-z_.]+)\""
    of_code = {name for path in files for name in re.findall(known, path.read_text("utf-8"))}
    of_code |= {"server.address", "server.port", "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"}
    named = set(code(page("docs/telemetry.md").prose_with_code)) - {"toolwright[otel]", "toolwright.calls.STATUS"}
    of_page = {name for name in named if re.fullmatch(r"(?:toolwright|gen_ai|server|error)\.[a-z_.]+", name)}
    assert of_page == of_code | set(INSTRUMENTS)
