"""The rule that decides on powers: canonical hosts and paths, tables of decisions, and laws that hold for any question."""

from __future__ import annotations

import tomllib
from dataclasses import fields, replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as some

from toolwright.errors import SettingsError, SpecError
from toolwright.policy import Approval, Policy, Question
from toolwright.policyfile import policy_from
from toolwright.powers import (
    Grant,
    SecretBinding,
    host_power,
    host_within,
    least_effect,
    package_name,
    says_writing,
    split_host,
    why_loud,
)


def rules(text: str) -> Policy:
    return policy_from(tomllib.loads(text), "policy.toml")


def question(
    packages=(), effect="reads", name="look", origin="agent", namespace="local", model="", **powers
) -> Question:
    grant = Grant(**{kind: value if value is True else tuple(value) for kind, value in powers.items()})
    return Question(name, "Look.", grant, tuple(packages), effect, origin, namespace, model=model)


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
        ("TCP://Mail.Example.com:25", "tcp://mail.example.com:25"),
        ("tcp://mail.example.com:025/", "tcp://mail.example.com:25"),
        ("tcp://[::1]:5432", "tcp://[::1]:5432"),
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
        "tcp://example.com", "tcp://*.example.com:25", "tcp:// *.example.com:25", "tcp://\n*.example.com:25", "tcp://:25", "tcp://a.com:25/x", "tcp://a.com:0", "tcp://tcp://a.com:1",
        "tcp://a.com:25?x", "tcp://", "tcp://[::1]", "udp://a.com:53",
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
        ("tcp://a.com:443", "a.com", False),
        ("a.com", "tcp://a.com:443", False),
        ("tcp://b.a.com:443", "*.a.com", False),
        ("tcp://a.com:443", "tcp://a.com:443", True),
        ("tcp://a.com:443", "tcp://a.com:444", False),
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
        ("transferring money", True), ("e-mail", True), ("e_mail_report", True), ("emails somebody", True), ("PUBLISH", True), ("publishing", True),
        ("payload", False), ("repay", False), ("sender", False), ("rewrite", False), ("overwriter", False),
        ("undeleted", False), ("transferable", False), ("paysheet", False), ("typewriter", False), ("read a page", False), ("the mail", False),
    ],
)  # fmt: skip
def test_writing_words_count_as_whole_words(text, writes):
    assert says_writing(text) is writes


UNSEEN = "\u00ad\u200b\u200c\u200d\u2060\ufeff\u202e"


@given(some.sampled_from(["send", "Deleting", "pay", "transfers", "e-mail", "publish", "write"]), some.data())
def test_a_writing_word_is_seen_however_it_is_spelt(word, data):
    word = word.replace("-", data.draw(some.sampled_from("-_ \u2010\u2011\u2012\u2013\u2014\u2015\u2212\uff0d")))
    if data.draw(some.booleans()):
        word = "".join(chr(ord(one) + 0xFEE0) if "a" <= one <= "z" else one for one in word)  # of full width
    at = data.draw(some.integers(0, len(word)))
    word = word[:at] + data.draw(some.text(UNSEEN, max_size=3)) + word[at:]
    assert says_writing(data.draw(some.sampled_from(["", "to ", "to\u200b"])) + word + " it")


def test_a_claim_raises_the_effect_and_never_lowers_it():
    host, folder = Grant(hosts=("a.com",)), Grant(writes=("/data",))
    assert least_effect("f", "Reads.", Grant()) == "none"
    assert least_effect("send", "Sends.", Grant()) == "none", "without powers there is nothing to send to"
    assert least_effect("f", "Looks.", host, "none") == "reads"
    assert least_effect("f", "Sends it.", host, "none") == "writes"
    assert least_effect("f", "Looks.", host, "writes") == "writes"
    assert least_effect("f", "Looks.", folder, "none") == "writes"
    assert least_effect("f", "Looks.", Grant(plain_secrets=("KEY",))) == "reads"
    assert least_effect("f", "Looks.", Grant(hosts=("tcp://db.a.com:5432",))) == "writes", "nobody reads what passes"
    assert least_effect("f", "Looks.", Grant(subprocess=True)) == "none", "it stays in its box"


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


