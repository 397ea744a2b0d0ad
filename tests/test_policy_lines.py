"""What is wrong in `policy.toml` stops the start, and is told with the file, the line and the word that was meant."""

from __future__ import annotations

import re
import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from cli.shop import toolwright
from toolwright.errors import SettingsError
from toolwright.policy import Policy
from toolwright.policyfile import policy_from
from toolwright.settings import home_policy
from toolwright.tomllines import UnreadableError, lines_of, read_toml

RULE = '[[rule]]\naction = "ask"\n'
LONG = '[[rule]]\naction = "deny"\nhosts = [  # two\n    "a.com",\n\n    {one},\n]\n'
WRONG = {
    # An unknown table.
    f"# mine\n{RULE}[[rules]]\naction = 'ask'\n": (4, "unknown key 'rules'", "Did you mean [[rule]]?"),
    f"{RULE}\n[package]\nallow = []\n": (4, "unknown key 'package'", "Did you mean [packages]?"),
    f"{RULE}['prunes']\n": (3, "unknown key 'prunes'", "Did you mean [prune]?"),
    f"{RULE}[packages.rules]\n": (3, "[packages]", "unknown key 'rules'", "allow, cooldown_days, undated"),
    f"{RULE}[rule.prune]\n": (3, "rule 1", "unknown key 'prune'", "a table of its own, [prune]"),
    f'text = """\n[[rule]]\nrules = 1\n"""\n{RULE}': (1, "unknown key 'text'", "[[rule]] tables"),
    # An unknown key.
    "\n\nhosts = ['a.com']\n": (3, "unknown key 'hosts'", "a key of [[rule]]"),
    "allow = ['x']\n": (1, "unknown key 'allow'", "a key of [packages]"),
    f"{RULE}\n# more\n[[ rule ]]\nacton = 'ask'\n": (6, "rule 2", "unknown key 'acton'", "Did you mean 'action'?"),
    f"{RULE}'HOST' = ['a.com']\n": (3, "rule 1", "'HOST'", "Did you mean 'hosts'?"),
    f"{RULE}plain-secrets = ['a.com']\n": (3, "rule 1", "'plain-secrets'", "Did you mean 'plain_secrets'?"),
    f"{RULE}cooldown_days = 3\n": (3, "rule 1", "a key of [packages]"),
    f"{RULE}zzz.y = 3\n": (3, "rule 1", "unknown key 'zzz'", "Known here: action, hosts"),
    "rule = [\n  {action = 'ask'},\n  {action = 'ask', origin = []},\n]\n": (3, "rule 2", "Did you mean 'origins'?"),
    f"{RULE}[packages]\nundatd = 'allow'\n": (4, "[packages]", "Did you mean 'undated'?"),
    "packages.cooldown = 3\n": (1, "[packages]", "Did you mean 'cooldown_days'?"),
    f"{RULE}[prune]\n\nretired = ['unused']\n": (5, "[prune]", "Did you mean 'retire'?"),
    "prune = { retyre = [] }\n": (1, "[prune]", "Did you mean 'retire'?"),
    # A wrong type, or a word that is none.
    f"\n{RULE.replace('[[', '[').replace(']]', ']')}": (2, "must be written [[rule]]"),
    "rule = 3\n": (1, "must be written [[rule]]"),
    "rule = [\n  3]\n": (2, "rule 1", "must be a table, not 3"),
    f"{RULE}\n[[packages]]\n": (4, "written [packages]"),
    f"{RULE}\n[[prune]]\n": (4, "written [prune]"),
    "\nprune = 3\n": (2, "written [prune]"),
    "[prune]\nretire = 'unused'\n": (2, "must be a list of reasons, not 'unused'"),
    "[prune]\nretire = [\n'unused',\n'unsued']\n": (4, "'unsued' is not one of failing, superseded, unused"),
    "[packages]\nallow = 3\n": (2, "list of strings, not 3"),
    "[packages]\nallow = ['x',\n3]\n": (3, "list of strings, and 3 is none"),
    "[packages]\nallow = ['x',\n'x>1']\n": (3, "'x>1'"),
    "[packages]\ncooldown_days = '3'\n": (2, "number of days"),
    "[packages]\ncooldown_days = nan\n": (2, "number of days"),
    "[packages]\nundated = true\n": (2, "'refuse' or 'allow', not True"),
    f"{RULE}subprocess = 1\n": (3, "true or false, not 1"),
    f"{RULE}hosts = 'a.com'\n": (3, "list of strings, not 'a.com'"),
    f"{RULE}names = '{'x' * 9999}'\n": (3, "list of strings, not 'xx"),
    LONG.format(one="3"): (6, "list of strings, and 3 is none"),
    LONG.format(one='"a b"'): (6, "'a b'"),
    f"{RULE}effects = [\n\n'write']\n": (5, "'write' is not one of none, reads, writes"),
    "[[rule]]\naction = 'permit'\n": (2, "'allow', 'ask' or 'deny', not 'permit'"),
    f"{RULE}[[rule]]\nhosts = ['a.com']\n": (3, "'allow', 'ask' or 'deny', and this rule says none"),
    # What is no TOML.
    f"{RULE}hosts = [\n": (3, "cannot be read"),
    f"{RULE}[[rule\naction = 'ask'\n": (3, "cannot be read"),
    f"{RULE}action = 'deny'": (3, "Cannot overwrite a value"),
    f"{RULE}reads = ['/a\nwrites = []\n": (3, "cannot be read"),
    f"{RULE}names = {'[' * 9999}\n": (3, "nested too deeply"),
    f"{RULE}\nnames = {'9' * 9999}\n": (4, "number is too long"),
    f"{RULE}# \udcff\n": (3, "not UTF-8: byte 0xff"),
    f"{RULE}'\udcc3\n": (3, "not UTF-8: byte 0xc3"),
}  # fmt: skip


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize(("text", "told"), WRONG.items(), ids=range(len(WRONG)))
def test_what_is_wrong_is_told_with_file_line_and_the_word_that_was_meant(tmp_path, text, told, newline):
    path = tmp_path / "policy.toml"
    path.write_bytes(text.replace("\n", newline).encode("utf-8", "surrogateescape"))
    with pytest.raises(SettingsError) as caught:
        home_policy(tmp_path)
    said = str(caught.value)
    line, *words = told
    assert said.startswith(str(path))
    assert re.findall(r"line (\d+)", said) == [str(line)], said
    assert all(one in said for one in words), said
    assert "\n" not in said
    assert len(said) < 500


