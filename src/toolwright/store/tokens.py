"""Names and scopes go in, bearer tokens come out once; the home keeps their hashes, and says whose a token is."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import secrets
import stat
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from toolwright.errors import NotFoundError, SettingsError, UserError
from toolwright.store.files import locked, make_folder, write_over, writing

Scope = Literal["read", "run", "make", "approve"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
"""What a token may be good for: to look; to call tools; to have tools made; to answer for a person."""

FILE = "tokens.json"
_LOCK = "tokens.lock"
_FORMAT = 1
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z")


@dataclass(frozen=True, slots=True)
class TokenInfo:
    """A token: its name, what it is good for, since when, until when (Unix seconds; None: until it is revoked)."""

    name: str
    scopes: tuple[Scope, ...]
    since: float
    until: float | None = None
    text: str = field(default="", repr=False)
    """The token itself, for whoever just made it; nobody can have it again."""

    def holds(self) -> bool:
        """Whether its time is not over."""
        return self.until is None or time.time() < self.until


class TokenBook:
    """The tokens of one home. Thread-safe, and safe between processes; a revoked one is good for nothing at once."""

    def __init__(self, home: Path) -> None:
        self._home, self._file = home, home / FILE

    def list(self) -> list[TokenInfo]:
        """Every token, by name. SettingsError where the file is not ours alone, or cannot be read."""
        return [_info(name, one) for name, one in sorted(self._read().items())]

    def add(self, name: str, scopes: Sequence[str], until: float | None = None) -> TokenInfo:
        """A new token called *name*, with its `text`. UserError for a name that is taken or none, and for scopes."""
        if not _NAME.match(name):
            raise UserError(f"token name {name!r}: use up to 64 letters, digits, '.', '_' and '-', such as 'laptop'.")
        wanted = tuple(one for one in SCOPES if one in scopes)
        if unknown := sorted(set(scopes) - set(SCOPES)):
            raise UserError(f"{unknown[0]!r} is no scope; those are {', '.join(SCOPES)}.")
        if not wanted:
            raise UserError(f"Token {name} would be good for nothing; give it scopes of {', '.join(SCOPES)}.")
        text = f"tw_{secrets.token_urlsafe(32)}"
        since = round(time.time(), 3)
        entry = {"sha256": _hash(text), "scopes": list(wanted), "since": since, "until": until}
        with self._changing() as kept:
            if name in kept:
                raise UserError(f"There is a token {name!r} already; revoke it first, or choose another name.")
            kept[name] = entry
        return TokenInfo(name, wanted, since, until, text)

    def revoke(self, name: str) -> TokenInfo:
        """Have the token *name* be good for nothing from now on. NotFoundError."""
        with self._changing() as kept:
            found = kept.pop(name, None)
            if found is None:
                raise NotFoundError(f"There is no token {name!r}; `toolwright tokens` lists them.")
        return _info(name, found)

    def whose(self, text: str) -> TokenInfo | None:
        """The token that *text* is, if it holds. It takes as long for a wrong one as for a right one."""
        given, found = _hash(text), None
        for name, one in self._read().items():  # all of them: where it stands is not to be told by the time it takes
            if hmac.compare_digest(given, str(one["sha256"])):
                found = _info(name, one)
        return found if found is not None and found.holds() else None

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Any]]:
        with writing(self._file):
            make_folder(self._home, self._home)
            with locked(self._home / _LOCK):
                kept = dict(self._read())
                yield kept
                write_over(self._file, json.dumps({"format": _FORMAT, "tokens": kept}, indent=1).encode())

    def _read(self) -> dict[str, Any]:
        try:
            descriptor = os.open(self._file, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise SettingsError(
                f"{self._file}: cannot be read: {error.strerror}. It must be a file of your own."
            ) from None
        with os.fdopen(descriptor, "rb") as file:
            seen = os.fstat(descriptor)
            # Who can write it gives themselves a token.
            if not stat.S_ISREG(seen.st_mode) or seen.st_uid != os.geteuid() or stat.S_IMODE(seen.st_mode) & 0o077:
                raise SettingsError(
                    f"{self._file} is not yours alone, so no token in it is taken. `chmod 600` closes it."
                )
            return _checked(self._file, file.read())


def _checked(path: Path, data: bytes) -> dict[str, Any]:
    try:
        read = json.loads(data)
        if read["format"] != _FORMAT:
            raise ValueError
        for name, one in read["tokens"].items():
            _info(name, one)
            if not re.fullmatch("[0-9a-f]{64}", one["sha256"]):
                raise ValueError
        return dict(read["tokens"])
    except (ValueError, TypeError, KeyError, AttributeError):
        raise SettingsError(
            f"{path} is damaged; move it away and make the tokens anew: `toolwright tokens add`."
        ) from None


def _hash(text: str) -> str:
    # A token is 256 random bits: nobody guesses one from its hash, and a slow hash would only slow down each request.
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _info(name: str, entry: Mapping[str, Any]) -> TokenInfo:
    until = entry["until"]
    scopes = tuple(one for one in SCOPES if one in entry["scopes"])
    return TokenInfo(name, scopes, float(entry["since"]), None if until is None else float(until))
