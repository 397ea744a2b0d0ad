"""A seed and a number go in, the bytes of that input come out: the same ones each time, on every machine."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Sequence

_MOST = 64 * 1024
_NUMBERS = (b"0", b"-1", b"1", b"255", b"256", b"65535", b"65536", b"2147483648", b"4294967296", b"9" * 20, b"1e999")

Mutation = Callable[[random.Random, bytes, Sequence[bytes]], bytes]


def numbered(seed: int, name: str, number: int) -> random.Random:
    """The source of chance for input *number* of target *name*: it depends on nothing else."""
    return random.Random((seed << 72) ^ (zlib.crc32(name.encode()) << 40) ^ number)


def mutated(chance: random.Random, data: bytes, tokens: Sequence[bytes], times: int) -> bytes:
    """*data* after so many small changes, some of which put in one of *tokens*."""
    for _ in range(times):
        data = chance.choice(_MUTATIONS)(chance, data, tokens)[:_MOST]
    return data


def pieces(data: bytes, most: int = 6) -> list[bytes]:
    """*data* cut at places that depend on nothing but *data*, at times byte by byte: as a network may deliver it."""
    chance = random.Random(zlib.crc32(data))
    if len(data) <= 400 and chance.random() < 0.15:
        return [data[at : at + 1] for at in range(len(data))]
    cuts = sorted(chance.randrange(len(data) + 1) for _ in range(chance.randrange(most)))
    return [data[start:end] for start, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]


def _flip(chance: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    if not data:
        return data
    at = chance.randrange(len(data))
    return data[:at] + bytes((data[at] ^ (1 << chance.randrange(8)),)) + data[at + 1 :]


def _replace(chance: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + bytes((chance.randrange(256),)) + data[at + 1 :]


def _insert(chance: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + chance.randbytes(chance.randrange(1, 4)) + data[at:]


def _insert_token(chance: random.Random, data: bytes, tokens: Sequence[bytes]) -> bytes:
    at = chance.randrange(len(data) + 1)
    return data[:at] + chance.choice(tokens or _NUMBERS) + data[at:]


def _replace_with_token(chance: random.Random, data: bytes, tokens: Sequence[bytes]) -> bytes:
    token = chance.choice(tokens or _NUMBERS)
    at = chance.randrange(len(data) + 1)
    return data[:at] + token + data[at + len(token) :]


def _swap_token(chance: random.Random, data: bytes, tokens: Sequence[bytes]) -> bytes:
    """One token that is there becomes another."""
    there = [token for token in tokens if token in data]
    if not there:
        return _insert_token(chance, data, tokens)
    old = chance.choice(there)
    at = data.find(old, chance.randrange(len(data)))
    at = data.find(old) if at < 0 else at
    return data[:at] + chance.choice(tokens) + data[at + len(old) :]


def _number(chance: random.Random, data: bytes, tokens: Sequence[bytes]) -> bytes:
    """A digit that is there becomes a whole number at the edge of something."""
    digits = [at for at, byte in enumerate(data[:4096]) if 0x30 <= byte <= 0x39]
    if not digits:
        return _insert(chance, data, tokens)
    at = chance.choice(digits)
    return data[:at] + chance.choice(_NUMBERS) + data[at + 1 :]


def _remove(chance: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    start, end = _range(chance, data)
    return data[:start] + data[end:]


def _double(chance: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    start, end = _range(chance, data)
    return data[:end] + data[start:end] + data[end:]


def _move(chance: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    start, end = _range(chance, data)
    left = data[:start] + data[end:]
    at = chance.randrange(len(left) + 1)
    return left[:at] + data[start:end] + left[at:]


def _cut(chance: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    return data[: chance.randrange(len(data) + 1)]


def _repeat(chance: random.Random, data: bytes, _: Sequence[bytes]) -> bytes:
    """A few bytes many times: for what is slow or deep only when there is much of it."""
    start, end = _range(chance, data, longest=4)
    return data[:start] + data[start:end] * chance.choice((8, 64, 250, 1500)) + data[end:]


def _range(chance: random.Random, data: bytes, longest: int = 40) -> tuple[int, int]:
    start = chance.randrange(len(data) + 1)
    return start, min(len(data), start + chance.randrange(1, longest + 1))


_ONCE: tuple[Mutation, ...] = (_remove, _double, _move, _cut, _repeat)
_OFTEN: tuple[Mutation, ...] = (_flip, _replace, _insert, _insert_token, _replace_with_token, _swap_token, _number)
_MUTATIONS: tuple[Mutation, ...] = (*_OFTEN, *_OFTEN, *_ONCE)
