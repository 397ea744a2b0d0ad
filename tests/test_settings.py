"""Settings: which word wins, what is refused and how that is told; homes: which one is found, and whose it is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from toolwright.errors import SettingsError
from toolwright.homes import find_home, trust
from toolwright.settings import KEYS, BoxSettings, Settings, load

PAGE = Path(__file__).parent.parent / "docs" / "settings.md"


def config(home: Path, text: str) -> Path:
    home.mkdir(exist_ok=True)
    (home / "config.toml").write_text(text)
    return home


def refused(*args, **kwargs) -> str:
    with pytest.raises(SettingsError) as caught:
        load(*args, **kwargs)
    return str(caught.value)


def test_the_later_word_wins(tmp_path, monkeypatch):
    home = config(
        tmp_path / "home", 'max_tools = 7\nmax_steps = 8\nattempts = 2\nmodel = "a:b"\n[limits]\nwall_s = 2\n'
    )
    monkeypatch.setenv("TOOLWRIGHT_MAX_STEPS", "9")
    monkeypatch.setenv("TOOLWRIGHT_ATTEMPTS", "4")
    monkeypatch.setenv("TOOLWRIGHT_LIMITS_WALL_S", "3.5")
    monkeypatch.setenv("TOOLWRIGHT_SURFACE", "")
    found = load(home, {"attempts": 5, "surface": None})
    assert (found.max_tools, found.max_steps, found.attempts) == (7, 9, 5)
    assert (found.orchestrator.model, found.limits.wall_s, found.surface) == ("a:b", 3.5, "native")
    assert found.max_new_tools == Settings(home).max_new_tools
    assert found.origins["max_tools"] == str(home / "config.toml")
    assert (found.origins["max_steps"], found.origins["attempts"]) == ("$TOOLWRIGHT_MAX_STEPS", "given")


_GOOD = {
    "untrusted": "/srv/letters", "approvals.away": "pause", "clients.catalogue": "fixed", "clients.approvals": "home",
    "store": "s3://bucket/prefix?table=table", "store_s3_url": "http://127.0.0.1:9000",
    "store_dynamodb_url": "http://127.0.0.1:9000", "surface": "fixed", "namespace": "team", "stream": "yes", "store_streams": "yes", "signer": "billing:signer", "layers": "no", "sandbox.profile": "landlock",
    "sandbox.box": "container", "sandbox.weakest": "full", "limits.profile": "strict",
    "tools.functions": "billing:lookup", "run_wall_s": "60", "limits.wall_s": "1.5", "limits.cpu_s": "1.5", "limits.load_s": "1.5",
}  # fmt: skip


@pytest.mark.parametrize("key", sorted(KEYS))
def test_every_setting_can_come_from_its_variable_and_stands_on_its_page(tmp_path, monkeypatch, key):
    value = _GOOD.get(key, "openai:x" if KEYS[key].__name__ == "_text" else "33")
    if key == "policy":
        value = str(tmp_path / "rules.toml")
        Path(value).write_text('[[rule]]\naction = "deny"\n')
    name = "TOOLWRIGHT_" + key.upper().replace(".", "_")
    monkeypatch.setenv(name, value)
    found = load(tmp_path)
    assert found.origins[key] == f"${name}"
    monkeypatch.delenv(name)
    plain = load(tmp_path)
    changed = [
        one
        for one in Settings.__slots__
        if one not in ("origins", "said") and getattr(found, one) != getattr(plain, one)
    ]
    assert len(changed) == 1
    assert re.search(rf"`{re.escape(key)}`.*`{name}`", PAGE.read_text())


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("max_tools", "many"), ("max_tools", "-1"), ("max_tools", "1.5"), ("max_tools", "nan"), ("max_tools", "1e400"),
        ("run_wall_s", "0"), ("run_wall_s", "inf"), ("run_wall_s", "soon"), ("surface", "round"), ("namespace", "a b"),
        ("attempts", "0"), ("max_steps", "0"), ("attempts", "1.5"), ("stream", "maybe"), ("sandbox", "none"), ("sandbox.weakest", "none"), ("sandbox.box", "full"), ("limits.memory_bytes", "64M"), ("limits.sandboxes", "0"), ("untrusted", "letters"), ("model", " "), ("approvals.away", "wait"), ("approvals.timeout_s", "0"),
        ("store", "https://bucket"), ("store", "s3://bucket/prefix"), ("store", "s3://b?table=table"),
        ("store", "s3://bucket/a b?table=table"), ("store_s3_url", "bucket"), ("store_dynamodb_url", "localhost:8000"),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_is_told_with_key_value_and_place(tmp_path, monkeypatch, key, value):
    name = "TOOLWRIGHT_" + key.upper().replace(".", "_")
    monkeypatch.setenv(name, value)
    told = refused(tmp_path)
    assert key in told
    assert repr(value) in told
    assert name in told
    assert "must be" in told


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("max_toolz = 2", "'max_toolz'; did you mean 'max_tools'?"),
        ("xyzzy = 2", "'xyzzy'; docs/settings.md"),
        ("[limits]\nwall = 2", "'limits.wall'"),
        ("[limitz]\nwall_s = 2", "'limitz.wall_s'"),
        ("max_tools = true", "max_tools = True"),
        ("max_tools = [1]", "max_tools = [1]"),
        ("model = 5", "model = 5"),
        ("[model]\nname = 'x'", "'model.name'"),
        ("max_tools = 1\nmax_steps = = 2", "line 2"),
        ("policy = 'nowhere.toml'", "nowhere.toml: there is no such file"),
    ],
)
def test_a_file_that_cannot_be_used_is_told_with_its_place(tmp_path, text, told):
    home = config(tmp_path / "home", text)
    said = refused(home)
    assert told in said
    assert str(home) in said or "nowhere.toml" in said
    with pytest.raises(SettingsError):
        load(tmp_path / "other", {"xyzzy": 1})


def test_one_word_says_box_and_profile_wherever_it_stands_and_a_longer_name_wins(tmp_path, monkeypatch):
    home = config(tmp_path / "home", 'sandbox = "container"\n')
    assert load(home).sandbox == BoxSettings(box="container")
    assert load(home, {"sandbox": "full"}).sandbox == BoxSettings("full", "linux")
    monkeypatch.setenv("TOOLWRIGHT_SANDBOX", "landlock")
    found = load(home)
    assert (found.sandbox, found.origins["sandbox.box"]) == (BoxSettings("landlock", "linux"), "$TOOLWRIGHT_SANDBOX")
    monkeypatch.setenv("TOOLWRIGHT_SANDBOX_PROFILE", "full")
    assert load(home).sandbox == BoxSettings("full", "linux")
    assert load(home, {"sandbox": "auto"}).sandbox == BoxSettings()
    config(
        tmp_path / "table",
        '[sandbox]\nweakest = "container"\nengine = "podman"\nimage = "x@sha256:1"\nruntime = "runsc"\n',
    )
    monkeypatch.delenv("TOOLWRIGHT_SANDBOX_PROFILE")
    monkeypatch.delenv("TOOLWRIGHT_SANDBOX")
    assert load(tmp_path / "table").sandbox == BoxSettings(
        engine="podman", image="x@sha256:1", runtime="runsc", weakest="container"
    )
    assert "sandbox = ['full']" in refused(config(tmp_path / "list", 'sandbox = ["full"]\n'))


def test_a_policy_in_the_home_is_read_and_one_that_is_named_goes_before(tmp_path):
    config(tmp_path / "home", "")
    (tmp_path / "home" / "policy.toml").write_text('[[rule]]\naction = "deny"\n')
    (tmp_path / "other.toml").write_text('[[rule]]\naction = "ask"\n')
    assert load(tmp_path / "home").policy.rules[0].action == "deny"
    assert load(tmp_path / "home", {"policy": str(tmp_path / "other.toml")}).policy.rules[0].action == "ask"
    (tmp_path / "home" / "policy.toml").write_bytes(b"\xff")
    assert "policy.toml" in refused(tmp_path / "home")


@pytest.fixture
def person(tmp_path, monkeypatch):
    """A person with a data folder, standing in a project."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path


