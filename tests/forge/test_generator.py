"""A generator behind a real endpoint: what it is told, and what becomes of each form of answer."""

from __future__ import annotations

from dataclasses import replace

import pytest
from forge_shop import RIGHT, WRONG, convert_spec, writes

from toolwright.errors import ModelError
from toolwright.generator import candidate_from
from toolwright.models.asking import Reply
from toolwright.powers import NO_POWERS, Grant
from toolwright.tool import Check, Contract, Verdict

RATE = {"tool_name": "fetch_rate", "description": "Fetch a rate.", "input_params": "code: str", "return_type": "float"}
FETCH = '''import json
from urllib.request import urlopen


def fetch_rate(code: str) -> float:
    """Fetch the rate of *code*."""
    with urlopen("https://api.rates.example/" + code, timeout=5) as answer:
        return float(json.load(answer)["rate"])
'''


def powered_spec():
    powers = {"hosts": ["api.rates.example"], "secrets": ["RATES_KEY"], "why": {"api.rates.example": "the rates"}}
    return convert_spec(**RATE, example="fetch_rate('USD')", powers=powers)


def read(answer, spec=None, **more):
    """The candidate of one reply, without a network."""
    reply = Reply(answer, **more) if isinstance(answer, str) else Reply("", answer, **more)
    return candidate_from(spec or convert_spec(), reply)


def test_the_structured_answer_of_an_endpoint_becomes_a_candidate(shop):
    place = shop(writes({"source": RIGHT, "packages": [], "powers": {}, "notes": "None."}))
    candidate = place.write(convert_spec())
    assert (candidate.source, candidate.packages, candidate.grant, candidate.notes) == (RIGHT, (), NO_POWERS, "None.")


def test_a_code_block_in_plain_text_becomes_a_candidate(shop):
    candidate = shop(writes(f"Here it is:\n\n```python\n{RIGHT}```\n\nEnjoy.")).write(convert_spec())
    assert candidate.source == RIGHT


def test_the_prompt_begins_with_the_role_and_the_message_holds_the_whole_spec(shop):
    place = shop(writes(RIGHT))
    place.write(powered_spec())
    system = place.server.log[0].body["messages"][0]
    assert system["role"] == "system"
    assert system["content"].startswith("[toolwright:generator]\n")
    told = place.asked("generator")[0]
    for part in (
        "def fetch_rate(code: str) -> float:",
        "Fetch a rate.",
        "fetch_rate('USD')",
        "host api.rates.example:443 (the rates)",
        "secret RATES_KEY",
        "requests, httpx, pandas, pydantic",
        '"code"',
    ):
        assert part in told


def test_a_repair_is_shown_the_code_the_failure_and_what_was_tried_but_nothing_held_back(shop):
    place = shop(writes(RIGHT))
    spec = convert_spec()
    first = read(WRONG)
    second = read(WRONG.replace("+", "-"))
    tries = [
        Verdict(first, Contract(spec), (Check("examples", False, "it gave 103.71", secret_detail="hidden-one"),)),
        Verdict(
            second,
            Contract(spec),
            (Check("syntax", True), Check("contract", False, "a held-back example failed", secret_detail="hidden-two")),
        ),
    ]

    async def repair(models):
        from toolwright.generator import Generator

        return await Generator(models).repair(spec, tries, place.place(0))

    candidate = place.with_models(repair)
    assert candidate.parent == second.digest
    told = place.asked("generator")[0]
    assert "   3 |     return amount - rate" in told
    assert "attempt 1 failed examples: it gave 103.71" in told
    assert "Attempt 2 failed contract: a held-back example failed" in told
    assert "amount + rate" not in told
    assert "hidden" not in told


def test_a_recorded_answer_is_not_asked_for_again(shop):
    place = shop(writes(RIGHT))
    assert place.write(convert_spec()) == place.write(convert_spec())
    assert len(place.asked("generator")) == 1