BOUND = "KEY@api.example.com:443/header/X-Key"
ALLOW_TCP = '[[rule]]\naction = "allow"\nhosts = ["tcp://mail.a.com:25"]\neffects = ["writes"]\n'
ALLOW_API = '[[rule]]\naction = "allow"\nhosts = ["*.example.com"]\n'


@pytest.mark.parametrize(
    ("policy", "asked", "action"),
    [
        ("", question(effect="none"), "allow"),
        ("", question(["pandas>=2"], "none"), "allow"),
        ("", question(["numpy"], "none"), "ask"),
        ("", question(hosts=["a.com"]), "ask"),
        ("", question(plain_secrets=["KEY"]), "ask"),
        ("", question(effect="none", subprocess=True), "ask"),
        (ALLOW_API, question(hosts=["tcp://api.example.com:443"]), "ask"),
        (ALLOW_API, question(hosts=["api.example.com"], plain_secrets=["KEY"]), "ask"),
        (ALLOW_API, question(hosts=["api.example.com"], subprocess=True), "ask"),
        (ALLOW_API + 'secrets = ["KEY"]', question(hosts=["api.example.com"], secrets=["KEY"]), "allow"),
        (ALLOW_API + 'secrets = ["KEY"]', question(hosts=["api.example.com"], plain_secrets=["KEY"]), "ask"),
        (ALLOW_API + 'secrets = ["KEY"]', question(hosts=["b.com"], secrets=["KEY"]), "ask"),
        (ALLOW_API + f'secrets = ["{BOUND}"]', question(hosts=["api.example.com"], secrets=[BOUND]), "allow"),
        (ALLOW_API + f'secrets = ["{BOUND}"]', question(hosts=["api.example.com"], secrets=["KEY"]), "ask"),
        (ALLOW_API + 'plain_secrets = ["KEY"]', question(hosts=["api.example.com"], plain_secrets=["KEY"]), "allow"),
        (ALLOW_API + 'plain_secrets = ["KEY"]', question(hosts=["api.example.com"], secrets=["KEY"]), "allow"),
        (ALLOW_API + "subprocess = true", question(hosts=["api.example.com"], subprocess=True), "allow"),
        (ALLOW_API + "subprocess = false", question(hosts=["api.example.com"], subprocess=True), "ask"),
        (ALLOW_TCP, question(hosts=["tcp://mail.a.com:25"], effect="writes"), "allow"),
        (ALLOW_TCP, question(hosts=["tcp://mail.a.com:26"], effect="writes"), "ask"),
        (ALLOW_TCP, question(hosts=["mail.a.com:25"], effect="writes"), "ask"),
        ('[[rule]]\naction = "deny"\nhosts = ["tcp://*"]', question(hosts=["tcp://a.com:25", "b.com"]), "deny"),
        ('[[rule]]\naction = "deny"\nhosts = ["tcp://*"]', question(hosts=["a.com:25"]), "ask"),
        ('[[rule]]\naction = "deny"\nhosts = ["*.a.com:25"]', question(hosts=["tcp://b.a.com:25"]), "ask"),
        ('[[rule]]\naction = "deny"\nplain_secrets = ["*"]', question(plain_secrets=["KEY"]), "deny"),
        ('[[rule]]\naction = "deny"\nplain_secrets = ["*"]', question(hosts=["a.com"], secrets=["KEY"]), "ask"),
        ('[[rule]]\naction = "deny"\nplain_secrets = ["OTHER"]', question(plain_secrets=["KEY"]), "ask"),
        ('[[rule]]\naction = "deny"\nsecrets = ["KEY"]', question(plain_secrets=["KEY"]), "deny"),
        ('[[rule]]\naction = "deny"\nsubprocess = true', question(subprocess=True, reads=["/data"]), "deny"),
        ('[[rule]]\naction = "deny"\nsubprocess = true', question(reads=["/data"]), "ask"),
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
        ('[[rule]]\naction = "deny"\nsecrets = ["KEY"]', question(hosts=["a.com"], secrets=["KEY", "OTHER"]), "deny"),
        ('[[rule]]\naction = "deny"\npackages = ["Num_Py"]', question(["num-py>=1"], "none"), "deny"),
        (ALLOW_API + 'tenants = ["shop_*"]', question(hosts=["api.example.com"], namespace="shop_eu"), "allow"),
        (ALLOW_API + 'tenants = ["shop_*"]', question(hosts=["api.example.com"]), "ask"),
        (ALLOW_API + 'models = ["openai:*"]', question(hosts=["api.example.com"], model="openai:large"), "allow"),
        (ALLOW_API + 'models = ["openai:*"]', question(hosts=["api.example.com"], model="ollama:small"), "ask"),
        (ALLOW_API + 'models = ["*"]', question(hosts=["api.example.com"]), "ask"),
        ('[[rule]]\naction = "deny"\nmodels = ["ollama:*"]', question(effect="none", model="ollama:small"), "deny"),
        ('[[rule]]\naction = "deny"\nmodels = ["ollama:*"]', question(effect="none", origin="person"), "allow"),
        ('[[rule]]\naction = "deny"\ntenants = ["other"]', question(effect="none", namespace="other"), "deny"),
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
        ("[[rule]]\nhosts = ['a.b']", "action must be"),
        ("[[rule]]\naction = 'allow'\nnames = []", "names is empty, and without names a rule is one for any"),
        ("[[rule]]\naction = 'deny'\nhosts = []", "hosts is empty"),
        ('[[rule]]\naction = "allow"\nhost = ["a.com"]', "'host'"),
        ('[[rule]]\naction = "allow"\nhosts = "a.com"', "list of strings"),
        ('[[rule]]\naction = "allow"\nhosts = ["a b"]', "'a b'"),
        ('[[rule]]\naction = "allow"\nreads = ["data"]', "'data'"),
        ('[[rule]]\naction = "allow"\neffects = ["some"]', "'some'"),
        ('[[rule]]\naction = "allow"\npackages = ["@"]', "'@'"),
        ('[rule]\naction = "allow"', "[[rule]]"),
        ('[[rule]]\naction = "allow"\nsubprocess = "yes"', "true or false"),
        ('[[rule]]\naction = "allow"\nhosts = ["tcp://*"]', "names each host"),
        ('[[rule]]\naction = "allow"\nplain_secrets = ["*"]', "names each one"),
        ('[[rule]]\naction = "deny"\nplain_secrets = ["a-b"]', "'a-b'"),
        ('[[rule]]\naction = "deny"\nsecrets = ["KEY@a.com"]', "say where it goes"),
        (f'[[rule]]\naction = "allow"\nsecrets = ["{BOUND}"]', "not among the hosts of this rule"),
        ("allow = true", "'allow'"),
    ],
)
def test_a_policy_that_cannot_be_read_is_told_with_file_and_value(text, told):
    with pytest.raises(SettingsError) as caught:
        rules(text)
    assert told in str(caught.value)
    assert "policy.toml" in str(caught.value)