@pytest.mark.parametrize(
    ("text", "line"),
    [(f"{RULE}\n[[rules]]\n", 4), (f"{RULE}[prune]\nretired = []\n", 4), (f"{RULE}\n\nnames = [\n", 5)],
)
def test_it_stops_every_start(tmp_path, text, line):
    mine = tmp_path / "mine.toml"
    mine.write_text(text)
    (tmp_path / "policy.toml").write_text(f"# mine\n{text}")
    for words in (["policy", "explain", "look"], ["run", "Look."]):
        done = toolwright(tmp_path, *words, "--home", str(tmp_path), code=2)
        assert (done.stdout, str(tmp_path / "policy.toml") in done.stderr) == ("", True)
        assert f"line {line + 1}" in done.stderr, (words, done.stderr)
    done = toolwright(tmp_path, "run", "Look.", "--home", str(tmp_path), "--policy", str(mine), code=2)
    assert f"line {line}" in done.stderr
    assert str(mine) in done.stderr


@pytest.mark.parametrize("begun", ['x = """a', "x = '''", "x = 'a", "x = [", "x = {a = ["])
def test_what_has_no_end_is_found_in_one_pass(begun):
    more = "# more, [[and]] more\n" * 100_000
    text = f'{RULE}y = [\n"#", """[\n"""]  # [\n{begun} #\n{more}'
    with pytest.raises(UnreadableError, match=r"\(at line 6: what begins there has no end\)"):
        read_toml(text.encode())


BLANK = some.lists(some.sampled_from(["", "# [[rule]]", "#\t'", "   "]), max_size=2)
KEYS = {
    "action": some.sampled_from(['"ask"', "'deny'", '"""\\\nask"""']),
    "hosts": some.sampled_from(['["a.com"]', "[ # ]\n\n  \"a.com:80\",\n  'b.com',\n]"]),
    "names": some.sampled_from(['["""\n[[rule]]\njunk = 1\n""""]', "['''\n[prune]''''']", '["a\\"#", \'\\\']']),
    "subprocess": some.sampled_from(["true", "false # true"]),
    "packages": some.sampled_from(['["numpy"]', '[\n"numpy",\n]']),
}
PACKAGES = {"allow": some.sampled_from(['["x", "y==1.0"]', "[\n]"]), "cooldown_days": some.sampled_from(["3", "0.5"])}
PRUNE = {"retire": some.sampled_from(['["unused"]', '[\n# none\n"failing"]', "[]"])}
JUNK = ["junk = 1", '"jünk \\u005b" = """\n[[rule]]\n"""', "'junk' = [\n1, 2\n]", "junk.more.'and so on' = {}"]


