"""The rule that decides on powers: canonical hosts and paths, tables of decisions, and laws that hold for any question."""

from __future__ import annotations

import tomllib
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as some

from toolwright.errors import SettingsError, SpecError
from toolwright.policy import Approval, Policy, Question, policy_from
from toolwright.powers import Grant, host_power, host_within, least_effect, package_name, says_writing, split_host


def rules(text: str) -> Policy:
    return policy_from(tomllib.loads(text), "policy.toml")


def question(packages=(), effect="reads", name="look", origin="agent", namespace="local", **powers) -> Question:
    grant = Grant(**{kind: tuple(value) for kind, value in powers.items()})
    return Question(name, "Look.", grant, tuple(packages), effect, origin, namespace)


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("api.example.com", "api.example.com:443"),
        ("API.Example.COM:8443", "api.example.com:8443"),
        ("http://api.example.com/v1?q=1#x", "api.example.com:80"),
        ("https://api.example.com", "api.example.com:443"),
        ("https://api.example.com:0444", "api.example.com:444"),
        ("*.example.com", "*.example.com:443"),
        ("127.0.0.1:80", "127.0.0.1:80"),
        ("[::1]:80", "[::1]:80"),
        ("0:0:0:0:0:0:0:1", "[::1]:443"),
        ("[0000::0001]", "[::1]:443"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example:443"),
    ],
)
def test_a_host_has_one_form_however_it_is_written(written, canonical):
    assert host_power(written) == canonical
    assert host_power(canonical) == canonical


@pytest.mark.parametrize(
    "written",
    [
        "", " ", "*", "*.", "*.*.com", "a*.com", "a..b", "-a.com", "a-.com", "a b.com", "a\0.com", "bücher.example",
        "api.\u212aelvin.com", "ａpi.example.com", "user@example.com", "ftp://example.com", "example.com:0",
        "example.com:65536", "example.com:x", "example.com:", "example.com:1:2", "example.com:٣", "[::1", "[::1]x",
        "[example.com]:80", "[]", "fe80::1%eth0", "127.1", "2130706433", "0x7f000001", "1.2.3.4.5", "*.0x1",
        "a" * 64 + ".com", "http://http://example.com", "example.com\n",
    ],
)  # fmt: skip
def test_what_is_no_host_is_refused_with_what_it_was(written):
    if written == "example.com\n":
        assert host_power(written) == "example.com:443"
        return
    with pytest.raises(SpecError, match="host"):
        host_power(written)


@given(some.one_of(some.text(max_size=30), some.from_regex(r"[a-zA-Z0-9.:\[\]*%/@-]{1,30}", fullmatch=True)))
@settings(max_examples=400, deadline=None)
@example("\u212a.com")
def test_no_host_that_is_not_canonical_comes_through(text):
    try:
        power = host_power(text)
    except SpecError:
        return
    assert host_power(power) == power
    assert power.isascii()
    assert power == power.lower()
    name, port = split_host(power)
    assert 0 < port < 65536
    assert name
    assert not set(name) & set(" /@?#\0%")


@pytest.mark.parametrize(
    ("asked", "own", "within"),
    [
        ("a.example.com", "*.example.com", True),
        ("a.b.example.com", "*.example.com", True),
        ("*.b.example.com", "*.example.com", True),
        ("example.com", "*.example.com", False),
        ("evilexample.com", "*.example.com", False),
        ("a.example.com:80", "*.example.com", False),
        ("*.example.com", "a.example.com", False),
        ("[::1]", "0:0:0:0:0:0:0:1", True),
        ("127.0.0.1", "127.0.0.2", False),
    ],
)
def test_a_wildcard_stands_for_subdomains_at_its_port(asked, own, within):
    assert host_within(host_power(asked), host_power(own)) is within


def test_paths_have_one_form_and_no_way_up():
    assert Grant(reads=("/data//a/./b/", "/data/a/b")).reads == ("/data/a/b",)
    assert Grant(reads=("//data",)).reads == ("/data",)
    for path in ("data", "", "/data/../etc", "/data\0"):
        with pytest.raises(SpecError):
            Grant(reads=(path,))
    assert Grant(reads=("/data",)).covers(Grant(reads=("/data/a",)))
    assert not Grant(reads=("/data",)).covers(Grant(reads=("/database",)))
    assert not Grant(reads=("/data",)).covers(Grant(writes=("/data",)))
    assert Grant(writes=("/data",)).covers(Grant(reads=("/data/x",)))


@pytest.mark.parametrize(
    ("text", "writes"),
    [
        ("send a mail", True), ("Sends it", True), ("sending", True), ("send_report", True), ("write", True),
        ("writing rows", True), ("deletes", True), ("deleted", True), ("deleting", True), ("pay a bill", True),
        ("transferring money", True), ("e-mail", True), ("emails somebody", True), ("PUBLISH", True), ("publishing", True),
        ("payload", False), ("repay", False), ("sender", False), ("rewrite", False), ("overwriter", False),
        ("undeleted", False), ("transferable", False), ("paysheet", False), ("typewriter", False), ("read a page", False),
    ],
)  # fmt: skip
def test_writing_words_count_as_whole_words(text, writes):
    assert says_writing(text) is writes


