"""What a package must be before it is installed: known to the index, no look-alike, and old enough; by a real index."""

import time
import tomllib

import pytest

from package_index import started, wheel
from toolwright import Toolwright
from toolwright.errors import FaultError, SettingsError, SpecError
from toolwright.packagerules import PackageRules
from toolwright.policy import Question
from toolwright.policyfile import policy_from
from toolwright.powers import Grant, package_name
from toolwright.sandbox.packages import Environments


def ago(days):
    return time.strftime("%Y-%m-%dT%H:%M:%S.5Z", time.gmtime(time.time() - days * 86_400))


@pytest.fixture
def index(monkeypatch):
    with started(monkeypatch) as start:
        yield start


def of_ages(index, *files, **ages):
    """An index with (name, version, days since upload; None: it says no time)."""
    made = [(wheel(name, version, **more), days) for name, version, days, more in files]
    return index(*(one for one, _ in made), times={one[0]: ago(days) for one, days in made if days is not None}, **ages)


def sets(tmp_path, days=7.0, said=None, **rules):
    say = said.append if said is not None else None
    return Environments(tmp_path / "sets", rules=PackageRules(cooldown_days=days, **rules), on_progress=say)


def pins(lock):
    return [line.split()[0] for line in lock]


def test_the_newest_release_that_is_old_enough_is_taken(tmp_path, index):
    of_ages(
        index,
        ("okpkg", "1.0", 400, {}),
        ("okpkg", "1.1", 8, {"requires": ["other"]}),
        ("okpkg", "1.2", 3, {}),
        ("other", "5.0", 90, {}),
        ("other", "5.1", 0.1, {}),
    )
    assert pins(sets(tmp_path).lock(["okpkg"])) == ["okpkg==1.1", "other==5.0"]
    assert pins(sets(tmp_path, days=0).lock(["okpkg"])) == ["okpkg==1.2"]
    assert pins(sets(tmp_path, days=100).lock(["okpkg"])) == ["okpkg==1.0"]


def test_a_release_that_is_too_young_is_refused_and_the_newest_older_one_named(tmp_path, index):
    pages = of_ages(index, ("okpkg", "1.0", 400, {}), ("okpkg", "1.1", 30, {}), ("okpkg", "1.2", 2, {}))
    with pytest.raises(SpecError) as refused:
        sets(tmp_path).lock(["okpkg==1.2"])
    assert "okpkg==1.2 was released 2.0 days ago; the newest that is old enough is okpkg==1.1." in str(refused.value)
    assert "packages_cooldown_days" in str(refused.value)
    assert "'okpkg==1.2' under [packages] allow" in str(refused.value)
    allowed = sets(tmp_path, allow=("okpkg==1.2",))
    assert pins(allowed.lock(["okpkg==1.2"])) == ["okpkg==1.2"]
    assert pins(allowed.lock(["okpkg"])) == ["okpkg==1.1"], (
        "an exact version alone is let through, when it is asked for"
    )
    with pytest.raises(SpecError, match="released"):
        sets(tmp_path, allow=("okpkg==1.1", "okpkg")).lock(["okpkg==1.2"])
    pages.files.pop("okpkg-1.1-py3-none-any.whl")
    pages.files.pop("okpkg-1.0-py3-none-any.whl")
    with pytest.raises(SpecError, match="no release of it is old enough"):
        sets(tmp_path / "2").lock(["okpkg"])


def test_what_a_package_needs_must_be_old_enough_too(tmp_path, index):
    of_ages(index, ("okpkg", "1.0", 400, {"requires": ["other>=2"]}), ("other", "1.0", 90, {}), ("other", "2.0", 1, {}))
    with pytest.raises(SpecError, match=r"other==2\.0 was released 1\.0 days ago; .* is other==1\.0"):
        sets(tmp_path).lock(["okpkg"])


def test_a_file_that_was_put_into_an_old_release_lately_is_left_out(tmp_path, index):
    of_ages(index, ("okpkg", "1.0", 400, {"tag": "py2.py3-none-any"}), ("okpkg", "1.0", 1, {}))
    (line,) = sets(tmp_path).lock(["okpkg"])
    assert line.count("--hash") == 1
    assert sets(tmp_path / "any", days=0).lock(["okpkg"])[0].count("--hash") == 2


