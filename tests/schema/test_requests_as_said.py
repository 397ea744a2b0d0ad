"""`tool_spec` takes what a model naturally says; what it cannot read is answered with what to write instead."""

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toolwright.errors import SpecError
from toolwright.schema import tool_spec
from toolwright.tool import MISSING, Candidate


def spec(**said):
    return tool_spec(**{"tool_name": "convert", "description": "Converts an amount.", "return_type": "float", **said})


def refused(**said):
    with pytest.raises(SpecError) as caught:
        spec(**said)
    assert len(str(caught.value)) < 3000
    return str(caught.value)


def test_the_request_of_the_readme_becomes_a_spec():
    made = tool_spec(
        tool_name="convert_currency",
        description="Convert an amount\n  into another currency.",
        input_params="amount: float, from_currency: str = 'USD'",
        return_type="float",
        example="convert_currency(100.0, 'EUR') == 371.0",
        powers={"hosts": ["https://api.example.com/v1"], "packages": ["httpx"]},
        reason="No tool converts.",
    )
    assert made.name == "convert_currency"
    assert made.description == "Convert an amount into another currency."
    assert made.parameters == "amount: float, from_currency: str = 'USD'"
    assert made.input_schema == {
        "type": "object",
        "properties": {"amount": {"type": "number"}, "from_currency": {"type": "string", "default": "USD"}},
        "required": ["amount"],
        "additionalProperties": False,
    }
    assert (made.returns, made.output_schema) == ("float", {"type": "number"})
    assert made.examples[0].arguments == {"amount": 100.0, "from_currency": "EUR"}
    assert made.examples[0].expected == 371.0
    assert made.grant.hosts == ("api.example.com:443",)
    assert made.packages == ("httpx",)


PARAMETERS = [
    ("", ""),
    ("()", ""),
    ("none", ""),
    ("No parameters.", ""),
    (None, ""),
    ({}, ""),
    ("amount, currency", "amount: Any, currency: Any"),
    ("(amount: float, c: str='x') -> float", "amount: float, c: str = 'x'"),
    ("def convert(amount: float) -> float:", "amount: float"),
    ("amount: number, c: string = 'a'", "amount: float, c: str = 'a'"),
    ("a: float\nb: int", "a: float, b: int"),
    ("a: float,  # in dollars\nb: int,  # how many\n", "a: float, b: int"),
    ("a: float = None", "a: float | None = None"),
    ("a: str or None", "a: str | None"),
    ("a: Optional[str] = None, *, b: int = 2", "a: Optional[str] = None, *, b: int = 2"),
    ("a: date = date(2026, 1, 31)", "a: date = date(2026, 1, 31)"),
    ('a: str = "it\'s, a"', 'a: str = "it\'s, a"'),
    ("`a: int`", "a: int"),
    (["a: int", "b: str"], "a: int, b: str"),
    ({"a": "float", "b": "list[int]", "c": "object"}, "a: float, b: list[int], c: dict"),
    ('{"a": "number"}', "a: float"),
    ([{"name": "a", "type": "string"}, {"name": "b", "type": "int", "default": 3}], "a: str, b: int = 3"),
    (
        [{"name": "b", "type": "int", "required": False}, {"name": "a", "type": "string"}],
        "a: str, b: int | None = None",
    ),
    (
        {"type": "object", "properties": {"a": {"type": "number"}, "b": {"enum": ["x", "y"]}}, "required": ["a"]},
        "a: float, b: Literal['x', 'y'] | None = None",
    ),
    (
        {"type": "object", "properties": {"when": {"type": "string", "format": "date"}}, "required": ["when"]},
        "when: date",
    ),
    (
        {"properties": {"rows": {"type": "array", "items": {"type": ["string", "null"]}}}, "required": ["rows"]},
        "rows: list[str | None]",
    ),
]


@pytest.mark.parametrize(("said", "meant"), PARAMETERS, ids=[str(said)[:40] for said, _ in PARAMETERS])
def test_parameters_are_read_as_they_are_said(said, meant):
    assert spec(input_params=said).parameters == meant
    assert spec(input_params=meant).input_schema.keys() == spec(input_params=said).input_schema.keys()


