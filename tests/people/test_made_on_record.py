"""A request for a tool as a run of its own: it is on record, waits for a person, and goes on in another process."""

from __future__ import annotations

import json

import pytest
from people_stage import Heard

from docs_support.world import has_full_sandbox
from outside.endpoint import says
from toolwright.errors import SpecError, UserError

FULL = pytest.mark.skipif(not has_full_sandbox(), reason="a host can be granted in the full sandbox only")
ADD = {"tool_name": "add", "description": "Add two numbers.", "input_params": "a: int, b: int", "return_type": "int"}
SOURCE = 'def add(a: int, b: int) -> int:\n    """Add two numbers."""\n    return a + b\n'


def adder(_office):
    def speak(request):
        if request.role == "examiner":
            return says('{"examples": [], "properties": []}')
        return says(json.dumps({"source": SOURCE, "packages": [], "powers": {}, "notes": ""}))

    return speak


@FULL
def test_a_request_waits_for_a_yes_and_goes_on_without_asking_the_model_again(office):
    here = office()
    with here.open(given={"approvals.away": "pause"}) as tw:
        first = tw.run(make=here.asked)
        assert (first.status, tw.run_record(first.run_id).status) == ("needs-approval", "needs-approval")
        tw.approve(first.question)
    result = here.do("run", "--resume", first.run_id, "--model", "openai:x", "--base-url", here.endpoint.url)
    assert (result["status"], result["made"]) == ("complete", ["look@1"])
    assert here.told["generator"] == 1
    assert here.told["orchestrator"] == 0


@FULL
def test_a_no_to_a_request_ends_it_incomplete(office):
    here = office()
    with here.open(given={"approvals.away": "pause"}) as tw:
        first = tw.run(make=here.asked)
        tw.reject(first.question)
        result = tw.run(resume=first.run_id)
        assert (result.status, result.made) == ("incomplete", ())
        assert "The answer was no" in result.reason
        assert tw.run(resume=first.run_id).status == "incomplete", "what has ended is told again"


def test_the_record_of_a_request_tells_what_was_heard(office):
    here, heard = office(adder), []
    with here.open() as tw:
        result = tw.run(make=ADD, sink=Heard(heard))
        assert (result.status, result.made, result.output) == ("complete", ("add@1",), "add@1 was made."), result
        kept = tw.events(result.run_id)
        assert [one.kind for one in kept] == [one.kind for one in heard]
        assert (kept[0].kind, kept[1].kind, kept[-1].kind) == ("run-started", "tool-requested", "result")
        assert tw.events(result.run_id, after=len(kept) - 1) == kept[-1:]
        again = tw.run(make=ADD)
        assert (again.status, again.made, again.reused) == ("complete", (), ("add@1",))


def test_what_cannot_be_requested_is_no_run(office):
    with office(adder).open() as tw:
        with pytest.raises(SpecError, match="no key"):
            tw.run(make={**ADD, "colour": "red"})
        with pytest.raises(SpecError):
            tw.run(make={**ADD, "tool_name": "Not A Name"})
        with pytest.raises(UserError, match="no task"):
            tw.run("Do it.", make=ADD)
        assert tw.runs() == []
