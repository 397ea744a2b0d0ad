"""`secrets set`, `list`, `remove`: values come in unseen and never come out; what is kept is whole, private, and ours."""

import json
import os
import pathlib
import re
import resource
import signal
import stat
import subprocess
import sys
import threading

import pytest
from shop import TOOLWRIGHT, Terminal, as_json, environ, toolwright

from toolwright import SecretInfo, Toolwright, errors
from toolwright.store.secrets import SecretStore

VALUE = "the-very-secret-value"
HERE = str(pathlib.Path(__file__).parent)


def secrets(home, *words, **more):
    return toolwright(home, "secrets", *words, "--home", str(home), **more)


def everything(home):
    """The bytes of each file below *home* but the one for values."""
    return b"".join(one.read_bytes() for one in home.rglob("*") if one.is_file() and one.name != "secrets.json")


@pytest.fixture
def ring(tmp_path):
    """A keyring, as variables for a command."""
    return {
        "PYTHON_KEYRING_BACKEND": "filed_keyring.Keyring",
        "PYTHONPATH": HERE,
        "FILED_KEYRING": str(tmp_path / "ring.json"),
    }


# -- in and out --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [(), ("--stdin",)])
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_value_comes_from_a_pipe_and_one_line_end_is_left_out(home, words, end):
    done = secrets(home, "set", "KEY", *words, stdin=VALUE + end)
    assert done.stdout == "kept KEY in the home's private file\n"
    assert SecretStore(home).get("KEY") == VALUE
    assert secrets(home, "set", "KEY", stdin="two\nlines\n\n").stdout.startswith("replaced KEY")
    assert SecretStore(home).get("KEY") == "two\nlines\n"


def test_a_person_is_asked_and_the_value_is_not_shown(home):
    terminal = Terminal(home, "secrets", "set", "KEY", "--home", str(home))
    terminal.wait_for("Value of KEY (not shown)")
    terminal.send(VALUE + "\n")
    terminal.wait_for("kept KEY")
    assert terminal.end()[0] == 0
    assert VALUE not in terminal.screen
    assert SecretStore(home).get("KEY") == VALUE


def test_stdin_on_a_terminal_is_refused_since_it_would_be_seen(home):
    terminal = Terminal(home, "secrets", "set", "KEY", "--stdin", "--home", str(home))
    terminal.wait_for("leave out --stdin")
    assert terminal.end()[0] == 2


@pytest.mark.parametrize("json_too", [(), ("--json",)])
@pytest.mark.parametrize(
    "words", [("KEY", VALUE), (f"KEY={VALUE}",), ("KEY", "--value", VALUE), ("KEY", f"--value={VALUE}")]
)
def test_a_value_on_the_command_line_is_refused_and_not_repeated(home, words, json_too):
    done = secrets(home, "set", *words, *json_too, code=2, stdin="other")
    assert VALUE not in done.stdout + done.stderr
    assert not (home / "secrets.json").exists()


@pytest.mark.parametrize(
    ("value", "told"),
    [("", "is empty"), ("\n", "is empty"), ("a\0b" + VALUE, "NUL"), (VALUE * 4000, "longer than 64 KiB")],
)
def test_what_is_no_value_is_refused_and_not_repeated(home, value, told):
    done = secrets(home, "set", "KEY", code=2, stdin=value)
    assert told in done.stderr
    assert VALUE not in done.stderr
    assert not (home / "secrets.json").exists()


def test_bytes_that_are_no_text_are_refused(home):
    done = subprocess.run(
        [*TOOLWRIGHT, "secrets", "set", "KEY", "--home", str(home)],
        input=b"\xff\xfe",
        capture_output=True,
        env=environ(home),
    )
    assert (done.returncode, b"UTF-8" in done.stderr) == (2, True)


def test_names_places_and_days_are_listed_and_never_a_value(home):
    assert "There are no secrets yet" in secrets(home, "list").stderr
    secrets(home, "set", "WEATHER_KEY", stdin=VALUE)
    secrets(home, "set", "A_KEY", stdin=VALUE + "2")
    done = secrets(home, "list")
    lines = done.stdout.splitlines()
    assert [line.split()[:2] for line in lines] == [["A_KEY", "file"], ["WEATHER_KEY", "file"]]
    listed = as_json(secrets(home, "list", "--json"))
    assert [one["name"] for one in listed["secrets"]] == ["A_KEY", "WEATHER_KEY"]
    assert VALUE not in done.stdout + json.dumps(listed)
    assert VALUE.encode() not in everything(home)


def test_a_secret_is_forgotten_and_a_wrong_name_is_answered_with_those_like_it(home):
    secrets(home, "set", "WEATHER_KEY", stdin=VALUE)
    assert "Did you mean WEATHER_KEY?" in secrets(home, "remove", "WEATHER_KEYS", code=2).stderr
    assert secrets(home, "remove", "WEATHER_KEY").stdout == "removed WEATHER_KEY from the home's private file\n"
    assert SecretStore(home).list() == []
    assert VALUE not in (home / "secrets.json").read_text()
    assert "secrets list" in secrets(home, "remove", "WEATHER_KEY", code=2).stderr


