"""What a tool declares and is not seen to use is said: to whoever checks it, and to whoever is asked about it."""

import pytest

from toolwright import Toolwright
from toolwright.powers import Grant
from toolwright.screen.unused import unused

SOURCE = '''
import os
import subprocess
from pathlib import Path

import requests

BASE = "https://API.example.com/v1"


def look(word: str) -> str:
    """Look a word up."""
    note = (Path("/srv/data") / word).read_text()
    return requests.get(f"{BASE}/{note}", headers={"X": os.environ["KEY"]}).text
'''


@pytest.mark.parametrize(
    ("powers", "packages", "said"),
    [
        ({"hosts": ("api.example.com",)}, (), ()),
        ({"hosts": ("*.example.com",)}, (), ()),
        ({"hosts": ("b.example.org", "api.example.com")}, (), ("host b.example.org:443",)),
        ({"hosts": ("tcp://mail.example.org:25",)}, (), ("tcp mail.example.org:25 (loud)",)),
        ({"reads": ("/srv/data",)}, (), ()),
        ({"reads": ("/srv",), "writes": ("/srv/data/in",)}, (), ()),
        ({"reads": ("/etc",)}, (), ("read /etc",)),
        ({"plain_secrets": ("KEY",)}, (), ()),
        ({"plain_secrets": ("KEYS",)}, (), ("plain_secret KEYS (loud)",)),
        ({"subprocess": True}, (), ()),
        ({}, ("requests>=2", "pandas"), ("package pandas",)),
    ],
)
def test_what_stands_nowhere_in_the_code_is_named(powers, packages, said):
    assert unused(SOURCE, Grant(**powers), packages) == said


def test_a_power_to_start_programs_is_looked_for_by_its_names():
    assert unused("def f():\n    return 'subprocess'\n", Grant(subprocess=True)) == ("subprocess (loud)",)
    assert unused("import os as o\n\n\ndef f():\n    o.system('ls')\n", Grant(subprocess=True)) == ()


def test_an_import_that_nobody_knows_may_come_from_any_package():
    assert unused("import nobody_knows\n", Grant(), ("some-thing",)) == ()


def test_it_is_a_note_of_the_screen_and_stands_in_the_question(tmp_path):
    asked = []
    source = 'import urllib.request\n\n\ndef look(word: str) -> int:\n    """Look."""\n'
    source += '    return len(urllib.request.urlopen("https://a.example/" + word).read())\n'

    def approve(request):
        asked.append(request.unused)
        return False

    with Toolwright(home=tmp_path / "home", approve=approve) as tw:
        verdict = tw.validate("look", source, hosts=["a.example", "b.example"])
    assert asked == [("host b.example:443",)]
    (note,) = next(check.notes for check in verdict.checks if check.name == "screen")
    assert note == "Declared, and not seen in the code: host b.example:443."
