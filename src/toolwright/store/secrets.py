"""A home's secrets: names and values go in, into the OS keyring or a private file; the value of a name comes out."""

from __future__ import annotations

import difflib
import json
import os
import secrets
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from toolwright.errors import FaultError, NotFoundError, SettingsError, SpecError, UserError
from toolwright.reach import secret_name
from toolwright.store.files import TEMP, locked, make_folder, write_over, writing
from toolwright.store.keychain import Keychain, keychain

Where = Literal["keyring", "file"]

FILE = "secrets.json"
"""In the home: which secrets there are, and the values of those that no keyring keeps."""
_LOCK = "secrets.lock"
_MOST = 64 * 1024
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class SecretInfo:
    """A secret that is kept, without its value: its name, where it is, and since when (Unix seconds)."""

    name: str
    where: Where
    since: float


class SecretStore:
    """The secrets of one home. Thread-safe, and safe between processes: each change is whole or did not happen."""

    def __init__(
        self, home: Path, file: str = FILE, anew: str = "keep the secrets anew with `toolwright secrets set NAME`"
    ) -> None:
        """In the folder *home*, in *file*; *anew* says what to do when that is damaged."""
        self._home, self._anew = home, anew
        self._file = home / file

    def list(self) -> list[SecretInfo]:
        """The secrets, by name. SettingsError if the file is not ours alone, or cannot be read."""
        return [_info(name, one) for name, one in sorted(self._read()["secrets"].items())]

    def get(self, name: str) -> str | None:
        """The value of *name*, or None if there is none. SettingsError, or FaultError where the keyring refuses."""
        kept = self._read()
        found = kept["secrets"].get(name)
        if found is None:
            return None
        if found["where"] == "file":
            return str(found["value"])
        chain = keychain()
        if chain is None:
            raise SettingsError(
                f"The secret {name} is kept in the keyring of this machine, which cannot be reached here "
                "(`pip install toolwright[keyring]`, and a session in which the keyring is open)."
            )
        return chain.get(kept["service"], name)

    def values_in_file(self) -> dict[str, str]:
        """The values that no keyring keeps, by name; none from a file that cannot be read. No keyring is asked."""
        try:
            kept = self._read()["secrets"]
        except SettingsError:
            return {}
        return {name: str(one["value"]) for name, one in kept.items() if one["where"] == "file"}

    def set(self, name: str, value: str, where: Where | None = None) -> tuple[SecretInfo, bool]:
        """Keep *value* as *name*, in the place of one that was there; what is kept, and whether there was one.

        *where* None: in the keyring, where one works, else in the file. UserError for a name or value that cannot be
        one; neither is ever repeated in what is said.
        """
        _check(name, value)
        chain = None if where == "file" else keychain()
        if where == "keyring" and chain is None:
            raise SettingsError(
                "There is no keyring here that works (`pip install toolwright[keyring]`, and a session with one)."
            )
        with self._changing() as kept:
            before = kept["secrets"].get(name)
            entry: dict[str, Any] = {"where": "keyring" if chain else "file", "since": round(time.time(), 3)}
            if chain is not None:
                chain.put(kept["service"], name, value)
            else:
                entry["value"] = value
            kept["secrets"][name] = entry
        if before is not None and before["where"] == "keyring" and chain is None:
            # The new value holds already; an old one that a locked keyring keeps is in nobody's way.
            with suppress(FaultError, SettingsError):
                _forget(keychain(), kept["service"], name)
        return _info(name, entry), before is not None

    def remove(self, name: str) -> SecretInfo:
        """Forget *name*; what it was. NotFoundError with names like it."""
        with self._changing() as kept:
            found = kept["secrets"].pop(name, None)
            if found is None:
                raise _no_such(name, list(kept["secrets"]))
            if found["where"] == "keyring":
                chain = keychain()
                if chain is None:
                    raise SettingsError(f"The secret {name} is kept in a keyring that cannot be reached here.")
                _forget(chain, kept["service"], name)
        return _info(name, found)

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Any]]:
        """What is kept, to be changed; written when the block ends well, one writer at a time."""
        with writing(self._file):
            make_folder(self._home, self._home)
            with locked(self._home / _LOCK):
                self._sweep()
                kept = self._read()
                yield kept
                write_over(self._file, json.dumps(kept, indent=1).encode())

    def _sweep(self) -> None:
        """Remove what a writer that was killed has left: values stand in it, too."""
        for one in self._home.glob(f"{TEMP}{self._file.name}-*"):
            with suppress(OSError):
                one.unlink()

    def _read(self) -> dict[str, Any]:
        data = _private_bytes(self._file)
        if data is None:
            return {"format": _FORMAT, "service": f"toolwright-{secrets.token_hex(6)}", "secrets": {}}
        try:
            return _checked(json.loads(data))
        except (ValueError, TypeError, KeyError):
            # Not the error itself: it may quote what stands there.
            raise SettingsError(
                f"{self._file} is damaged. Put a copy of it back, or move it away and {self._anew}."
            ) from None


def _private_bytes(path: Path) -> bytes | None:
    """What stands at *path*, None if nothing is there; SettingsError if somebody else could read or write it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}. It must be a file of your own.") from error
    with os.fdopen(descriptor, "rb") as file:
        seen = os.fstat(descriptor)
        mode = stat.S_IMODE(seen.st_mode)
        if not stat.S_ISREG(seen.st_mode) or seen.st_uid != os.geteuid():
            raise SettingsError(
                f"{path} is no file of your own (owner {seen.st_uid}), so no secret in it is taken. Move it away."
            )
        if mode & 0o077:
            raise SettingsError(
                f"{path} can be read by others (mode {mode:o}), so the secrets in it are not taken. `chmod 600 {path}` "
                "closes it; give those secrets up at their services if somebody may have read them."
            )
        return file.read()


def _checked(data: Any) -> dict[str, Any]:
    if data["format"] != _FORMAT or not isinstance(data["service"], str):
        raise ValueError
    for name, one in data["secrets"].items():
        secret_name(name)
        if one["where"] not in ("keyring", "file") or (one["where"] == "file" and not isinstance(one["value"], str)):
            raise ValueError
        float(one["since"])
    return dict(data)


def check_name(name: str) -> None:
    """UserError if no secret can be called *name*, which is not repeated: somebody may have given the value instead."""
    try:
        secret_name(name)
    except SpecError:
        raise UserError(
            "That is no name for a secret (it is not repeated here: it may be the value). A name is letters, digits "
            "and underscores, as of an environment variable: WEATHER_KEY."
        ) from None


def _check(name: str, value: str) -> None:
    check_name(name)
    if not value:
        raise UserError(f"The value of {name} is empty; nothing was kept.")
    if "\0" in value:
        raise UserError(f"The value of {name} holds a NUL, which no header and no environment takes; nothing was kept.")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise UserError(f"The value of {name} is no text in UTF-8; nothing was kept.") from None
    if size > _MOST:
        raise UserError(f"The value of {name} is longer than {_MOST // 1024} KiB (fixed); nothing was kept.")


def _forget(chain: Keychain | None, service: str, name: str) -> None:
    if chain is not None:
        chain.drop(service, name)


def _info(name: str, entry: Mapping[str, Any]) -> SecretInfo:
    return SecretInfo(name, entry["where"], float(entry["since"]))


def _no_such(name: str, names: list[str]) -> NotFoundError:
    like = difflib.get_close_matches(name, names, 3)
    hint = f"Did you mean {' or '.join(like)}?" if like else "`toolwright secrets list` names all."
    return NotFoundError(f"There is no secret {name!r} here. {hint}")