@some.composite
def statements(draw, keys):
    """Lines of a table, each a whole statement; what must stand there first."""
    chosen = ["action", *draw(some.permutations(sorted({*keys} - {"action"})))] if "action" in keys else [*keys]
    found = []
    for key in chosen[: draw(some.integers(1, len(chosen)))]:
        written = draw(some.sampled_from([key, f'"{key}"', f"'{key}'", f'"\\u{ord(key[0]):04x}{key[1:]}"']))
        found += draw(BLANK)
        found.append(f"{draw(some.sampled_from(['', '  ']))}{written} = {draw(keys[key])}")
    return found


@some.composite
def policies(draw):
    """A valid policy, as whole statements."""
    found = [*draw(BLANK)]
    if draw(some.booleans()):
        found.append('prune."retire" = [\n"unused"]')
    tables = draw(some.lists(some.sampled_from(["rule", "rule", "packages"]), max_size=4))
    tables = [one for number, one in enumerate(tables) if one == "rule" or one not in tables[:number]]
    if not found or not found[-1].startswith("prune"):
        tables += ["prune"]
    for one in tables:
        head = {"rule": ["[[rule]]", "[[ 'rule' ]] # x"], "packages": ["[packages]"], "prune": ["[prune]", '["prune"]']}
        keys = {"rule": KEYS, "packages": PACKAGES, "prune": PRUNE}[one]
        found += [draw(some.sampled_from(head[one])), *draw(statements(keys)), *draw(BLANK)]
    return found


@given(policies(), some.data())
@settings(max_examples=200, deadline=None)
def test_one_junk_key_anywhere_is_told_with_its_very_line(whole, data):
    text = "\n".join(whole)
    assert isinstance(policy_from(tomllib.loads(text), "policy.toml", text), Policy)
    at = data.draw(some.integers(0, len(whole)))
    text = "\n".join([*whole[:at], data.draw(some.sampled_from([*JUNK, "[junk]", "[[junk]]"])), *whole[at:]])
    line = "\n".join([*whole[:at], ""]).count("\n") + 1
    with pytest.raises(SettingsError) as caught:
        policy_from(tomllib.loads(text), "policy.toml", text)
    assert re.findall(r"line (\d+)", str(caught.value)) == [str(line)], text
    assert "unknown key" in str(caught.value)


TEXTS = some.text(max_size=6) | some.sampled_from(
    ["allow", "a.com", "/a", "K@a.com/header/X", "*", "\0", "unused", "[["]
)
VALUES = some.recursive(
    TEXTS | some.booleans() | some.integers() | some.floats(),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=5,
)


@given(
    some.dictionaries(some.sampled_from([*KEYS, "reads", "secrets", "effects", "plain_secrets"]), VALUES, max_size=4)
)
@settings(max_examples=120, deadline=None)
def test_whatever_the_values_are_they_make_a_policy_or_are_told(table):
    for document in ({"rule": [{"action": "allow"} | table]}, {"packages": table, "prune": table}, dict(table)):
        try:
            policy_from(document, "policy.toml")
        except SettingsError as error:
            assert str(error).startswith("policy.toml")  # noqa: PT017 -- a policy may be good, too


@given(some.text(alphabet="ab.=[]{}\"'\\\n# ,1", max_size=40) | some.binary(max_size=20).map(repr))
@settings(max_examples=500, deadline=None)
def test_each_key_of_whatever_parses_has_its_line(text):
    try:
        document, text = read_toml(text.encode())
    except UnreadableError as error:
        assert re.search(r"line \d+", str(error))  # noqa: PT017 -- few texts are TOML
        return
    found = lines_of(text)
    assert {place for place in found if len(place) == 1} == {(key,) for key in document}
    assert all(1 <= line <= text.count("\n") + 1 for line in found.values())