def test_a_home_is_named_found_or_the_platforms(person, monkeypatch):
    own = person / "data" / "toolwright"
    assert find_home() == (own, "the platform's data folder")
    monkeypatch.setenv("TOOLWRIGHT_HOME", "relative")
    assert find_home() == (person / "project" / "relative", "$TOOLWRIGHT_HOME")
    assert find_home("~/x") == (Path.home() / "x", "given")
    assert find_home("other") == (person / "project" / "other", "given")


def test_a_projects_home_is_used_if_this_person_made_or_trusted_it(person):
    home = person / "project" / ".toolwright"
    home.mkdir()
    assert find_home() == (home, "./.toolwright"), "an empty one is the person's own"
    (home / "policy.toml").write_text('[[rule]]\naction = "allow"\nhosts = ["*.evil.example"]\n')
    assert find_home()[0] == home, "it was trusted while it was empty"


def test_a_projects_home_that_came_with_it_is_refused_until_it_is_trusted(person):
    home = person / "project" / ".toolwright"
    home.mkdir()
    (home / "policy.toml").write_text("")
    with pytest.raises(SettingsError, match="registry trust"):
        find_home()
    assert find_home(home) == (home, "given"), "naming it is the trust"
    trust(home)
    assert find_home()[0] == home
    home.rename(person / "project" / "moved")
    other = person / "other"
    other.mkdir()
    (other / "x").write_text("")
    home.symlink_to(other)
    with pytest.raises(SettingsError, match="registry trust"):
        find_home()