def test_python_does_the_same(home):
    with Toolwright(home=home) as tw:
        kept = tw.set_secret("KEY", VALUE)
        assert isinstance(kept, SecretInfo)
        assert tw.secrets() == [kept]
        assert VALUE not in repr(kept)
        with pytest.raises(errors.UserError) as refused:
            tw.set_secret(VALUE, "a value for a name")
        assert VALUE not in str(refused.value)
        assert tw.remove_secret("KEY") == kept
        with pytest.raises(errors.NotFoundError):
            tw.remove_secret("KEY")


# -- the keyring -------------------------------------------------------------------------------------------------------


def test_a_keyring_that_works_keeps_the_value_and_the_file_does_not(home, ring):
    assert secrets(home, "set", "KEY", stdin=VALUE, **ring).stdout == "kept KEY in the keyring\n"
    assert VALUE not in (home / "secrets.json").read_text()
    assert VALUE in pathlib.Path(ring["FILED_KEYRING"]).read_text()
    assert as_json(secrets(home, "list", "--json", **ring))["secrets"][0]["where"] == "keyring"
    read = f"from toolwright.store.secrets import *; print(SecretStore(Path({str(home)!r})).get('KEY'))"
    done = subprocess.run([sys.executable, "-c", read], env=environ(home, **ring), capture_output=True, text=True)
    assert done.stdout == VALUE + "\n"
    secrets(home, "remove", "KEY", **ring)
    assert VALUE not in pathlib.Path(ring["FILED_KEYRING"]).read_text()


def test_two_homes_have_secrets_of_their_own_in_it(home, tmp_path, ring):
    (tmp_path / "other").mkdir()
    secrets(home, "set", "KEY", stdin="one", **ring)
    toolwright(home, "secrets", "set", "KEY", "--home", str(tmp_path / "other"), stdin="two", **ring)
    assert sorted(json.loads(pathlib.Path(ring["FILED_KEYRING"]).read_text()).values()) == ["one", "two"]


def test_the_file_can_be_asked_for_and_the_old_value_leaves_the_keyring(home, ring):
    secrets(home, "set", "KEY", stdin=VALUE, **ring)
    assert "private file" in secrets(home, "set", "KEY", "--in", "file", stdin="new", **ring).stdout
    assert VALUE not in pathlib.Path(ring["FILED_KEYRING"]).read_text()
    assert SecretStore(home).get("KEY") == "new"


def test_a_locked_keyring_is_a_fault_that_names_the_cure_and_no_value(home, ring):
    pathlib.Path(ring["FILED_KEYRING"]).with_suffix(".locked").touch()
    done = secrets(home, "set", "KEY", code=7, stdin=VALUE, **ring)
    assert "--in file" in done.stderr
    assert VALUE not in done.stderr
    assert SecretStore(home).list() == []


def test_a_keyring_that_was_chosen_and_is_not_there_is_said(home):
    done = secrets(home, "set", "KEY", code=2, stdin=VALUE, PYTHON_KEYRING_BACKEND="nobodys_module.Keyring")
    assert "PYTHON_KEYRING_BACKEND" in done.stderr
    done = secrets(home, "set", "KEY", "--in", "keyring", code=2, stdin=VALUE)
    assert "no keyring here that works" in done.stderr


def test_a_value_in_a_keyring_that_is_gone_is_said(home, ring):
    secrets(home, "set", "KEY", stdin=VALUE, **ring)
    with pytest.raises(errors.SettingsError, match="cannot be reached here"):
        SecretStore(home).get("KEY")


# -- the file ----------------------------------------------------------------------------------------------------------


def test_the_file_is_private_whatever_the_umask(home):
    done = subprocess.run(
        ["sh", "-c", f"umask 0; printf %s {VALUE} | {sys.executable} -m toolwright secrets set KEY --home {home}"],
        env=environ(home),
        capture_output=True,
    )
    assert done.returncode == 0
    assert stat.S_IMODE((home / "secrets.json").stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602, 0o660])
def test_a_file_that_others_can_reach_is_refused_with_the_cure(home, mode):
    secrets(home, "set", "KEY", stdin=VALUE)
    (home / "secrets.json").chmod(mode)
    for words in (["list"], ["set", "B"], ["remove", "KEY"]):
        done = secrets(home, *words, code=2, stdin="x")
        assert f"chmod 600 {home}/secrets.json" in done.stderr
    (home / "secrets.json").chmod(0o600)
    assert SecretStore(home).get("KEY") == VALUE


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_somebody_else_is_refused(home):
    secrets(home, "set", "KEY", stdin=VALUE)
    os.chown(home / "secrets.json", 12345, 12345)
    assert "no file of your own" in secrets(home, "list", code=2).stderr