@pytest.mark.parametrize("json", [True, False], ids=["json without times", "html"])
def test_an_index_that_gives_no_upload_times_is_for_the_policy_to_decide(tmp_path, index, json):
    pages = index(wheel("okpkg", "1.0"), wheel("okpkg", "1.1", requires=["other"]), wheel("other", "1.0"))
    pages.times = {} if json else None
    with pytest.raises(SpecError, match=r"no upload times of okpkg==1\.1, other==1\.0.*undated = \"allow\""):
        sets(tmp_path).lock(["okpkg"])
    said = []
    assert pins(sets(tmp_path, said=said, undated="allow").lock(["okpkg"])) == ["okpkg==1.1", "other==1.0"]
    assert any("says no upload times of okpkg==1.1, other==1.0" in one for one in said)


def test_one_package_without_a_time_makes_nobody_go_back_years(tmp_path, index):
    of_ages(index, ("okpkg", "1.0", 900, {}), ("okpkg", "2.0", 30, {"requires": ["other"]}), ("other", "1.0", None, {}))
    assert pins(sets(tmp_path, undated="allow").lock(["okpkg"])) == ["okpkg==2.0", "other==1.0"]
    with pytest.raises(SpecError, match=r"no upload times of other==1\.0"):
        sets(tmp_path).lock(["okpkg"])


def test_what_lies_on_this_machine_has_no_age(tmp_path, index, monkeypatch):
    of_ages(index, ("okpkg", "1.0", 400, {}), ("okpkg", "2.0", 1, {}))
    name, data = wheel("linked")
    (tmp_path / "simple" / "linked").mkdir(parents=True)
    (tmp_path / "simple" / "linked" / name).write_bytes(data)
    (tmp_path / "simple" / "linked" / "index.html").write_text(f'<a href="{name}">{name}</a>')
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", (tmp_path / "simple").as_uri())
    assert pins(sets(tmp_path).lock(["okpkg", "linked"])) == ["linked==1.0", "okpkg==1.0"]
    (tmp_path / "links").mkdir()
    (tmp_path / "simple" / "linked" / name).rename(tmp_path / "links" / name)
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "links"))
    assert pins(sets(tmp_path / "other").lock(["okpkg", "linked"])) == ["linked==1.0", "okpkg==1.0"]


def test_a_date_that_the_person_gave_uv_holds_too(tmp_path, index, monkeypatch):
    of_ages(index, ("okpkg", "1.0", 400, {}), ("okpkg", "2.0", 30, {}), ("okpkg", "3.0", 1, {}))
    for text, found in ((ago(100)[:10], "1.0"), ("60 days", "1.0"), (ago(2)[:10], "2.0"), ("", "2.0")):
        monkeypatch.setenv("UV_EXCLUDE_NEWER", text)
        assert pins(sets(tmp_path).lock(["okpkg"])) == [f"okpkg=={found}"], text
    monkeypatch.setenv("UV_EXCLUDE_NEWER", "soon")
    with pytest.raises(FaultError, match=r"UV_EXCLUDE_NEWER = 'soon'"):
        sets(tmp_path).lock(["okpkg"])


def test_ages_that_were_seen_before_hold_without_an_index(tmp_path, index):
    pages = of_ages(index, ("okpkg", "1.0", 400, {}), ("okpkg", "2.0", 1, {}))
    assert pins(sets(tmp_path).lock(["okpkg"])) == ["okpkg==1.0"]
    pages.status = 503
    assert pins(sets(tmp_path).lock(["okpkg"])) == ["okpkg==1.0"]


def test_a_name_that_no_index_knows_is_refused_as_possibly_made_up(tmp_path, index):
    of_ages(index, ("okpkg", "1.0", 400, {"requires": ["gone"]}), ("plain", "1.0", 400, {}))
    with pytest.raises(SpecError, match=r"no package 'fast-json-tools' .*may be made up; nothing was installed"):
        sets(tmp_path).lock(["plain", "Fast_JSON-tools>=1"])
    with pytest.raises(SpecError, match=r"no package 'gone' .*One of those needs it"):
        sets(tmp_path).lock(["okpkg"])
    assert not list((tmp_path / "sets").glob("*/site-packages"))


# -- by the front door: what a model or a person declares ---------------------------------------------------------------

TOOL = '''
def double(number: int) -> int:
    """Double a number."""
    return number * 2
'''


def said_of(tmp_path, *packages, config="", policy=""):
    """What is wrong with a tool that declares *packages*; '' if it was proven."""
    home = tmp_path / "home"
    home.mkdir(exist_ok=True)
    (home / "config.toml").write_text(config)
    (home / "policy.toml").write_text(policy)
    with Toolwright(home=home, approve=True) as tw:
        verdict = tw.validate("double", TOOL, packages=packages)
        return (
            ""
            if verdict.passed
            else "\n".join(f"{one.name}: {one.detail}" for one in verdict.checks if one.passed is False)
        )


