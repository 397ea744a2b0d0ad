"""A home's signing key and a trust root, kept in a keyring: the home signs from there, and no file of it holds a key."""

import json
import os
import pathlib
import subprocess
import sys

import pytest
from shop import ADD, as_json, environ, toolwright

ROOT = """
import sys
from pathlib import Path
from toolwright import joining
from toolwright.provenance import root
from toolwright.store.keys import HomeKeys
from toolwright.store.papers import FolderPapers

home, shared = map(Path, sys.argv[1:])
papers = FolderPapers(shared / "papers", shared)
made = joining.found_root(HomeKeys(home), papers, "here", "keyring")
again = joining.found_root(HomeKeys(home), papers, "here", "keyring")
assert (made.made, again.made, again.joined) == (True, False, True)
print(*(f"{one.keyid} {one.standing}" for one in joining.members(HomeKeys(home), papers, "here")))
"""


@pytest.fixture
def ring(tmp_path):
    """A keyring, as variables for a command."""
    here = str(pathlib.Path(__file__).parent)
    return {
        "PYTHON_KEYRING_BACKEND": "filed_keyring.Keyring",
        "PYTHONPATH": os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")])),
        "FILED_KEYRING": str(tmp_path / "ring.json"),
    }


def private_keys(ring):
    """What the keyring keeps, each 32 bytes in hex."""
    kept = list(json.loads(pathlib.Path(ring["FILED_KEYRING"]).read_text()).values())
    assert all(len(bytes.fromhex(one)) == 32 for one in kept)
    return kept


def everything(home):
    return b"".join(one.read_bytes() for one in home.rglob("*") if one.is_file())


def test_a_signing_key_and_a_root_are_kept_in_the_keyring_and_sign_from_there(home, tmp_path, ring):
    (home / "add.py").write_text(ADD)
    made = as_json(toolwright(home, "registry", "keys", "--rotate", "--in", "keyring", "--json", "--home", ".", **ring))
    (key,) = made["keys"]
    assert (key["where"], key["current"]) == ("keyring", True)
    toolwright(home, "registry", "import", "add.py", "--home", ".", **ring)
    told = as_json(toolwright(home, "show", "add", "--provenance", "--json", "--home", ".", **ring))
    assert {told["validation"]["keyid"], told["promotion"]["keyid"]} == {key["keyid"]}
    (private,) = private_keys(ring)
    words = [sys.executable, "-c", ROOT, str(home), str(tmp_path / "shared")]
    done = subprocess.run(words, env=environ(home, **ring), capture_output=True, text=True, timeout=60)
    assert done.stdout == f"{key['keyid']} admitted\n", done.stderr
    both = private_keys(ring)
    assert len(both) == 2
    assert private in both
    assert not any(one.encode() in everything(home) + everything(tmp_path / "shared") for one in both)
    # Locked: nothing new is signed, and what was signed runs.
    pathlib.Path(ring["FILED_KEYRING"]).with_suffix(".locked").touch()
    (home / "more.py").write_text(ADD.replace("add(", "more("))
    refused = toolwright(home, "registry", "import", "more.py", "--home", ".", code=7, **ring)
    assert "keyring" in refused.stderr
    assert toolwright(home, "call", "add", '{"a": 1, "b": 2}', "--home", ".", **ring).stdout == "3\n"
    assert not (home / "tools" / "more" / "1.json").exists()