def test_a_provider_that_is_dead_for_good_is_a_model_error(shop):
    with pytest.raises(ModelError):
        shop({"when": {"role": "generator"}, "fault": {"status": 401}}).write(convert_spec())


def test_an_empty_answer_is_a_candidate_without_source_that_says_so(shop):
    candidate = shop({"when": {"role": "generator"}, "text": ""}).write(convert_spec())
    assert candidate.source == ""
    assert "empty" in candidate.notes


def test_an_answer_cut_off_at_the_output_limit_says_so(shop):
    torn = "```python\ndef convert(amount: float, rate: float) -> float:\n    return amount * ("
    candidate = shop(writes(torn, finish="length")).write(convert_spec())
    assert candidate.source == ""
    assert "cut off" in candidate.notes


# --- powers and packages ----------------------------------------------------------------------------------------------


def test_without_powers_in_the_answer_the_candidate_asks_for_those_of_the_spec():
    spec = powered_spec()
    assert read({"source": FETCH}, spec).grant == spec.grant
    assert read(f"```python\n{FETCH}```", spec).grant == spec.grant
    assert read({"source": FETCH, "powers": None}, spec).grant == spec.grant


@pytest.mark.parametrize(
    "powers",
    [
        {"hosts": ["other.example"]},
        {"hosts": ["https://other.example/rates"]},
        {"hosts": "other.example"},
        {"hosts": [{"host": "other.example", "why": "it has them"}]},
        ["host other.example"],
        ["https://other.example"],
        "host other.example",
        '{"hosts": ["other.example:443"]}',
    ],
    ids=str,
)
def test_powers_are_read_in_every_form_and_may_be_others_than_the_spec_asked_for(powers):
    assert read({"source": FETCH, "powers": powers}, powered_spec()).grant == Grant(hosts=("other.example:443",))


def test_an_empty_list_of_powers_leaves_those_that_the_code_shows_it_uses():
    spec = powered_spec()
    pure = 'def fetch_rate(code: str) -> float:\n    """It."""\n    return 1.0\n'
    assert read({"source": FETCH, "powers": {}}, spec).grant == Grant(hosts=("api.rates.example:443",))
    assert read({"source": FETCH, "powers": {"hosts": [], "secrets": []}}, spec).grant.secrets == ()
    assert read({"source": pure, "powers": []}, spec).grant == NO_POWERS


MAILER = '''import os
import smtplib


def fetch_rate(code: str) -> float:
    """Fetch it by mail."""
    with smtplib.SMTP("mail.example", 25) as client:
        client.login("me", os.environ["PASSWORD"])
    return 1.0
'''


def test_a_bare_secret_is_the_one_that_the_request_named():
    powers = {"hosts": ["a.example", "b.example"], "secrets": ["RATES_KEY@b.example/query/key"]}
    spec = convert_spec(**RATE, example="fetch_rate('USD')", powers={**powers, "plain_secrets": ["PASSWORD"]})
    said = {"hosts": ["a.example"], "secrets": ["RATES_KEY", "PASSWORD"]}
    grant = read({"source": FETCH, "powers": said}, spec).grant
    assert grant.secrets == ("RATES_KEY@b.example:443/query/key",)
    assert grant.hosts == ("a.example:443", "b.example:443"), "it is of no use without its host"
    assert grant.plain_secrets == ("PASSWORD",)
    assert spec.grant.covers(grant)


def test_of_loud_powers_those_are_kept_that_the_code_shows_it_uses():
    powers = {"hosts": ["tcp://mail.example:25"], "plain_secrets": ["PASSWORD", "OTHER"], "subprocess": True}
    spec = convert_spec(**RATE, example="fetch_rate('USD')", powers=powers)
    grant = read({"source": MAILER, "powers": {}}, spec).grant
    assert grant == Grant(hosts=("tcp://mail.example:25",), plain_secrets=("PASSWORD",))
    runs = MAILER.replace("import os\n", "import os\nimport subprocess\n")
    assert read({"source": runs, "powers": {}}, spec).grant == replace(grant, subprocess=True)
    pure = 'def fetch_rate(code: str) -> float:\n    """It."""\n    return 1.0\n'
    assert read({"source": pure, "powers": {}}, spec).grant == NO_POWERS
    loud = read({"source": FETCH, "powers": {"hosts": ["api.rates.example"], "subprocess": True}}, powered_spec())
    assert loud.grant.subprocess, "a model may say that it needs more; a person is asked"
    assert not powered_spec().grant.covers(loud.grant)


