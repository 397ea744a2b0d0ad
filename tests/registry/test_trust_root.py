"""A store that several homes share, as a folder: a key speaks only if the root says so, and the root is known by a person."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from shelf import verdict_of

from toolwright.errors import EditedError, NotFoundError, RefusedError, SettingsError, UserError
from toolwright.joining import shared_trust
from toolwright.provenance import root, versions
from toolwright.registry import Registry
from toolwright.search import FtsRetriever
from toolwright.signing.ed25519 import PrivateKey, keyid_of, new_private
from toolwright.signing.statements import sealed
from toolwright.store.home import Home
from toolwright.store.keys import HomeKeys
from toolwright.store.local import LocalStore
from toolwright.store.papers import FolderPapers


@dataclass
class Member:
    """A home that uses the shared place."""

    keys: HomeKeys
    home: Home
    registry: Registry

    @property
    def public(self) -> bytes:
        return self.keys.signer().public


@dataclass
class Shared:
    folder: Path
    papers: FolderPapers
    root: PrivateKey
    fingerprint: str

    def member(self, home: Path, fingerprint: str = "") -> Member:
        keys = HomeKeys(home)
        keys.pin("here", root.check(self.papers, fingerprint or self.fingerprint))
        trust = shared_trust(home, self.papers, "here")
        store, books = LocalStore(self.folder, FtsRetriever()), Home.open(home)
        return Member(keys, books, Registry(store, books.calls, books.audit, trust=trust))


@pytest.fixture
def shared(tmp_path: Path) -> Shared:
    papers, key = FolderPapers(tmp_path / "shared/papers", tmp_path / "shared"), PrivateKey(new_private())
    return Shared(tmp_path / "shared", papers, key, root.publish(papers, key))


def test_what_one_member_proved_another_believes(shared: Shared, tmp_path: Path) -> None:
    one, two = shared.member(tmp_path / "one"), shared.member(tmp_path / "two")
    root.endorse(shared.papers, shared.root, one.public, who="one")
    one.registry.admit(verdict_of())
    assert two.registry.get("convert_currency").number == 1
    held = two.registry.provenance("convert_currency", 1)
    assert (held.validated.keyid, held.validator) == (keyid_of(one.public), f"root {shared.fingerprint[:16]}")


def test_a_key_that_is_merely_found_in_the_store_is_refused(shared: Shared, tmp_path: Path) -> None:
    one, two = shared.member(tmp_path / "one"), shared.member(tmp_path / "two")
    with pytest.raises(RefusedError, match="does not speak for this home's key"):
        one.registry.admit(verdict_of())
    root.endorse(shared.papers, shared.root, one.public)
    one.registry.admit(verdict_of())
    # A stranger signs itself in with a key of its own, under the name of the key that it is.
    stranger = PrivateKey(new_private())
    keyid = root.endorse(shared.papers, stranger, stranger.public)
    assert keyid not in two.registry._trust.keys.trusted()
    # And a paper of the root is no word for another key.
    paper = shared.folder / "papers" / f"key.{keyid_of(one.public)}.json"
    shutil.copy(paper, shared.folder / "papers" / f"key.{keyid}.json")
    assert set(two.registry._trust.keys.trusted()) == {keyid_of(one.public)}
    paper.write_text(json.dumps({"public": one.public.hex()}))
    with pytest.raises(EditedError) as refused:
        two.registry.get("convert_currency")
    assert refused.value.reason == "unknown-key"


def test_a_root_is_joined_by_its_fingerprint_alone(shared: Shared, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Ask whoever"):
        shared.member(tmp_path / "one", "0" * 64)
    assert HomeKeys(tmp_path / "one").pinned() == {}
    two = shared.member(tmp_path / "two", f"SHA256:{shared.fingerprint}")
    root.endorse(shared.papers, shared.root, two.public)
    two.registry.admit(verdict_of())
    # Somebody puts a root of their own in the place of the first one.
    other = PrivateKey(new_private())
    with pytest.raises(RefusedError, match="already"):
        root.publish(shared.papers, other)
    (shared.folder / "papers/root.json").write_text(json.dumps({"public": other.public.hex()}))
    root.endorse(shared.papers, other, other.public)
    with pytest.raises(SettingsError, match="not the one that this home joined"):
        two.registry.get("convert_currency")


def test_a_key_speaks_in_its_roles_only_and_until_the_root_takes_its_word_back(shared: Shared, tmp_path: Path) -> None:
    one, two = shared.member(tmp_path / "one"), shared.member(tmp_path / "two")
    root.endorse(shared.papers, shared.root, one.public)
    one.registry.admit(verdict_of())
    root.endorse(shared.papers, shared.root, one.public, roles=["validator"])
    with pytest.raises(EditedError, match="promoter's key is not trusted"):
        two.registry.get("convert_currency")
    root.endorse(shared.papers, shared.root, one.public)
    assert two.registry.get("convert_currency").number == 1
    root.endorse(shared.papers, shared.root, one.public, standing=False)
    with pytest.raises(EditedError, match="validator's key is not trusted"):
        two.registry.get("convert_currency")


def test_a_revocation_holds_for_every_member(shared: Shared, tmp_path: Path) -> None:
    one, two = shared.member(tmp_path / "one"), shared.member(tmp_path / "two")
    for member in (one, two):
        root.endorse(shared.papers, shared.root, member.public)
    one.registry.admit(verdict_of())
    one.registry.admit(verdict_of(body="rate"), new_version=True)
    assert two.registry.get("convert_currency").number == 2
    two.registry.revoke("convert_currency", why="leaks")
    assert one.registry.get("convert_currency").number == 1


def parties(shared: Shared, tmp_path: Path) -> tuple[Member, Member]:
    """A home whose key validates and does not promote, and one the other way round."""
    validates, promotes = shared.member(tmp_path / "validates"), shared.member(tmp_path / "promotes")
    root.endorse(shared.papers, shared.root, validates.public, roles=["validator"])
    root.endorse(shared.papers, shared.root, promotes.public, roles=["promoter"])
    return validates, promotes


def states(member: Member) -> list[str]:
    return [one.state for one in member.registry.history("convert_currency")]


def test_what_a_validator_alone_makes_waits_until_a_promoter_puts_it_in_force(shared: Shared, tmp_path: Path) -> None:
    validates, promotes = parties(shared, tmp_path)
    assert validates.registry.silenced() == ""
    admitted = validates.registry.admit(verdict_of())
    assert (admitted.won, admitted.version.state) == (True, "validated")
    for one in (validates, promotes):
        assert one.registry.names() == []
        assert one.registry.search("convert an amount") == []
        for number in (None, 1):
            with pytest.raises(EditedError, match="registry promote convert_currency 1") as refused:
                one.registry.get("convert_currency", number)
            assert refused.value.reason == "not-promoted"
    version, judged = promotes.registry.waiting("convert_currency")
    assert (version.digest, judged.validated.keyid) == (admitted.version.digest, keyid_of(validates.public))
    with pytest.raises(RefusedError, match="is not believed as promoter"):
        validates.registry.promote("convert_currency")
    with pytest.raises(EditedError, match="registry promote"):
        promotes.registry.restore("convert_currency")
    assert states(promotes) == ["validated"]
    promotes.registry.promote("convert_currency", why="read it")
    held = validates.registry.provenance("convert_currency", 1)
    assert (held.validated.keyid, held.promoted.keyid) == (keyid_of(validates.public), keyid_of(promotes.public))
    assert held.promoted.claim.says["promotion"]["why"] == "read it"
    with pytest.raises(NotFoundError, match="waits to be promoted"):
        promotes.registry.promote("convert_currency")


def test_a_version_that_waits_takes_nobodys_place(shared: Shared, tmp_path: Path) -> None:
    validates, promotes = parties(shared, tmp_path)
    validates.registry.admit(verdict_of())
    promotes.registry.promote("convert_currency")
    validates.registry.admit(verdict_of(body="rate"), new_version=True)
    assert validates.registry.get("convert_currency").number == 1
    assert states(validates) == ["active", "validated"]
    assert promotes.registry.all_waiting() == [("convert_currency", 2)]
    promotes.registry.promote("convert_currency", 2)
    assert (validates.registry.get("convert_currency").number, states(validates)) == (2, ["retired", "active"])
    with pytest.raises(RefusedError, match="registry restore convert_currency 1") as refused:
        validates.registry.admit(verdict_of(), new_version=True)
    assert refused.value.reason == "not-promoted"
    assert promotes.registry.restore("convert_currency", 1).number == 1
    assert [one.deed.what for one in promotes.home.audit.latest()] == ["restored", "promoted", "promoted"]
    assert [one.deed.what for one in validates.home.audit.latest()] == ["validated", "validated"]


def test_a_validators_word_as_promoter_is_nobodys(shared: Shared, tmp_path: Path) -> None:
    validates, promotes = parties(shared, tmp_path)
    validates.registry.admit(verdict_of())
    path = shared.folder / "tools" / "convert_currency" / "1.json"
    record = json.loads(path.read_text())
    record["changes"].append({"state": "active", "at": 1.0, "order": 2, "who": "me", "why": ""})
    record["state"] = "active"
    path.write_text(json.dumps(record))
    promotes.registry.rebuild()
    with pytest.raises(EditedError) as refused:
        promotes.registry.get("convert_currency")
    assert refused.value.reason == "not-promoted"
    own = validates.keys.signer()
    record["signature"].append(sealed(versions.promoted(record, 1), own))
    path.write_text(json.dumps(record))
    with pytest.raises(EditedError, match="promoter's key is not trusted") as refused:
        promotes.registry.get("convert_currency")
    assert refused.value.reason == "unknown-key"


def test_a_key_that_promotes_alone_makes_nothing_and_signs_no_evidence_that_was_changed(
    shared: Shared, tmp_path: Path
) -> None:
    validates, promotes = parties(shared, tmp_path)
    with pytest.raises(RefusedError, match="is not believed as validator"):
        promotes.registry.admit(verdict_of())
    assert "is not believed as validator" in promotes.registry.silenced()
    validates.registry.admit(verdict_of())
    path = shared.folder / "tools" / "convert_currency" / "1.json"
    path.write_text(path.read_text().replace('"model": ""', '"model": "another:model"'))
    with pytest.raises(EditedError, match="not the one that was signed"):
        promotes.registry.promote("convert_currency")
    assert states(promotes) == ["validated"]
