"""Servers that speak S3 and DynamoDB on loopback, and a proxy before them that does to a chosen request what networks do."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from shelf import Shelf

from toolwright.joining import papers_at, shared_trust
from toolwright.provenance import root
from toolwright.registry import Registry
from toolwright.search import FtsRetriever
from toolwright.signing.ed25519 import PrivateKey, keyid_of
from toolwright.store.aws.address import Address, read_address
from toolwright.store.aws.mirror import Finders
from toolwright.store.aws.setup import create
from toolwright.store.aws.shared import AwsStore
from toolwright.store.home import Home
from toolwright.store.keys import HomeKeys

BUCKET, TABLE = "toolwright-tests", "toolwright-tests"
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true"}


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def serving(command: list[str], port: int, **environment: str) -> Iterator[str]:
    """The address of a server that *command* starts; it is killed when this is left."""
    with tempfile.TemporaryFile() as log:
        server = subprocess.Popen(command, env={**os.environ, **environment}, stdout=log, stderr=log)
        try:
            for _ in range(1200):
                with socket.socket() as one:
                    if one.connect_ex(("127.0.0.1", port)) == 0:
                        break
                assert server.poll() is None, (log.seek(0), log.read().decode())[1]
                time.sleep(0.05)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.kill()
            server.wait()


def program(name: str) -> str:
    return str(Path(sys.executable).parent / name)


@contextmanager
def ministack() -> Iterator[str]:
    port = free_port()
    with serving([program("ministack")], port, BIND_HOST="127.0.0.1", GATEWAY_PORT=str(port), **KEYS) as url:
        yield url


@contextmanager
def moto() -> Iterator[str]:
    port = free_port()
    with serving([program("moto_server"), "-H", "127.0.0.1", "-p", str(port)], port, **KEYS) as url:
        yield url


ALONE = "DYNAMODB_LOCAL_IN_THIS_NETWORK"
"""Set in a network namespace of its own, where Amazon's DynamoDB Local may listen on all interfaces."""


@contextmanager
def dynamodb_local() -> Iterator[str | None]:
    """The address of DynamoDB Local where this process has a network of its own for it, else None."""
    if not os.environ.get(ALONE):
        yield None
        return
    port, folder = free_port(), os.environ[ALONE]
    library = f"-Djava.library.path={folder}/DynamoDBLocal_lib"
    options = ["-inMemory", "-sharedDb", "-disableTelemetry", "-port", str(port)]
    with serving(["java", library, "-jar", f"{folder}/DynamoDBLocal.jar", *options], port) as url:
        yield url


@dataclass
class Cloud:
    """S3 and DynamoDB at two addresses, with one bucket and one table; each test has a prefix of its own there."""

    s3_url: str
    dynamodb_url: str

    def address(self, prefix: str | None = None, *, through: str | None = None, table: str = TABLE) -> Address:
        place = f"s3://{BUCKET}/{prefix or uuid.uuid4().hex[:12]}?table={table}"
        _DIRECT[place] = read_address(place, region="us-east-1", s3_url=self.s3_url, dynamodb_url=self.dynamodb_url)
        return replace(_DIRECT[place], s3_url=through or self.s3_url, dynamodb_url=through or self.dynamodb_url)

    def made(self) -> Cloud:
        create(self.address("setup"))
        return self


ROOT = PrivateKey(hashlib.sha256(b"the trust root of the tests' shelves").digest())
"""Whoever opens a shelf here holds its root, unless the test is about that."""

_DIRECT: dict[str, Address] = {}
"""Shelves by what homes call them, past any proxy."""


def by_words(_: Path | None) -> FtsRetriever:
    return FtsRetriever()


def open_shared(
    address: Address,
    home: Path,
    patience_s: float = 20.0,
    *,
    member: bool = True,
    finders: Finders = by_words,
    **more: Any,
) -> Shelf:
    """An instance on *home*, a *member* of the shelf at *address* unless a test says no."""
    if member:
        let_in(address, home)
    books = Home.open(home)
    store = AwsStore(address, home, finders, patience_s)
    trust = shared_trust(home, store.papers, str(address))
    return Shelf(books, store, Registry(store, books.calls, books.audit, trust=trust, **more))  # type: ignore[arg-type]


def let_in(address: Address, home: Path) -> None:
    """Let *home* join the shelf at *address*, and let the root speak for its key; no request if it did before."""
    keys, place = HomeKeys(home), str(address)
    if place in keys.pinned() or place not in _DIRECT:
        return
    with papers_at(_DIRECT[place]) as papers:
        if root.shown(papers) is None:
            root.publish(papers, ROOT)
        root.endorse(papers, ROOT, keys.signer().public)
    keys.pin(place, keyid_of(ROOT.public))


@dataclass
class Seen:
    """A request as the proxy sees it: `put_object`, `transact_write_items`, …"""

    operation: str
    path: str
    count: int
    """Which one of its kind it is, from 1."""
    body: bytes = b""


Fault = str | tuple[int, str] | None
"""What happens to a request: nothing; an answer (status, code) instead of it; `lost` before it comes in; `unanswered`
after it was done; `torn`: half of its answer comes; `slow`: its answer comes when nobody waits for it any more."""

CONFLICT = (400, "TransactionCanceledException TransactionConflict")
CONFLICT_AND_CONDITION = (400, "TransactionCanceledException TransactionConflict ConditionalCheckFailed")
"""A transaction that met another one, at its first item, and of which the last item's condition did not hold besides."""