@pytest.mark.parametrize(
    ("declared", "meant"),
    [
        ("nunpy", "numpy"),
        ("Pandsa", "pandas"),
        ("djang0", "django"),
        ("rnatplotlib", "matplotlib"),
        ("scikitlearn", "scikit-learn"),
        ("dateutil_python", "python-dateutil"),
        ("python-requests>=2", "requests"),
        ("tensorf1ow[gpu]==2.0", "tensorflow"),
        ("beautifulsop", "beautifulsoup4"),
        ("numpy", ""),
        ("six", ""),
        ("sox", ""),
        ("python-fastnumbers", ""),
        ("acme-billing", ""),
        ("requests", ""),
    ],
)
def test_a_name_that_looks_like_a_well_known_one_is_seen(declared, meant):
    (said,) = PackageRules().mistaken([declared]) or [""]
    assert (
        said.startswith(f"package {package_name(declared)!r} looks like the well-known {meant!r}")
        if meant
        else not said
    )
    assert PackageRules(allow=(package_name(declared),)).mistaken([declared]) == []


def test_a_look_alike_is_refused_before_anybody_is_asked_unless_a_person_lists_it(tmp_path, index):
    pages = of_ages(index, ("nunpy", "1.0", 400, {}))
    assert said_of(tmp_path, "nunpy").startswith("screen: package 'nunpy' looks like the well-known 'numpy'")
    assert pages.asked == []
    assert said_of(tmp_path, "nunpy", policy='[packages]\nallow = ["nunpy"]\n') == ""


def test_what_the_policy_allows_is_not_asked_for(tmp_path):
    policy = policy_from({"packages": {"allow": ["Num.Py", "okpkg==2.0"]}, "rule": [DENIED, HOST]}, "policy.toml")
    for packages, action in (
        (["num-py"], "allow"),
        (["num-py>=1"], "allow"),
        (["okpkg==2.0", "pandas"], "allow"),
        (["okpkg == 2.0"], "allow"),
        (["okpkg"], "ask"),
        (["okpkg==2.1"], "ask"),
        (["okpkg==2.0", "other"], "ask"),
    ):
        assert policy.decide(Question("double", "", Grant(), tuple(packages))).action == action, packages
    reads = Grant(hosts=("api.example.com",))
    assert policy.decide(Question("double", "", reads, ("num-py",), "reads")).action == "allow"
    assert policy.decide(Question("double", "", reads, ("other",), "reads")).action == "ask"
    assert policy.decide(Question("bad", "", Grant(), ("num-py",))).action == "deny", "a rule that denies sees it all"


HOST = {"action": "allow", "hosts": ["api.example.com"]}
DENIED = {"action": "deny", "packages": ["num-py"], "names": ["bad"]}


def test_the_setting_and_the_policy_say_how_old_a_release_must_be(tmp_path, index):
    of_ages(index, ("okpkg", "1.0", 400, {}), ("okpkg", "2.0", 3, {}))
    assert "okpkg==2.0 was released 3.0 days ago" in said_of(tmp_path, "okpkg==2.0")
    two, thirty = "packages_cooldown_days = 2\n", "[packages]\ncooldown_days = 30\n"
    assert said_of(tmp_path, "okpkg==2.0", config=two) == ""
    assert "younger than 30 days" in said_of(tmp_path, "okpkg==2.0", config=two, policy=thirty), "the policy has it"
    assert said_of(tmp_path, "okpkg==2.0", policy=thirty + 'allow = ["okpkg==2.0"]\n') == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[packages]\ncooldown_days = -1\n", r"\[packages\] \(line 2\): cooldown_days must be"),
        ("[packages]\nundated = 'maybe'\n", "undated must be 'refuse' or 'allow'"),
        ("[packages]\nallow = ['numpy>=1']\n", r"one exact version such as numpy==1\.0"),
        ("[packages]\nallow = ['../x']\n", "is not a requirement"),
        ("[[rule]]\naction = 'ask'\n[packages]\ncooldown = 1\n", r"\(line 4\): unknown key 'cooldown'"),
        ("[[packages]]\nallow = []\n", "must be one table"),
    ],
)
def test_a_wrong_table_stops_the_start_with_its_line(text, said):
    with pytest.raises(SettingsError, match=said):
        policy_from(tomllib.loads(text), "policy.toml", text)
