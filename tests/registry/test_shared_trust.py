"""The shared shelf believes nothing unsigned: what was changed, swapped, revoked or lost there, and who may sign at all."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from cloud import ROOT, Cloud, Fault, Proxy, Seen, open_shared
from jsonschema import Draft202012Validator
from shelf import Shelf, verdict_of

from docs_support.pages import page
from toolwright.cli import cli, look
from toolwright.errors import EditedError, RefusedError, SettingsError, ToolwrightError
from toolwright.joining import shared_trust
from toolwright.provenance import root, versions
from toolwright.signing import statements
from toolwright.signing.ed25519 import PrivateKey, keyid_of, new_private
from toolwright.signing.statements import Signed
from toolwright.store.aws.address import Address
from toolwright.store.aws.rows import Row, row_values, sort_key
from toolwright.store.aws.shared import AwsStore
from toolwright.store.keys import HomeKeys

NAME = "convert_currency"
Opened = Callable[..., Shelf]


@pytest.fixture
def place(servers: Cloud) -> Address:
    return servers.address()


@pytest.fixture
def opened(tmp_path: Path, place: Address) -> Iterator[Opened]:
    shelves: list[Shelf] = []

    def open_one(**more: Any) -> Shelf:
        shelves.append(open_shared(place, tmp_path / f"home-{len(shelves)}", **more))
        return shelves[-1]

    yield open_one
    for shelf in shelves:
        shelf.close()


def _two(opened: Opened) -> AwsStore:
    """Version 2 in force; it took the place of version 1."""
    shelf = opened()
    shelf.registry.admit(verdict_of())
    shelf.registry.admit(verdict_of(body="rate"), new_version=True)
    store: Any = shelf.store
    assert isinstance(store, AwsStore)
    return store


def _row(store: AwsStore) -> Row:
    return store.table.name("local", NAME).rows[2]


def _put(store: AwsStore, row: Row) -> None:
    keys = f"{store.address.root}shelf/local", sort_key(NAME, row.number)
    store.table.commit([store.table.put("spoiled", *keys, row_values(row))])


def _record(store: AwsStore, spoil: Callable[[dict[str, Any]], Any]) -> None:
    row = _row(store)
    record = json.loads(store.blobs.get(row.record))
    spoil(record)
    _put(store, replace(row, record=store.blobs.put(json.dumps(record).encode())))


def _text(store: AwsStore) -> None:
    row = _row(store)
    changed = store.blobs.get(row.text).replace(b"return rate", b"return 2.0")
    _put(store, replace(row, text=store.blobs.put(changed)))


def _promoted(store: AwsStore, spoil: Callable[[Any], Any]) -> None:
    row = _row(store)
    statement = json.loads(row.promoted or "")
    _put(store, replace(row, promoted=json.dumps(spoil(statement))))


def _wrong(statement: dict[str, Any]) -> dict[str, Any]:
    signature = statement["signatures"][0]
    other = "A" if signature["sig"][0] != "A" else "B"
    return {**statement, "signatures": [{**signature, "sig": other + signature["sig"][1:]}]}


def _strange(store: AwsStore) -> None:
    """Whoever can write bucket and table signs with a key of their own, and puts that beside the others."""
    stranger, row = PrivateKey(new_private()), _row(store)
    root.endorse(store.papers, stranger, stranger.public)
    signed = versions.signed(store.load("local", NAME, 2).record, 2, stranger, {})
    _record(store, lambda record: record.update(signature=signed["signature"][:1]))
    _put(store, replace(_row(store), promoted=json.dumps(signed["signature"][1]), deed=row.deed))


def _unsigned(store: AwsStore) -> None:
    _record(store, lambda record: record.update(signature=[]))
    _put(store, replace(_row(store), promoted=None))


def _object(store: AwsStore, body: bytes | None) -> None:
    key = store.blobs.place(_row(store).text)
    if body is None:
        store.client.s3("delete_object", Key=key)
    else:
        store.client.s3("put_object", Key=key, Body=body)


SPOILED: dict[str, tuple[str, Callable[[AwsStore], None]]] = {
    "unsigned": ("unsigned", _unsigned),
    "no-promoter": ("not-promoted", lambda store: _put(store, replace(_row(store), promoted=None))),
    "changed-record": ("changed", lambda store: _record(store, lambda record: record.update(model="another:model"))),
    "changed-text": ("edited", _text),
    "changed-state": (
        "changed",
        lambda store: _put(store, replace(_row(store), changes=(*_row(store).changes, _row(store).changes[0]))),
    ),
    "wrong-signature": ("signature", lambda store: _promoted(store, _wrong)),
    "key-in-the-store": ("unknown-key", _strange),
    "rotten-blob": ("damaged", lambda store: _object(store, b"rubbish")),
    "lost-blob": ("damaged", lambda store: _object(store, None)),
}


@pytest.mark.parametrize("how", SPOILED)
def test_what_does_not_hold_is_refused_and_the_version_before_serves_on(opened: Opened, how: str) -> None:
    reason, spoil = SPOILED[how]
    spoil(_two(opened))
    heard: list[str] = []
    other = opened(warn=heard.append)
    with pytest.raises(EditedError, match=rf"{NAME}[@/]2") as refused:
        other.registry.get(NAME, 2)
    assert refused.value.reason == reason
    assert "adopt" in str(refused.value) or "make the tool anew" in str(refused.value)
    for _ in range(2):
        version = other.registry.get(NAME)
        assert (version.number, version.state) == (1, "active")
    assert other.registry.get(NAME, 1).state == "active"
    (told,) = heard
    assert f"{NAME}@1 serves on in the place of {NAME}@2" in told
    # Whoever proves it anew mends it, under the same number.
    again = other.registry.admit(verdict_of(body="rate"), new_version=True)
    assert (again.won, again.version.number) == (True, 2)
    assert opened().registry.get(NAME) == again.version


@pytest.mark.parametrize("why", ["missing", "not-this-one", "nothing-at-all"])
def test_an_object_that_s3_denies_is_lost_only_where_a_list_says_so(
    servers: Cloud, opened: Opened, place: Address, tmp_path: Path, why: str
) -> None:
    """S3 denies what is missing to whoever may not list it; that must neither end the tool nor hide a missing right."""
    store = _two(opened)
    lost = store.blobs.place(_row(store).text)
    if why == "missing":
        _object(store, None)
    heard: list[str] = []

    def choose(seen: Seen) -> Fault:
        denied = seen.operation == "get_object" and (why == "nothing-at-all" or seen.path.endswith(lost))
        return (403, "AccessDenied") if denied else None

    with Proxy(servers.s3_url, choose, table=servers.dynamodb_url) as proxy:
        through = servers.address(place.prefix, through=proxy.url)
        with closing(open_shared(through, tmp_path / "through", warn=heard.append)) as other:
            if why == "missing":
                assert other.registry.get(NAME).number == 1
                assert "is gone" in heard[0]
            else:
                with pytest.raises(SettingsError, match=r"get_object is not allowed|list_objects_v2 is not allowed"):
                    other.registry.get(NAME)
                assert heard == []


@pytest.mark.long
def test_a_revocation_holds_on_every_machine_at_the_first_load(opened: Opened) -> None:
    here, there = opened(), opened()
    for name in (NAME, "other_tool"):
        here.registry.admit(verdict_of(name))
        here.registry.admit(verdict_of(name, body="rate"), new_version=True)
    digest = here.registry.get(NAME).digest
    assert there.registry.get("other_tool").number == 2
    # The paper alone, and nothing of the name's rows: as a crash would leave it right after.
    here.registry._trust.revoke(digest, who="person", why="leaks")
    assert there.registry.get(NAME).number == 1
    assert there.registry.get(NAME, 2).state == "revoked"
    with pytest.raises(RefusedError) as refused:
        there.registry.admit(verdict_of(body="rate"), new_version=True)
    assert refused.value.reason == "revoked"
    # And of a name that is in use already it is heard by time.
    here.registry._trust.revoke(there.registry.get("other_tool").digest, who="person", why="leaks as well")
    until = time.monotonic() + 20
    while there.registry.get("other_tool").number == 2:
        assert time.monotonic() < until
        time.sleep(0.2)
    there.registry.revoke("other_tool", 1, why="leaks too")
    with pytest.raises(EditedError, match="leaks"):
        opened().registry.get("other_tool")


def test_a_yank_holds_on_every_machine_until_it_is_lifted(opened: Opened) -> None:
    _two(opened)
    here, there = opened(), opened()
    here.registry.yank(NAME, why="slow")
    assert there.registry.get(NAME).number == 1
    assert (there.registry.get(NAME, 2).state, there.registry.get(NAME, 1).state) == ("yanked", "active")
    assert [one.state for one in there.registry.history(NAME)] == ["active", "yanked"]
    assert there.registry.restore(NAME, 2).state == "active"
    assert opened().registry.get(NAME).number == 2


def test_a_revocation_that_is_deleted_from_the_table_holds_for_whoever_saw_it(opened: Opened) -> None:
    store = _two(opened)
    other = opened()
    other.registry.revoke(NAME, why="leaks")
    store.papers.look()
    paper = next(name for name in store.papers.names() if name.startswith("revoked."))
    store.client.db("delete_item", Key={"pk": {"S": f"{store.address.root}trust"}, "sk": {"S": paper}})
    store.papers.put(paper.replace("revoked", "unknown"), b"{}")
    assert other.registry.get(NAME, 2).state == "revoked"


def test_what_was_found_sound_costs_no_signature_again(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    _two(opened)
    count: list[int] = []

    def counted(envelope: Any, keys: Mapping[str, bytes]) -> Signed:
        count.append(1)
        return statements.opened(envelope, keys)

    monkeypatch.setattr(versions, "opened", counted)
    other = opened()
    for _ in range(5):
        other.registry.get(NAME)
    assert len(count) == 2


def test_a_home_whose_key_the_root_does_not_know_reads_and_writes_nothing(
    opened: Opened, place: Address, tmp_path: Path
) -> None:
    made = opened().registry.admit(verdict_of()).version
    stranger = opened(member=False)
    with pytest.raises(SettingsError, match=r"has not joined s3://.*registry join"):
        stranger.registry.get(NAME)
    HomeKeys(stranger.home.path).pin(str(place), keyid_of(ROOT.public))
    assert stranger.registry.get(NAME) == made
    with pytest.raises(RefusedError, match="registry keys --admit") as refused:
        stranger.registry.admit(verdict_of("other_tool"))
    assert refused.value.reason == "unknown-key"
    with pytest.raises(RefusedError):
        stranger.registry.revoke(NAME, why="because I can")
    assert opened().registry.names() == [NAME]


def test_another_root_in_the_place_of_the_first_is_refused(opened: Opened, place: Address, tmp_path: Path) -> None:
    store = _two(opened)
    other, usurper = opened(), PrivateKey(new_private())
    with pytest.raises(RefusedError, match="already"):
        root.publish(store.papers, usurper)
    store.papers.put("root.json", json.dumps({"public": usurper.public.hex()}).encode())
    root.endorse(store.papers, usurper, usurper.public)
    with pytest.raises(SettingsError, match="not the one that this home joined"):
        other.registry.get(NAME)
    trust = shared_trust(tmp_path / "home-0", store.papers, str(place))
    with pytest.raises(SettingsError, match="not the one that this home joined"):
        trust.keys.signer()


ADD = 'def add(a: int, b: int) -> int:\n    """Add two whole numbers.\n\n    >>> add(1, 2)\n    3\n    """\n    return a + b\n'


class Homes:
    """Homes of several people on one shared shelf, through the command line."""

    def __init__(self, servers: Cloud, folder: Path) -> None:
        self.folder, self.servers = folder, servers
        self.place = str(servers.address())
        self.said = {
            "TOOLWRIGHT_STORE_S3_URL": servers.s3_url,
            "TOOLWRIGHT_STORE_DYNAMODB_URL": servers.dynamodb_url,
            "TOOLWRIGHT_STORE_REGION": "us-east-1",
        }

    def run(self, home: str, *words: str, code: int = 0) -> Result:
        environment = self.said | {"TOOLWRIGHT_HOME": str(self.folder / home)}
        for console in (look.out, look.err):
            # Each is made for the standard output of its time, which is another one in each of these runs.
            console.cache_clear()
        done = CliRunner().invoke(cli, list(words), env=environment)
        error = done.exception if isinstance(done.exception, ToolwrightError) else None
        assert (error.exit_code if error else done.exit_code) == code, (done.output, done.exception)
        return done

    def address(self) -> Address:
        return self.servers.address(self.place.partition("?")[0].rpartition("/")[2])

    def heard(self, home: str, *words: str, code: int = 0) -> str:
        done = self.run(home, *words, code=code)
        return " ".join(f"{done.output} {done.exception or ''}".split())

    def json(self, home: str, *words: str, code: int = 0) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.run(home, *words, "--json", code=code).stdout)
        if found["type"] in ("registry", "keys"):
            schema = json.loads(page("docs/json.md").of("json")[0].text)
            Draft202012Validator(
                {**schema, "$ref": f"#/$defs/{found['type']}", "unevaluatedProperties": False}
            ).validate(found)
        return found


def test_two_homes_share_a_shelf_by_the_roots_word_alone(servers: Cloud, tmp_path: Path) -> None:
    homes = Homes(servers, tmp_path)
    (tmp_path / "add.py").write_text(ADD)
    made = homes.json("ann", "registry", "init", "--store", homes.place)
    fingerprint = made["root"]
    assert (made["root_made"], made["joined"]) == (True, True)
    again = homes.json("ann", "registry", "init", "--store", homes.place)
    assert (again["root"], again["root_made"]) == (fingerprint, False)
    assert (tmp_path / "ann/trust/roots.json").stat().st_mode & 0o777 == 0o600
    homes.run("ann", "config", "set", "store", homes.place)
    homes.run("ann", "registry", "import", str(tmp_path / "add.py"))

    wrong = homes.heard("bob", "registry", "join", homes.place, "--trust", "0" * 64, code=2)
    assert fingerprint in wrong
    assert "nothing was joined" in wrong
    assert not (tmp_path / "bob/config.toml").exists()
    joined = homes.json("bob", "registry", "join", homes.place, "--trust", fingerprint)
    assert (joined["root"], joined["admitted"]) == (fingerprint, False)
    assert homes.json("bob", "call", "add", '{"a": 1, "b": 2}')["value"] == 3
    members = homes.json("ann", "registry", "keys")["members"]
    assert [one["keyid"] for one in members if one["standing"] == "waiting"] == [joined["keyid"]]


def test_a_version_that_a_run_pinned_runs_on_from_any_machine_until_it_is_withdrawn(opened: Opened) -> None:
    _two(opened)
    here = opened()
    digest = here.registry.get(NAME, 1).digest
    assert (here.registry.find(NAME, 1).state, here.registry.find(NAME, 1, digest).state) == ("retired", "active")
    with pytest.raises(EditedError, match="another tool than this run began with"):
        here.registry.find(NAME, 1, "0" * 64)
    here.registry.retire(NAME)
    assert opened().registry.find(NAME, 1, digest).state == "retired"
    here.registry.restore(NAME, 2)
    assert opened().registry.find(NAME, 1, digest).state == "active"
    here.registry.revoke(NAME, 1, why="leaks")
    assert opened().registry.find(NAME, 1, digest).state == "revoked"


def test_one_home_validates_and_another_promotes(servers: Cloud, tmp_path: Path) -> None:
    homes = Homes(servers, tmp_path)
    file = tmp_path / "add.py"
    file.write_text(ADD)
    fingerprint = homes.json("ann", "registry", "init", "--store", homes.place)["root"]
    homes.run("ann", "config", "set", "store", homes.place)
    keyid = homes.json("bob", "registry", "join", homes.place, "--trust", fingerprint)["keyid"]
    assert "--role is for --admit" in homes.heard("ann", "registry", "keys", "--role", "validator", code=2)
    admitted = homes.json("ann", "registry", "keys", "--admit", keyid, "--role", "validator")["members"]
    assert {one["keyid"]: one["roles"] for one in admitted}[keyid] == ["validator"]
    made = homes.json("bob", "registry", "import", str(file))
    assert made["made"] == "add@1"
    assert "is not run before a person promotes it: `toolwright registry promote add 1`" in made["reason"]
    assert homes.json("bob", "tools")["tools"] == []
    called = homes.json("ann", "call", "add", '{"a": 1, "b": 2}', code=4)
    assert (called["status"], called["reason"]) == ("denied", "not-promoted")
    assert homes.json("ann", "show", "add")["versions"][0]["state"] == "validated"
    told = homes.json("ann", "show", "add", "--provenance")
    assert (told["state"], told["validation"]["keyid"], told["promotion"]) == ("validated", keyid, None)
    assert homes.json("ann", "registry", "verify")["findings"] == []
    assert "not believed as promoter" in homes.heard("bob", "registry", "promote", "add", code=4)
    assert homes.json("ann", "registry", "promote")["waiting"] == ["add@1"]
    assert homes.json("ann", "registry", "promote", "add", "1")["promoted"] == "add@1"
    assert homes.json("bob", "call", "add", '{"a": 1, "b": 2}')["value"] == 3
    # A further version waits beside the one in force, which the pointer still names.
    file.write_text(ADD.replace("return a + b", "return b + a"))
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "add.py").write_text(file.read_text())
    homes.run("bob", "import", str(tmp_path / "files"), "--all", "--replace")
    assert homes.json("ann", "registry", "promote")["waiting"] == ["add@2"]
    assert homes.json("ann", "show", "add")["version"] == 1
    assert homes.json("ann", "call", "add@2", '{"a": 1, "b": 2}', code=4)["reason"] == "not-promoted"
    kept = homes.json("ann", "registry", "copy", homes.place, str(tmp_path / "copied"))
    assert (kept["left"], kept["not_believed"]) == ([], [{**kept["not_believed"][0], "reason": "unknown-key"}])
    homes.run("ann", "registry", "promote", "add")
    states = [one["state"] for one in homes.json("bob", "show", "add")["versions"]]
    assert states == ["retired", "active"]
