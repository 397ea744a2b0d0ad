"""Fuzzes the name check of tunnels against OpenSSL: what passes never makes a server hear another name."""

from __future__ import annotations

import contextlib
import datetime
import functools
import random
import ssl
import tempfile
from pathlib import Path

from benchmarks.fuzz.mutation import pieces
from benchmarks.fuzz.target import claim
from toolwright.sandbox.egress.tls_name import NamedTunnel, NotTls, greeted_name

_GRANTED = "a.example"
_OTHER = b"\x00\x0c\x00\x0a\x00\x00\x07b.invalid"
_HELD = 80 * 1024


class Greetings:
    """The first bytes of a tunnel."""

    name = "tls"
    tokens = (
        *(
            b"\x16\x03\x01",
            b"\x16\x03\x03",
            b"\x14\x03\x03\x00\x01\x01",
            b"\x15\x03\x03\x00\x02\x01\x5a",
            b"\x17\x03\x03\x00\x01x",
        ),
        *(
            b"\x01\x00",
            b"\x00\x00",
            b"\x00\x01",
            b"\xff\xff",
            b"\x03\x04",
            b"\x03\x00",
            b"\x80",
            b"a.example",
            b"b.invalid",
        ),
        *(
            _OTHER,
            b"\x00\x00\x00\x0e\x00\x0c\x00\x00\x09a.example",
            b"\x00",
            b"\x16",
            b"\x10\x00\x00\x00",
            b"A.EXAMPLE",
        ),
    )

    @property
    def corpus(self) -> tuple[bytes, ...]:
        """Greetings that ask for one name, and then for another."""
        first, other, again = (_greeting(name, share) for name, share in _ASKED)
        return (first, other, first + again, first + b"\x14\x03\x03\x00\x01\x01" + again, b"GET / HTTP/1.1\r\n\r\n")

    def make(self, chance: random.Random) -> bytes:
        """One or two greetings of a client that may lie, in records of any size."""
        out = _written(chance, _SHARES[0])
        if chance.random() < 0.6:
            between = (b"", b"\x14\x03\x03\x00\x01\x01", b"\x15\x03\x03\x00\x02\x01\x5a", b"\x17\x03\x03\x00\x05early")
            out += chance.choice(between) + _written(chance, _SHARES[1])
        return out + chance.choice((b"", b"\x17\x03\x03\x00\x04more", b"\x16\x03\x03\x00\x04\x10\0\0\0"))

    def check(self, data: bytes) -> str:
        """A server that asks for a second greeting hears the granted name in what passes, or none, each time."""
        passed, refused = self._pass(pieces(data))
        whole, refused_whole = self._pass([data])
        claim(refused == refused_whole, "pieces do not matter to the answer", passed, whole)
        claim(refused or passed == whole, "pieces do not matter", passed, whole)
        claim(data.startswith(passed) and data.startswith(whole), "what passes is what came", passed)
        claim(refused or len(data) - len(passed) <= _HELD, "no more is held than a greeting", len(data), len(passed))
        with contextlib.suppress(NotTls):
            name = greeted_name(data)
            claim(name is None or name.isascii(), "a name is ASCII", name)
            claim(not passed or name in ("", _GRANTED), "what passes began with the granted name", name)
        through = max(passed, whole, key=len)
        heard = _heard(_server(), through) if through else []
        claim(all(name in (None, "", _GRANTED) for name in heard), "a server hears the granted name or none", heard)
        if refused:
            return "refused late" if passed else "refused"
        return f"heard {len(heard)}" if passed else "waits"

    @staticmethod
    def _pass(parts: list[bytes]) -> tuple[bytes, bool]:
        tunnel, out = NamedTunnel(_GRANTED), b""
        try:
            for part in parts:
                out += tunnel(part)
        except NotTls:
            return out, True
        return out, False


def _sized(data: bytes, size: int) -> bytes:
    return len(data).to_bytes(size, "big") + data


def _extension(kind: int, body: bytes = b"") -> bytes:
    return kind.to_bytes(2, "big") + _sized(body, 2)


