"""Which tools a person promoted to the catalogue of clients, or took out of it: words in, one small durable file."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from toolwright.errors import FaultError
from toolwright.store.files import locked, make_folder, write_over, writing

FOLDER = "catalogue"
"""Folder of the home with a file for each namespace."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a person said: name → since when (Unix seconds). No name is in both."""

    promoted: Mapping[str, float] = field(default_factory=dict)
    demoted: Mapping[str, float] = field(default_factory=dict)


class CatalogueBook:
    """Keeps it for one namespace. Thread-safe, and safe between processes; each write is on disk when it returns."""

    def __init__(self, home: Path, namespace: str) -> None:
        self._home, self._path = home, home / FOLDER / f"{namespace}.json"

    def read(self) -> Chosen:
        """What was said. FaultError where the file is broken."""
        try:
            text = self._path.read_text("utf-8")
        except FileNotFoundError:
            return Chosen()
        except OSError as error:
            raise FaultError(f"{self._path} cannot be read: {error.strerror}.") from error
        try:
            said = json.loads(text)
            return Chosen(_times(said["promoted"]), _times(said["demoted"]))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise FaultError(
                f"{self._path} is damaged ({error}). Move it away: then no tool is promoted or taken out by a person."
            ) from error

    def promote(self, name: str) -> None:
        """From now on *name* is in the catalogue, whatever the rule says of it."""
        self._change(
            lambda said: Chosen({**_without(said.promoted, name), name: time.time()}, _without(said.demoted, name))
        )

    def demote(self, name: str) -> None:
        """From now on *name* is not in it."""
        self._change(
            lambda said: Chosen(_without(said.promoted, name), {**_without(said.demoted, name), name: time.time()})
        )

    def _change(self, change: Callable[[Chosen], Chosen]) -> None:
        with writing(self._path):
            make_folder(self._path.parent, self._home)
            with locked(self._path.with_suffix(".lock")):
                said = change(self.read())
                data = {"promoted": dict(said.promoted), "demoted": dict(said.demoted)}
                write_over(self._path, json.dumps(data, indent=2).encode())


def _times(said: Any) -> dict[str, float]:
    return {str(name): float(at) for name, at in said.items()}


def _without(said: Mapping[str, float], name: str) -> dict[str, float]:
    return {one: at for one, at in said.items() if one != name}