def test_what_is_said_about_a_parameter_is_kept_in_its_schema():
    made = spec(input_params=[{"name": "a", "type": "number", "description": "in US dollars"}])
    assert made.input_schema["properties"]["a"] == {"type": "number", "description": "in US dollars"}


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("*args", "write each parameter out"),
        ("**kw", "write each parameter out"),
        ("a: DataFrame", "write for example list[dict[str, Any]]"),
        ("amount (float)", "'amount (float)' cannot be read; write them as in a signature"),
        ("amount: float (USD)", "float alone"),
        ("a: int = 1, b: str", "put parameters with a default last"),
        ("a: int = 'x'", "'x' is not a whole number"),
        ("a: int): pass\nimport os\ndef g(x", "'a: int): pass' cannot be read"),
        ("a: int = open('/etc/passwd')", "write the value itself instead of the call"),
        ("class: str", "'class: str' cannot be read"),
        ("a: list of str", "cannot be read"),
        ("a, a", "stands there twice"),
        ("a: int\0", "cannot be read"),
        (5, "cannot be read"),
        ({"a b": "int"}, "Parameter name 'a b'"),
        (", ".join(f"a{n}" for n in range(65)), "at most 64"),
        (f"a: int = {2**60}", "2**53"),
        ("a: float = 1e999", "JSON number"),
        ("__class__: int", "Parameter name"),
    ],
)
def test_parameters_that_cannot_be_read_are_quoted_with_the_cure(said, answer):
    assert answer in refused(input_params=said)


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("list[dict[str, str]]", "list[dict[str, str]]"),
        ("-> float", "float"),
        ("`dict`", "dict"),
        ("", "Any"),
        (None, "Any"),
        ("number", "float"),
        ("str or None", "str | None"),
        ({"type": "object"}, "dict"),
        ({"type": "array", "items": {"type": "string"}}, "list[str]"),
        ("Literal['number', 'string']", "Literal['number', 'string']"),
    ],
)
def test_a_return_type_is_read_as_it_is_said(said, meant):
    assert spec(return_type=said).returns == meant


@pytest.mark.parametrize("said", ["X | None", "list[", "1/0", "pandas.DataFrame", "float, str of", "("])
def test_a_return_type_without_a_form_is_quoted(said):
    assert repr(said) in refused(return_type=said)


EXAMPLES = [
    ("convert('USD', 'ILS')", MISSING),
    ("convert('USD', 'ILS') == 3.71", 3.71),
    ("convert('USD', to='ILS') -> 3.71", 3.71),
    ("convert(src='USD', to='ILS') => 3.71", 3.71),
    ("convert('USD', 'ILS')  # 3.71", 3.71),
    ("convert('USD', 'ILS')  # -> 3.71", 3.71),
    ("convert('USD', 'ILS')  # returns the rate of today", MISSING),
    ("convert('USD', 'ILS') returns 3.71", 3.71),
    ("convert('USD', 'ILS') = 3.71", 3.71),
    ("convert('USD', 'ILS'): 3.71.", 3.71),
    ("convert('USD', 'ILS') -> float", MISSING),
    ("convert('USD', 'ILS') == ...", MISSING),
    ("convert('USD', 'ILS') == -1.5e3", -1500.0),
    ("convert('USD', 'ILS') == 371 / 100", 3.71),
    ("convert('USD', 'ILS') == pytest.approx(3.71, rel=1e-3)", 3.71),
    ("`convert('USD', 'ILS') == 3.71`", 3.71),
    ("```python\nconvert('USD', 'ILS') == 3.71\n```", 3.71),
    (">>> convert('USD', 'ILS')\n3.71", 3.71),
    ("result = convert('USD', 'ILS')  # 3.71", 3.71),
    ("print(convert('USD', 'ILS'))  # 3.71", 3.71),
    ("assert convert('USD', 'ILS') == 3.71", 3.71),
    ("Example: convert('USD', 'ILS')", MISSING),
    ("1. convert('USD', 'ILS') == 3.71", 3.71),
    ("- convert('USD', 'ILS')", MISSING),
    ("convert(\n    'USD',\n    'ILS',\n) == 3.71", 3.71),
    ('{"arguments": {"src": "USD", "to": "ILS"}, "expected": 3.71}', 3.71),
    ('{"src": "USD", "to": "ILS"}', MISSING),
    ([{"input": {"src": "USD", "to": "ILS"}, "output": 3.71}], 3.71),
    ({"arguments": ["USD", "ILS"]}, MISSING),
]


