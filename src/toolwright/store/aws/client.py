"""Requests to S3 and DynamoDB go in, answers come out; each is tried again with jitter where that is safe.

The one address of boto3, which is imported at the first request. Its own retries are off, so that ours are the only
ones and a deed whose end is unknown is never repeated blindly.
"""

from __future__ import annotations

import json
import random
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any

from toolwright.errors import FaultError, SettingsError
from toolwright.store.aws.address import Address

PATIENCE_S = 20.0
"""How long one request, or one deed of several, is tried again before it is a fault."""

CONNECT_S, REPLY_S = 5.0, 10.0

_AGAIN = frozenset(
    {
        "ConditionalRequestConflict", "OperationAborted", "SlowDown", "InternalError", "InternalServerError",
        "InternalFailure", "ServiceUnavailable", "RequestTimeout", "RequestTimeTooSkewed", "ThrottlingException",
        "Throttling", "ThrottledException", "RequestLimitExceeded", "ProvisionedThroughputExceededException",
        "ProvisionedThroughputExceeded", "TransactionInProgressException", "TransactionConflictException",
        "LimitExceededException", "TooManyRequestsException",
    }
)  # fmt: skip
_ABSENT = frozenset({"NoSuchKey", "404", "NotFound"})
_PASSED = frozenset({"ExpiredIteratorException", "TrimmedDataAccessException"})
_NOWHERE = frozenset({"NoSuchBucket", "ResourceNotFoundException"})
_OF_STREAMS = frozenset({"describe_stream", "get_shard_iterator", "get_records"})
_FORBIDDEN = frozenset({"AccessDenied", "AccessDeniedException", "403", "Forbidden"})
_UNKNOWN_KEY = frozenset(
    {
        "InvalidAccessKeyId", "SignatureDoesNotMatch", "UnrecognizedClientException", "ExpiredToken",
        "InvalidSignatureException", "ExpiredTokenException", "MissingAuthenticationTokenException",
    }
)  # fmt: skip

_LOADERS: dict[str, Any] = {}


class Denied(SettingsError):
    """The request is not allowed; S3 may say so of an object that is not there."""


class Absent(Exception):
    """There is no object of that key; of a stream: no such place in it any more."""


class Lost(Exception):
    """A condition did not hold, so that nothing was written; `which` are the places of those in the transaction."""

    def __init__(self, which: Sequence[int] = ()) -> None:
        super().__init__(f"conditions {list(which)} did not hold")
        self.which = frozenset(which)


class Unsure(Exception):
    """Whether the deed was done is not known, or it met another one: read again before it is tried again."""


