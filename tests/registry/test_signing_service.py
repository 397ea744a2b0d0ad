"""A home whose key is with a service: it signs over a socket, and one that does not is a refusal and changes nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from shelf import verdict_of
from signing_service import SigningService

from toolwright import Toolwright, joining
from toolwright.cli import cli
from toolwright.errors import FaultError, RefusedError, SettingsError, ToolwrightError
from toolwright.provenance import root
from toolwright.registry import Registry
from toolwright.search import FtsRetriever
from toolwright.settings import load
from toolwright.signers import keys_of, service_of
from toolwright.signing import services
from toolwright.signing.ed25519 import PrivateKey, keyid_of, new_private
from toolwright.store.home import Home
from toolwright.store.local import LocalStore
from toolwright.store.papers import FolderPapers

NAME = "convert_currency"


@pytest.fixture
def service(tmp_path: Path) -> Iterator[SigningService]:
    started = SigningService(tmp_path / "kms")
    yield started
    started.stop()


@pytest.fixture
def home(tmp_path: Path, service: SigningService) -> Path:
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    (folder / "config.toml").write_text(f'signer = "{service.reference}"\n')
    return folder


def keys(home: Path, *words: str) -> list[dict[str, Any]]:
    done = CliRunner().invoke(cli, ["registry", "keys", *words, "--json", "--home", str(home)])
    assert done.exit_code == 0, done.output
    found: list[dict[str, Any]] = json.loads(done.output)["keys"]
    return found


def sums(folder: Path) -> dict[str, str]:
    return {str(one): hashlib.sha256(one.read_bytes()).hexdigest() for one in folder.rglob("*") if one.is_file()}


def test_a_service_in_another_process_signs_and_the_home_keeps_no_key(home: Path, service: SigningService) -> None:
    with Toolwright(home=home) as tw:
        tw.registry.admit(verdict_of())
        tw.registry.retire(NAME)
        tw.registry.restore(NAME)
        held = tw.registry.provenance(NAME, 1)
    (key,) = keys(home)
    assert (key["where"], key["current"]) == ("service", True)
    assert {held.validated.keyid, held.promoted.keyid} == {key["keyid"]}
    assert not (home / "trust/keys.json").exists()
    service.stop()
    with Toolwright(home=home) as tw:
        assert tw.call(NAME, {"amount": 2.0, "rate": 1.5}).value == 3.0, "nothing is signed to read"
        before = sums(home / "tools")
        with pytest.raises(
            FaultError, match=r"The signer .*kms.py:connect' \(setting signer\) did not sign: Connection"
        ):
            tw.registry.admit(verdict_of("another"))
        with pytest.raises(FaultError, match="did not sign"):
            tw.registry.revoke(NAME)
        assert tw.registry.names() == [NAME]
        assert sums(home / "tools") == before
        service.start()
        assert str(tw.registry.admit(verdict_of("another")).version) == "another@1", "it is asked anew"


@pytest.mark.parametrize("manner", ["wrong", "short", pytest.param("silent", marks=pytest.mark.long)])
def test_a_service_that_does_not_sign_as_it_should_is_refused_and_takes_nobodys_place(
    home: Path, service: SigningService, manner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "PATIENCE_S", 2.0 if manner == "silent" else 10.0)
    (home / "config.toml").rename(home / "config.off")
    with Toolwright(home=home) as tw:
        tw.registry.admit(verdict_of())
    (home / "config.off").rename(home / "config.toml")
    service.answers(manner)
    before = sums(home / "trust") | sums(home / "tools")
    said = "did not answer within 2 s" if manner == "silent" else "gave what is no ed25519 signature"
    with Toolwright(home=home) as tw:
        with pytest.raises(FaultError, match=f"{said}.* Nothing was signed, and nothing changed"):
            tw.registry.admit(verdict_of("another"))
        with pytest.raises(FaultError, match=said):
            tw.registry.admit(verdict_of(body="rate"), new_version=True)
        assert sums(home / "trust") | sums(home / "tools") == before
        assert (tw.registry.names(), tw.registry.get(NAME).number) == ([NAME], 1)
    assert [one["where"] for one in keys(home)] == ["file"]
    service.answers("honest")
    with Toolwright(home=home) as tw:
        assert str(tw.registry.admit(verdict_of("another")).version) == "another@1"


def test_a_service_takes_the_place_of_a_key_and_a_key_that_of_the_service(home: Path, service: SigningService) -> None:
    config = (home / "config.toml").read_text()
    (home / "config.toml").unlink()
    with Toolwright(home=home) as tw:
        tw.registry.admit(verdict_of("first"))
    (home / "config.toml").write_text(config)
    made = keys(home, "--rotate")
    assert [one["where"] for one in made] == ["gone", "service"]
    assert keys(home, "--rotate") == made, "the service has the key that it has"
    assert "value" not in (home / "trust/keys.json").read_text(), "the private half of the key before is given up"
    (home / "config.toml").unlink()
    with Toolwright(home=home) as tw:
        assert tw.registry.get("first").number == 1
        with pytest.raises(SettingsError, match="kept by a service, and no setting says which"):
            tw.registry.admit(verdict_of())
        assert tw.registry.names() == ["first"]
    assert [one["where"] for one in keys(home, "--rotate")] == ["gone", "gone", "file"]
    with Toolwright(home=home) as tw:
        tw.registry.admit(verdict_of())


def test_no_signer_comes_from_where_a_model_may_write(home: Path, tmp_path: Path) -> None:
    left, marker = home / "tools" / "kms.py", tmp_path / "imported"
    left.parent.mkdir()
    left.write_text(f"import pathlib\npathlib.Path({str(marker)!r}).touch()\nconnect = None\n")
    for reference, why in [
        (f"{left}:connect", "lies in Toolwright's home"),
        ("no_such_module_here:connect", "there is no module"),
        ("os:no_such_name", "os has no 'no_such_name'"),
        ("os:sep", "sep is of type str and cannot be called"),
        ("no module:connect", "'no module' is no name of a module"),
    ]:
        (home / "config.toml").write_text(f'signer = "{reference}"\n')
        with Toolwright(home=home) as tw, pytest.raises(SettingsError, match=f"setting signer = .*{why}"):
            tw.registry.admit(verdict_of())
    assert not marker.exists()
    assert not (home / "trust/trust.json").exists()


@pytest.mark.parametrize(
    ("reference", "code", "why"),
    [
        ("os:no_such_name", 2, "setting signer = 'os:no_such_name': os has no 'no_such_name'"),
        ("json:loads", 7, "The signer 'json:loads' (setting signer) did not sign: TypeError"),
        ("os:getcwd", 7, "The signer 'os:getcwd' (setting signer) did not sign: AttributeError"),
    ],
)
def test_a_signer_that_is_none_is_quoted_with_the_two_ways_on(home: Path, reference: str, code: int, why: str) -> None:
    (home / "config.toml").write_text(f'signer = "{reference}"\n')
    done = CliRunner().invoke(cli, ["registry", "keys", "--rotate", "--home", str(home)])
    assert isinstance(done.exception, ToolwrightError), done.output
    assert (done.exception.exit_code, why in str(done.exception)) == (code, True), done.exception
    assert "with `public` and `sign`" in str(done.exception)
    for command in ("config unset signer", "registry keys --rotate"):
        assert f"`toolwright {command}`" in str(done.exception)
        words = [*command.split(), "--home", str(home)]
        assert CliRunner().invoke(cli, words, catch_exceptions=False).exit_code == 0
    assert [one["where"] for one in keys(home)] == ["file"]


@pytest.mark.parametrize("text", ["", " ", "connect", ":connect", "kms:", "kms: "])
def test_a_signer_that_names_no_function_is_not_taken_as_a_setting(home: Path, text: str) -> None:
    before = (home / "config.toml").read_text()
    done = CliRunner().invoke(cli, ["config", "set", "signer", text, "--home", str(home)])
    assert isinstance(done.exception, ToolwrightError), done.output
    assert f"setting signer = {text!r}" in str(done.exception)
    assert "must be" in str(done.exception)
    assert (home / "config.toml").read_text() == before


def test_a_services_key_signs_for_a_shared_place_once_its_root_lets_it_in(home: Path, tmp_path: Path) -> None:
    papers, key = FolderPapers(tmp_path / "shared/papers", tmp_path / "shared"), PrivateKey(new_private())
    fingerprint = root.publish(papers, key)
    settings = load(home)
    own = keys_of(settings)
    joined = joining.join(own, papers, "here", fingerprint)
    assert not joined.admitted
    trust = joining.shared_trust(home, papers, "here", service_of(settings))
    registry = Registry(LocalStore(tmp_path / "shared", FtsRetriever()), Home.open(home).calls, trust=trust)
    with pytest.raises(RefusedError, match=f"keys --admit {joined.keyid}"):
        registry.admit(verdict_of())
    public, _ = root.asked(papers, joined.keyid)
    root.endorse(papers, key, public)
    registry.admit(verdict_of())
    assert registry.provenance(NAME, 1).promoted.keyid == keyid_of(own.signer().public) == joined.keyid
