"""A place is tried before it is trusted: bucket and table go in; what ignores conditions is refused with its name."""

from __future__ import annotations

import secrets
import time
from contextlib import suppress
from pathlib import Path

from toolwright.errors import FaultError, SettingsError, ToolwrightError
from toolwright.store.aws.client import Client, Lost, Unsure
from toolwright.store.aws.table import Broken, Table
from toolwright.store.files import write_over

PROBED_S = 24 * 3600.0
"""What was found out of a place is believed for so long by one home."""

_NOTE = "probed"


def probe_once(client: Client, table: Table, folder: Path | None) -> None:
    """`probe`, unless this home did so within a day. SettingsError."""
    note = None if folder is None else folder / _NOTE
    with suppress(OSError):
        if note is not None and 0 <= time.time() - note.stat().st_mtime < PROBED_S:
            return
    probe(client, table)
    if note is not None:
        with suppress(OSError, ToolwrightError):
            write_over(note, b"")


def probe(client: Client, table: Table) -> None:
    """Try what everything stands on: one writer wins. SettingsError for a place where that does not hold."""
    probe_bucket(client)
    probe_table(client, table)


def probe_bucket(client: Client) -> None:
    """Write one scratch key twice; the second time must be refused."""
    key = f"{client.address.root}probe"
    # The key stays: nothing has to be allowed to delete, and an earlier probe's first write is refused as well.
    with suppress(Lost):
        _put(client, key)
    try:
        _put(client, key)
    except Lost:
        return
    where = client.address.s3_url or "S3"
    raise SettingsError(
        f"{client.address}: the store at {where} ignores preconditions: it let {key!r} be written twice with "
        "`If-None-Match: *`. Two writers would overwrite each other there; use a store that keeps them, such as S3."
    )


def _put(client: Client, key: str) -> None:
    try:
        client.s3("put_object", Key=key, Body=b"Toolwright tries whether conditions hold here.\n", IfNoneMatch="*")
    except FaultError as error:
        raise FaultError(f"{client.address}: the store could not be tried with `If-None-Match: *`: {error}") from error


def probe_table(client: Client, table: Table) -> None:
    """Write one scratch item, and a transaction that must not pass over it; nothing of that one may be left."""
    pk, sk, soon = f"{client.address.root}probe", secrets.token_hex(8), {"expires": int(time.time()) + 3600}
    witness = table.put("witness", pk, f"{sk}/witness", soon)
    again = table.put("again", pk, sk, soon, new=True)
    client.db("put_item", Item=again.item["Put"]["Item"])
    held = False
    for _ in range(5):
        try:
            table.commit([witness, again])
        except Broken as broken:
            held = broken.labels == {"again"}
            break
        except Unsure:
            continue
        break
    if not held or table.item(pk, f"{sk}/witness"):
        where = client.address.dynamodb_url or "DynamoDB"
        raise SettingsError(
            f"{client.address}: the table at {where} does not keep the conditions of transactions. "
            "Use DynamoDB, or a server that does all of TransactWriteItems."
        )