class Client:
    """S3 and DynamoDB at an Address. Thread-safe.

    FaultError for what stays broken, SettingsError for what is not set up.
    """

    def __init__(self, address: Address, patience_s: float = PATIENCE_S) -> None:
        self.address, self.patience_s = address, patience_s
        self._made: dict[str, Any] = {}
        self._making = threading.Lock()
        self._ahead_s: float | None = None

    def s3(self, operation: str, **words: Any) -> Mapping[str, Any]:
        """One request to S3 with the bucket filled in. Absent, Lost (412)."""
        return self._tried("s3", operation, {"Bucket": self.address.bucket, **words})

    def db(self, operation: str, **words: Any) -> Mapping[str, Any]:
        """One request to DynamoDB with the table filled in; only for what may be done twice. Lost."""
        return self._tried("dynamodb", operation, {"TableName": self.address.table, **words})

    def stream(self, operation: str, **words: Any) -> Mapping[str, Any]:
        """One request to the stream of the table. Absent where the place that is asked for is gone."""
        return self._tried("dynamodbstreams", operation, words)

    def batch_get(self, wanted: Mapping[str, Any]) -> Mapping[str, Any]:
        """One page of a BatchGetItem."""
        return self._tried("dynamodb", "batch_get_item", {"RequestItems": wanted})

    def query(self, **words: Any) -> Iterator[Mapping[str, Any]]:
        """Every item of a query, read consistently, page by page."""
        start: dict[str, Any] = {}
        while True:
            page = self.db("query", ConsistentRead=True, **words, **start)
            yield from page.get("Items", ())
            if not page.get("LastEvaluatedKey"):
                return
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    def transact(self, items: Sequence[Mapping[str, Any]]) -> None:
        """All of *items*, tried once. Lost where a condition did not hold, Unsure where its end is not known."""
        self._once("dynamodb", "transact_write_items", {"TransactItems": list(items)})

    def now(self) -> float:
        """The servers' time in Unix seconds, good to a second or so: clocks of machines need not agree."""
        if self._ahead_s is None:
            self.db("get_item", Key={"pk": {"S": f"{self.address.root}clock"}, "sk": {"S": "-"}})
        return _ticks() + (self._ahead_s or 0.0)

    def close(self) -> None:
        """Let go of connections."""
        with self._making:
            for client in self._made.values():
                client.close()
            self._made.clear()

    def service(self, name: str) -> Any:
        """The client of boto3 for `s3`, `dynamodb` or `dynamodbstreams`."""
        with self._making:
            if name not in self._made:
                self._made[name] = _make(name, self.address)
            return self._made[name]

    def _tried(self, service: str, operation: str, words: Mapping[str, Any]) -> Mapping[str, Any]:
        waiting = Patience(self.patience_s)
        while True:
            try:
                return self._once(service, operation, words)
            except Unsure as unsure:
                waiting.after(unsure, f"{self.address}")

    def _once(self, service: str, operation: str, words: Mapping[str, Any]) -> Mapping[str, Any]:
        asked = getattr(self.service(service), operation)
        from botocore import exceptions
        from botocore.parsers import ResponseParserError

        try:
            answer: dict[str, Any] = asked(**words)
            self._hear(answer.get("ResponseMetadata", {}))
            if "Body" in answer:
                answer["Body"] = answer["Body"].read()
        except exceptions.ClientError as error:
            self._hear(error.response.get("ResponseMetadata", {}))
            raise _told(error, operation, self.address) from error
        except exceptions.NoCredentialsError as error:
            raise SettingsError(
                f"{self.address}: no AWS credentials were found. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or "
                "AWS_PROFILE, or give this machine a role."
            ) from error
        except (
            exceptions.HTTPClientError,
            exceptions.ConnectionError,
            exceptions.IncompleteReadError,
            ResponseParserError,
            OSError,
        ) as error:
            raise Unsure(f"{operation}: {error}") from error
        except exceptions.BotoCoreError as error:
            # What boto3 found wrong before it asked anybody, such as a profile that is not there.
            raise SettingsError(f"{self.address}: {operation}: {error}") from error
        return answer

    def _hear(self, reply: Mapping[str, Any]) -> None:
        said = reply.get("HTTPHeaders", {}).get("date")
        if said:
            try:
                # Against a clock that nobody sets: this machine's may jump between two requests.
                self._ahead_s = parsedate_to_datetime(said).timestamp() + 0.5 - _ticks()
            except (ValueError, TypeError):
                return
        elif self._ahead_s is None:
            self._ahead_s = time.time() - _ticks()


class Patience:
    """Waits between attempts, longer each time and never in step with others, until *patience_s* are over."""

    def __init__(self, patience_s: float = PATIENCE_S) -> None:
        self._until, self._step_s, self._patience_s = time.monotonic() + patience_s, 0.05, patience_s

    def after(self, reason: object, what: str, cure: str = "Nothing was half-written; try again.") -> None:
        """Wait once more; FaultError with *what*, the last *reason* and the *cure* when there is no time left."""
        if time.monotonic() >= self._until:
            raise FaultError(f"{what} did not come through for {self._patience_s:g} s ({reason}). {cure}")
        time.sleep(random.uniform(self._step_s / 4, self._step_s))
        self._step_s = min(self._step_s * 2, 2.0)


def _ticks() -> float:
    """Seconds on a clock that nobody sets, and that goes on while the machine sleeps where there is such a one."""
    clock: Callable[[], float] = time.monotonic
    if sys.platform == "linux":
        clock = partial(time.clock_gettime, time.CLOCK_BOOTTIME)
    return clock()


