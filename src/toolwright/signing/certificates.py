"""A host's name goes in, a key and a certificate for it that one authority signed come out; all of it PEM."""

from __future__ import annotations

import datetime
import functools
import ipaddress
import secrets
from dataclasses import dataclass
from typing import Any

# One of the two modules of this package that know the library; imported late: who binds no secret never waits for it.
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

_AUTHORITY_LASTS = datetime.timedelta(days=3650)
_RENEWED_BEFORE = datetime.timedelta(days=60)
_LEAF_LASTS = datetime.timedelta(days=30)
_EARLIER = datetime.timedelta(days=1)
"""For clocks that differ."""


@dataclass(frozen=True, slots=True)
class Authority:
    """A key and the certificate that says whose it is."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def pem(self) -> bytes:
        """The certificate alone."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def ends_soon(self) -> bool:
        """Whether a new one is due."""
        return self.certificate.not_valid_after_utc - _now() < _RENEWED_BEFORE


def new_authority() -> bytes:
    """Key and certificate of a new authority: for certificates of servers and nothing else, and none below it."""
    key = ec.generate_private_key(ec.SECP256R1())
    # A name of its own: guests of two homes never take one for the other.
    name = _name(f"Toolwright egress {secrets.token_hex(6)}")
    certificate = (
        _builder(name, name, key, _AUTHORITY_LASTS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(key_cert_sign=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return _pem(key) + certificate.public_bytes(serialization.Encoding.PEM)


@functools.lru_cache(maxsize=4)
def read_authority(data: bytes) -> Authority:
    """What `new_authority` gave. ValueError if *data* is something else."""
    try:
        key = serialization.load_pem_private_key(data, None)
        certificate = x509.load_pem_x509_certificate(data)
    except TypeError as error:  # a key with a password
        raise ValueError(str(error)) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise ValueError("the certificate is not that of the key")
    return Authority(key, certificate)


def leaf(authority: Authority, name: str) -> bytes:
    """A new key, and its certificate for the server *name* (a name or an address), signed by *authority*."""
    key = ec.generate_private_key(ec.SECP256R1())
    host = _general_name(name)
    above = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    certificate = (
        _builder(_name("Toolwright egress"), authority.certificate.subject, key, _LEAF_LASTS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(x509.SubjectAlternativeName([host]), critical=False)
        .add_extension(above, critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    return _pem(key) + certificate.public_bytes(serialization.Encoding.PEM)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, lasts: datetime.timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(_now() - _EARLIER)
        .not_valid_after(_now() + lasts)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(**used: bool) -> x509.KeyUsage:
    names = (
        *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
        *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
    )
    said: dict[str, Any] = {name: used.get(name, False) for name in names}
    return x509.KeyUsage(**said)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