def test_the_line_of_what_is_wrong_in_a_policy_is_told():
    text = (
        '# mine\n[[rule]]\naction = "deny"\n\n[[ rule ]]\naction = "allow"\nreads = ["/a"]\n"hosts" = [\n  "a b",\n]\n'
    )
    with pytest.raises(SettingsError, match=r"policy\.toml, rule 2 \(line 9\): host 'a b'"):
        policy_from(tomllib.loads(text), "policy.toml", text)
    text = "[[rule]]\naction = 'deny'\n\ntenants = []\n"
    with pytest.raises(SettingsError, match=r"rule 1 \(line 4\): tenants is empty"):
        policy_from(tomllib.loads(text), "policy.toml", text)
    text = "[[rule]]\nhosts = ['a.b']\n\n[[rule]]\n"
    with pytest.raises(SettingsError, match=r"rule 1 \(line 1\): action must be"):
        policy_from(tomllib.loads(text), "policy.toml", text)
    text = "# mine\n\nallow = true\n[[rule]]\n"
    with pytest.raises(SettingsError, match=r"unknown key 'allow' \(line 3\)"):
        policy_from(tomllib.loads(text), "policy.toml", text)


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("KEY@API.example.com/header/x-api-key", "KEY@api.example.com:443/header/X-Api-Key"),
        ("KEY@https://api.example.com:8443/header/AUTHORIZATION", "KEY@api.example.com:8443/header/Authorization"),
        ("KEY@http://api.example.com/query/appId", "KEY@api.example.com:80/query/appId"),
        ("KEY@[::1]:80/query/key", "KEY@[::1]:80/query/key"),
        (" _k1@a.com/header/A ", "_k1@a.com:443/header/A"),
    ],
)
def test_a_bound_secret_has_one_form(written, canonical):
    assert str(SecretBinding.parse(written)) == canonical
    assert str(SecretBinding.parse(canonical)) == canonical