@pytest.mark.parametrize(("said", "value"), EXAMPLES, ids=[str(said)[:40] for said, _ in EXAMPLES])
def test_an_example_is_read_as_it_is_written(said, value):
    (example,) = spec(input_params="src: str, to: str", example=said).examples
    assert example.arguments == {"src": "USD", "to": "ILS"}
    assert example.expected is value or example.expected == value
    assert example.text


def test_several_examples_stand_one_a_line_or_between_semicolons():
    said = "convert('a;b', 'c#d') == 1; convert('e', 'f')\nconvert('g', 'h') -> 2  # why not"
    examples = spec(input_params="src: str, to: str", example=said).examples
    assert [one.arguments["src"] for one in examples] == ["a;b", "e", "g"]
    assert [one.expected for one in examples] == [1, MISSING, 2]


def test_dates_decimals_paths_sets_and_bytes_are_literals_and_become_canonical():
    made = tool_spec(
        tool_name="plan",
        description="Plans.",
        input_params="day: date, price: Decimal, out: Path, tags: set[str], raw: bytes, at: datetime, n: int",
        return_type="dict[str, Any]",
        example=(
            "plan(datetime.date(2026, 1, 31), Decimal('1.50'), Path('a/b'), {'b', 'a'}, b'hi', "
            "datetime(2026, 1, 31, 12), 2.0) == {'left': timedelta(minutes=1), 'none': set()}"
        ),
    )
    assert made.examples[0].arguments == {
        "day": "2026-01-31",
        "price": "1.50",
        "out": "a/b",
        "tags": ["a", "b"],
        "raw": "aGk=",
        "at": "2026-01-31T12:00:00",
        "n": 2,
    }
    assert type(made.examples[0].arguments["n"]) is int
    assert made.examples[0].expected == {"left": 60.0, "none": []}


def test_a_plain_number_may_stand_for_a_decimal():
    made = spec(input_params="price: Decimal", return_type="Decimal", example="convert(12.5) == 25")
    assert made.examples[0].arguments == {"price": "12.5"}
    assert made.examples[0].expected == "25"


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("other('USD')", "is no call of 'convert'; write the call alone, convert('…', '…')"),
        ("convert('a', 'b', 'c')", "gives 3 arguments; 'convert' takes 2"),
        ("convert('a', 2)", "to: 2 is not a text"),
        ("convert('a')", "'to' missing"),
        ("convert('a', 'b', via='c')", "'via' is not known here"),
        ("convert('a', 'b') == 'x'", "its value does not fit return_type"),
        ("convert('a', 'b') == float('nan')", "Annotated[float, 'nan']"),
        ("round(convert('a', 'b'), 2) == 1", "write the call alone"),
        ("convert('a', 'b') > 0", "'> 0' cannot be read"),
        ("convert(x, 'b')", "write the value itself instead of 'x'"),
        ("convert(open('/etc/passwd').read(), 'b')", "write the value itself instead of the call"),
        ("convert('a', 'b", "is no call of 'convert'"),
        ("convert(**{'src': 'a'})", "not by name"),
        ("convert('a' * 10**9, 'b')", "more than 100,000 items"),
        ("convert('a', 'b') == 2 ** 5000", "exponent"),
        ("convert('a', 'b') == 9" + "9" * 5000, "cannot be read"),
        ("convert('a', 'b');" * 30, "more than 20 calls"),
        ({"arguments": 5}, "cannot be read"),
    ],
)
def test_an_example_that_cannot_be_read_is_quoted_with_the_cure(said, answer):
    assert answer in refused(input_params="src: str, to: str", example=said)


