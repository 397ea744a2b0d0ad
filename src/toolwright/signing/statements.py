"""A claim goes in and is an in-toto statement in a DSSE envelope, signed; an envelope and keys give the claim back.

DSSE 1.0.2: https://github.com/secure-systems-lab/dsse (protocol.md, envelope.md). Statement v1:
https://github.com/in-toto/attestation/tree/main/spec/v1. What is read is the very bytes that the signature covers.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from toolwright.signing.ed25519 import Signer, holds, keyid_of

PAYLOAD = "application/vnd.in-toto+json"
STATEMENT = "https://in-toto.io/Statement/v1"


@dataclass(frozen=True, slots=True)
class Claim:
    """What is said of one subject (a name and a sha256 in hex): a type (a URI) and what that type tells."""

    kind: str
    name: str
    sha256: str
    says: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Signed:
    """A claim whose signature holds, and the id of the key that made it."""

    claim: Claim
    keyid: str


class NoStatement(ValueError):
    """An envelope that cannot be read, or holds no statement."""


class UnknownKey(ValueError):
    """None of the keys that an envelope names is known; the message is their ids."""


class WrongSignature(ValueError):
    """A known key is named, and its signature does not fit what is signed."""


def pae(kind: str, body: bytes) -> bytes:
    """DSSE's pre-authentication encoding: what is signed. Type and body cannot be shifted into one another."""
    type_ = kind.encode("utf-8")
    return b"DSSEv1 %d %b %d %b" % (len(type_), type_, len(body), body)


def sealed(claim: Claim, signer: Signer) -> dict[str, Any]:
    """The envelope of *claim*, as JSON. FaultError where the signer does not answer."""
    statement = {
        "_type": STATEMENT,
        "subject": [{"name": claim.name, "digest": {"sha256": claim.sha256}}],
        "predicateType": claim.kind,
        "predicate": dict(claim.says),
    }
    body = canonical(statement)
    signature = {"keyid": keyid_of(signer.public), "sig": _base64(signer.sign(pae(PAYLOAD, body)))}
    return {"payloadType": PAYLOAD, "payload": _base64(body), "signatures": [signature]}


def opened(envelope: Any, keys: Mapping[str, bytes]) -> Signed:
    """The claim in *envelope*, signed by one of *keys* (public keys by id). NoStatement, UnknownKey, WrongSignature.

    The ids in an envelope are hints: it is the key that decides. Of several signatures one of a known key must hold.
    """
    body, signatures = _parts(envelope)
    known = [(keyid, signature) for keyid, signature in signatures if keyid in keys]
    if not known:
        raise UnknownKey(", ".join(keyid for keyid, _ in signatures))
    for keyid, signature in known:
        if holds(keys[keyid], signature, pae(PAYLOAD, body)):
            return Signed(_claim(body), keyid)
    raise WrongSignature


def unproven(envelope: Any) -> tuple[Claim, tuple[str, ...]]:
    """The claim in *envelope* and the key ids that it names, checked against nothing: to show it. NoStatement."""
    body, signatures = _parts(envelope)
    return _claim(body), tuple(keyid for keyid, _ in signatures)


def canonical(value: Any) -> bytes:
    """JSON with sorted keys and no blanks, in ASCII: the same bytes for the same value, also after reading it back."""
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii")


def _parts(envelope: Any) -> tuple[bytes, list[tuple[str, bytes]]]:
    try:
        if envelope["payloadType"] != PAYLOAD:
            raise NoStatement(f"its payload type is {envelope['payloadType']!r}")
        signatures = [(str(one["keyid"]), _bytes(one["sig"])) for one in envelope["signatures"]]
        return _bytes(envelope["payload"]), signatures
    except (KeyError, TypeError, IndexError, binascii.Error, UnicodeError, AttributeError) as error:
        raise NoStatement(f"it is no envelope ({error!r})") from None


def _claim(body: bytes) -> Claim:
    try:
        statement = json.loads(body)
        if statement["_type"] != STATEMENT:
            raise NoStatement(f"its type is {statement['_type']!r}")
        (subject,) = statement["subject"]
        kind, says = statement["predicateType"], statement["predicate"]
        if not isinstance(kind, str) or not isinstance(says, dict):
            raise NoStatement("it tells nothing")
        return Claim(kind, str(subject["name"]), str(subject["digest"]["sha256"]), says)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise error if isinstance(error, NoStatement) else NoStatement(f"it holds no statement ({error!r})") from None


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _bytes(text: Any) -> bytes:
    if not isinstance(text, str):
        raise TypeError(f"{type(text).__name__} is no text")
    data = base64.b64decode(text, validate=True)
    if _base64(data) != text:  # bits that nobody reads would be bytes that anybody may change
        raise binascii.Error("not the one way to write it")
    return data