def test_a_link_a_folder_and_a_pipe_are_refused(home, tmp_path):
    secrets(home, "set", "KEY", stdin=VALUE)
    (home / "secrets.json").rename(tmp_path / "elsewhere")
    (home / "secrets.json").symlink_to(tmp_path / "elsewhere")
    assert "a file of your own" in secrets(home, "list", code=2).stderr
    (home / "secrets.json").unlink()
    os.mkfifo(home / "secrets.json", 0o600)
    assert "no file of your own" in secrets(home, "list", code=2).stderr


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"format": 2, "service": "x", "secrets": {}}',
        '{"format": 1, "service": "x", "secrets": {"K": {"where": "file", "value": 1}}}',
    ],
)
def test_a_damaged_file_is_said_and_left_alone(home, text):
    text = text.replace('"value": 1', f'"value": ["{VALUE}"]')
    (home / "secrets.json").write_text(text)
    (home / "secrets.json").chmod(0o600)
    done = secrets(home, "set", "KEY", code=2, stdin="x")
    assert "is damaged" in done.stderr
    assert VALUE not in done.stderr
    assert (home / "secrets.json").read_text() == text


def test_writers_at_the_same_time_lose_nothing(home):
    crowd = [
        threading.Thread(target=SecretStore(home).set, args=(f"KEY_{number}_{turn}", VALUE))
        for number in range(4)
        for turn in range(5)
    ]
    others = [
        subprocess.Popen(
            [*TOOLWRIGHT, "secrets", "set", f"P{n}", "--home", str(home)], stdin=subprocess.PIPE, env=environ(home)
        )
        for n in range(3)
    ]
    for one in crowd:
        one.start()
    for one in others:
        one.communicate(b"x")
    for one in crowd:
        one.join()
    assert len(SecretStore(home).list()) == 23


KILLED = """
import os, signal, sys
from pathlib import Path
from toolwright.store import files
from toolwright.store.secrets import SecretStore

store = SecretStore(Path(sys.argv[1]))
at = sys.argv[2]
def dies(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
setattr(os, at, dies)
store.set("KEY", "the new value")
"""


@pytest.mark.parametrize("at", ["fsync", "rename"])
def test_a_kill_leaves_the_old_value_and_the_next_writer_sweeps(home, at):
    SecretStore(home).set("KEY", "the old value")
    done = subprocess.run([sys.executable, "-c", KILLED, str(home), at])
    assert done.returncode == -signal.SIGKILL
    assert SecretStore(home).get("KEY") == "the old value"
    assert [one for one in home.iterdir() if one.name.startswith(".tmp")]
    SecretStore(home).set("OTHER", "x")
    assert not [one for one in home.iterdir() if one.name.startswith(".tmp")]
    assert SecretStore(home).get("KEY") == "the old value"


def test_a_full_disk_changes_nothing(home):
    SecretStore(home).set("KEY", "the old value")
    # No file may grow beyond what stands there already: what a full disk does to a write.
    size = (home / "secrets.json").stat().st_size

    def narrow():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    done = subprocess.run(
        [*TOOLWRIGHT, "secrets", "set", "KEY", "--home", str(home)],
        input=VALUE.encode() * 50,
        capture_output=True,
        env=environ(home),
        preexec_fn=narrow,
    )
    assert (done.returncode, b"Nothing was half-written" in done.stderr) == (7, True)
    assert VALUE.encode() not in done.stderr
    assert SecretStore(home).get("KEY") == "the old value"
    assert not [one for one in home.iterdir() if one.name.startswith(".tmp")]


# -- completion --------------------------------------------------------------------------------------------------------


def completed(home, line):
    words = line.split(" ")
    variables = {
        "COMP_WORDS": "\n".join(words),
        "COMP_CWORD": str(len(words) - 1),
        "_TOOLWRIGHT_COMPLETE": "bash_complete",
        "TOOLWRIGHT_HOME": str(home),
    }
    done = subprocess.run(TOOLWRIGHT, env=environ(home, **variables), capture_output=True, text=True)
    assert done.stderr == ""
    return re.findall(r"plain,(.*)", done.stdout)


def test_names_are_completed(home):
    assert completed(home, "toolwright secrets remove ") == []
    SecretStore(home).set("WEATHER_KEY", VALUE)
    SecretStore(home).set("A_KEY", VALUE)
    assert completed(home, "toolwright secrets ") == ["list", "remove", "set"]
    assert completed(home, "toolwright secrets remove W") == ["WEATHER_KEY"]
    assert completed(home, "toolwright secrets set ") == ["A_KEY", "WEATHER_KEY"]
    (home / "secrets.json").write_text('{"secrets": 3}')
    assert completed(home, "toolwright secrets set ") == []