def test_a_claim_raises_the_effect_and_never_lowers_it():
    host, folder = Grant(hosts=("a.com",)), Grant(writes=("/data",))
    assert least_effect("f", "Reads.", Grant()) == "none"
    assert least_effect("send", "Sends.", Grant()) == "none", "without powers there is nothing to send to"
    assert least_effect("f", "Looks.", host, "none") == "reads"
    assert least_effect("f", "Sends it.", host, "none") == "writes"
    assert least_effect("f", "Looks.", host, "writes") == "writes"
    assert least_effect("f", "Looks.", folder, "none") == "writes"


@pytest.mark.parametrize(
    "text",
    [
        "pandas @ https://evil.example/pandas.whl",
        "pandas; os_name == 'x'",
        "./pandas",
        "-r x",
        "",
        "pandas x",
        "http://x",
    ],
)
def test_a_requirement_that_says_where_from_is_none(text):
    with pytest.raises(SpecError):
        package_name(text)
    assert Policy().decide(question([text], "none")).action == "ask", "and it is never on the allowed list"


def test_a_requirement_with_versions_is_known_by_its_name():
    for text in ("Pandas", "pandas>=2,<3", "pandas[excel] == 2.*", "PANDAS ~= 2.1"):
        assert package_name(text) == "pandas"


ALLOW_API = '[[rule]]\naction = "allow"\nhosts = ["*.example.com"]\n'


@pytest.mark.parametrize(
    ("policy", "asked", "action"),
    [
        ("", question(effect="none"), "allow"),
        ("", question(["pandas>=2"], "none"), "allow"),
        ("", question(["numpy"], "none"), "ask"),
        ("", question(hosts=["a.com"]), "ask"),
        ("", question(secrets=["KEY"]), "ask"),
        (ALLOW_API, question(hosts=["api.example.com"]), "allow"),
        (ALLOW_API, question(["numpy"], hosts=["api.example.com"]), "ask"),
        (ALLOW_API, question(hosts=["api.example.com", "b.com"]), "ask"),
        (ALLOW_API, question(hosts=["api.example.com"], secrets=["KEY"]), "ask"),
        (ALLOW_API, question(effect="writes", hosts=["api.example.com"]), "ask"),
        (ALLOW_API + 'effects = ["writes"]', question(effect="writes", hosts=["api.example.com"]), "allow"),
        (ALLOW_API + 'effects = ["writes"]', question(hosts=["api.example.com"]), "ask"),
        (ALLOW_API + 'names = ["lo*"]', question(hosts=["api.example.com"]), "allow"),
        (ALLOW_API + 'names = ["l.ok"]', question(hosts=["api.example.com"]), "ask"),
        ('[[rule]]\naction = "deny"\nhosts = ["api.b.com"]', question(hosts=["api.b.com", "c.com"]), "deny"),
        ('[[rule]]\naction = "deny"\nhosts = ["api.b.com"]', question(hosts=["*.b.com"]), "deny"),
        ('[[rule]]\naction = "deny"\nhosts = ["*.b.com"]', question(hosts=["b.com"]), "ask"),
        ('[[rule]]\naction = "deny"\nreads = ["/etc/keys"]', question(reads=["/etc"]), "deny"),
        ('[[rule]]\naction = "deny"\nreads = ["/etc"]', question(writes=["/etc/x"], effect="writes"), "deny"),
        ('[[rule]]\naction = "deny"\nwrites = ["/"]', question(reads=["/etc"]), "ask"),
        ('[[rule]]\naction = "deny"\nsecrets = ["KEY"]', question(secrets=["KEY", "OTHER"]), "deny"),
        ('[[rule]]\naction = "deny"\npackages = ["Num_Py"]', question(["num-py>=1"], "none"), "deny"),
        ('[[rule]]\naction = "deny"', question(effect="none"), "deny"),
        ('[[rule]]\naction = "ask"', question(effect="none"), "ask"),
        (ALLOW_API + '[[rule]]\naction = "deny"', question(hosts=["api.example.com"]), "allow"),
        ('[[rule]]\naction = "deny"\n' + ALLOW_API, question(hosts=["api.example.com"]), "deny"),
    ],
)
def test_the_first_rule_that_speaks_about_a_question_decides(policy, asked, action):
    decision = rules(policy).decide(asked)
    assert decision.action == action
    assert decision.rule
    assert "look" in decision.reason or action == "allow"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[[rule]]\naction = "permit"', "'permit'"),
        ("[[rule]]\nhosts = []", "action must be"),
        ('[[rule]]\naction = "allow"\nhost = ["a.com"]', "'host'"),
        ('[[rule]]\naction = "allow"\nhosts = "a.com"', "list of strings"),
        ('[[rule]]\naction = "allow"\nhosts = ["a b"]', "'a b'"),
        ('[[rule]]\naction = "allow"\nreads = ["data"]', "'data'"),
        ('[[rule]]\naction = "allow"\neffects = ["some"]', "'some'"),
        ('[[rule]]\naction = "allow"\npackages = ["@"]', "'@'"),
        ('[rule]\naction = "allow"', "[[rule]]"),
        ("allow = true", "'allow'"),
    ],
)
def test_a_policy_that_cannot_be_read_is_told_with_file_and_value(text, told):
    with pytest.raises(SettingsError) as caught:
        rules(text)
    assert told in str(caught.value)
    assert "policy.toml" in str(caught.value)


