"""A service that signs for us goes in; a Signer that is held to its word comes out: in time, and with what fits."""

from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from toolwright.errors import FaultError, SettingsError
from toolwright.signing.ed25519 import holds

T = TypeVar("T")

PATIENCE_S = 10.0
"""How long an answer may take: whoever waits for a signature holds the shelf's lock meanwhile."""
CURE = (
    "It must name a function or class of yours that takes nothing and gives an object with `public` and `sign`, whose "
    "service answers; `toolwright config unset signer` and `toolwright registry keys --rotate` go back to a key of the "
    "home's own."
)
"""What a person can do about a signer that does not sign."""
_TRIAL = b"toolwright: may this key sign here"
"""What is signed to see whether the service can: no statement begins so, in no DSSE envelope."""


class Service:
    """A Signer whose key is elsewhere. Thread-safe.

    *found* gives the person's factory, and is called when a signature or the key is first needed; the factory takes
    nothing and returns an object with `public` (32 bytes) and `sign(data)` (64 bytes), as `ed25519.Signer` says. Each
    question has a thread of its own: code that hangs is waited for no longer than `PATIENCE_S`, and asked anew later.
    """

    def __init__(self, name: str, found: Callable[[], Callable[[], Any]]) -> None:
        self._name, self._found = name, found
        self._lock = threading.Lock()
        self._signer: Any = None
        self._public = b""

    @property
    def public(self) -> bytes:
        """See `Signer.public`. SettingsError where the factory cannot be had, FaultError where nobody answers."""
        with self._lock:
            return self._key()

    def sign(self, data: bytes) -> bytes:
        """See `Signer.sign`; what does not fit the key that it named first is no signature. FaultError."""
        with self._lock:
            public = self._key()
            signature = self._asked(lambda: self._connected().sign(data))
            if not isinstance(signature, bytes) or not holds(public, signature, data):
                self._signer = None
                raise self._fault("gave what is no ed25519 signature by the key that it named")
            return signature

    def tried(self) -> None:
        """Nothing if it can sign, else the error that says why not."""
        self.sign(_TRIAL)

    def _key(self) -> bytes:
        if not self._public:
            public = self._asked(lambda: self._connected().public)
            if not isinstance(public, bytes) or len(public) != 32:
                self._signer = None
                raise self._fault("names no ed25519 key: its `public` must be 32 bytes")
            self._public = public
        return self._public

    def _connected(self) -> Any:
        if self._signer is None:
            self._signer = self._factory()
        return self._signer

    def _asked(self, deed: Callable[[], T]) -> T:
        if self._signer is None:
            self._factory = self._found()
        done: concurrent.futures.Future[T] = concurrent.futures.Future()

        def work() -> None:
            try:
                done.set_result(deed())
            except BaseException as error:  # noqa: BLE001 -- it is the person's code, and may raise anything
                done.set_exception(error)

        # A daemon: a service that never answers must not keep the interpreter from ending.
        threading.Thread(target=work, daemon=True, name="toolwright-signer").start()
        concurrent.futures.wait([done], timeout=PATIENCE_S)
        if done.done() and (raised := done.exception()) is None:
            return done.result()
        self._signer = None
        if not done.done():
            raise self._fault(f"did not answer within {PATIENCE_S:g} s")
        if isinstance(raised, SettingsError):
            raise raised
        raise self._fault(f"did not sign: {type(raised).__name__}: {raised}") from raised

    def _fault(self, what: str) -> FaultError:
        return FaultError(
            f"The signer {self._name!r} (setting signer) {what}. Nothing was signed, and nothing changed. {CURE}"
        )
