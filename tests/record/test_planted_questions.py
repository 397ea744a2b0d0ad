"""Secrets are planted in what a person is asked, in who answers and in why; none is on record or on the screen."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from planting import ALL, IN_ADDRESS, IN_ENVIRONMENT, PLANTED, RANDOM, STORED, Place, holding, spellings

from cli.shop import Page, Terminal, fetcher
from docs_support.world import has_full_sandbox
from outside.endpoint import Endpoint, Reply, Request, calls, says
from toolwright.approving import as_seen
from toolwright.policy import Approval, ApprovalAnswer, ApprovalRequest, Question
from toolwright.powers import Grant
from toolwright.store.home import Home
from toolwright.trace import Place as Where

needs_hosts = pytest.mark.skipif(not has_full_sandbox(), reason="a host can be granted in the full sandbox only")

ADDRESS = f"https://me:{IN_ADDRESS}@a.example/"
LOOKS = f"{RANDOM} {ADDRESS}"
"""What only its looks give away. It stays in the journal and in the files of tools, and nowhere else."""
SEEN = PLANTED | {"random": RANDOM, "address": IN_ADDRESS}
WORKED_WITH = {"journal", "turns"}
"""Tables of which a run that goes on makes the next step: only known values are left out of them."""


class Asking:
    """A model that asks for a host, again after a no, and says too much each time."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.asked, self.source = fetcher("look", host, f"Say the length of a page, {LOOKS}.")
        self.asked["powers"]["why"] = {host: LOOKS, f"not {RANDOM}": LOOKS}
        # What is known does not pass the screen, and so is never asked about.
        self.refused = {
            **self.asked,
            "tool_name": "glance",
            "powers": {"hosts": [host], "why": {host: ALL, f"not {STORED}": ALL}},
        }
        self.asked["example"] = f"look('{RANDOM}') == 5"

    def __call__(self, request: Request) -> Reply:
        if request.role == "examiner":
            examples = [{"arguments": {"path": one}, "expected": 5} for one in (STORED, IN_ENVIRONMENT, "y")]
            return says(json.dumps({"examples": examples, "properties": [f"{ALL} {LOOKS}"]}))
        if request.role == "generator":
            name = "glance" if "glance" in request.user[-1].splitlines()[0] else "look"
            source = self.source.replace("def look", f"def {name}").replace(
                "remark 0", f"remark 0 {RANDOM} {len(request.user[-1])}"
            )
            powers = {"hosts": [self.host]}
            return says(json.dumps({"source": source, "packages": [], "powers": powers, "notes": f"{ALL} {LOOKS}"}))
        if not request.results:
            return calls(("request_new_tool", self.refused if "known" in request.user[-1] else self.asked))
        if len(request.results) == 1 and "is ready" in request.results[0]:
            return calls(("look", {"path": "x"}))
        return says(f"That is {ALL}.")


def tables_with(home: Path, values: dict[str, str]) -> set[str]:
    """The tables of the record that hold one of *values*."""
    with closing(sqlite3.connect(home / "home.db")) as db:
        names = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = {name: repr(db.execute(f'SELECT * FROM "{name}"').fetchall()) for name in names}
    forms = [one.decode() for value in values.values() for one in spellings(value)]
    return {name for name, text in rows.items() if any(one in text for one in forms)}


