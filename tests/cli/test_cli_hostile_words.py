"""Whatever a tool says, nothing of it drives the terminal: in values, keys, errors, names of files, and output."""

import json
import re
import subprocess
import sys

import pytest
from shop import PATIENCE_S, Terminal, as_json, environ, toolwright

from toolwright import Toolwright

WORDS = {
    "a title": "\x1b]0;owned\x07",
    "the clipboard": "\x1b]52;c;b3duZWQ=\x1b\\",
    "a link": "\x1b]8;;http://owned.invalid\x1b\\here\x1b]8;;\x1b\\",
    "a cleared screen": "\x1b[2J\x1b[H",
    "colours": "\x1b[31m\x1b[5m",
    "an answer typed back": "\x1b[6n\x1bP$q\x1b\\",
    "the 8-bit forms": "\x9b2J\x9d0;owned\x9c",
    "a line written over": "safe\rowned\x08\x08",
    "a bell": "\x07\x07",
    "turned letters": "\u202egnp.exe\u2066",
    "hidden letters": "a\u200bb\ufeffc\U000e0041",
    "other line ends": "a\u2028b\x0bc\x0cd\x85e",
}
DRIVES = re.compile(
    r"\x1b[^\[]|\x1b\[[0-9;?]*[A-Za-ln-z]|\x1b\[5m|[\x00-\x08\x0b-\x1a\x7f-\x9f]"
    r"|[\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]|\U000e0041"
)
"""What a terminal acts on, or does not show as what it is; plain colours are ours."""

OWN = re.compile(r"\r(?:[|/\\-] drive runs [ 0-9a-z]*)?\x1b\[K\r?")
"""The line that says what takes long."""

DRIVE = '''
WORDS = {words!r}


def drive(how: str) -> dict[str, str]:
    """Say words that a terminal would act on."""
    print("".join(WORDS))
    if how == "error":
        raise ValueError("".join(WORDS))
    if how == "kind":
        raise type("Odd" + "".join(WORDS), (Exception,), {{}})("x")
    for number, one in enumerate(WORDS if how == "file" else ()):
        try:
            with open(one.replace("/", "") + str(number) + ".txt", "w") as file:
                file.write(one)
        except (OSError, ValueError):
            pass
    if how == "file":
        open("plain.txt", "w").close()
    return {{one: one for one in WORDS}}
'''


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    home = tmp_path_factory.mktemp("driven")
    (home / "drive.py").write_text(DRIVE.format(words=list(WORDS.values())))
    with Toolwright(home=home) as tw:
        made = tw.import_file(home / "drive.py")
        assert made.version is not None, made.reason
    return home


def given(how):
    return json.dumps({"how": how})


@pytest.mark.parametrize("name", WORDS)
def test_a_terminal_would_act_on_each_of_these_words(name):
    assert DRIVES.search(WORDS[name])


@pytest.mark.parametrize(("how", "shown"), [("value", "owned"), ("error", "owned"), ("kind", "Odd"), ("file", "plain")])
def test_nothing_that_a_tool_says_drives_the_terminal(driver, how, shown):
    terminal = Terminal(driver, "call", "drive", given(how), "--home", str(driver), "--out", str(driver / how))
    code, screen = terminal.end()
    assert (code, shown in screen) == (0 if how in ("value", "file") else 1, True), screen
    raw = OWN.sub("", terminal.raw.decode().replace("\r\n", "\n"))
    assert DRIVES.search(raw) is None, repr(raw)


def test_json_has_none_of_it_either(driver):
    done = toolwright(driver, "call", "drive", given("value"), "--json", "--home", str(driver))
    assert DRIVES.search(done.stdout) is None
    assert as_json(done)["value"] == {words: words for words in WORDS.values()}


def test_printed_as_they_are_they_do_drive_it(driver):
    command = [sys.executable, "-c", f"print({''.join(WORDS.values())!r})"]
    done = subprocess.run(command, capture_output=True, text=True, env=environ(driver), timeout=PATIENCE_S)
    assert DRIVES.search(done.stdout)
