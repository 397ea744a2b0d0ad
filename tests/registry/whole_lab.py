"""A process that lets its children copy or restore a shelf and die by SIGKILL: before each step in turn.

`whole_lab.py steps SOURCE BASE OUT EVERY`: the target is a home, a copy of BASE at OUT/N, and a step is a call that
changes the disk, or a statement of SQLite; `vouched` in the place of `steps`: it signs what it does not believe. `whole_lab.py requests SOURCE S3_URL OUT EVERY`: the target is a shared shelf of its
own each time, and a step is a request, before or after which the child dies (each EVERYth one). SOURCE is a home, or a
backup. A JSON line for each child names the target and what it was about to do.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

from botocore.httpsession import URLLib3Session
from cloud import Cloud
from crash_lab import Dying

from toolwright.joining import who_here
from toolwright.provenance.trust import vouched
from toolwright.search import FtsRetriever
from toolwright.shelfcare.believing import Arrivals, Voucher
from toolwright.shelfcare.copying import CopyReport, copy
from toolwright.shelves import trust_of
from toolwright.store.archive import Archive
from toolwright.store.aws.sharedshelf import SharedShelf
from toolwright.store.localshelf import LocalShelf
from toolwright.store.whole import Source


def opened(source: Path) -> Source:
    return Archive(source) if source.is_file() else LocalShelf(source, FtsRetriever())


def in_a_child(deed: Any) -> bool:
    """Whether *deed* was killed."""
    child = os.fork()
    if child == 0:
        try:
            deed()
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or status == 0, status
    return os.WIFSIGNALED(status)


def steps(source: Path, base: Path, out: Path, every: int, vouch: bool) -> None:
    before, killed = 1 - every, True
    while killed:
        before += every
        target = out / str(before)
        shutil.copytree(base, target)
        reading, writing = os.pipe()

        def deed() -> None:
            first, second = opened(source), LocalShelf(target, FtsRetriever())  # noqa: B023
            setting = vouched(who_here(), str(source))
            voucher = Voucher(trust_of(source), setting, lambda *_: None) if vouch else None
            arrivals = Arrivals(second, trust_of(target), voucher)  # noqa: B023
            Dying(before, writing).arm()  # noqa: B023
            copy(first, second, CopyReport(), lambda _: None, arrivals)

        killed = in_a_child(deed)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            point = pipe.read().decode()
        print(json.dumps({"target": str(target), "point": point, "killed": killed}), flush=True)


def requests(source: Path, url: str, out: Path, every: int) -> None:
    cloud = Cloud(url, url)
    for after in (False, True):
        at, killed = 1 - every, True
        while killed:
            at += every
            address = cloud.address()

            def deed() -> None:
                count, real = 0, URLLib3Session.send

                def send(self: Any, request: Any) -> Any:
                    nonlocal count
                    count += 1
                    if count < at:  # noqa: B023
                        return real(self, request)
                    if after:  # noqa: B023
                        real(self, request)
                    return os.kill(os.getpid(), signal.SIGKILL)

                first, second = opened(source), SharedShelf(address, out / "home", lambda _: FtsRetriever())  # noqa: B023
                URLLib3Session.send = send
                copy(first, second, CopyReport(), lambda _: None)

            killed = in_a_child(deed)
            place = f"s3://{address.bucket}/{address.prefix}?table={address.table}"
            print(json.dumps({"target": place, "point": f"{at} {after}", "killed": killed}), flush=True)


if __name__ == "__main__":
    kind, source, *rest = sys.argv[1:]
    if kind in ("steps", "vouched"):
        steps(Path(source), Path(rest[0]), Path(rest[1]), int(rest[2]), kind == "vouched")
    else:
        requests(Path(source), rest[0], Path(rest[1]), int(rest[2]))
