"""Whole runs with a model at home, on each of the four servers: a tool is made, used, and reused by another process."""

import pytest
from home_servers import (
    ANSWER,
    KINDS,
    TASK,
    HomeModel,
    HomeServer,
    Said,
    events_in,
    fenced,
    in_words,
    native,
    offered,
    role_of,
    text_of,
    toolwright,
)

from toolwright import Toolwright

TWO_SOON = [pytest.param(kind, marks=[pytest.mark.long] if number > 1 else []) for number, kind in enumerate(KINDS)]
"""The servers, of which two are enough for the short tests."""


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run_here(home, server, **settings):
    """One run through Python, of the model that the server has; gives the result and what was heard."""
    heard = []

    class Ear:
        def emit(self, event):
            heard.append(event)

    with Toolwright("qwen3:8b", base_url=server.root, home=home / ".toolwright", **settings) as tw:
        return tw.run(TASK, sink=Ear()), heard


def warnings(heard):
    return [event.data["text"] for event in heard if event.kind == "warning"]


@pytest.mark.parametrize("kind", ["ollama", *(pytest.param(one, marks=pytest.mark.long) for one in KINDS[1:])])
def test_a_model_with_tool_calls_makes_a_tool_and_the_next_process_reuses_it(home, kind):
    with HomeServer(kind, HomeModel(answer=native)) as server:
        found = {"TOOLWRIGHT_LOCAL_SERVERS": server.root}
        first = events_in(toolwright(home, "run", TASK, "--json", **found))
        assert first[-1]["output"] == ANSWER
        assert (first[-1]["made"], first[-1]["reused"]) == (["convert_amount@1"], [])
        assert first[-1]["cost"]["dollars"] == 0.0  # it runs on this machine
        assert f"answers at {server.root}" in first[0]["why"]
        server.log.clear()
        again = events_in(toolwright(home, "run", TASK, "--json", **found))[-1]
    assert (again["output"], again["made"], again["reused"]) == (ANSWER, [], ["convert_amount@1"])
    assert {role_of(body) for body in server.chats} == {"orchestrator"}


@pytest.mark.parametrize("kind", TWO_SOON)
def test_a_model_that_only_talks_makes_a_tool_and_the_next_process_reuses_it(home, kind):
    with only_talks(kind) as server:
        result, heard = run_here(home, server)
        assert (result.status, result.output) == ("complete", ANSWER)
        assert (result.made, result.reused) == (("convert_amount@1",), ())
        if kind == "ollama":
            assert "plain text" in result.why
            assert warnings(heard) == []
        else:
            assert "It is asked in plain text from here on." in warnings(heard)[0]
        assert sum(bool(body.get("tools")) for body in server.chats) == {"ollama": 0, "lmstudio": 2}.get(kind, 1)
        server.log.clear()
        words = ["run", TASK, "--json", "--base-url", server.url, "--model", "qwen3:8b"]
        again = events_in(toolwright(home, *words, TOOLWRIGHT_HOME=str(home / ".toolwright")))[-1]
    assert (again["output"], again["made"], again["reused"]) == (ANSWER, [], ["convert_amount@1"])
    assert {role_of(body) for body in server.chats} == {"orchestrator"}


def only_talks(kind):
    """A server whose model takes no tools, each in its way."""
    if kind == "ollama":  # it says so in its list
        return HomeServer(kind, HomeModel(tools=False, answer=in_words))
    if kind == "lmstudio":  # it takes them and answers with nothing
        return HomeServer(kind, HomeModel(answer=lambda body: Said() if body.get("tools") else in_words(body)))
    return HomeServer(kind, HomeModel(answer=in_words), flags=False)  # it refuses them


@pytest.mark.parametrize("kind", TWO_SOON)
def test_a_run_with_a_model_that_only_talks_reads_like_any_other(home, kind):
    """The house notices nothing: the same events, and what is on record are tool calls."""
    with only_talks(kind) as server, HomeServer("ollama", HomeModel(answer=native)) as other:
        talked, called = run_here(home / "a", server)[1], run_here(home / "b", other)[1]
    kinds = [
        [event.kind for event in heard if event.kind not in ("warning", "cost", "text")] for heard in (talked, called)
    ]
    assert kinds[0] == kinds[1]
    assert [event.data["text"] for event in talked if event.kind == "text"] == [
        "There is no tool yet.",
        "I use what is there.",
        ANSWER,
    ]


def test_in_words_the_conversation_has_one_system_prompt_and_takes_turns(home):
    with only_talks("ollama") as server:
        run_here(home, server, surface="native")
        last = server.asked_of("orchestrator")[-1]["messages"]
    assert [one["role"] for one in last] == ["system", "user", "assistant", "user", "assistant", "user"]
    system = text_of(last[0])
    assert system.startswith("[toolwright:orchestrator]\n")
    assert "How you call a tool here" in system
    assert '"properties"' in system
    assert text_of(last[2]).endswith("```")
    assert text_of(last[3]).startswith("Result of `request_new_tool`:")


def test_on_the_fixed_surface_it_calls_through_run_tool(home):
    def mind(body):
        said = in_words(body) if role_of(body) != "orchestrator" else None
        if said is not None:
            return said
        system, last = text_of(body["messages"][0]), text_of(body["messages"][-1])
        assert "- `convert_amount`" not in system
        if "18550" in last:
            return Said(ANSWER)
        if "Result of `request_new_tool`" in last:
            arguments = {"name": "convert_amount", "arguments": {"amount": 5000.0, "rate": 3.71}}
            return Said(fenced({"tool": "run_tool", "arguments": arguments}))
        return in_words(body)

    with HomeServer("ollama", HomeModel(tools=False, answer=mind)) as server:
        assert run_here(home, server, surface="fixed")[0].output == ANSWER


def test_each_role_may_have_a_model_that_is_spoken_to_in_its_own_way(home, monkeypatch):
    with HomeServer("ollama", HomeModel(answer=native)) as one, only_talks("vllm") as two:
        monkeypatch.setenv("TOOLWRIGHT_GENERATOR_MODEL", "qwen3:8b")
        monkeypatch.setenv("TOOLWRIGHT_GENERATOR_BASE_URL", two.url)
        assert run_here(home, one)[0].made == ("convert_amount@1",)
    assert {role_of(body) for body in one.chats} == {"orchestrator", "examiner"}
    assert {role_of(body) for body in two.chats} == {"generator"}
    assert [bool(offered(body)) for body in two.chats] == [True, False]


def test_a_model_that_writes_its_calls_down_although_it_was_given_tools_is_understood(home):
    """LM Studio's own form for models that know no tools, as its docs show it; here nobody read it out."""

    def mind(body):
        said = native(body)
        written = [
            f'[TOOL_REQUEST]{{"name": "{name}", "arguments": {fenced(given)[8:-4]}}}[END_TOOL_REQUEST]'
            for name, given in said.calls
        ]
        return Said(said.text or written[0])

    with HomeServer("lmstudio", HomeModel(answer=mind)) as server:
        result, heard = run_here(home, server)
    assert (result.output, result.made, warnings(heard)) == (ANSWER, ("convert_amount@1",), [])
    assert all(body.get("tools") for body in server.chats)