def test_a_broken_list_of_trusted_homes_is_told_and_trusts_nobody(person):
    home = person / "project" / ".toolwright"
    home.mkdir()
    (home / "x").write_text("")
    folder = person / "data" / "toolwright"
    folder.mkdir(parents=True)
    (folder / "trusted-homes.json").write_text("{")
    with pytest.raises(SettingsError, match=r"trusted-homes\.json"):
        find_home()


def test_a_home_that_is_a_file_or_below_one_is_told(tmp_path):
    (tmp_path / "file").write_text("")
    assert "not a folder" in refused(tmp_path / "file")
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "config.toml").mkdir()
    assert "config.toml" in refused(tmp_path / "home")


def test_without_home_and_account_the_way_out_is_named(tmp_path):
    code = (
        "import os, sys\nfrom toolwright.homes import own_data_folder\nfrom toolwright.errors import SettingsError\n"
        "try:\n    print(own_data_folder())\nexcept SettingsError as error:\n    print(error)\n"
    )
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)}
    said = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, cwd=tmp_path)
    assert Path(said.stdout.strip()).is_absolute() or "set HOME" in said.stdout
    nobody = "import pwd\ndef getpwuid(uid):\n    raise KeyError(uid)\npwd.getpwuid = getpwuid\n"  # as for a made-up id
    said = subprocess.run(
        [sys.executable, "-c", nobody + code], env=environ, capture_output=True, text=True, cwd=tmp_path
    )
    assert "set HOME" in said.stdout, said.stderr


@pytest.mark.skipif("os.geteuid() == 0", reason="root can write everywhere")
def test_a_home_that_cannot_be_read_is_told(tmp_path):
    home = config(tmp_path / "home", "")
    home.chmod(0)
    try:
        assert str(home) in refused(home)
    finally:
        home.chmod(0o700)


def test_a_key_in_the_address_of_a_shared_shelf_is_refused_and_not_repeated(tmp_path, monkeypatch):
    monkeypatch.setenv("TOOLWRIGHT_STORE", "s3://AKIA:secretkey@bucket?table=table")
    told = refused(tmp_path)
    assert "no key and no port" in told
    assert "secretkey" not in told
