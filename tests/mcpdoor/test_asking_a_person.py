"""Powers: the person at the client is asked, in both eras; where there is none, the question waits in the home."""

from __future__ import annotations

import json

import pytest
from door_stage import ERAS, play, text_of
from mcp.shared.exceptions import MCPError
from mcp_types import ElicitResult

from cli.shop import Page, as_json, at_model, fetcher, toolwright
from outside.endpoint import Endpoint, says
from toolwright import Toolwright


class Person:
    """Sits at the client, and says what was told beforehand; `shown` is what was read."""

    def __init__(self, *answers):
        self.answers, self.shown = list(answers), []

    async def __call__(self, ctx, params):
        self.shown.append(params.message)
        return self.answers.pop(0)


YES = ElicitResult(action="accept", content={"allow": True})
NO = ElicitResult(action="accept", content={"allow": False, "why": "not that page"})


@pytest.fixture
def page():
    with Page() as one:
        yield one


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_yes_at_the_client_lets_it_be_made_and_called(office, page, mode):
    asked, source = fetcher("look", page.host)
    source += "\n# q8zp4lk29sxv7rt1bn6mwq2z\n"
    asked["powers"]["why"] = {page.host: "the page is there\u202e"}

    async def scene():
        person = Person(YES)
        async with office.client("http", mode, elicitation_callback=person) as client:
            made = await client.call_tool("request_new_tool", {**asked, "source": source})
            assert made.structured_content["status"] == "ready", text_of(made)
            (shown,) = person.shown
            assert "look asks for powers" in shown
            assert f"host {page.host}  (the page is there\\x202e)" in shown
            assert "urlopen" in shown
            assert "# ***" in shown
            called = await client.call_tool("run_tool", {"name": "look", "arguments": {"path": "x"}})
            assert called.structured_content == {"result": 5}

    play(scene())
    with Toolwright(home=office.home) as tw:
        assert [one.approval.who for one in tw.grants()] == ["the person at mcp"]


@pytest.mark.parametrize("mode", ERAS)
@pytest.mark.parametrize("answer", [NO, ElicitResult(action="decline")], ids=["no", "declined"])
def test_a_no_at_the_client_is_the_end_of_it(office, page, mode, answer):
    asked, source = fetcher("look", page.host)

    async def scene():
        async with office.client("http", mode, elicitation_callback=Person(answer)) as client:
            made = await client.call_tool("request_new_tool", {**asked, "source": source})
            assert made.is_error
            assert "no" in text_of(made)
            assert ("not that page" in text_of(made)) is (answer is NO)

    play(scene())
    assert page.hits == 0


@pytest.mark.parametrize(
    ("words", "how"),
    [
        ({}, {}),
        ({}, {"elicitation_callback": Person(ElicitResult(action="cancel"), ElicitResult(action="cancel"))}),
        ({"TOOLWRIGHT_CLIENTS_APPROVALS": "home"}, {"elicitation_callback": Person()}),
    ],
    ids=["nobody", "closed", "home"],
)
def test_where_nobody_answers_at_the_client_the_question_waits_in_the_home(office, page, words, how):
    asked, source = fetcher("look", page.host)
    request = {**asked, "source": source}
    home = ["--home", str(office.home)]

    async def scene():
        async with office.at(office.serve(**words)["url"], **how) as client:
            waits = await client.call_tool("request_new_tool", request)
            assert waits.is_error
            assert waits.structured_content["status"] == "needs-approval"
            number = str(waits.structured_content["question"])
            assert f"toolwright approvals approve {number}" in text_of(waits)
            assert page.hits == 0
            listed = as_json(toolwright(office.home, "approvals", "--json", *home))["questions"]
            assert [(one["id"], one["name"]) for one in listed] == [(int(number), "look")]
            said = toolwright(office.home, "approvals", "approve", number, *home).stdout
            assert "once the same is asked for again" in said
            made = await client.call_tool("request_new_tool", request)
            assert made.structured_content["status"] == "ready", text_of(made)

    play(scene())


