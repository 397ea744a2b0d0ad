"""Modules that tools are likely to need, imported once in a zygote and shared by all its guests."""

from __future__ import annotations

import importlib
import os
import re
import sys

from toolwright.sandbox import fetching

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

STANDARD = (
    *("json", "typing", "datetime", "re", "math", "statistics", "decimal", "pathlib", "collections", "functools"),
    *("itertools", "random", "string", "base64", "csv", "io", "dataclasses", "enum", "textwrap", "fractions"),
    *("zoneinfo", "copy", "operator", "time", "heapq", "bisect", "urllib.parse", "unicodedata", "traceback"),
    *("contextlib", "struct"),
)
"""Not hashlib, secrets and tempfile: with the libraries that they bring each fork costs more than most tools gain."""
PACKAGES = ("pandas", "httpx", "requests", "pydantic")
"""Imported where the environment has them and nothing but what they need themselves."""
_TRUSTED = frozenset(
    (
        *PACKAGES,
        *("numpy", "python-dateutil", "pytz", "tzdata", "six", "anyio", "certifi", "h11", "httpcore", "idna"),
        *("sniffio", "typing-extensions", "annotated-types", "pydantic-core", "typing-inspection"),
        *("charset-normalizer", "urllib3", "exceptiongroup"),
    )
)


def preload(folder: str, path: Sequence[str], *, network: bool) -> list[str]:
    """Import what is of use, from environment *folder* too ('' for none); the names of its packages come back.

    *path*: where an interpreter looks for them. *network*: also what fetches from hosts.

    A zygote runs no untrusted code: where anything is installed beside the known packages and what they need, nothing
    of the environment is imported here. Nor is any of it on `sys.path` while the standard library is: that tries to
    import, and leaves alone, modules that few machines have (`copy` asks for `org.python.core`).
    """
    _import_random()
    for name in STANDARD:
        importlib.import_module(name)
    if network:
        fetching.prepare()
    _SEED.extend((sys.modules["_random"].Random.seed, sys.modules["random"]._inst))
    if not folder:
        return []
    installed = set(_installed(folder))
    if not installed or not installed <= _TRUSTED:
        return []
    found = [name for name in PACKAGES if name in installed]
    before = [*sys.path]
    sys.path += path
    try:
        loaded = [name for name in found if _imported(name)]
    finally:
        sys.path[:] = before
    if "numpy" in sys.modules:
        _SEED.append(sys.modules["numpy"].random.seed)
    return loaded


def _import_random() -> None:
    """Import random without its way of seeding itself anew after a fork: `reseed` costs a guest less than half."""
    asked, os.register_at_fork = os.register_at_fork, _not_asked
    try:
        importlib.import_module("random")
    finally:
        os.register_at_fork = asked


def _not_asked(**_: object) -> None:
    return


def reseed() -> None:
    """Give this guest random numbers of its own."""
    _SEED[0](_SEED[1])
    if len(_SEED) > 2:
        _SEED[2]()


_SEED: list[Any] = []
"""The seeding method of the generator behind `random`, that generator, and numpy's where it is loaded."""


def _installed(folder: str) -> Iterable[str]:
    for entry in os.listdir(folder):
        if entry.endswith(".dist-info"):
            yield re.sub(r"[-_.]+", "-", entry.partition("-")[0]).lower()


def _imported(name: str) -> bool:
    try:
        importlib.import_module(name)
    except Exception:  # noqa: BLE001 - a guest that needs it gets the same error, and says so
        sys.modules.pop(name, None)
        return False
    return True