@pytest.mark.long
@needs_hosts
def test_no_question_no_answer_and_nobody_who_gave_it_holds_a_planted_secret(tmp_path: Path) -> None:
    with Page() as page, Endpoint(Asking(page.host)) as endpoint:
        at = Place(tmp_path, endpoint.url)
        at("secrets", "set", "STORED", "--in", "file", stdin=STORED)

        def last(*words: str, code: int) -> dict[str, Any]:
            said: dict[str, Any] = json.loads(at(*words, "--json", code=code).splitlines()[-1])
            return said

        last("run", "Look at what is known.", "--pause", *at.model, code=3)
        first = last("run", "Look.", "--pause", *at.model, code=8)
        at("approvals", "show", str(first["question"]), "--code")
        at("approvals", "show", str(first["question"]), "--json")
        at.environment["LOGNAME"] = RANDOM
        at("approvals", "reject", str(first["question"]), "--why", f"Not with {ALL}, and not with {LOOKS}.")
        second = last("run", "--resume", first["run_id"], *at.model, code=8)
        assert second["question"] != first["question"]
        shown = at("approvals", "show", str(second["question"]))
        at.environment["LOGNAME"] = STORED
        at("approvals", "approve", str(second["question"]))
        at("approvals", "approve", str(second["question"]), code=None)  # it came second
        done = last("run", "--resume", first["run_id"], *at.model, code=0)
        assert done["made"] == ["look@1"]
        at("approvals", "--all", "--json")
        at("approvals", "--all")
        at("grants", "--json")
        at("grants", "revoke", "1")
        at("policy", "explain", "look")
        at("retire", "look", "--why", f"It has {ALL} {LOOKS}.")
        audit = at("audit", "export")
        at("runs", "show", "last", "--json")

        terminal = Terminal(
            tmp_path, "run", "Look.", "--home", str(tmp_path / "home"), *at.model, columns=200,
            OWN_PASSWORD=IN_ENVIRONMENT, LOGNAME=f"{STORED} {RANDOM}",
        )  # fmt: skip
        terminal.wait_for("Enter is no")
        terminal.send("\n")
        terminal.end()
    (tmp_path / "said").write_bytes(at.said + terminal.raw)
    assert holding(tmp_path, PLANTED) == []
    held = json.loads((tmp_path / "home" / "tools" / "look" / "1.json").read_text())["contract"]["held_back"]
    assert [one["arguments"] for one in held] == [{"path": "y"}]
    assert tables_with(tmp_path / "home", SEEN) <= WORKED_WITH
    assert [one for one in holding(tmp_path, SEEN) if one[0] == "said"] == []
    (no,) = [one for one in map(json.loads, audit.splitlines()) if one.get("what") == "denied"]
    assert no["who"] == "***"
    assert no["detail"].endswith(
        "Not with [secret STORED] and [secret OWN_PASSWORD], and not with *** https://me:***@a.example/."
    )
    assert f"host {page.host}" in no["detail"]
    assert "look asks for powers that nobody has allowed yet" in shown
    assert page.host in shown


def question(source: str, before: str = "") -> ApprovalRequest:
    grant = Grant(("api.weather.example", "q8zp4lk29sxv7rt1bn6mwq2z.lambda-url.example"), reads=("/srv/weather",))
    asked = Question("weather_now", f"Say {RANDOM}.", grant, effect="reads", digest="5f" * 32)
    reasons = {"host api.weather.example:443": f"{RANDOM}", "read /srv/weather": "it is there"}
    return ApprovalRequest(asked, source, reasons, run_id="20261125-101500-9f3a2c", before=before)


def test_what_an_approval_is_made_of_stays_also_where_a_secret_is_a_part_of_it(tmp_path: Path) -> None:
    with closing(Home.open(tmp_path)) as home:
        home.hide({"WORD": "weather"})
        asked = home.asked.open(question("def weather_now() -> int: ...\n"), Where("20261125-101500-9f3a2c", 0, 0))
        put, kept = question("").question, home.asked.get(asked.id).request
        assert kept.question == replace(put, description="Say ***.")
        assert kept.reasons == {"host api.weather.example:443": "***", "read /srv/weather": "it is there"}
        home.asked.answer(asked.id, ApprovalAnswer(True, who=f"somebody with {RANDOM}"))
        found = home.approvals.covering(put)
        assert found is not None
        assert (found.grant, found.digest, found.who) == (put.grant, put.digest, "somebody with ***")
        deed = home.audit.latest()[0].deed
        assert deed.who == "somebody with ***"
        assert deed.detail.startswith(f"digest {'5f' * 32}; ")
        assert "host q8zp4lk29sxv7rt1bn6mwq2z.lambda-url.example:443" in deed.detail
        home.approvals.record(Approval("local", "x", Grant(), (), "none", "agent", "", who=RANDOM))
        home.approvals.revoke(1, RANDOM)
        assert RANDOM not in repr(home.audit.latest()) + repr(home.approvals.list())


def test_a_masked_text_in_code_that_changed_since_an_earlier_yes_is_seen_to_have_changed() -> None:
    other = RANDOM[::-1]
    code = 'KEY = "{}"\nOTHER = "{}"\n'
    seen = as_seen(question(code.format(other, RANDOM), before=code.format(RANDOM, RANDOM)))
    assert seen.before == 'KEY = "***1"\nOTHER = "***1"\n'
    assert seen.source == 'KEY = "***2"\nOTHER = "***1"\n'


def test_a_key_of_the_environment_in_code_that_became_another_is_seen_to_have_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ONE_API_KEY", "the-first-of-two-words")
    monkeypatch.setenv("OTHER_API_KEY", "the-second-of-two-words")
    seen = as_seen(question("KEY = 'the-second-of-two-words'\n", before="KEY = 'the-first-of-two-words'\n"))
    assert (seen.before, seen.source) == ("KEY = '***1'\n", "KEY = '***2'\n")