HOSTS = some.sampled_from(["a.com", "b.a.com", "c.b.a.com", "*.a.com", "*.b.a.com", "a.com:80", "[::1]", "127.0.0.1"])
PATHS = some.sampled_from(["/", "/a", "/a/b", "/ab", "/a/b/c"])
SECRETS = some.sampled_from(["KEY", "OTHER"])
GRANTS = some.builds(
    Grant,
    some.lists(HOSTS, max_size=3).map(tuple),
    some.lists(PATHS, max_size=2).map(tuple),
    some.lists(PATHS, max_size=2).map(tuple),
    some.lists(SECRETS, max_size=2).map(tuple),
)
PACKAGES = some.lists(
    some.one_of(some.sampled_from(["pandas", "numpy>=1", "x @ https://a"]), some.text(max_size=8)), max_size=2
)
QUESTIONS = some.builds(
    Question,
    some.sampled_from(["look", "send_it", "x"]),
    some.text(max_size=10),
    GRANTS,
    PACKAGES.map(tuple),
    some.sampled_from(["none", "reads", "writes"]),
    some.sampled_from(["agent", "person", "host"]),
    some.sampled_from(["local", "other"]),
)


@given(GRANTS, GRANTS, GRANTS)
@settings(max_examples=300, deadline=None)
def test_covers_is_an_order_and_a_union_covers_both(one, two, three):
    assert one.covers(one)
    assert not (one.covers(two) and two.covers(three)) or one.covers(three)
    assert one.union(two).covers(one)
    assert one.union(two).covers(two)
    if one.covers(two) and two.covers(one):
        assert one.covers(three) == two.covers(three)
        assert three.covers(one) == three.covers(two)


@given(
    QUESTIONS,
    some.lists(
        some.fixed_dictionaries(
            {"action": some.sampled_from(["allow", "ask", "deny"])},
            optional={
                "hosts": some.lists(HOSTS, max_size=2),
                "reads": some.lists(PATHS, max_size=2),
                "writes": some.lists(PATHS, max_size=2),
                "secrets": some.lists(SECRETS, max_size=2),
                "packages": some.lists(some.sampled_from(["numpy", "Pandas"]), max_size=2),
                "names": some.lists(some.sampled_from(["look", "*", "s*"]), max_size=2),
                "effects": some.lists(some.sampled_from(["none", "reads", "writes"]), max_size=2),
            },
        ),
        max_size=3,
    ),
)
@settings(max_examples=400, deadline=None)
def test_decide_is_total_and_an_allow_never_covers_more_than_it_says(asked, tables):
    policy = policy_from({"rule": tables}, "policy.toml")
    decision = policy.decide(asked)
    assert decision == policy.decide(asked)
    assert decision.action in ("allow", "ask", "deny")
    if decision.action == "allow" and (asked.grant or asked.effect == "writes"):
        told = tables[int(decision.rule.split()[1]) - 1] if decision.rule.startswith("rule") else {}
        lists = (tuple(told.get(kind, ())) for kind in ("hosts", "reads", "writes", "secrets"))
        assert Grant(*lists).covers(asked.grant)
        if asked.effect == "writes" and told:
            assert "writes" in told.get("effects", ())


@given(QUESTIONS, QUESTIONS, some.booleans())
@settings(max_examples=400, deadline=None)
def test_an_approval_covers_nothing_wider_than_what_was_shown(shown, asked, standing):
    grant = Grant(shown.grant.hosts) if standing else shown.grant
    given_yes = Approval(
        shown.namespace, shown.name, grant, shown.packages, shown.effect, shown.origin, shown.digest, standing=standing
    )
    if given_yes.covers(asked):
        assert asked.namespace == shown.namespace
        assert shown.grant.covers(asked.grant)
        if standing:
            assert asked.effect != "writes"
            assert not (asked.grant.secrets)
            assert not (asked.grant.reads)
            assert not (asked.grant.writes)
        else:
            assert (asked.name, asked.origin) == (shown.name, shown.origin)
            assert asked.origin != "host" or asked.digest == shown.digest
            assert not (asked.effect == "writes" and shown.effect != "writes")
    if not standing:
        assert given_yes.covers(shown)
        assert given_yes.covers(replace(shown, digest="of another text")) == (shown.origin != "host")
