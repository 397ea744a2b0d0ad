"""What a conversation has taken in, turn by turn, decides to whom its later turns may send: `chat` and `--continue`."""

from __future__ import annotations

import shutil

import pytest
from talk_stage import Speaker

from cli.shop import Page, at_model, fetcher, toolwright
from docs_support.world import has_full_sandbox
from outside.endpoint import calls, says
from terminal.person import Person
from toolwright import Toolwright

pytestmark = pytest.mark.skipif(not has_full_sandbox(), reason="a host can be granted in the full sandbox only")

READ = '''
from pathlib import Path


def read_note(folder: str) -> str:
    """Read the note in a folder."""
    return (Path(folder) / "note.txt").read_text()
'''
NOTE, PAGE, ANOTHER = "Read the note.", "Page a, please.", "Page b, please."


@pytest.fixture(scope="module")
def _allowed(tmp_path_factory):
    """A home with two tools, each allowed for itself; what they reach."""
    place = tmp_path_factory.mktemp("flow")
    notes = place / "notes"
    notes.mkdir()
    (notes / "note.txt").write_text("a private thing")
    with Page() as page:
        with Toolwright(home=place / "home", approve=True) as tw:
            _, fetch = fetcher("fetch", page.host)
            for name, source, powers in [
                ("read_note", READ, {"reads": [notes]}),
                ("fetch", fetch, {"hosts": [page.host]}),
            ]:
                (place / f"{name}.py").write_text(source)
                made = tw.import_file(place / f"{name}.py", **{key: list(map(str, one)) for key, one in powers.items()})
                assert made.version is not None, made.reason
        yield place / "home", notes, page


@pytest.fixture
def chat(talk, _allowed):
    """A Talk in a copy of that home, the page that its tools reach, and the words of a command in it."""
    home, notes, page = _allowed

    def ends(request):
        return says(f"It gave {request.results[-1]}")

    one = talk(
        Speaker(
            read=[calls(("run_tool", {"name": "read_note", "arguments": {"folder": str(notes)}})), ends],
            page=[calls(("run_tool", {"name": "fetch", "arguments": {"path": "x"}})), ends],
            broken=[
                calls(("run_tool", {"name": "read_note", "arguments": {"folder": str(notes)}})),
                lambda _: (400, {"error": {"message": "no such thing"}}),
            ],
        )
    )
    shutil.copytree(home, one.home)
    page.hits = 0
    return one, page, ["--home", str(one.home), *at_model(one.endpoint.url)]


def chatted(one, words, said):
    """The runs of one chat, oldest first, and for each what a person was asked in it."""
    toolwright(one.home, "chat", *words, stdin="".join(f"{line}\n" for line in said))
    with one.open() as tw:
        runs = tw.runs()[::-1]
        return runs, [[event.data for event in tw.events(run.id) if event.kind == "approval-asked"] for run in runs]


@pytest.mark.parametrize(
    "turns",
    [
        pytest.param([NOTE, PAGE, ANOTHER], id="private data first"),
        pytest.param([PAGE, NOTE, ANOTHER], id="untrusted text first"),
        pytest.param(["Broken, after the note.", PAGE, ANOTHER], id="in a turn that failed"),
    ],
)
def test_what_two_turns_of_a_chat_took_in_holds_up_a_third_one_that_would_send(chat, turns):
    one, page, words = chat
    runs, asked = chatted(one, words, turns)
    assert page.hits == 1, "each was allowed alone"
    assert [len(each) for each in asked] == [0, 0, 1]
    ((question,),) = asked[2:]
    assert sorted(mark.split()[0] for mark in question["taint"]) == ["private", "untrusted"]
    assert f"fetch may send to {page.host}, and this run has taken in private data (folder" in runs[2].output
    assert "No rule of the policy lifts this" in runs[2].output


@pytest.mark.long
def test_a_conversation_of_several_processes_is_one_too(chat):
    one, page, words = chat
    for number, turn in enumerate([NOTE, PAGE, ANOTHER]):
        done = toolwright(one.home, "run", *(["--continue"] if number else []), turn, *words)
    assert page.hits == 1
    assert f"fetch may send to {page.host}" in done.stdout


def test_a_new_conversation_has_taken_in_nothing(chat):
    one, page, words = chat
    chatted(one, words, [NOTE, "/new", PAGE, ANOTHER])
    assert page.hits == 2


@pytest.mark.long
def test_a_yes_at_the_terminal_is_for_its_turn_and_the_next_turn_asks_anew(chat):
    one, page, words = chat
    person = Person(one.home, "chat", *words)
    try:
        for turn in (NOTE, PAGE):
            person.says(turn)
            person.sees("It gave")
        for hits, turn in enumerate([ANOTHER, "Page c, please."], 1):
            person.says(turn)
            person.sees("Enter is no")
            assert page.hits == hits, "nothing is sent before the yes"
            person.types("y\r")
            person.waits(lambda sent=hits + 1: page.hits == sent, "the page that was asked for after the yes")
        person.prompted()
        person.presses("ctrl-d")
        assert person.leaves() == 0
    finally:
        person.kills()
