"""Where a shared shelf lies: the text of the setting `store` goes in, bucket, prefix, table and endpoints come out."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

SCHEME = "s3://"
FORM = "s3://BUCKET/PREFIX?table=TABLE"

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]\Z")
_PREFIX = re.compile(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*\Z")
_TABLE = re.compile(r"[A-Za-z0-9_.-]{3,255}\Z")


@dataclass(frozen=True, slots=True)
class Address:
    """Bucket and prefix of the blobs, table of everything else; None leaves region and endpoints to AWS's own rules.

    With *streams*, changes are heard of by the table's stream instead of the feed.
    """

    bucket: str
    prefix: str
    table: str
    region: str | None = None
    s3_url: str | None = None
    dynamodb_url: str | None = None
    streams: bool = False

    def __str__(self) -> str:
        return f"{SCHEME}{self.bucket}/{self.prefix}?table={self.table}"

    @property
    def key(self) -> str:
        """A short name for this very place, for the folder that caches it."""
        parts = "\n".join((str(self), self.region or "", self.s3_url or "", self.dynamodb_url or ""))
        return hashlib.sha256(parts.encode()).hexdigest()[:16]

    @property
    def root(self) -> str:
        """What keys in bucket and table begin with, so that several shelves can lie in one."""
        return f"{self.prefix}/" if self.prefix else ""


def read_address(
    text: str, *, region: str | None = None, s3_url: str | None = None, dynamodb_url: str | None = None
) -> Address:
    """The Address that *text* (`FORM`) names. ValueError, which says what to write, for one that cannot be."""
    parts = urlsplit(text)
    if parts.scheme != "s3" or not parts.netloc:
        raise ValueError(f"must be 'files' or {FORM}")
    # A user name or key would be written to config.toml and logs; it is not repeated here either.
    if not _BUCKET.match(parts.netloc):
        raise ValueError(f"must be {FORM}; a bucket has 3 to 63 small letters, digits, '.' and '-', no key and no port")
    prefix = parts.path.strip("/")
    if prefix and not _PREFIX.match(prefix):
        raise ValueError(f"must be {FORM}; a prefix has letters, digits, '-', '_' and '/', not {prefix!r}")
    asked = dict(parse_qsl(parts.query, keep_blank_values=True))
    table = asked.pop("table", "")
    if asked or parts.fragment:
        raise ValueError(f"must be {FORM}; {', '.join(asked) or '#' + parts.fragment} is not known there")
    if not _TABLE.match(table):
        raise ValueError(f"must be {FORM}; the name of a table has 3 to 255 letters, digits, '.', '-' and '_'")
    return Address(parts.netloc, prefix, table, region, s3_url, dynamodb_url)