def test_with_yes_nobody_is_asked(office, page):
    asked, source = fetcher("look", page.host)

    async def scene():
        async with office.client("http", "auto", "--yes", elicitation_callback=Person()) as client:
            made = await client.call_tool("request_new_tool", {**asked, "source": source})
            assert made.structured_content["status"] == "ready", text_of(made)

    play(scene())
    with Toolwright(home=office.home) as tw:
        assert tw.approvals(every=True) == []


def test_code_that_is_too_long_for_a_form_is_no_question_for_one(office, page):
    asked, source = fetcher("look", page.host)

    async def scene():
        async with office.client("http", "auto", elicitation_callback=Person()) as client:
            waits = await client.call_tool("request_new_tool", {**asked, "source": source + "# so it goes on\n" * 1000})
            assert waits.structured_content["status"] == "needs-approval"

    play(scene())


@pytest.mark.parametrize("mode", ERAS)
def test_a_call_of_a_tool_whose_yes_was_taken_back_asks_again(office, page, mode):
    asked, source = fetcher("look", page.host)
    with Toolwright(home=office.home, approve=True) as tw:
        assert tw.request(asked, source=source).won
        for one in tw.grants():
            tw.revoke(one.id)

    async def scene():
        person = Person(NO, YES)
        async with office.client("http", mode, elicitation_callback=person) as client:
            call = {"name": "look", "arguments": {"path": "x"}}
            refused = await client.call_tool("run_tool", call)
            assert refused.structured_content["status"] == "denied"
            assert (await client.call_tool("run_tool", call)).structured_content == {"result": 5}

    play(scene())


def test_an_answer_is_good_for_the_question_that_was_shown_and_for_no_other(office, page):
    asked, source = fetcher("look", page.host)
    other = source.replace('"""Say', '"""Quietly say')

    async def scene():
        async with office.at(office.serve()["url"], elicitation_callback=Person(YES)) as client:
            wanted = await client.session.call_tool(
                "request_new_tool", {**asked, "source": source}, allow_input_required=True
            )
            state, answer = wanted.request_state, {"approval": YES}
            assert page.host not in state
            # The state is sealed for the very arguments that it was given for.
            with pytest.raises(MCPError):
                await client.session.call_tool(
                    "request_new_tool",
                    {**asked, "source": other},
                    input_responses=answer,
                    request_state=state,
                    allow_input_required=True,
                )
            # An answer without the question is none.
            again = await client.session.call_tool(
                "request_new_tool", {**asked, "source": source}, input_responses=answer, allow_input_required=True
            )
            assert again.result_type == "input_required"

    play(scene())
    assert page.hits == 0


class Writer:
    """A generator; `asked` counts."""

    def __init__(self, source, hosts):
        self.answer, self.asked = json.dumps({"source": source, "powers": {"hosts": hosts}}), 0

    def __call__(self, request):
        if request.role == "generator":
            self.asked += 1
            return says(self.answer)
        return says('{"examples": [], "properties": []}')


@pytest.mark.parametrize("how", ["asked", "waits"])
def test_with_a_model_the_generator_writes_it_once_whoever_answers_and_when(office, page, how):
    asked, source = fetcher("look", page.host)
    writer = Writer(source, [page.host])

    async def scene(url):
        person = {"elicitation_callback": Person(YES)} if how == "asked" else {}
        async with office.at(office.serve(*at_model(url))["url"], **person) as client:
            made = await client.call_tool("request_new_tool", asked)
            if how == "waits":
                assert made.structured_content["status"] == "needs-approval"
                number = str(made.structured_content["question"])
                toolwright(office.home, "approvals", "approve", number, "--home", str(office.home))
                made = await client.call_tool("request_new_tool", asked)
            assert made.structured_content["status"] == "ready", text_of(made)

    with Endpoint(writer) as endpoint:
        play(scene(endpoint.url))
    assert writer.asked == 1
