"""The first bytes of a tunnel go in; the server name that its TLS greeting asks for comes out."""

from __future__ import annotations

_MAX_GREETING = 64 * 1024
_MAX_RECORDS = 16
"""More would let a guest that sends byte by byte spend our time on reading the same greeting again and again."""
_HANDSHAKE, _CLIENT_HELLO, _SERVER_NAME, _HOST_NAME, _MAJOR = 22, 1, 0, 0, 3
_SHORTEST = 6
"""Bytes of a record that say of what kind it is: its head, and the first one in it."""

UNRECOGNIZED_NAME = bytes((21, 3, 3, 0, 2, 2, 112))
"""A fatal TLS alert: no server of that name is to be had here."""


class NotTls(ValueError):
    """The bytes are no TLS greeting, or a malformed one."""


class NamedTunnel:
    """A filter for a client's bytes in a tunnel to *name*: nothing passes until TLS has asked for that very name.

    Without it, whoever is granted one site of a shared front could reach the others behind the same address.
    A greeting without a name passes: it asks for nobody else. A server may ask for a second greeting (a
    HelloRetryRequest), and goes by the name in that one: later ones are read like the first.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._held = b""
        self._greeted = False
        self._left = 0  # bytes of a record that are passed on unread

    def __call__(self, data: bytes) -> bytes:
        """What may pass now. NotTls if it is no TLS or asks for another name."""
        if self._left >= len(data):
            self._left -= len(data)
            return data
        self._held += data[self._left :]
        passed = [data[: self._left]]
        self._left = 0
        while self._held and (count := self._next()):
            passed.append(self._held[:count])
            self._left = max(count - len(self._held), 0)
            self._held = self._held[count:]
        return b"".join(passed)

    def _next(self) -> int:
        """How many bytes may pass, what is to come of a record among them; 0 while that cannot be said."""
        greets = not self._greeted or self._greets_again()
        if greets is None:
            return 0
        if greets:
            found = _first_message(self._held)
            if found is None:
                return 0
            greeting, end = found
            if _name_in(greeting) not in ("", self._name):
                raise NotTls("TLS asks for another server name than CONNECT")
            self._greeted = True
            return end
        if len(self._held) < _SHORTEST:
            return 0
        return 5 + int.from_bytes(self._held[3:5], "big")

    def _greets_again(self) -> bool | None:
        """Whether the record that begins here is a greeting and nothing that is encrypted; None: not to be said yet."""
        record = self._held
        if len(record) < _SHORTEST or record[0] != _HANDSHAKE or record[5] != _CLIENT_HELLO:
            return False
        # An encrypted message may begin with the same byte, but hardly ever (once in 65,536) with a size that fits.
        message, ended = _handshake(record)
        if len(message) >= 4:
            return int.from_bytes(message[1:4], "big") <= _MAX_GREETING
        return True if ended else None


def greeted_name(data: bytes) -> str | None:
    """The server name of the TLS greeting that *data* begins with: '' for none, None while it is incomplete."""
    found = _first_message(data)
    return None if found is None else _name_in(found[0])


class _Reader:
    """Takes fields off a message; NotTls where it is too short."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __bool__(self) -> bool:
        return bool(self._data)

    def take(self, count: int) -> bytes:
        """The next *count* bytes."""
        if count > len(self._data):
            raise NotTls("a TLS greeting that ends too early")
        taken, self._data = self._data[:count], self._data[count:]
        return taken

    def number(self, size: int) -> int:
        """A number of *size* bytes."""
        return int.from_bytes(self.take(size), "big")

    def part(self, size: int) -> _Reader:
        """What a length of *size* bytes announces."""
        return _Reader(self.take(self.number(size)))

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(len(self._data))


def _first_message(data: bytes) -> tuple[bytes, int] | None:
    """The body of the ClientHello, put together from its records, and where these end; None while bytes are missing."""
    message = b""
    position = records = 0
    while len(data) - position >= 5:
        if data[position] != _HANDSHAKE or data[position + 1] != _MAJOR:
            break
        length = int.from_bytes(data[position + 3 : position + 5], "big")
        message += data[position + 5 : position + 5 + length]
        position += 5 + length
        records += 1
        if message and message[0] != _CLIENT_HELLO:
            break
        if len(message) >= 4 and len(message) - 4 >= (size := int.from_bytes(message[1:4], "big")):
            if len(message) - 4 > size or position > len(data):
                raise NotTls("a TLS greeting with more behind it in its record")
            return message[4:], position
        if position > _MAX_GREETING or records > _MAX_RECORDS or not length:
            break
    else:
        if len(data) <= _MAX_GREETING and (position >= len(data) or data[position] == _HANDSHAKE):
            return None
    raise NotTls("a tunnel to a named host speaks TLS; plain HTTP goes without CONNECT")


def _handshake(data: bytes) -> tuple[bytes, bool]:
    """What the handshake records that *data* begins with hold, and whether something else ends them."""
    message, position = b"", 0
    while len(data) - position >= 5 and data[position] == _HANDSHAKE:
        length = int.from_bytes(data[position + 3 : position + 5], "big")
        message += data[position + 5 : position + 5 + length]
        position += 5 + length
        if not length:
            return message, True
    return message, position < len(data) and data[position] != _HANDSHAKE


def _name_in(greeting: bytes) -> str:
    reader = _Reader(greeting)
    reader.take(2 + 32)  # version, random
    for size in (1, 2, 1):  # session, ciphers, compressions
        reader.part(size)
    if not reader:
        return ""
    names: list[str] = []
    extensions = reader.part(2)
    while extensions:
        kind, body = extensions.number(2), extensions.part(2)
        if kind == _SERVER_NAME:
            names += _names(body)
    if len(names) > 1:
        raise NotTls("a TLS greeting with several server names")
    return names[0] if names else ""


def _names(extension: _Reader) -> list[str]:
    entries = extension.part(2)
    names = []
    while entries:
        kind, name = entries.number(1), entries.part(2).rest()
        if kind != _HOST_NAME or not name.isascii():
            raise NotTls("a TLS greeting with an unreadable server name")
        names.append(name.decode("ascii").lower())
    return names
