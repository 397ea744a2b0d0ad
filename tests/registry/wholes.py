"""Shelves as wholes in the tests: one that has everything a shelf can have, and the commands that care for it."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from cloud import ROOT, Cloud, let_in, open_shared
from jsonschema import Draft202012Validator
from shelf import Shelf, open_shelf, verdict_of

from docs_support.pages import page
from toolwright.cli import cli, look
from toolwright.errors import ToolwrightError
from toolwright.signing.ed25519 import keyid_of
from toolwright.store import Change
from toolwright.store.aws.address import Address
from toolwright.store.keys import HomeKeys

KEPT = 7
"""Versions on a stocked shelf."""


def stock(shelf: Shelf) -> None:
    """Versions, a way back, a retired and a revoked one, two tenants, a request that found a tool, a spent number."""
    registry = shelf.registry
    for body in ("amount", "rate", "amount * rate"):
        registry.admit(verdict_of("three", "Do it thrice.", body=body), new_version=True, run_id="r1", model="m")
    registry.restore("three", 2, why="the third was slow")
    registry.admit(verdict_of("gone", "Do what nobody wants."), requests=["somebody wanted it once"])
    registry.retire("gone", who="somebody", why="nobody wants it")
    bad = registry.admit(verdict_of("bad", "Do harm.")).version
    shelf.store.change("local", "bad", bad.number, Change("revoked", 5.0, 0, "a person", "it does harm"))
    registry.found_by(registry.admit(verdict_of("found", "Convert something.")).version, "kilometres into miles please")
    shelf.store.place(_slot(), lambda number: _draft(number), shelf.seal)


def _slot() -> Any:
    from toolwright.store import Slot
    from toolwright.tool import ToolVersion

    version = ToolVersion(verdict_of("tenants", "Do it for a tenant.", namespace="mine"), 1)
    return Slot("mine", "tenants", version.digest, 3.0, "agent", "admitted", above=4)


def _draft(number: int) -> Any:
    from toolwright import toolfile
    from toolwright.store import Draft
    from toolwright.tool import ToolVersion

    version = ToolVersion(verdict_of("tenants", "Do it for a tenant.", namespace="mine"), number, created_at=3.0)
    return Draft(toolfile.write(version), {**toolfile.to_record(version), "dollars": 0.25})


class Places:
    """Shelves by kind, in the folder of a test: `local` is a home, `shared` a prefix of its own in the cloud.

    All homes have the keys of one, as whoever moves a home takes them along, unless a test says *strange*.
    """

    def __init__(self, tmp_path: Path, servers: Cloud) -> None:
        self.tmp_path, self.servers = tmp_path, servers
        self.home = tmp_path / "own-home"

    def new(self, kind: str, name: str, *, strange: bool = False) -> str:
        if kind == "local":
            home = self.tmp_path / name
            return str(home if strange else self.ours(home))
        address = self.servers.address()
        place = f"s3://{address.bucket}/{address.prefix}?table={address.table}"
        if not strange:
            self.taken_in(place)
        return place

    def taken_in(self, place: str) -> None:
        """The home that the commands are asked from joins a shared *place*; a home is left as it is."""
        if "://" in place:
            let_in(self.address(place), self.ours(self.home))

    def ours(self, home: Path) -> Path:
        """*home*, with the keys of all others here if it has none yet."""
        first = self.tmp_path / "the-keys"
        HomeKeys(first).signer()
        if not (home / "trust").exists():
            shutil.copytree(first / "trust", home / "trust")
            home.chmod(0o700)
        return home

    def joined(self, place: str, name: str, *, admitted: bool = True) -> Path:
        """A home with keys of its own that believes the root of a shared *place*, and may sign there if *admitted*."""
        home = self.tmp_path / name
        if admitted:
            let_in(self.address(place), home)
        else:
            let_in(self.address(place), self.tmp_path / "first-there")
            HomeKeys(home).pin(str(self.address(place)), keyid_of(ROOT.public))
        return home

    def opened(self, place: str, home: str = "asking", *, strange: bool = False, **more: Any) -> Shelf:
        if "://" not in place:
            return open_shelf(Path(place), **more)
        folder = self.tmp_path / home
        return open_shared(self.address(place), folder if strange else self.ours(folder), **more)

    def address(self, place: str) -> Address:
        return self.servers.address(place.partition("?")[0].rpartition("/")[2])

    def stocked(self, kind: str, name: str) -> str:
        place = self.new(kind, name)
        shelf = self.opened(place)
        stock(shelf)
        shelf.close()
        return place

    def run(self, *words: str, **environment: str) -> tuple[int, str]:
        """Exit code and output of `toolwright WORDS`."""
        said = {
            "TOOLWRIGHT_STORE_S3_URL": self.servers.s3_url,
            "TOOLWRIGHT_STORE_DYNAMODB_URL": self.servers.dynamodb_url,
            "TOOLWRIGHT_STORE_REGION": "us-east-1",
            "TOOLWRIGHT_HOME": str(self.home),
        }
        for console in (look.out, look.err):
            # Each is made for the standard output of its time, which is another one in each of these runs.
            console.cache_clear()
        done = CliRunner().invoke(cli, list(words), env=said | environment)
        for console in (look.out, look.err):
            console.cache_clear()
        if isinstance(done.exception, ToolwrightError):
            return done.exception.exit_code, f"{done.output}{done.exception}"
        assert done.exception is None or isinstance(done.exception, SystemExit), done.output + repr(done.exception)
        return done.exit_code, done.output

    def told(self, *words: str) -> Any:
        """What `registry WORDS --json` printed, held against the page."""
        code, said = self.run("registry", *words, "--json")
        line = json.loads(said)
        schema = json.loads(page("docs/json.md").of("json")[0].text)
        Draft202012Validator({**schema, "$ref": f"#/$defs/{line['type']}"}).validate(line)
        return line | {"exit": code}

    def kept(self, place: str) -> str:
        """The sha256 of a backup, which is the same for the same shelf."""
        file = self.tmp_path / "kept.tar"
        code, said = self.run("registry", "backup", str(file), "--store", place)
        assert code == 0, said
        return hashlib.sha256(file.read_bytes()).hexdigest()
