"""`config` and `doctor`: a password in an address is shown by neither, however the address is written."""

from __future__ import annotations

import json

import pytest
from shop import as_json, toolwright

from toolwright import configfile
from toolwright.settings import load

ADDRESSES = [
    "http://u:hunter2@h/mcp",
    "http://u:at@hunter2@h/mcp",
    "http://u:a#hunter2@h/mcp",
    "http://hunter2@h",
]
"""Each with a password that a person would write so."""


def test_the_list_hides_the_whole_of_each_password(home):
    (home / "config.toml").write_text(f"[tools]\nmcp = {json.dumps(ADDRESSES)}\n")
    shown = next(one.value for one in configfile.values(load(home)) if one.key == "tools.mcp")
    assert shown == ["http://***@h/mcp"] * 3 + ["http://***@h"]
    told = toolwright(home, "config", "list", "--home", str(home)).stdout
    assert "http://***@h/mcp" in told
    assert "hunter2" not in told


def test_an_address_without_a_password_is_shown_as_it_is(home):
    address = "http://127.0.0.1:9/mcp/@scope/name"
    (home / "config.toml").write_text(f"[tools]\nmcp = [{json.dumps(address)}]\n")
    assert toolwright(home, "config", "get", "tools.mcp", "--home", str(home)).stdout == f'["{address}"]\n'


@pytest.mark.parametrize("address", ["ftp://u:hunter2@h/v1", "u:hunter2@h/v1", "http://u:at@hunter2@h/v1"])
def test_an_error_about_an_address_does_not_repeat_its_password(home, address):
    told = toolwright(home, "config", "set", "base_url", address, "--home", str(home), code=2).stderr
    assert "holds a user name or a password" in told
    assert "hunter2" not in told
    assert not (home / "config.toml").exists()


def test_doctor_names_the_cure_of_a_base_url_with_a_password_and_not_the_password(home):
    (home / "config.toml").write_text('base_url = "ftp://u:hunter2@h/v1"\nmodel = "openai:x"\n')
    done = toolwright(home, "doctor", "--json", "--home", str(home))
    model = next(one for one in as_json(done)["findings"] if one["name"] == "model")
    assert not model["ok"]
    assert "toolwright config unset base_url" in model["cure"]
    assert "hunter2" not in done.stdout + done.stderr
