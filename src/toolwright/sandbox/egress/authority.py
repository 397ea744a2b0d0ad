"""The folder of a home's certificate authority goes in; TLS for its hosts, and what guests trust, come out."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import secrets
import ssl
import stat
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from toolwright.errors import FaultError, SettingsError
from toolwright.sandbox.egress.addresses import parse_address
from toolwright.sandbox.root import certificates

if TYPE_CHECKING:
    from toolwright.signing.certificates import Authority

_FILE = "authority.pem"
"""Key and certificate in one file, so that no reader ever finds one without the other."""
_CURE = "Delete it, and a new one is made."
_LEAF_KEPT_S = 86400.0
_OLD_BUNDLE_S = 86400.0

_lock = threading.Lock()
_leaves: dict[tuple[bytes, str], tuple[float, ssl.SSLContext]] = {}


def bundle(folder: Path) -> Path:
    """A PEM file with the certificates that the host trusts and that of the authority in *folder*, made if need be.

    What stands in it never changes: another content is another file. SettingsError, FaultError.
    """
    own, host = _authority(folder).pem, certificates()
    data = _joined(host, os.stat(host).st_mtime_ns if host else 0, own)
    path = folder / f"bundle-{hashlib.sha256(data).hexdigest()[:24]}.pem"
    if not path.exists():
        with _writing(path):
            _sweep(folder)
            # Readable to all: it holds no secret, and a guest reads it under an id of its own.
            _put(path, data, 0o644)
    return path


def leaf_context(folder: Path, name: str) -> ssl.SSLContext:
    """A TLS server that is *name* to those who trust the authority in *folder*, and answers who asks for that name."""
    authority = _authority(folder)
    with _lock:
        made, context = _leaves.get((authority.pem, name), (0.0, None))
        if context is None or time.monotonic() - made > _LEAF_KEPT_S:
            context = _serving(authority, name)
            _leaves[authority.pem, name] = (time.monotonic(), context)
    return context


def upstream_context() -> ssl.SSLContext:
    """A TLS client that trusts what this machine trusts (`SSL_CERT_FILE` is heard) and checks the server's name."""
    path = certificates()
    return _asking(path, os.stat(path).st_mtime_ns if path else 0)


@functools.lru_cache(maxsize=4)
def _asking(path: str, changed: int) -> ssl.SSLContext:
    del changed
    context = ssl.create_default_context(cafile=path or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context


def _serving(authority: Authority, name: str) -> ssl.SSLContext:
    from toolwright.signing.certificates import leaf

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.num_tickets = 0
    with _as_file(leaf(authority, name)) as path:
        context.load_cert_chain(path)
    # Nobody asks for an address by name; whoever wants a name must ask for that very one.
    fitting = ("", name) if parse_address(name) else (name,)

    def fits(tls: object, asked: str | None, own: object) -> int | None:
        del tls, own
        return (
            None if (asked or "").lower() in fitting else int(ssl.AlertDescription.ALERT_DESCRIPTION_UNRECOGNIZED_NAME)
        )

    context.sni_callback = fits
    return context


@contextlib.contextmanager
def _as_file(data: bytes) -> Iterator[str]:
    """A path at which *data* can be read for a moment: the TLS library takes keys from files only."""
    if sys.platform == "linux":
        descriptor = os.memfd_create("leaf", os.MFD_CLOEXEC)
        try:
            with os.fdopen(os.dup(descriptor), "wb") as file:
                file.write(data)
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)
    else:
        with tempfile.TemporaryDirectory() as folder:  # private to its owner
            path = os.path.join(folder, "leaf.pem")
            Path(path).write_bytes(data)
            yield path


# -- files -------------------------------------------------------------------------------------------------------------


def _authority(folder: Path) -> Authority:
    """The authority in *folder*; made if there is none, and anew when it comes to its end."""
    from toolwright.signing.certificates import new_authority, read_authority

    path = folder / _FILE
    for _ in range(3):
        data = _read(path)
        if data is not None:
            try:
                found = read_authority(data)
            except ValueError as error:
                raise SettingsError(f"{path} holds no key with its certificate ({error}). {_CURE}") from error
            if not found.ends_soon:
                return found
        with _writing(path):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            # Of two that find none, one is first; the other takes its work.
            with contextlib.suppress(FileExistsError):
                _put(path, new_authority(), 0o600, over=data is not None)
    raise FaultError(f"{path} is taken away again and again.")


def _read(path: Path) -> bytes | None:
    """What stands at *path*; None if nothing is there. SettingsError if it is not ours alone."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}. {_CURE}") from error
    with os.fdopen(descriptor, "rb") as file:
        seen = os.fstat(descriptor)
        if not stat.S_ISREG(seen.st_mode) or seen.st_uid != os.geteuid() or seen.st_mode & 0o077:
            raise SettingsError(
                f"{path} is not yours alone (owner {seen.st_uid}, mode {stat.S_IMODE(seen.st_mode):o}); whoever can "
                f"read it can pose as any host to a tool. {_CURE}"
            )
        return file.read()


@functools.lru_cache(maxsize=4)
def _joined(host: str, changed: int, own: bytes) -> bytes:
    del changed
    return (Path(host).read_bytes().rstrip() + b"\n" if host else b"") + own


def _put(path: Path, data: bytes, mode: int, *, over: bool = False) -> None:
    """Put *data* at *path*, whole and durable. FileExistsError if there is something, unless it goes *over* it."""
    temp = path.parent / f".tmp-{path.name}-{secrets.token_hex(4)}"
    descriptor = os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            os.fchmod(descriptor, mode)  # whatever the umask takes away
            file.write(data)
            file.flush()
            os.fsync(descriptor)
        if over:
            os.rename(temp, path)
        else:
            os.link(temp, path)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temp)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _sweep(folder: Path) -> None:
    """Remove bundles that nobody asks for any more, and what a killed writer left."""
    for one in folder.iterdir():
        if one.name.startswith((".tmp-", "bundle-")):
            with contextlib.suppress(OSError):
                if time.time() - one.stat().st_mtime > _OLD_BUNDLE_S:
                    one.unlink()


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except FileExistsError:  # another process was first with the same
        pass
    except OSError as error:
        raise FaultError(
            f"{path} could not be written: {error.strerror or error}. A tool with a bound secret needs it; nothing was "
            "half-written."
        ) from error
