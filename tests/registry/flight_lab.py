"""Processes that race for one request while one of them dies by SIGKILL: at each of its steps in turn.

`flight_lab.py ORDER COUNT FOLDER` on files, where a step is a call that changes the disk or a statement of SQLite, and
`flight_lab.py ORDER COUNT FOLDER S3_URL DYNAMODB_URL` on a shared shelf, each process with a home of its own, where a
step is a request, and the death comes before it in one round and after it in the next. ORDER is `first`: the one that
dies has the lease when the others come, and there are as many rounds as it has steps; or `rush`: all start at once, and
the one that dies is mostly one of those who wait. Each makes another tool, so that nobody can mistake one for the other.
A JSON line for each round says who generated, who got what, and what is on the shelf.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from botocore.httpsession import URLLib3Session
from cloud import Cloud, open_shared
from crash_lab import Dying
from shelf import Shelf, open_shelf, spec_of, verdict_of

from toolwright.errors import NotFoundError, RefusedError
from toolwright.flight import Flight, boarded
from toolwright.store.aws.address import Address
from toolwright.store.leases import Leases
from toolwright.tool import ToolVersion

NAME = "the_tool"
SHORT_S = 1.5
"""A lease between machines ends by time alone; the usual half minute for each death would take hours."""
RUSHES = 24


class Place:
    """Where the processes of one round meet."""

    def __init__(self, folder: Path, base: Path, cloud: Cloud | None) -> None:
        self.folder, self.base = folder, base
        self.address: Address | None = None if cloud is None else cloud.address()
        self.log = folder / "log"
        if self.address is None:
            shutil.copytree(base, folder / "home")

    def open(self, who: int) -> Shelf:
        if self.address is None:
            return open_shelf(self.folder / "home")
        shutil.copytree(self.base, self.folder / f"home-{who}")
        return open_shared(self.address, self.folder / f"home-{who}")

    def leases(self, shelf: Shelf) -> Leases:
        mine = shelf.registry.leases
        return mine if self.address is None else Leases(mine._records, SHORT_S)

    def tell(self, **line: Any) -> None:
        descriptor = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(descriptor, json.dumps(line).encode() + b"\n")
        os.close(descriptor)

    def told(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()] if self.log.exists() else []


def fly(place: Place, shelf: Shelf, leases: Leases, who: int, started: Callable[[], None]) -> None:
    """What the forge does with a request, but for the model and the sandbox."""

    def there() -> ToolVersion | None:
        try:
            return shelf.registry.get(NAME)
        except NotFoundError:
            return None

    overtaken = False
    while True:
        flight = asyncio.run(boarded(leases, spec_of(NAME), str(who), threading.Event(), there, proven=overtaken))
        started()
        if isinstance(flight, ToolVersion):
            place.tell(who=who, got=str(flight), digest=flight.digest, made=False)
            return
        assert isinstance(flight, Flight)
        try:
            with flight:
                place.tell(who=who, generated=True)
                time.sleep(0.02)
                admission = shelf.registry.admit(
                    verdict_of(NAME, body=f"rate + {who}"), run_id=str(who), fence=flight.fence
                )
                flight.made(admission.version.number)
        except RefusedError as error:
            if error.reason != "lease-lost":
                raise
            overtaken = True
            place.tell(who=who, overtaken=True)
            continue
        version = admission.version
        place.tell(who=who, got=str(version), digest=version.digest, made=admission.won)
        return


def opened_to_die(place: Place, at: int, report: int) -> Shelf:
    """The shelf of a process that dies at step *at*, counted from now on."""
    if place.address is None:
        dying = Dying(0, report)
        dying.arm()
        shelf = place.open(0)
        dying.count, dying.before = 0, at
        return shelf
    shelf = place.open(0)
    die_at_request(at, report)
    return shelf


def die_at_request(at: int, report: int) -> None:
    """Die before the request (odd), or after it was done (even), of which *at* says the place."""
    real, lock, count = URLLib3Session.send, threading.Lock(), 0

    def send(self: Any, request: Any) -> Any:
        nonlocal count
        with lock:
            count += 1
            mine = count == (at + 1) // 2
        if not mine:
            return real(self, request)
        if at % 2 == 0:
            real(self, request)
        os.write(report, f"{'before' if at % 2 else 'after'} {request.method} {request.url}".encode())
        return os.kill(os.getpid(), signal.SIGKILL)

    URLLib3Session.send = send


def child(work: Callable[[], None]) -> int:
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        work()
        status = 0
    finally:
        sys.stderr.flush()
        os._exit(status)


def round_of(place: Place, count: int, at: int, order: str) -> dict[str, Any]:
    go, going = os.pipe()
    begun, begin = os.pipe()
    points, point = os.pipe()

    def victim() -> None:
        os.close(going)
        shelf = opened_to_die(place, at, point)
        leases = place.leases(shelf)
        if order == "rush":
            os.read(go, 1)
        fly(place, shelf, leases, 0, lambda: None if order == "rush" else _said(begin))

    def other(who: int) -> None:
        os.close(going)
        os.close(begin)
        os.close(point)
        shelf = place.open(who)
        leases = place.leases(shelf)
        os.read(go, 1)
        fly(place, shelf, leases, who, lambda: None)

    dying = child(victim)
    others = [child(lambda who=who: other(who)) for who in range(1, count)]  # type: ignore[misc]
    os.close(begin)
    os.close(point)
    if order == "first":
        # A byte: the lease is taken; the end of the pipe: it died before that.
        os.read(begun, 1)
    os.close(going)
    ended = [os.waitpid(pid, 0)[1] for pid in (dying, *others)]
    with os.fdopen(points, "rb") as pipe:
        what = pipe.read().decode()
    os.close(go)
    os.close(begun)
    killed = os.WIFSIGNALED(ended[0])
    assert killed or ended[0] == 0, (at, ended, place.folder)
    assert not any(ended[1:]), (at, ended, place.folder)
    return {"at": at, "killed": killed, "point": what, "told": place.told(), "folder": str(place.folder)}


def _said(begin: int) -> None:
    os.write(begin, b"x")


def history(place: Place, count: int) -> list[tuple[str, str]]:
    shelf = place.open(count)
    try:
        found = [shelf.registry.get(NAME, info.number) for info in shelf.registry.history(NAME)]
        return [(str(version), version.digest) for version in found]
    finally:
        shelf.close()


def main(order: str, count: int, folder: Path, *urls: str) -> None:
    cloud = Cloud(*urls) if urls else None
    base = folder / "base"
    shelf = open_shelf(base)
    shelf.registry.admit(verdict_of("old_tool"))
    shelf.close()
    at, going_on = 0, True
    while going_on:
        at += 1
        (folder / str(at)).mkdir()
        place = Place(folder / str(at), base, cloud)
        line = round_of(place, count, at, order)
        going_on = line["killed"] if order == "first" else at < RUSHES
        print(json.dumps({**line, "history": history(place, count)}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), *sys.argv[4:])
