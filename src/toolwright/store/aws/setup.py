"""A shared shelf is set up: an Address goes in; bucket and table are there then, and what may use them is told."""

from __future__ import annotations

import json
import time
from contextlib import closing
from typing import Any

from toolwright.errors import FaultError, SettingsError
from toolwright.store.aws.address import Address
from toolwright.store.aws.blobs import Blobs
from toolwright.store.aws.client import Absent, Client
from toolwright.store.aws.probe import probe
from toolwright.store.aws.stream import VIEW
from toolwright.store.aws.sweep import OLD_S, sweep
from toolwright.store.aws.table import Table
from toolwright.store.whole import Collected

_READY_S = 120.0
_KEYS = (("pk", "HASH"), ("sk", "RANGE"))
_STREAM = {"StreamSpecification": {"StreamEnabled": True, "StreamViewType": VIEW}}


def create(address: Address) -> list[str]:
    """Make what is missing at *address* and try that it keeps its conditions; what was made, in words.

    What is there already is not changed. SettingsError for what cannot be used as it is, FaultError for what fails.
    """
    with closing(Client(address)) as client:
        made = [*_bucket(client), *_table(client)]
        probe(client, Table(client))
        return made


def clean(address: Address, older_s: float = OLD_S) -> Collected:
    """`sweep` the shelf at *address*, once."""
    with closing(Client(address)) as client:
        return sweep(client, Table(client), Blobs(client, None), older_s)


def _bucket(client: Client) -> list[str]:
    address = client.address
    try:
        client.s3("head_bucket")
    except (Absent, SettingsError):
        # A bucket that is not there and one that is another's look alike to some servers; making it tells them apart.
        pass
    else:
        return []
    region = client.service("s3").meta.region_name
    where: dict[str, Any] = {}
    if region not in (None, "us-east-1", "aws-global"):
        where = {"CreateBucketConfiguration": {"LocationConstraint": region}}
    try:
        client.s3("create_bucket", **where)
    except FaultError as error:
        if "BucketAlreadyOwnedByYou" in str(error):
            return []
        if "BucketAlreadyExists" in str(error):
            raise SettingsError(
                f"{address}: the bucket {address.bucket!r} is somebody else's; names of buckets are shared by "
                "everybody. Choose another."
            ) from error
        raise
    return [f"bucket {address.bucket}"]


def _table(client: Client) -> list[str]:
    made = []
    try:
        found = client.db("describe_table")["Table"]
    except SettingsError:
        client.db(
            "create_table",
            KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in _KEYS],
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name, _ in _KEYS],
            BillingMode="PAY_PER_REQUEST",
            **(_STREAM if client.address.streams else {}),
        )
        made.append(f"table {client.address.table}")
        found = _ready(client)
        # Events of the feed and scratch items are cleared away by DynamoDB; nothing relies on when, or whether.
        client.db("update_time_to_live", TimeToLiveSpecification={"Enabled": True, "AttributeName": "expires"})
    keys = [(key["AttributeName"], key["KeyType"]) for key in found["KeySchema"]]
    kinds = {one["AttributeName"]: one["AttributeType"] for one in found["AttributeDefinitions"]}
    if keys != list(_KEYS) or any(kinds[name] != "S" for name, _ in _KEYS):
        raise SettingsError(
            f"{client.address}: the table {client.address.table!r} has other keys ({keys}). It needs the text keys "
            "pk (HASH) and sk (RANGE); name a table that is not there, and it is made."
        )
    if client.address.streams and not found.get("StreamSpecification", {}).get("StreamEnabled"):
        client.db("update_table", **_STREAM)
        _ready(client)
        made.append(f"stream of table {client.address.table}")
    return made


def _ready(client: Client) -> Any:
    until = time.monotonic() + _READY_S
    while True:
        found = client.db("describe_table")["Table"]
        if found["TableStatus"] == "ACTIVE":
            return found
        if time.monotonic() >= until:
            raise FaultError(
                f"The table {client.address.table!r} is still {found['TableStatus']} after {_READY_S:g} s."
            )
        time.sleep(0.5)


def least_policy(address: Address, *, sweeps: bool = False) -> str:
    """The IAM policy (JSON) with the least that using the shelf needs; with *sweeps*, also what sweeping it does."""
    objects = f"arn:aws:s3:::{address.bucket}/{address.root}"
    table = f"arn:aws:dynamodb:{address.region or '*'}:*:table/{address.table}"
    deeds = ["GetItem", "BatchGetItem", "Query", "PutItem", "UpdateItem", "ConditionCheckItem"]
    statements: list[dict[str, Any]] = [
        {
            "Sid": "Blobs",
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:PutObject"],
            "Resource": [f"{objects}blobs/*", f"{objects}probe"],
        },
        {
            "Sid": "Table",
            "Effect": "Allow",
            "Action": [f"dynamodb:{deed}" for deed in deeds],
            "Resource": table,
        },
        {
            # Without it S3 answers 403 where an object is missing, and a lost blob could not be told from a locked one.
            # Servers that do not hold the key of a GetObject against this condition are asked for a list (`Blobs`).
            "Sid": "Missing",
            "Effect": "Allow",
            "Action": "s3:ListBucket",
            "Resource": f"arn:aws:s3:::{address.bucket}",
            "Condition": {"StringLike": {"s3:prefix": f"{address.root}blobs/*"}},
        },
    ]
    if address.streams:
        deeds = ["DescribeStream", "GetShardIterator", "GetRecords"]
        statements += [
            {"Sid": "HasStream", "Effect": "Allow", "Action": "dynamodb:DescribeTable", "Resource": table},
            {
                "Sid": "Stream",
                "Effect": "Allow",
                "Action": [f"dynamodb:{deed}" for deed in deeds],
                "Resource": f"{table}/stream/*",
            },
        ]
    if sweeps:
        statements += [
            {"Sid": "Sweep", "Effect": "Allow", "Action": "s3:DeleteObject", "Resource": f"{objects}blobs/*"},
            {"Sid": "Unmark", "Effect": "Allow", "Action": "dynamodb:DeleteItem", "Resource": table},
        ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, indent=2)