@pytest.mark.parametrize(
    "written",
    [
        "KEY", "KEY@a.com", "KEY@a.com/header", "KEY@a.com/header/", "KEY@a.com/Header/X", "KEY@a.com/cookie/x",
        "KEY@*.a.com/header/X", "KEY@tcp://a.com:25/header/X", "@a.com/header/X", "K-Y@a.com/header/X", "KEY@/header/X",
        "KEY@a.com/header/X Y", "KEY@a.com/header/X:", "KEY@a.com/header/X\r\nY", "KEY@a.com/header/\u212a",
        "KEY@a.com/query/a&b", "KEY@a.com/query/a=b", "KEY@a.com/query/a%20", "KEY@a.com/header/Host",
        "KEY@a.com/header/content-LENGTH", "KEY@a.com/header/Transfer-Encoding", "KEY@a.com/header/proxy-authorization",
        "KEY@a.com/header/Connection", "KEY@b@a.com/header/X", "KEY@a.com/x/header/X", "KÉY@a.com/header/X",
    ],
)  # fmt: skip
def test_what_binds_no_secret_is_refused(written):
    with pytest.raises(SpecError):
        SecretBinding.parse(written)
    with pytest.raises(SpecError):
        Grant(hosts=("b.com", "c.com"), secrets=(written,))


@given(
    some.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True),
    some.sampled_from(["a.com", "A.com:80", "http://b.a.com", "[::1]:99", "127.0.0.1:80"]),
    some.sampled_from(["header", "query"]),
    some.text(alphabet="abXY-_.~09", min_size=1, max_size=12),
)
@settings(max_examples=300, deadline=None)
def test_a_binding_survives_being_written_and_read(name, host, place, key):
    try:
        one = SecretBinding.parse(f"{name}@{host}/{place}/{key}")
    except SpecError:
        assert "~" in key or "." in key or "_" in key or key.lower() in ("te",)
        return
    assert SecretBinding.parse(str(one)) == one
    assert one.host == host_power(host)
    grant = Grant(hosts=(host,), secrets=(str(one),))
    assert grant.bindings == (one,)
    assert Grant.from_json(grant.to_json()) == grant


