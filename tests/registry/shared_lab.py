"""A process that lets its children change a shared shelf and die by SIGKILL: before or after each request in turn.

`shared_lab.py DEED S3_URL DYNAMODB_URL FOLDER`; a JSON line for each child says what was found afterwards.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from botocore.httpsession import URLLib3Session
from cloud import ROOT, Cloud, let_in, open_shared
from shelf import Shelf, verdict_of

from toolwright.errors import NotFoundError
from toolwright.provenance import root
from toolwright.search import FtsRetriever
from toolwright.store.aws.address import Address
from toolwright.store.aws.shared import AwsStore
from toolwright.store.keys import HomeKeys

Deed = Callable[[Shelf], None]


def admit(shelf: Shelf) -> None:
    shelf.registry.admit(verdict_of("the_tool"))


def admit_next(shelf: Shelf) -> None:
    shelf.registry.admit(verdict_of("the_tool", body="rate"), new_version=True)


def find_by(shelf: Shelf) -> None:
    shelf.registry.found_by(shelf.registry.get("the_tool"), "a wish that had use of it")


def wait(shelf: Shelf) -> None:
    """The tool waits for a promoter, and this home's key may be that from now on."""
    store: Any = shelf.store
    key = HomeKeys(shelf.home.path).signer().public
    root.endorse(store.papers, ROOT, key, roles=["validator"])
    admit(shelf)
    root.endorse(store.papers, ROOT, key)


def wait_yanked(shelf: Shelf) -> None:
    wait(shelf)
    shelf.registry.yank("the_tool", 1)


def once(deed: Deed) -> Deed:
    def done(shelf: Shelf) -> None:
        # Done by the one that was killed: nothing waits, or nothing is in force.
        with suppress(NotFoundError):
            deed(shelf)

    return done


DEEDS: dict[str, tuple[Deed | None, Deed]] = {
    "admit-first": (None, admit),
    "admit-next": (admit, admit_next),
    "retire": (admit, once(lambda shelf: shelf.registry.retire("the_tool"))),
    "yank": (admit, once(lambda shelf: shelf.registry.yank("the_tool"))),
    "revoke": (admit, once(lambda shelf: shelf.registry.revoke("the_tool"))),
    "promote": (wait, once(lambda shelf: shelf.registry.promote("the_tool"))),
    "promote-yanked": (wait_yanked, once(lambda shelf: shelf.registry.promote("the_tool", 1))),
    "find-by": (admit, find_by),
}


def found_at(address: Address, home: Path) -> list[str]:
    store = AwsStore(address, home, lambda _: FtsRetriever())
    try:
        history = store.history("local", "the_tool")
        for info in history:
            assert store.load("local", "the_tool", info.number).entry == info
        return [f"{info.number} {info.state} {info.requests}" for info in history]
    finally:
        store.close()


def do(deed: Deed | None, address: Address, home: Path) -> None:
    if deed is not None:
        shelf = open_shared(address, home)
        deed(shelf)
        shelf.close()


def die_in(deed: Deed, address: Address, home: Path, at: int, after: bool) -> bool:
    child = os.fork()
    if child == 0:
        count, real = 0, URLLib3Session.send

        def send(self: Any, request: Any) -> Any:
            nonlocal count
            count += 1
            if count < at:
                return real(self, request)
            if after:
                real(self, request)
            return os.kill(os.getpid(), signal.SIGKILL)

        URLLib3Session.send = send
        try:
            deed(open_shared(address, home))
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or status == 0, status
    return os.WIFSIGNALED(status)


def main(name: str, s3_url: str, dynamodb_url: str, folder: Path) -> None:
    first, deed = DEEDS[name]
    cloud = Cloud(s3_url, dynamodb_url)
    # The same home for all, as it is after the first deed; only what it knows of shared shelves differs by shelf.
    home, whole = folder / "home", cloud.address()
    do(first, whole, home)
    before = found_at(whole, home)
    do(deed, whole, home)
    wished = found_at(whole, home)
    for after in (False, True):
        at, killed = 0, True
        while killed:
            at += 1
            address = cloud.address()
            let_in(address, home)
            do(first, address, home)
            killed = die_in(deed, address, home, at, after)
            found = found_at(address, folder / "other")
            do(deed, address, home)
            line = {"at": at, "after": after, "killed": killed, "before": before, "found": found, "wished": wished}
            print(json.dumps({**line, "next": found_at(address, folder / "third")}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], Path(sys.argv[4]))