def test_half_a_character_in_an_example_is_refused_and_in_a_remark_left_out():
    parameters = "src: str, to: str"
    assert "surrogates" in refused(input_params=parameters, example="convert('\ud800', 'b')")
    assert "half a character" in refused(input_params=parameters, example=r"convert('\ud800', 'b')")
    (example,) = spec(input_params=parameters, example="convert('a', 'b')  # \ud800").examples
    assert example.text == "convert('a', 'b')"
    assert "cannot be kept" in refused(reason="\ud800")


def test_nan_is_taken_where_the_spec_allows_it():
    made = spec(input_params="", return_type="Annotated[float, 'nan']", example="convert() == math.nan")
    assert made.examples[0].expected == "NaN"


POWERS = [
    (None, []),
    ("", []),
    ("none", []),
    ([], []),
    ({}, []),
    ({"hosts": []}, []),
    ({"hosts": ["api.x.com"]}, ["host api.x.com:443"]),
    ({"hosts": "api.x.com, b.com"}, ["host api.x.com:443", "host b.com:443"]),
    ({"domains": ["http://api.x.com/v1?q=1"]}, ["host api.x.com:80"]),
    ({"hosts": [{"host": "127.0.0.1", "port": 8080}]}, ["host 127.0.0.1:8080"]),
    ('{"hosts": ["a.com"]}', ["host a.com:443"]),
    ("host api.x.com", ["host api.x.com:443"]),
    ("https://api.x.com/v1", ["host api.x.com:443"]),
    ("api.x.com", ["host api.x.com:443"]),
    ("localhost:8080", ["host localhost:8080"]),
    ("Network access to api.x.com", ["host api.x.com:443"]),
    ("host: api.x.com, package: httpx", ["host api.x.com:443"]),
    (
        ["host api.x.com", "package pandas", "secret API_KEY"],
        ["host api.x.com:443", "secret API_KEY@api.x.com:443/header/Authorization"],
    ),
    (
        {"hosts": ["a.com", "b.com"], "secrets": [{"name": "KEY", "host": "b.com", "header": "x-api-key"}]},
        ["host a.com:443", "host b.com:443", "secret KEY@b.com:443/header/X-Api-Key"],
    ),
    (
        {"hosts": ["a.com"], "secrets": [{"secret": "KEY", "query": "appid"}]},
        ["host a.com:443", "secret KEY@a.com:443/query/appid"],
    ),
    (
        "host a.com, KEY@a.com/query/key because it asks who I am",
        ["host a.com:443", "secret KEY@a.com:443/query/key"],
    ),
    (
        {"secrets": ["KEY@http://a.com/header/X-Key"], "hosts": ["http://a.com"]},
        ["host a.com:80", "secret KEY@a.com:80/header/X-Key"],
    ),
    ({"hosts": ["tcp://mail.x.com:25"]}, ["tcp mail.x.com:25 (loud)"]),
    ({"tcp": ["mail.x.com:25"]}, ["tcp mail.x.com:25 (loud)"]),
    ({"hosts": [{"host": "db.x.com", "port": 5432, "protocol": "tcp"}]}, ["tcp db.x.com:5432 (loud)"]),
    ("tcp://mail.api.x.com:25 because the api host sends mail", ["tcp mail.api.x.com:25 (loud)"]),
    ("Network access to tcp://db.x.com:5432", ["tcp db.x.com:5432 (loud)"]),
    ({"plain_secrets": ["KEY"], "subprocess": True}, ["plain_secret KEY (loud)", "subprocess (loud)"]),
    ({"subprocess": "to call git"}, ["subprocess (loud)"]),
    ({"subprocess": {"why": "git"}}, ["subprocess (loud)"]),
    ({"subprocess": "no"}, []),
    ({"subprocess": []}, []),
    ("subprocess: none", []),
    ("subprocess because it calls git", ["subprocess (loud)"]),
    ("read /data/in; write /data/out", ["read /data/in", "write /data/out"]),
    (
        {"files": ["report.csv", "/data/in", {"path": "/data/out/", "mode": "w"}]},
        ["read /data/in", "write /data/out"],
    ),
    ({"reads": ["/a"], "writes": ["/b"], "plain_secret": "KEY"}, ["read /a", "write /b", "plain_secret KEY (loud)"]),
    (
        {"env": ["WEATHER_KEY"], "url": "api.x.com"},
        ["host api.x.com:443", "secret WEATHER_KEY@api.x.com:443/header/Authorization"],
    ),
    (
        "WEATHER_KEY, api.x.com",
        ["host api.x.com:443", "secret WEATHER_KEY@api.x.com:443/header/Authorization"],
    ),
    ("host api.to.com", ["host api.to.com:443"]),
    ([{"kind": "host", "name": "a.com", "why": "rates"}], ["host a.com:443"]),
]