def test_a_bare_secret_is_bound_to_the_one_http_host():
    alone = Grant(hosts=("a.com:8443", "tcp://b.com:25"), secrets=("KEY",))
    assert alone.secrets == ("KEY@a.com:8443/header/Authorization",)
    assert Grant(hosts=("a.com",), secrets=("KEY@/query/key",)).secrets == ("KEY@a.com:443/query/key",)
    for hosts in ((), ("a.com", "b.com"), ("*.a.com",), ("tcp://a.com:25",)):
        with pytest.raises(SpecError, match="NAME@api"):
            Grant(hosts=hosts, secrets=("KEY",))
    assert Grant(hosts=("*.a.com",), secrets=("KEY@b.a.com/header/X",)).bindings[0].host == "b.a.com:443"
    with pytest.raises(SpecError, match="not among the hosts"):
        Grant(hosts=("a.com",), secrets=("KEY@a.com:80/header/X",))
    with pytest.raises(SpecError, match="leave one of them out"):
        Grant(hosts=("a.com",), secrets=("KEY",), plain_secrets=("KEY",))


def test_what_is_newer_stands_in_the_json_form_only_where_it_is_used():
    old = Grant(hosts=("a.com",), reads=("/data",))
    assert old.to_json() == {"hosts": ["a.com:443"], "reads": ["/data"], "secrets": [], "writes": []}
    loud = Grant(hosts=("tcp://a.com:25",), plain_secrets=("KEY",), subprocess=True)
    assert (loud.to_json()["plain_secrets"], loud.to_json()["subprocess"]) == (["KEY"], True)
    before = {"hosts": ["a.com:443"], "reads": [], "writes": [], "secrets": ["KEY"]}
    assert Grant.from_json(before) == Grant(hosts=("a.com",), plain_secrets=("KEY",)), "what it stood for then"


def test_a_loud_power_says_so_and_what_it_means():
    loud = Grant(hosts=("tcp://a.com:25", "b.com"), reads=("/d",), plain_secrets=("KEY",), subprocess=True)
    assert loud.words() == [
        "host b.com:443", "tcp a.com:25 (loud)", "read /d", "plain_secret KEY (loud)", "subprocess (loud)",
    ]  # fmt: skip
    told = [why_loud(words) for words in loud.words()]
    assert [bool(one) for one in told] == [False, True, False, True, True]
    assert "a.com:25" in told[1]
    assert "KEY" in told[3]


HOSTS = some.sampled_from(
    ["a.com", "b.a.com", "c.b.a.com", "*.a.com", "*.b.a.com", "a.com:80", "[::1]", "127.0.0.1", "tcp://a.com:443"]
)
PATHS = some.sampled_from(["/", "/a", "/a/b", "/ab", "/a/b/c"])
SECRETS = some.sampled_from(["KEY", "OTHER"])
PLACES = some.sampled_from(["header/X", "query/key"])


@some.composite
def grants(draw):
    hosts = draw(some.lists(HOSTS, max_size=3))
    plain = draw(some.lists(SECRETS, max_size=1))
    known = [host_power(one) for one in hosts if not one.startswith(("tcp", "*"))]
    bound = [f"{draw(SECRETS)}@{host}/{draw(PLACES)}" for host in known[: draw(some.integers(0, 2))]]
    bound = [one for one in bound if one.partition("@")[0] not in plain]
    paths = some.lists(PATHS, max_size=2).map(tuple)
    return Grant(tuple(hosts), draw(paths), draw(paths), tuple(bound), tuple(plain), draw(some.booleans()))