_CIPHERS = bytes.fromhex("130213031301c02cc030c02bc02f00ff")
_FRONT = b"\x03\x03" + b"r" * 32 + _sized(b"s" * 32, 1) + _sized(_CIPHERS, 2) + _sized(b"\0", 1)
_POINT = bytes.fromhex(
    "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
    "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
)
"""A point of P-256, as good as any: nobody is to read what is said under it."""
_SHARES = (b"\x00\x1d" + _sized(b"k" * 32, 2), b"\x00\x17" + _sized(_POINT, 2))
"""What a first greeting offers, which the server does not know, and what it then asks for."""
_COMMON = (
    _extension(0x0B, _sized(b"\0", 1)),
    _extension(0x0A, _sized(b"\x00\x1d\x00\x17", 2)),
    _extension(0x23),
    _extension(0x16),
    _extension(0x17),
    _extension(0x0D, _sized(bytes.fromhex("040305030603080708080809080a080b080408050806040105010601"), 2)),
    _extension(0x2B, _sized(b"\x03\x04\x03\x03", 1)),
    _extension(0x2D, _sized(b"\x01", 1)),
)


def _greeting(name: bytes, share: bytes) -> bytes:
    """A greeting in one record."""
    named = _extension(0, _sized(b"\0" + _sized(name, 2), 2))
    extensions = b"".join((named, *_COMMON, _extension(0x33, _sized(share, 2))))
    return b"\x16\x03\x01" + _sized(b"\x01" + _sized(_FRONT + _sized(extensions, 2), 3), 2)


_ASKED = ((b"a.example", _SHARES[0]), (b"b.invalid", _SHARES[0]), (b"b.invalid", _SHARES[1]))


def _written(chance: random.Random, share: bytes) -> bytes:
    names = [_name(chance) for _ in range(chance.choice((0, 1, 1, 1, 1, 1, 2)))]
    listed = [one for one in (*_COMMON, _extension(0x33, _sized(share, 2))) if chance.random() < 0.98]
    for name in names:
        listed.insert(chance.randrange(len(listed) + 1) if chance.random() < 0.3 else 0, name)
    message = b"\x01" + _sized(_FRONT + _sized(b"".join(listed), 2), 3)
    if chance.random() < 0.05:
        message += chance.choice((message, b"\x00", b"\x01"))
    return _records(chance, message)


def _name(chance: random.Random) -> bytes:
    kinds = ((b"\0", b"a.example"),) * 4 + (
        (b"\0", b"b.invalid"),
        (b"\0", b"A.Example"),
        (b"\1", b"b.invalid"),
        (b"\0", b""),
    )
    entries = [kind + _sized(name, 2) for kind, name in chance.choices(kinds, k=chance.choice((1, 1, 1, 1, 2, 0)))]
    return _extension(0, _sized(b"".join(entries), 2))


def _records(chance: random.Random, message: bytes) -> bytes:
    out = b""
    while message:
        size = chance.choice((len(message),) * 6 + (1, 3, 5, 50, 200))
        out += b"\x16\x03" + bytes((chance.choice((1, 1, 3)),)) + _sized(message[:size], 2)
        message = message[size:]
    return out


@functools.cache
def _server() -> ssl.SSLContext:
    """A server that has to ask a client for a second greeting, with the one curve that it knows."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "fuzz")])
    day, now = datetime.timedelta(days=1), datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    certificate = builder.not_valid_before(now - day).not_valid_after(now + 9 * day).sign(key, hashes.SHA256())
    plain = serialization.NoEncryption()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_ecdh_curve("prime256v1")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "fuzz.pem")
        path.write_bytes(pem + certificate.public_bytes(serialization.Encoding.PEM))
        context.load_cert_chain(path)
    return context


def _heard(context: ssl.SSLContext, data: bytes) -> list[str | None]:
    """The server names that *context* is asked for by *data*."""
    names: list[str | None] = []

    def hear(_: ssl.SSLObject, name: str | None, __: ssl.SSLContext) -> None:
        names.append(name)

    context.sni_callback = hear
    arriving = ssl.MemoryBIO()
    arriving.write(data)
    with contextlib.suppress(ssl.SSLError, OSError):
        context.wrap_bio(arriving, ssl.MemoryBIO(), server_side=True).do_handshake()
    return [name and name.lower() for name in names]
