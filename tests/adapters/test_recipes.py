"""Each recipe under examples/frameworks/ with the real package: a tool is made and called in a run, and used by the next."""

import re
import subprocess

import pytest

from adapters.recipes import APART, COUNTS, FRAMEWORKS, HERE, RECIPES, VOWELS, Model, arrays, run, text_of
from benchmarks.environments import beside, python_of
from cli.shop import Page, fetcher, toolwright
from docs_support.pages import page
from docs_support.steady import differs
from docs_support.world import has_full_sandbox
from outside.endpoint import Endpoint, calls
from toolwright import Toolwright

pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]
EACH = [pytest.param(one, marks=pytest.mark.xdist_group(f"recipe {name}"), id=name) for one, name in RECIPES.items()]
INSIDE = [one for one in EACH if one.id not in APART]
TEXT = {"text": "toolwright registry"}
FIXED = {"search_tools", "request_new_tool", "run_tool"}
needs_hosts = pytest.mark.skipif(not has_full_sandbox(), reason="a host can be granted in the full sandbox only")


def shown(file):
    """What the page says that the recipe prints, the first time and the second."""
    blocks = page("docs/recipes.md").blocks
    at = next(number for number, one in enumerate(blocks) if file in one.reason)
    return [one.text.splitlines() for one in blocks[at + 1 : at + 3]]


@pytest.mark.parametrize("file", EACH)
def test_a_tool_is_made_and_called_in_one_run_and_used_by_the_next(file, tmp_path):
    with Endpoint(Model(VOWELS, COUNTS, TEXT)) as endpoint:
        first = run(file, tmp_path, endpoint.url)
        steps = arrays(endpoint.requests)
        told = len(endpoint.requests)
        second = run(file, tmp_path, endpoint.url)
        again = arrays(endpoint.requests[told:])
        assert len(endpoint.of("generator")) == 1
    for done, wanted in zip((first, second), shown(file), strict=True):
        assert not (wrong := differs(wanted, done.stdout)), wrong
    assert steps[0] >= FIXED
    assert "count_vowels" not in steps[0]
    assert ("count_vowels" in steps[1]) is (RECIPES[file] not in APART)
    assert "count_vowels" in again[0], "the next run has it from the start"
    assert (len(steps), len(again)) == (3, 2)
    with Toolwright(home=tmp_path / "shelf") as tw:
        (info,) = tw.registry.list()
        assert (info.name, info.calls) == ("count_vowels", 2)
        if RECIPES[file] not in APART:
            ended = [(one.status, one.made, one.reused) for one in tw.runs()]
            assert ended == [("complete", (), ("count_vowels@1",)), ("complete", ("count_vowels@1",), ())]


@needs_hosts
@pytest.mark.parametrize("file", INSIDE)
def test_a_question_that_nobody_answers_is_refused_in_words(file, tmp_path):
    with Page() as site:
        asked, source = fetcher("look", site.host)
        with Endpoint(Model(asked, source, {"path": "x"})) as endpoint:
            done = run(file, tmp_path, endpoint.url)
            assert len(endpoint.of("generator")) <= 1
        assert "look was not made. The answer was no: Nobody is here to be asked" in done.stdout
        assert site.hits == 0
    with Toolwright(home=tmp_path / "shelf") as tw:
        assert tw.registry.names() == []
        assert [one.status for one in tw.runs()] == ["incomplete"]


@needs_hosts
@pytest.mark.parametrize("file", INSIDE)
def test_a_question_waits_where_the_home_says_so_and_a_yes_lets_the_next_run_make_it(file, tmp_path):
    with Page() as site:
        asked, source = fetcher("look", site.host)
        with Endpoint(Model(asked, source, {"path": "x"})) as endpoint:
            done = run(file, tmp_path, endpoint.url, TOOLWRIGHT_APPROVALS_AWAY="pause")
            assert "look waits for a person (question 1)" in done.stdout
            assert site.hits == 0
            toolwright(tmp_path, "approvals", "approve", "1", "--home", str(tmp_path / "shelf"))
            done = run(file, tmp_path, endpoint.url, TOOLWRIGHT_APPROVALS_AWAY="pause")
            # It was made in the run that had asked, and goes on there.
            assert done.stdout.splitlines() == ["made [], reused ['look@1']", "5 vowels."]
            assert len(endpoint.of("generator")) == 1, "nothing is written twice"
        assert site.hits > 0


