"""Bytes of a stream go in, frames come out, and the other way round: one form for host and container, strictly read."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from enum import IntEnum

VERSION = 1
MOST = 2**20
"""Bytes that one frame carries at most."""
CHUNK = 2**16
_HEAD = struct.Struct(">IBI")


class Kind(IntEnum):
    """What a frame is. Its number is that of a call, for the lane kinds that of a connection."""

    # From the host.
    PUT = 1  # a piece of an input file: four bytes of its index, then bytes
    JOB = 2  # JSON: run it
    CANCEL = 3
    TRUST = 4  # a name of 64 letters, then certificates
    # Both ways: a connection.
    DATA = 10
    ACK = 11  # four bytes: so many were passed on
    END = 12  # nothing follows
    DROP = 13  # it is broken
    # From the container.
    HELLO = 20  # JSON: what was found inside
    BEGAN = 21  # the call may have had effects from now on
    PART = 22  # a piece of the exit
    EXIT = 23  # the last piece of it
    FILE = 24  # JSON: a file that the call left
    PIECE = 25  # bytes of that file
    OPEN = 26  # a connection: four bytes of the call, then the power it is for, or nothing for the proxy


FROM_HOST = frozenset({Kind.PUT, Kind.JOB, Kind.CANCEL, Kind.TRUST, Kind.DATA, Kind.ACK, Kind.END, Kind.DROP})
FROM_CONTAINER = frozenset(
    {Kind.DATA, Kind.ACK, Kind.END, Kind.DROP, Kind.HELLO, Kind.BEGAN, Kind.PART, Kind.EXIT, Kind.FILE, Kind.PIECE}
) | {Kind.OPEN}

Frame = tuple[Kind, int, bytes]


class ProtocolError(Exception):
    """The other side said something that it may not say."""


def pack(kind: Kind, number: int, payload: bytes = b"") -> bytes:
    """One frame."""
    if len(payload) > MOST:
        raise ProtocolError(f"a frame of {len(payload)} bytes")
    return _HEAD.pack(len(payload), kind, number) + payload


def frames(read: Callable[[int], bytes], allowed: frozenset[Kind]) -> Iterator[Frame]:
    """The frames that *read* brings, until it brings b''. ProtocolError for anything but whole frames of *allowed*."""
    buffer = bytearray()
    while data := read(CHUNK):
        buffer += data
        start = 0
        while len(buffer) - start >= _HEAD.size:
            length, kind, number = _HEAD.unpack_from(buffer, start)
            if length > MOST:
                raise ProtocolError(f"a frame of {length} bytes")
            if kind not in allowed:
                raise ProtocolError(f"a frame of kind {kind}")
            end = start + _HEAD.size + length
            if len(buffer) < end:
                break
            yield Kind(kind), number, bytes(memoryview(buffer)[start + _HEAD.size : end])
            start = end
        del buffer[:start]
    if buffer:
        raise ProtocolError("half a frame")