LATE_S = 2.5


@dataclass
class Proxy:
    """Hands requests on to *target*, but for what *choose* says of one."""

    target: str
    choose: Callable[[Seen], Fault] = lambda seen: None
    seen: list[Seen] = field(default_factory=list)
    url: str = ""
    table: str = ""
    """Where requests to DynamoDB go, if not to *target* too."""
    away_s: float = 0.0
    """How long each request, and each answer, is under way."""
    rewritten: Callable[[Seen, bytes], bytes] = lambda seen, answer: answer
    """What comes in the place of a server's answer."""

    def __enter__(self) -> Proxy:
        self._lock = threading.Lock()
        proxy = self

        class Door(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: Any) -> None:
                pass

            def do_POST(self) -> None:
                proxy.hand_on(self)

            do_GET = do_PUT = do_HEAD = do_DELETE = do_POST

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def count(self, operation: str) -> int:
        return sum(seen.operation == operation for seen in self.seen)

    def hand_on(self, door: BaseHTTPRequestHandler) -> None:
        body = door.rfile.read(int(door.headers.get("Content-Length") or 0))
        target = door.headers.get("X-Amz-Target", "")
        operation = _snake(target.rpartition(".")[2]) if target else f"{door.command.lower()}_object"
        with self._lock:
            seen = Seen(operation, door.path, self.count(operation) + 1, body)
            self.seen.append(seen)
        fault = self.choose(seen)
        if isinstance(fault, tuple):
            _answer(door, fault[0], _error(body if target else None, *fault))
            return
        if fault == "lost":
            door.connection.close()
            door.close_connection = True
            return
        time.sleep(self.away_s)
        status, headers, answer = self._ask(door, body)
        answer = self.rewritten(seen, answer)
        time.sleep(self.away_s)
        if fault == "slow":
            time.sleep(LATE_S)
        if fault == "unanswered":
            door.connection.close()
            door.close_connection = True
        elif fault == "torn":
            _answer(door, status, answer[: len(answer) // 2], headers, len(answer))
            door.close_connection = True
        else:
            _answer(door, status, answer, headers)

    def _ask(self, door: BaseHTTPRequestHandler, body: bytes) -> tuple[int, dict[str, str], bytes]:
        place = urlsplit(self.table if self.table and door.headers.get("X-Amz-Target") else self.target)
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=60)
        headers = {key: value for key, value in door.headers.items() if key.lower() not in ("expect", "connection")}
        connection.request(door.command, door.path, body, headers)
        reply = connection.getresponse()
        answer = reply.read()
        connection.close()
        return reply.status, dict(reply.getheaders()), answer


def _answer(
    door: BaseHTTPRequestHandler, status: int, body: bytes, headers: dict[str, str] | None = None, length: int = -1
) -> None:
    door.send_response_only(status)
    for key, value in (headers or {}).items():
        if key.lower() not in ("content-length", "connection", "transfer-encoding", "x-amz-crc32"):
            door.send_header(key, value)
    door.send_header("Content-Length", str(len(body) if length < 0 else length))
    # Whoever asked may have gone.
    with suppress(OSError):
        door.end_headers()
        if door.command != "HEAD":
            door.wfile.write(body)


def _error(asked: bytes | None, status: int, code: str) -> bytes:
    """What S3 answers, or DynamoDB to what was *asked*; words after the code are why a transaction was cancelled."""
    if asked is not None:
        code, *why = code.split()
        said: dict[str, Any] = {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": "injected"}
        if why:
            reasons = ["None"] * len(json.loads(asked)["TransactItems"])
            reasons[-1], reasons[0] = why[-1], why[0]
            said["CancellationReasons"] = [{"Code": reason} for reason in reasons]
        return json.dumps(said).encode()
    return f"<Error><Code>{code}</Code><Message>injected</Message></Error>".encode()


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name).lstrip("_")


@contextmanager
def carefree_store() -> Iterator[Cloud]:
    """A store of objects that takes no notice of `If-None-Match`."""
    objects: dict[str, bytes] = {}

    class Carefree(Proxy):
        def hand_on(self, door: BaseHTTPRequestHandler) -> None:
            body = door.rfile.read(int(door.headers.get("Content-Length") or 0))
            if door.command == "PUT":
                objects[door.path] = body
                _answer(door, 200, b"", {"ETag": '"1"'})
            else:
                _answer(door, 200, objects.get(door.path, b""))

    with Carefree("") as one:
        yield Cloud(one.url, one.url)


@contextmanager
def s3rver() -> Iterator[Cloud]:
    """The npm package of that name, which people run for tests and which takes no notice of it either."""
    command = os.environ.get("S3RVER") or shutil.which("s3rver")
    if not command or not shutil.which("node"):
        pytest.skip("there is no s3rver (npm), and $S3RVER names none")
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        words = [
            "-d",
            folder,
            "-a",
            "127.0.0.1",
            "-p",
            str(port),
            "--allow-mismatched-signatures",
            "--no-vhost-buckets",
        ]
        with (
            pytest.MonkeyPatch.context() as patch,
            serving([command, *words, "--configure-bucket", BUCKET], port) as url,
        ):
            # The only key that it knows.
            for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
                patch.setenv(name, "S3RVER")
            yield Cloud(url, url)