@needs_hosts
@pytest.mark.parametrize("file", [one for one in EACH if one.id in APART])
def test_a_question_from_beside_waits_in_the_home_and_a_yes_lets_the_next_crew_go_on(file, tmp_path):
    with Page() as site:
        asked, source = fetcher("look", site.host)
        with Endpoint(Model(asked, source, {"path": "x"})) as endpoint:
            done = run(file, tmp_path, endpoint.url)
            assert "waits for a person (question 1)" in done.stdout
            assert site.hits == 0
            toolwright(tmp_path, "approvals", "approve", "1", "--home", str(tmp_path / "shelf"))
            assert run(file, tmp_path, endpoint.url).stdout.splitlines()[-1] == "5 vowels."
        assert site.hits > 0


@pytest.mark.parametrize("file", INSIDE)
def test_a_cap_on_a_run_holds(file, tmp_path):
    with Endpoint(Model(VOWELS, COUNTS, TEXT)) as endpoint:
        done = run(file, tmp_path, endpoint.url, TOOLWRIGHT_MAX_NEW_TOOLS="0")
        assert endpoint.of("generator") == []
    assert "It says:" in done.stdout
    assert "max_new_tools" in done.stdout


@pytest.mark.parametrize("file", INSIDE)
def test_where_the_budget_does_not_reach_no_model_is_asked_for_a_tool(file, tmp_path):
    with Endpoint(Model(VOWELS, COUNTS, TEXT)) as endpoint:
        done = run(file, tmp_path, endpoint.url, TOOLWRIGHT_BUDGET_RUN_TOKENS="1")
        assert endpoint.of("generator") == []
        said = "".join(text_of(one) for one in endpoint.requests[-1].messages)
    assert "made [], reused []" in done.stdout
    assert ("budget.run_tokens" in said) is (RECIPES[file] != "agent-framework")


@pytest.mark.parametrize("file", EACH)
def test_a_call_like_an_earlier_one_is_a_call(file, tmp_path):
    """The endpoint gives each call the same id, as some models do."""
    with Endpoint(Model(VOWELS, COUNTS, TEXT, TEXT, {"text": "rhythm", "among": "y"})) as endpoint:
        done = run(file, tmp_path, endpoint.url)
    assert done.stdout.splitlines()[-1] == "1 vowels."
    with Toolwright(home=tmp_path / "shelf") as tw:
        assert tw.registry.list()[0].calls == 3


class AtOnce(Model):
    """Makes two calls in each step, and says what both gave."""

    def __call__(self, request):
        if request.role in ("examiner", "generator"):
            return super().__call__(request)
        roles = [one["role"] for one in request.messages]
        if "assistant" not in roles:
            return calls(*[("request_new_tool", self.asked)] * 2)
        if roles.count("assistant") == 1:
            return calls(*[("count_vowels", one) for one in self.arguments])
        last = len(roles) - 1 - roles[::-1].index("assistant")
        read = "\n".join(text_of(one) for one in request.messages[last + 1 :])
        return self.answers(request, " and ".join(re.findall(r"\d+", read)))


@pytest.mark.parametrize("file", INSIDE)
def test_calls_of_one_step_are_all_answered(file, tmp_path):
    with Endpoint(AtOnce(VOWELS, COUNTS, TEXT, {"text": "aye"})) as endpoint:
        done = run(file, tmp_path, endpoint.url)
        assert len(endpoint.of("generator")) == 1
        assert not [text for one in endpoint.requests[-1].messages if "Error" in (text := text_of(one))]
    assert done.stdout.splitlines() == ["made ['count_vowels@1'], reused []", "It says: 5 and 2"]
    with Toolwright(home=tmp_path / "shelf") as tw:
        assert tw.registry.list()[0].calls == 2


@pytest.mark.xdist_group("recipe crewai")
def test_crewai_cannot_be_installed_beside_toolwright_which_is_why_it_has_a_process_of_its_own():
    done = beside("crewai")
    assert done.returncode != 0, "they go together now: let the recipe stand on guest_runs as the others do"
    assert "openai" in done.stderr


@pytest.mark.xdist_group("recipe crewai")
def test_the_watch_over_the_network_sees_what_leaves(tmp_path):
    code = "import socket\ntry:\n    socket.create_connection(('192.0.2.1', 80), 1)\nexcept OSError as error:\n    print(error)"
    more = {"PYTHONPATH": str(HERE / "loopback"), "REACHED": str(tmp_path / "reached")}
    words = [str(python_of("crewai", apart=True)), "-c", code]
    done = subprocess.run(words, capture_output=True, text=True, env=more, timeout=60)
    assert done.stdout == "192.0.2.1 is not this machine\n"
    assert "192.0.2.1" in (tmp_path / "reached").read_text()


def test_each_recipe_has_its_tests():
    assert sorted(RECIPES) == sorted(one.name for one in FRAMEWORKS.glob("*.py"))