@pytest.mark.parametrize(("said", "powers"), POWERS, ids=[str(said)[:40] for said, _ in POWERS])
def test_powers_are_read_as_they_are_said(said, powers):
    assert spec(powers=said).grant.words() == powers


def test_packages_come_from_powers_and_from_packages_and_standard_modules_are_none():
    made = spec(powers={"packages": ["pandas>=2", "json"]}, packages="httpx, csv")
    assert made.packages == ("httpx", "pandas>=2")


def test_the_reason_for_each_power_is_kept_by_its_canonical_words():
    said = {"hosts": [{"host": "API.x.com", "why": "the rates"}], "secrets": ["KEY"], "why": {"KEY": "to sign in"}}
    bound = "secret KEY@api.x.com:443/header/Authorization"
    assert spec(powers=said).power_reasons == {"host api.x.com:443": "the rates", bound: "to sign in"}
    loud = spec(powers="tcp mail.x.com:25 - for mail; plain_secret KEY because it signs; subprocess to call git")
    assert loud.power_reasons == {
        "tcp mail.x.com:25 (loud)": "for mail",
        "plain_secret KEY (loud)": "it signs",
        "subprocess (loud)": "call git",
    }
    worded = spec(powers="host a.com because the rates live there; package pandas - for tables")
    assert worded.power_reasons == {"host a.com:443": "the rates live there", "package pandas": "for tables"}


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ({"network": True}, "name each one"),
        ("network access", "names no host"),
        ("internet", "names no host"),
        ({"foo": ["x"]}, "unknown key 'foo'"),
        ({"hosts": ["*"]}, "is not a host name"),
        ({"hosts": ["exa\u0430mple.com"]}, "is not a host name"),
        ({"hosts": ["a.com\0b.com"]}, "is not a host name"),
        ({"hosts": ["ftp://a.com"]}, "only http and https"),
        ({"reads": ["../x"]}, "must be absolute"),
        ({"reads": ["~/x"]}, "must be absolute"),
        ({"secrets": ["a-b"]}, "environment variable"),
        ({"secrets": ["KEY"]}, "say where it goes"),
        ({"secrets": ["KEY"], "hosts": ["a.com", "b.com"]}, "'NAME@api.example.com:443/header/Authorization'"),
        ({"secrets": ["KEY@b.com/header/X"], "hosts": ["a.com"]}, "is not among the hosts"),
        ({"secrets": ["KEY"], "plain_secrets": ["KEY"], "hosts": ["a.com"]}, "leave one of them out"),
        ({"hosts": ["tcp://a.com"]}, "needs a name and a port"),
        ({"hosts": ["tcp://*.a.com:25"]}, "its whole name"),
        ({"effect": "destroys"}, "not one of none, reads, writes"),
        ({"hosts": [f"h{n}.com" for n in range(70)]}, "more than 64"),
        ({"hosts": [5]}, "cannot be read"),
        (5, "cannot be read"),
    ],
)
def test_powers_that_cannot_be_read_are_quoted_with_the_cure(said, answer):
    assert answer in refused(powers=said)


