"""Bytes go into S3 under their sha256, at most once; they come out checked, from the disk where they are cached."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from toolwright.errors import EditedError, ToolwrightError
from toolwright.store.aws.client import Absent, Client, Denied, Lost
from toolwright.store.files import make_folder, write_over


class BadBlob(EditedError):
    """An object under a version is gone, or is not what was put there: the version is not run."""

    reason = "damaged"


class Blobs:
    """Immutable blobs below `PREFIX/blobs/`, cached for ever in *folder* (None: not at all). Thread-safe."""

    def __init__(self, client: Client, folder: Path | None) -> None:
        self._client, self._folder = client, folder

    def put(self, data: bytes, burnt: Collection[str] = ()) -> str:
        """Store *data*; its key, which is its sha256, or begins with it where that key is *burnt* or holds rubbish.

        Durable on return. A key is burnt when the sweeper marked it: what lies there may vanish at any moment.
        """
        digest = hashlib.sha256(data).hexdigest()
        key = digest
        while True:
            if key not in burnt:
                with suppress(BadBlob):
                    self._put(key, data)
                    self._keep(key, data)
                    return key
            key = f"{digest}.{secrets.token_hex(4)}"

    def _put(self, key: str, data: bytes) -> None:
        try:
            self._client.s3("put_object", Key=self.place(key), Body=data, IfNoneMatch="*")
        except Lost:
            # Somebody's, or our own of an earlier try: worth a look, since a version will stand on it.
            self._fetch(key)

    def get(self, key: str) -> bytes:
        """The blob of *key*, its sha256 checked here at each read. BadBlob if the store has no such bytes any more."""
        cached = self._cached(key)
        if cached is not None:
            with suppress(OSError):
                data = cached.read_bytes()
                if _fits(key, data):
                    return data
                # Bit-rot on this disk harms nobody: the store has it still.
                cached.unlink()
        data = self._fetch(key)
        self._keep(key, data)
        return data

    def place(self, key: str) -> str:
        """The key in the bucket."""
        return f"{self._client.address.root}blobs/{key}"

    def _fetch(self, key: str) -> bytes:
        where = f"s3://{self._client.address.bucket}/{self.place(key)}"
        try:
            data = self._client.s3("get_object", Key=self.place(key))["Body"]
        except (Absent, Denied) as error:
            # Where nobody may know what is missing S3 denies that too. A list of this one key, which the least policy
            # allows, tells it from an account that may read nothing.
            if isinstance(error, Denied) and self._listed(key):
                raise
            raise BadBlob(f"{where} is gone. Put it back from a copy, or make the tool anew.") from None
        if not _fits(key, data):
            raise BadBlob(
                f"{where} does not have the digest it is named by: it was damaged or changed, and is not used. "
                "Put it back from a copy or an earlier version of the object, or make the tool anew."
            )
        return bytes(data)

    def _listed(self, key: str) -> bool:
        """Whether the bucket lists the object of *key*. Denied where this may not be asked either."""
        found = self._client.s3("list_objects_v2", Prefix=self.place(key), MaxKeys=1)
        return any(item["Key"] == self.place(key) for item in found.get("Contents", ()))

    def _cached(self, key: str) -> Path | None:
        return None if self._folder is None else self._folder / key[:2] / key

    def _keep(self, key: str, data: bytes) -> None:
        path = self._cached(key)
        if path is None or self._folder is None:
            return
        # A cache that cannot be written is none; the blob is in the store.
        with suppress(OSError, ToolwrightError):
            make_folder(path.parent, self._folder)
            write_over(path, data)


def _fits(key: str, data: bytes) -> bool:
    return hashlib.sha256(data).hexdigest() == key.partition(".")[0]