def _make(name: str, address: Address) -> Any:
    try:
        import boto3
        import botocore.loaders
        import botocore.session
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
    except ImportError as error:
        raise SettingsError(
            f"store = {str(address)!r} needs boto3: pip install 'toolwright[aws]', or set store = \"files\"."
        ) from error
    url = address.s3_url if name == "s3" else address.dynamodb_url
    config = Config(
        retries={"total_max_attempts": 1},
        connect_timeout=CONNECT_S,
        read_timeout=REPLY_S,
        max_pool_connections=32,
        # Stores that are not Amazon's know neither its newer checksums nor names of buckets in the host.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        s3={"addressing_style": "path" if url else "auto"},
    )
    # A session of its own, since clients are not made thread-safely; descriptions of services, which take a second of
    # CPU to read, are shared by all of a process.
    core = botocore.session.Session()
    core.register_component("data_loader", _LOADERS.setdefault("one", botocore.loaders.create_loader()))
    region = address.region or core.get_config_variable("region") or ("us-east-1" if url else None)
    session = boto3.session.Session(botocore_session=core, region_name=region)
    try:
        made = session.client(name, endpoint_url=url, config=config)
        if name != "s3":
            made.meta.events.register(f"before-parse.{made.meta.service_model.service_id.hyphenize()}", _whole)
        return made
    except (ValueError, BotoCoreError) as error:
        raise SettingsError(f"{address}: {error} Set store_region, or AWS_REGION.") from error


def _whole(response_dict: Mapping[str, Any], **_: Any) -> None:
    """Unsure for a torn answer of DynamoDB.

    botocore would take it for one in which nothing was found, and a torn refusal for an error that nobody knows.
    """
    body, headers = response_dict["body"], response_dict["headers"]
    said = headers.get("x-amz-crc32")
    if said is not None and not headers.get("content-encoding") and zlib.crc32(body) != int(said):
        raise Unsure("its checksum does not fit the answer")
    # What stands between may refuse in words of its own, which are no JSON and not torn.
    if response_dict["status_code"] == 200 or body.lstrip().startswith(b"{"):
        try:
            json.loads(body)
        except ValueError as error:
            raise Unsure(f"the answer is torn ({error})") from error


def _told(error: Any, operation: str, address: Address) -> Exception:
    """The exception of this house for an error that a server answered with."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    said = str(error.response.get("Error", {}).get("Message", ""))
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    if code == "TransactionCanceledException":
        return _cancelled(error.response.get("CancellationReasons", ()), said)
    if code in ("PreconditionFailed", "ConditionalCheckFailedException") or status == 412:
        return Lost()
    if code in _ABSENT | _PASSED or (code in _NOWHERE and operation in _OF_STREAMS):
        return Absent(said)
    if code in _AGAIN or status >= 500 or (status in (409, 429) and operation == "put_object"):
        return Unsure(f"{operation}: {code} {said}".strip())
    if code in _NOWHERE:
        return SettingsError(
            f"{address}: there is no such {'bucket' if code == 'NoSuchBucket' else 'table'} ({said}). "
            f"`toolwright registry init --store '{address}'` makes what is missing."
        )
    if code in _FORBIDDEN:
        more = " --sweeper" if operation.startswith("delete_") else ""
        return Denied(
            f"{address}: {operation} is not allowed ({said}). `toolwright registry init --store '{address}'{more}` "
            "prints the least policy that is needed."
        )
    if code in _UNKNOWN_KEY:
        return SettingsError(
            f"{address}: the AWS credentials are not accepted ({code}: {said}). Renew them; or set this "
            "machine's clock, if that is what is wrong."
        )
    return FaultError(f"{address}: {operation} failed ({code or status}: {said}).")


def _cancelled(reasons: Sequence[Mapping[str, Any]], said: str) -> Exception:
    codes = [str(reason.get("Code", "None")) for reason in reasons]
    if any(code not in ("None", "ConditionalCheckFailed") for code in codes) or not reasons:
        hopeless = {"ValidationError", "ItemCollectionSizeLimitExceeded"} & set(codes)
        return FaultError(f"The transaction was refused: {said}") if hopeless else Unsure(f"transaction: {said}")
    return Lost([place for place, code in enumerate(codes) if code == "ConditionalCheckFailed"])