def test_a_claimed_effect_is_kept_and_the_greater_one_of_two():
    assert spec(effect="read").effect == "reads"
    assert spec(effect="reads", powers={"effect": "writes"}).effect == "writes"


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("fetchRate", "'fetch_rate'"),
        ("Fetch Rate!", "'fetch_rate'"),
        ("sum", "a word of Python"),
        ("class", "a word of Python"),
        ("match", "a word of Python"),
        ("run_tool", "always there"),
        ("a" * 65, "at most 64"),
        ("", "snake_case"),
        (None, "snake_case"),
        ("_x", "snake_case"),
        ("é", "snake_case"),
        ("a\0", "snake_case"),
        ("x\n", "x"),
    ],
)
def test_a_name_that_will_not_do_is_answered_with_one_that_would(name, answer):
    if name == "x\n":
        assert spec(tool_name=name).name == "x"
    else:
        assert answer in refused(tool_name=name)


@pytest.mark.parametrize("text", ["", "  ", None, "x" * 3000, "a\0b", "a\u202eb", "a\ud800"])
def test_a_description_must_be_a_sentence_that_can_be_shown(text):
    assert "description" in refused(description=text)


_SIGNS = [*"()[]{}'\"\\,:;=.#*|->\n\0 ", "'''", "f'", "== ", "**", "\ud800", "9" * 30, "1e999"]
_TERMS = ["amount", "float", "convert(", "dict[", "None", "lambda", "await", "Literal[", "host ", "https://", "because"]
_PIECES = st.sampled_from([*_SIGNS, *_TERMS, "Annotated[float,"])
_TEXT = st.lists(_PIECES | st.text(max_size=4), max_size=20).map("".join)
_WORDS = ["type", "properties", "items", "enum", "anyOf", "required", "hosts", "name", "why", "arguments", "format"]
_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(_WORDS) | _TEXT, inner, max_size=3),
    max_leaves=6,
)
_SAID = _TEXT | _JSON | _JSON.map(json.dumps)


_FIELDS = ("tool_name", "description", "input_params", "return_type", "example", "powers", "packages")


@settings(max_examples=250, deadline=None)
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(_FIELDS, _SAID)))
@pytest.mark.filterwarnings("ignore::SyntaxWarning", "ignore::DeprecationWarning")
def test_whatever_is_said_becomes_a_spec_or_a_sentence(said):
    made, answer = attempt(**said)
    assert (made is None) == bool(answer)
    assert len(answer) < 3000
    if made is not None:
        assert len(Candidate(made, "").digest) == 64


def attempt(**said):
    """The spec and '', or None and the sentence; anything else is raised."""
    try:
        return spec(**said), ""
    except SpecError as error:
        return None, str(error)


_HOSTILE = {
    "parentheses": "(" * 50_000,
    "brackets": "[" * 5000,
    "braces": "{" * 5000,
    "a long union": "a|" * 9000 + "b",
    "signs": "-" * 50_000 + "1",
    "deep lists": "list[" * 3000 + "int" + "]" * 3000,
    "two megabytes": "x" * 2_000_000,
    "a long name": "a.b" * 20_000,
    "many parameters": "a: int, " * 2000,
    "quotes": "'" * 50_000,
    "assignments": "a=a" * 20_000,
    "many calls": "convert(1) " * 5000,
    "digits": "9" * 50_000,
    "hosts": "host " * 10_000,
    "dashes": "a - " * 10_000,
    "reasons": "because " * 8000,
    "colons": ": " * 30_000,
    "deep JSON": '[{"name":' * 3000,
    "a NUL": "a\0" * 100,
}


@pytest.mark.filterwarnings("ignore::SyntaxWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("kind", _HOSTILE)
def test_hostile_text_ends_soon_and_in_a_sentence(kind):
    for name in (*_FIELDS, "reason", "effect"):
        begun = time.monotonic()
        _, answer = attempt(**{name: _HOSTILE[kind]})
        assert len(answer) < 3000
        assert time.monotonic() - begun < 5, name