def test_powers_that_cannot_be_read_are_told_to_the_repair_and_those_of_the_spec_stand():
    candidate = read({"source": FETCH, "powers": {"hosts": ["bad host!"]}}, powered_spec())
    assert candidate.grant == powered_spec().grant
    assert "powers could not be read" in candidate.notes
    assert "bad host!" in candidate.notes


@pytest.mark.parametrize(
    ("packages", "expected"),
    [
        (["httpx"], ("httpx",)),
        ("httpx, pandas>=2", ("httpx", "pandas>=2")),
        (["json", "math", "urllib"], ()),
        ([{"name": "Pandas"}], ("Pandas",)),
        (None, ()),
        ("none", ()),
        (["beautifulsoup4==4.12.3", "beautifulsoup4"], ("beautifulsoup4==4.12.3",)),
    ],
)
def test_packages_are_read_in_every_form(packages, expected):
    assert read({"source": RIGHT, "packages": packages}).packages == expected


def test_allowed_packages_that_are_imported_need_no_declaration():
    source = f"import httpx\nfrom pandas import DataFrame\nimport numpy\n\n\n{RIGHT}"
    assert read(f"```python\n{source}```").packages == ("httpx", "pandas")
    assert read({"source": source, "packages": ["httpx>=0.27"]}).packages == ("httpx>=0.27", "pandas")
    assert read({"source": source}, convert_spec(packages=["numpy"])).packages == ("httpx", "numpy", "pandas")


def test_the_powers_of_a_script_header_count():
    header = '# /// script\n# [tool.toolwright.powers]\n# hosts = ["api.example.com"]\n# ///\n'
    assert read(f"```python\n{header}{RIGHT}```").grant.hosts == ("api.example.com:443",)
    assert read(f"Hosts: api.example.com\n```python\n{RIGHT}```").grant.hosts == ("api.example.com:443",)


def test_the_packages_of_a_script_header_count():
    header = '# /// script\n# dependencies = ["lxml>=5"]\n# ///\n'
    assert read(f"```python\n{header}{RIGHT}```").packages == ("lxml>=5",)


@pytest.mark.parametrize(
    "asked", [{"powers": {"reads": ["/data\ud800"]}}, {"packages": ["pandas\ud800"]}, {"packages": ["pandas>=\u0664"]}]
)
def test_what_cannot_be_written_down_is_not_asked_for(asked):
    candidate = read({"source": RIGHT, **asked})
    assert (candidate.grant, candidate.packages) == (NO_POWERS, ())


@pytest.mark.parametrize(
    "packages", [["../evil"], [3], {"a": {"b": 1}}, 7, [["x"]], [None], ["pandas\ud800"]], ids=repr
)
def test_packages_that_cannot_be_read_are_no_crash(packages):
    candidate = read({"source": RIGHT, "packages": packages})
    assert candidate.source == RIGHT
    assert candidate.digest


@pytest.mark.parametrize(
    "notes", [3, ["a", "b"], {"a": 1}, None, "\ud800", "x" * 100_000], ids=["3", "list", "map", "no", "odd", "long"]
)
def test_notes_of_any_form_are_kept_short_and_as_text(notes):
    candidate = read({"source": RIGHT, "notes": notes})
    assert len(candidate.notes.encode()) <= 2000


def test_a_wrong_name_is_put_right_and_noted():
    candidate = read(f"```python\n{RIGHT.replace('def convert', 'def convert_money')}```")
    assert candidate.source == RIGHT
    assert "renamed" in candidate.notes
