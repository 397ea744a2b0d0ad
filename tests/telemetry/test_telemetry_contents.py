"""What was said and what came of it is sent only where somebody allows it, and a secret never."""

import base64
import json
import urllib.parse

import pytest
from telemetry_stage import AT_ONCE, says

from cli.shop import fetcher
from docs_support.world import has_full_sandbox
from outside.endpoint import Endpoint
from outside.endpoint import calls as calling
from outside.endpoint import says as saying
from people.people_stage import Clerk
from toolwright import Toolwright
from toolwright.policy import ApprovalAnswer

ALLOWED = {"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "true"}
TASK = "Halve 8."
STORED = 'tøp-"stored"\\value/4711+x'
IN_ENVIRONMENT = "env-väl ue%27-of-a-provider"
RANDOM = "q8Zp4Lk29sXv7Rt1Bn6MwQ2z"
HEADER = "key-of-the-collector-0815"
NUMBER = "48151623"
LEAK = f"{STORED} and {IN_ENVIRONMENT} and {RANDOM} and {HEADER} and {NUMBER}"
ECHO = '''
def echo(text: str, fail: bool = False) -> list[str]:
    """Say a text twice; or fail with it.

    >>> echo("a")
    ['a', 'a']
    """
    if fail:
        raise ValueError(text)
    return [text, text]
'''


def test_prompts_answers_arguments_values_and_code_stay_here_by_default(collector, desk):
    desk().run(environment=collector.environment)
    sent = collector.bytes
    for words in (TASK, "Halve a number", "It is 4.", "def halve", "number / 2", "[toolwright:", "8.0"):
        assert words.encode() not in sent, words
    names = {name for one in collector.root().all() for name in one.attributes}
    assert not names & {
        "gen_ai.input.messages", "gen_ai.output.messages", "gen_ai.system_instructions", "gen_ai.tool.description",
        "gen_ai.tool.call.arguments", "gen_ai.tool.call.result", "toolwright.call.detail", "toolwright.run.reason",
    }  # fmt: skip


@pytest.mark.parametrize("word", ["true", "SPAN_ONLY"])
def test_with_leave_they_are_part_of_spans_in_the_form_of_the_conventions(collector, desk, word):
    desk().run(environment=collector.environment | dict.fromkeys(ALLOWED, word))
    root = collector.root()
    user = {"role": "user", "parts": [{"type": "text", "content": TASK}]}
    answer = {"role": "assistant", "parts": [{"type": "text", "content": "It is 4."}], "finish_reason": "stop"}
    assert json.loads(root.attributes["gen_ai.input.messages"]) == [user]
    assert json.loads(root.attributes["gen_ai.output.messages"]) == [answer]
    last, used = root.below[-1], root.below[3].attributes
    sent = json.loads(last.attributes["gen_ai.input.messages"])
    parts = [part for one in sent for part in one["parts"]]
    assert {"type": "text", "content": TASK} in parts
    assert {part["type"] for part in parts} == {"text", "tool_call", "tool_call_response"}
    assert json.loads(last.attributes["gen_ai.output.messages"])[0]["role"] == "assistant"
    assert "[toolwright:orchestrator]" in last.attributes["gen_ai.system_instructions"]
    assert json.loads(used["gen_ai.tool.call.arguments"]) == {"number": 8.0}
    assert json.loads(used["gen_ai.tool.call.result"]) == 4.0
    assert json.loads(used["gen_ai.tool.description"]) == "Halve a number."


def spellings(value):
    data = value.encode()
    whole = {value, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], repr(value)[1:-1]}
    whole |= {json.dumps(one)[1:-1] for one in whole} | {urllib.parse.quote(value), urllib.parse.quote_plus(value)}
    whole |= {base64.b64encode(before + data).decode()[8:-8] for before in (b"", b"u:", b"ab:")}
    return {one.encode() for one in whole if len(one) > 6}


def leaky(request):
    """A model that puts what it should not know into whatever it says and names."""
    if request.role == "examiner":
        return 400, {"error": {"message": f"no examiner for {LEAK}"}}
    if request.role == "generator":
        return saying(f"```python\n{ECHO}\n# {LEAK}\n```")
    asked = {"input_params": "text: str", "return_type": "list[str]", "example": "leak('a') == ['a', 'a']"}
    steps = [
        calling(("search_tools", {"query": LEAK})),
        calling(("run_tool", {"name": "echo", "arguments": {"text": LEAK}})),
        calling(("run_tool", {"name": "echo", "arguments": {"text": LEAK, "fail": True}})),
        calling(("run_tool", {"name": "echo", "arguments": {LEAK: int(NUMBER)}})),
        calling(("run_tool", {"name": LEAK, "arguments": {"text": base64.b64encode(LEAK.encode()).decode()}})),
        calling(("request_new_tool", {**asked, "tool_name": "leak", "description": f"Say {LEAK}."})),
        saying(f"The secrets are {LEAK}; {base64.b64encode(STORED.encode()).decode()}; INCOMPLETE: {LEAK}"),
    ]
    return steps[min(sum(one["role"] == "assistant" for one in request.messages), len(steps) - 1)]


