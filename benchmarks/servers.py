"""A server that speaks S3 and DynamoDB, on loopback, for measuring a shared shelf; or the reason why there is none."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from toolwright.store.aws.address import Address, read_address

KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_EC2_METADATA_DISABLED": "true"}
_PROGRAM = Path(sys.executable).parent / "ministack"


def missing() -> str:
    """What has to be installed before a shared shelf can be measured; '' if nothing is missing."""
    if importlib.util.find_spec("boto3") is None:
        return "boto3 is not installed (pip install 'toolwright[aws]')"
    return "" if _PROGRAM.exists() else "ministack is not installed (pip install ministack)"


@contextmanager
def ministack() -> Iterator[Address]:
    """A shared shelf that nobody else uses, its bucket and table made; RuntimeError where it does not come up."""
    from toolwright.store.aws.setup import create

    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = int(one.getsockname()[1])
    os.environ.update(KEYS)
    environment = {**os.environ, "BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port)}
    server = subprocess.Popen([_PROGRAM], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(server, port)
        url = f"http://127.0.0.1:{port}"
        address = read_address("s3://bench/shelf?table=bench", region="us-east-1", s3_url=url, dynamodb_url=url)
        create(address)
        yield address
    finally:
        server.kill()
        server.wait()


def _wait_for(server: subprocess.Popen[bytes], port: int) -> None:
    for _ in range(600):
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return
        if server.poll() is not None:
            break
        time.sleep(0.05)
    raise RuntimeError("ministack did not come up")
