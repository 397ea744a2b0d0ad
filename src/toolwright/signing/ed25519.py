"""Raw ed25519 keys (32 bytes each) and bytes go in; signatures (64 bytes) come out, and whether one holds."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey


class Signer(Protocol):
    """Who signs: a private key in memory, or a service that keeps it and signs for us (a KMS)."""

    @property
    def public(self) -> bytes:
        """The public key, 32 bytes."""

    def sign(self, data: bytes) -> bytes:
        """An ed25519 signature of *data*, 64 bytes. FaultError where a service does not answer."""


@dataclass(frozen=True, slots=True, repr=False)
class PrivateKey:
    """A Signer with its key in memory. It never says its key."""

    private: bytes

    @property
    def public(self) -> bytes:
        """See `Signer.public`."""
        return _private(self.private).public_key().public_bytes_raw()

    def sign(self, data: bytes) -> bytes:
        """See `Signer.sign`."""
        return _private(self.private).sign(data)


def new_private() -> bytes:
    """A new private key: 32 bytes of the system's randomness, as RFC 8032 wants them."""
    return secrets.token_bytes(32)


def keyid_of(public: bytes) -> str:
    """The id, and fingerprint, of a public key: the sha256 of its 32 bytes, in hex."""
    return hashlib.sha256(public).hexdigest()


def holds(public: bytes, signature: bytes, data: bytes) -> bool:
    """Whether *signature* is one of *data* by the key *public*."""
    from cryptography.exceptions import InvalidSignature

    try:
        _public(public).verify(signature, data)
    except (InvalidSignature, ValueError):
        return False
    return True


@lru_cache(maxsize=16)
def _private(data: bytes) -> Ed25519PrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return Ed25519PrivateKey.from_private_bytes(data)


@lru_cache(maxsize=64)
def _public(data: bytes) -> Ed25519PublicKey:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    return Ed25519PublicKey.from_public_bytes(data)