@pytest.mark.parametrize("allowed", [{}, ALLOWED], ids=["by default", "with leave"])
def test_no_byte_that_is_sent_holds_a_planted_secret(collector, tmp_path, monkeypatch, allowed):
    key = {"OTEL_EXPORTER_OTLP_HEADERS": f"api-key={HEADER},x-team=blue"}
    for name, value in (AT_ONCE | collector.environment | key | allowed).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("OWN_PASSWORD", IN_ENVIRONMENT)
    (tmp_path / "echo.py").write_text(ECHO)
    with Endpoint(leaky) as endpoint:
        named = f"openai:model-{HEADER}"
        with Toolwright(named, base_url=endpoint.url, home=tmp_path / "home", surface="fixed") as tw:
            tw.set_secret("STORED", STORED, where="file")
            tw.set_secret("NUMBER", NUMBER, where="file")
            assert tw.import_file(tmp_path / "echo.py").version is not None
            tw.run(f"Use {LEAK}.")
            tw.call("echo", {"text": LEAK, "fail": True})

    (root,) = collector.waited_for(collector.runs)
    assert {one["api-key"] for one in collector.headers} == {HEADER}, "it is what the collector is to be told"
    assert [one.attributes["toolwright.call.status"] for one in root.every("execute_tool echo")] == [
        "ok", "raised", "bad-call",
    ]  # fmt: skip
    collector.waited_for(lambda: [one for one in collector.roots() if one.name == "execute_tool echo"])
    for value in (STORED, IN_ENVIRONMENT, RANDOM, HEADER, NUMBER):
        assert not [one for one in spellings(value) if one in collector.bytes], value
    asked = {one.name for one in root.all() if one.name.startswith("chat ")}
    assert asked == {"chat model-[secret OTEL_EXPORTER_OTLP_HEADERS api-key]"}, "a name is masked too"
    if allowed:
        assert b"[secret STORED] and [secret OWN_PASSWORD] and *** and [secret" in collector.bytes, "it was there"


@pytest.mark.skipif(not has_full_sandbox(), reason="a host can be granted in the full sandbox only")
@pytest.mark.parametrize("mended", [True, False], ids=["mended", "in vain"])
@pytest.mark.parametrize("allowed", [{}, ALLOWED], ids=["by default", "with leave"])
def test_what_is_written_anew_after_a_no_is_a_span_that_says_so(collector, tmp_path, monkeypatch, allowed, mended):
    for name, value in (AT_ONCE | collector.environment | allowed).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("OWN_PASSWORD", IN_ENVIRONMENT)
    asked, source = fetcher("look", "a.example:80")
    asked["example"] = ""
    alone = 'def look(path: str) -> int:\n    """Say the length of a page."""\n    return len(path)\n'
    clerk = Clerk(asked, (source, ["a.example:80"]), (alone, []) if mended else (source, ["a.example:80"]))
    answers = [
        ApprovalAnswer(False, reason=f"Not {STORED} and {IN_ENVIRONMENT} and {RANDOM} and {NUMBER}.", who="somebody")
    ]
    with Endpoint(clerk) as endpoint:
        given = {"base_url": endpoint.url, "home": tmp_path / "home", "approve": lambda request: answers[0]}
        with Toolwright("openai:x", **given) as tw:
            tw.set_secret("STORED", STORED, where="file")
            tw.set_secret("NUMBER", NUMBER, where="file")
            made = tw.run("Look.").made
    assert made == (("look@1",) if mended else ())

    (root,) = collector.waited_for(collector.runs)
    first, second = root.every("forge look")
    assert first.attributes["toolwright.forge.result"] == "needs-approval"
    assert "toolwright.forge.answer" not in first.attributes
    said = {name.rpartition(".")[2]: value for name, value in second.attributes.items() if "forge." in name}
    reason = said.pop("answer_reason", None)
    assert said.pop("reason", "") != "" if allowed and not mended else "reason" not in said
    ended = (
        {"result": "made", "attempts": 2}
        if mended
        else {"result": "refused", "attempts": 2, "failed_check": "approval"}
    )
    assert said == {"resumed": True, "answer": "no"} | ended
    assert (second.error, second.attributes.get("error.type")) == (not mended, None if mended else "refused")
    assert "chat x" in [one.name for one in second.below], "what it cost to write anew stands below it"
    masked = "Not [secret STORED] and [secret OWN_PASSWORD] and *** and [secret NUMBER]."
    assert reason == (json.dumps(masked) if allowed else None)
    for value in (STORED, IN_ENVIRONMENT, RANDOM, NUMBER):
        assert not [one for one in spellings(value) if one in collector.bytes], value


def test_a_tool_learns_nothing_of_the_telemetry(collector, desk, tmp_path, monkeypatch):
    for name, value in (AT_ONCE | collector.environment | {"TRACEPARENT": "00-" + "1" * 32}).items():
        monkeypatch.setenv(name, value)
    (tmp_path / "look.py").write_text(
        '''
import os


def look() -> list[str]:
    """What a tool may know of the telemetry.

    >>> look()
    []
    """
    found = [os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"), os.environ.get("TRACEPARENT")]
    return [one for one in found if one is not None]
'''
    )
    with desk().open() as tw:
        made = tw.import_file(tmp_path / "look.py")
        assert made.version is not None, made.reason
        assert tw.call("look").value == []
    collector.waited_for(lambda: [one for one in collector.roots() if one.name == "execute_tool look"])


def test_a_key_in_the_headers_is_a_secret_of_the_home(desk, monkeypatch):
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_HEADERS", f"Authorization=Bearer%20{HEADER},x-team=blue-and-green")
    one = desk(says(f"It is {HEADER}, of blue-and-green."))
    with one.open() as tw:
        output = tw.run_record(tw.run(f"Say {HEADER}.").run_id).output
    assert HEADER not in output
    assert "blue-and-green" in output
    assert HEADER.encode() not in b"".join(path.read_bytes() for path in one.home.rglob("*") if path.is_file())