GRANTS = grants()
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
    model=some.sampled_from(["", "ollama:small", "openai:large"]),
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
                "hosts": some.lists(HOSTS, min_size=1, max_size=2),
                "reads": some.lists(PATHS, min_size=1, max_size=2),
                "writes": some.lists(PATHS, min_size=1, max_size=2),
                "secrets": some.lists(SECRETS, min_size=1, max_size=2),
                "plain_secrets": some.lists(SECRETS, min_size=1, max_size=1),
                "subprocess": some.booleans(),
                "packages": some.lists(some.sampled_from(["numpy", "Pandas"]), min_size=1, max_size=2),
                "names": some.lists(some.sampled_from(["look", "*", "s*"]), min_size=1, max_size=2),
                "effects": some.lists(some.sampled_from(["none", "reads", "writes"]), min_size=1, max_size=2),
                "origins": some.lists(some.sampled_from(["agent", "person", "host"]), min_size=1, max_size=2),
                "tenants": some.lists(some.sampled_from(["local", "oth*"]), min_size=1, max_size=1),
                "models": some.lists(some.sampled_from(["ollama:*", "*:small"]), min_size=1, max_size=2),
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
    *before, last = policy.explain(asked)
    assert (last.decides, last.action, last.rule) == (True, decision.action, decision.rule)
    assert not any(one.decides or not one.said for one in before)
    assert len(before) == (int(last.rule.split()[1]) - 1 if last.rule.startswith("rule") else len(tables))
    told = tables[len(before)] if last.rule.startswith("rule") else {}
    assert asked.model or not told.get("models"), "a rule about models says nothing of what none wrote"
    assert told.get("tenants") in (None, ["local" if asked.namespace == "local" else "oth*"])
    assert decision.action in ("allow", "ask", "deny")
    if decision.action == "allow" and (asked.grant or asked.effect == "writes"):
        told = tables[int(decision.rule.split()[1]) - 1] if decision.rule.startswith("rule") else {}
        lists = {kind: tuple(told.get(kind, ())) for kind in ("hosts", "reads", "writes", "plain_secrets")}
        assert Grant(**lists, subprocess=told.get("subprocess", False)).covers(replace(asked.grant, secrets=()))
        named = {*told.get("secrets", ()), *told.get("plain_secrets", ())}
        assert {one.name for one in asked.grant.bindings} <= named
        if asked.effect == "writes" and told:
            assert "writes" in told.get("effects", ())


@given(QUESTIONS, QUESTIONS, some.booleans())
@settings(max_examples=400, deadline=None)
def test_an_approval_covers_nothing_wider_than_what_was_shown(shown, asked, standing):
    grant = Grant(shown.grant.http_hosts) if standing else shown.grant
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
            assert asked.grant == Grant(asked.grant.http_hosts)
            assert asked.grant.http_hosts, "what a rule asks about a tool without powers is no question of hosts"
        else:
            assert (asked.name, asked.origin) == (shown.name, shown.origin)
            assert asked.origin != "host" or asked.digest == shown.digest
            assert not (asked.effect == "writes" and shown.effect != "writes")
    if not standing:
        assert given_yes.covers(shown)
        assert given_yes.covers(replace(shown, digest="of another text")) == (shown.origin != "host")


@pytest.mark.parametrize("each", fields(Grant), ids=lambda each: each.name)
def test_a_grant_with_any_power_at_all_is_not_empty(each):
    value = {
        "hosts": ("a.com",),
        "reads": ("/data",),
        "writes": ("/data",),
        "secrets": ("KEY@a.com/header/X",),
        "plain_secrets": ("KEY",),
        "subprocess": True,
    }[each.name]
    hosts = ("a.com",) if each.name == "secrets" else ()
    one = Grant(hosts=hosts, **{each.name: value}) if hosts else Grant(**{each.name: value})
    assert one
    assert bool(one) == any(True for _ in one.each())
    assert not Grant()


@pytest.mark.parametrize(
    ("said", "asked", "covered"),
    [
        ("acme", "acme", True), ("acme", "Acme==9", True), ("acme==2.1.0", "acme==2.1.0", True),
        ("acme==2.1.0", "acme == 2.1.0", True), ("acme==2.1.0", "acme", False), ("acme==2.1.0", "acme==9", False),
        ("acme[extra]", "acme", False), ("acme", "other", False), ("acme==2.1.0", "pandas==2.0", True),
    ],
)  # fmt: skip
def test_a_yes_to_one_version_of_a_package_is_none_to_another(said, asked, covered):
    first = question(packages=[said])
    given = Approval("local", "look", first.grant, first.packages, "reads", "agent", "0" * 64, "me", 1.0)
    assert given.covers(question(packages=[asked])) is covered
