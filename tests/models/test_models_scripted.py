"""The scripted model as a product: what a file may say, how it matches, what it quotes, how mistakes are named."""

import contextlib
import http.client
import json
import urllib.error
import urllib.request

import pytest

from toolwright.errors import UserError
from toolwright.models.conversation import Conversation
from toolwright.models.script import load_script, parse_script
from toolwright.models.scripted import ScriptedServer
from toolwright.models.template import TemplateError, filled


def chat(url, *messages, **more):
    """`(status, body)` of one plain chat request."""
    body = {"model": "m", "messages": list(messages) or [{"role": "user", "content": "hi"}], **more}
    request = urllib.request.Request(
        f"{url}/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def said(url, *messages, **more):
    """The message of one chat request that is answered."""
    status, body = chat(url, *messages, **more)
    assert status == 200, body
    return json.loads(body)["choices"][0]["message"]


def user(text):
    return {"role": "user", "content": text}


def system(role):
    return {"role": "system", "content": f"[toolwright:{role}]\nRules."}


def called(name, arguments, result, call_id="c1"):
    """The two messages of a tool call and its result."""
    call = {"id": call_id, "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
    return (
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": call_id, "content": result},
    )


@pytest.fixture
def serve():
    servers = []

    def start(*turns):
        servers.append(ScriptedServer({"turns": list(turns)}))
        return servers[-1].start()

    yield start
    for server in servers:
        server.close()


def test_it_lists_its_model(serve):
    with urllib.request.urlopen(serve({"text": "x"}) + "/models", timeout=10) as answer:
        assert json.load(answer)["data"][0]["id"] == "scripted"


def test_the_first_turn_that_matches_answers(serve):
    url = serve(
        {"when": {"role": "examiner"}, "text": "examiner"},
        {"when": {"last_user": "rate"}, "text": "rate"},
        {"when": {"last_user": {"regex": r"\bstars?\b"}}, "text": "stars"},
        {"when": {"offered": "run_tool", "not_offered": ["other"]}, "text": "offered"},
        {"text": "else"},
    )
    tool = {"type": "function", "function": {"name": "run_tool", "parameters": {}}}
    assert said(url, system("examiner"), user("rate"))["content"] == "examiner"
    assert said(url, system("orchestrator"), user("the rate of USD"))["content"] == "rate"
    assert said(url, user("one star"))["content"] == "stars"
    assert said(url, user("starship"))["content"] == "else"
    assert said(url, user("?"), tools=[tool])["content"] == "offered"
    other = {"type": "function", "function": {"name": "other", "parameters": {}}}
    assert said(url, user("?"), tools=[tool, other])["content"] == "else"


def test_a_turn_is_used_as_often_as_it_says(serve):
    url = serve({"text": "once", "times": 1}, {"text": "twice", "times": 2}, {"text": "always"})
    assert [said(url)["content"] for _ in range(5)] == ["once", "twice", "twice", "always", "always"]


def test_steps_and_results_are_counted(serve):
    url = serve(
        {"when": {"step": 0}, "text": "begin"},
        {"when": {"results": [1, 2], "result_of": "get_rate"}, "text": "after the rate"},
        {"when": {"last_result": "no such"}, "text": "after a failure"},
        {"text": "else"},
    )
    assert said(url, user("go"))["content"] == "begin"
    assert said(url, user("go"), *called("get_rate", {}, "3.7"))["content"] == "after the rate"
    assert said(url, user("go"), *called("other", {}, "no such tool"))["content"] == "after a failure"
    assert said(url, user("go"), *called("other", {}, "fine"))["content"] == "else"


def test_earlier_results_are_quoted_with_their_types(serve):
    arguments = {"amount": 5000, "rate": "{{ results[-1].value }}", "note": "rate {{ results[0].value }} of {{ step }}"}
    url = serve({"calls": [{"name": "convert", "arguments": arguments}]})
    message = said(url, user("go"), *called("get_rate", {}, json.dumps({"status": "ok", "value": 3.7})))
    sent = json.loads(message["tool_calls"][0]["function"]["arguments"])
    assert sent == {"amount": 5000, "rate": 3.7, "note": "rate 3.7 of 1"}


def test_a_result_is_found_by_the_name_of_its_tool_even_through_run_tool(serve):
    url = serve({"text": "{{ result(\"top_repos\").value[0].name }} and {{ result('get_rate') }}"})
    answer = said(
        url,
        user("go"),
        *called("run_tool", {"name": "top_repos", "arguments": {}}, '{"value": [{"name": "one"}]}', "a"),
        *called("run_tool", {"name": "get_rate", "arguments": '{"a": 1}'}, "3.7", "b"),
    )
    assert answer["content"] == "one and 3.7"


@pytest.mark.parametrize("name", ["get_rate", "run_tool"])
def test_a_result_that_came_through_run_tool_goes_by_both_names(serve, name):
    url = serve({"when": {"result_of": name}, "text": f'{{{{ result("{name}") }}}}'})
    assert said(url, user("go"), *called("run_tool", {"name": "get_rate", "arguments": {}}, "3.7"))["content"] == "3.7"


def test_what_a_regular_expression_caught_is_quoted(serve):
    url = serve(
        {"when": {"last_user": {"regex": r"from (\w+) to (?P<to>\w+)"}}, "text": "{{ match.caught[0] }}>{{ match.to }}"}
    )
    assert said(url, user("from USD to ILS"))["content"] == "USD>ILS"


def test_a_template_that_finds_nothing_is_answered_with_the_turn_and_the_place(serve):
    status, body = chat(serve({"text": "x", "times": 1}, {"text": "{{ results[-1].value }}"}))
    assert status == 200
    status, body = chat(serve({"text": "{{ results[-1].value }}"}))
    assert status == 400
    assert "Turn 1" in body
    assert "results[-1].value" in body


def test_a_request_without_a_turn_is_answered_with_what_was_asked(serve):
    status, body = chat(serve({"when": {"role": "generator"}, "text": "x"}), system("examiner"), user("the question"))
    assert status == 400
    message = json.loads(body)["error"]["message"]
    assert "role examiner" in message
    assert "the question" in message


def test_a_stream_is_made_of_events_and_ends_as_it_should(serve):
    url = serve({"text": "hello world", "calls": [{"name": "f", "arguments": {"a": 1}}]})
    status, body = chat(url, stream=True, stream_options={"include_usage": True})
    assert status == 200
    events = [line.removeprefix("data: ") for line in body.splitlines() if line]
    assert events[-1] == "[DONE]"
    chunks = [json.loads(event) for event in events[:-1]]
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks if chunk["choices"]]
    assert "".join(delta.get("content") or "" for delta in deltas) == "hello world"
    pieces = [call for delta in deltas for call in delta.get("tool_calls", [])]
    assert "".join(piece["function"]["arguments"] for piece in pieces) == '{"a": 1}'
    assert chunks[-1]["usage"]["completion_tokens"] > 0
    assert chunks[-2]["choices"][0]["finish_reason"] == "tool_calls"


def test_misbehaviour_is_given_as_it_was_asked_for(serve):
    assert chat(serve({"fault": {"status": 429, "retry_after": 7}}))[0] == 429
    with pytest.raises(json.JSONDecodeError):
        json.loads(chat(serve({"fault": "malformed"}))[1])
    assert said(serve({"fault": "empty"})) == {"role": "assistant", "content": None}
    with pytest.raises(http.client.IncompleteRead):
        chat(serve({"text": "x" * 1000, "fault": "cut"}))


@pytest.mark.parametrize(
    ("ids", "found"), [("missing", [None, None]), ("empty", ["", ""]), ("repeated", ["call_1", "call_1"])]
)
def test_ids_are_as_bad_as_was_asked_for(serve, ids, found):
    calls = [{"name": "f"}, {"name": "g"}]
    message = said(serve({"calls": calls, "ids": ids}))
    assert [call.get("id") for call in message["tool_calls"]] == found


def test_closing_frees_the_port_even_while_an_answer_hangs():
    import threading
    import time

    server = ScriptedServer({"turns": [{"fault": "hang"}]})
    url = server.start()

    def wait_in_vain():
        with contextlib.suppress(OSError):
            chat(url)

    threading.Thread(target=wait_in_vain, daemon=True).start()
    while not server.log:
        time.sleep(0.01)
    begun = time.monotonic()
    server.close()
    assert time.monotonic() - begun < 3
    again = ScriptedServer({"turns": [{"text": "x"}]})
    again.start(int(url.split(":")[2].split("/")[0]))
    again.close()


MISTAKES = [
    ("turns: []", 1, "at least one turn"),
    ("turnz: 1", 1, "unknown key 'turnz'"),
    ("turns:\n  - text: a\n  - txt: b\n", 3, "unknown key 'txt'"),
    ("turns:\n  - when:\n      rolle: x\n    text: a\n", 3, "unknown key 'rolle'"),
    ("turns:\n  - when: {role: x}\n", 2, "a turn needs one of"),
    ("turns:\n  - text: a\n    times: 0\n", 3, "times"),
    ("turns:\n  - text: a\n    times: two\n", 3, "times"),
    ("turns:\n  - fault: explode\n", 2, "'explode'"),
    ("turns:\n  - fault: {status: 200}\n", 2, "200"),
    ("turns:\n  - calls:\n      - arguments: {}\n", 3, "needs a name"),
    ("turns:\n  - text: '{{ 1 + 1 }}'\n", 2, "1 + 1"),
    ("turns:\n  - text: '{{ results[-1].value() }}'\n", 2, "cannot be read"),
    ("turns:\n  - when: {last_user: {regex: '('}}\n    text: a\n", 2, "regular expression"),
    ("turns:\n\t- text: a\n", 2, "not YAML"),
    ("turns:\n  - text: [1]\n", 2, "must be text"),
    ("turns:\n  - text: a\n    ids: twice\n", 3, "'twice'"),
    ("turns:\n  - text: a\n    usage: {input: many}\n", 3, "input"),
    ("turns:\n  - text: a\n    delay: soon\n", 3, "delay"),
]


@pytest.mark.parametrize(("text", "line", "word"), MISTAKES, ids=[word for _, _, word in MISTAKES])
def test_a_mistake_in_a_file_is_named_with_its_line(tmp_path, text, line, word):
    path = tmp_path / "turns.yaml"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        load_script(path)
    assert f"{path}, line {line}:" in str(caught.value)
    assert word in str(caught.value)


def test_a_file_that_is_not_there_is_a_plain_message(tmp_path):
    with pytest.raises(UserError, match=r"nothing\.yaml"):
        ScriptedServer(tmp_path / "nothing.yaml")


@pytest.mark.parametrize("text", ["", "- 1\n", "null\n", "!!python/object:os.system {}\n", "turns: 5\n"])
def test_files_of_another_kind_are_refused(text):
    with pytest.raises(UserError):
        parse_script(text, "turns.yaml")


@pytest.mark.parametrize("expression", ["results.__class__", "results[-1].__class__", "first_user.upper", "step.real"])
def test_templates_reach_no_attribute_of_python(expression):
    names = {"results": Conversation({"messages": list(called("f", {}, "1"))}).results, "first_user": "a", "step": 1}
    with pytest.raises(TemplateError, match="nothing at"):
        filled("{{ " + expression + " }}", names)


def test_braces_can_be_written_as_they_are(serve):
    code = 'print(f"{{{x}}}")'
    assert said(serve({"text": code, "plain": True}))["content"] == code
    assert filled('a {{ "{{" }} b }}', {}) == "a {{ b }}"
