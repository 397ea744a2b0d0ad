"""A person's own prices: `prices.toml` goes in, a PriceTable comes out; what cannot be read is named with its line."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from toolwright.errors import SettingsError
from toolwright.tomllines import Lines, UnreadableError, lines_of, read_toml, told_at

FILE = "prices.toml"
"""In the home."""

_MILLION = 1_000_000
_AMOUNTS = ("input", "output", "cached_input")
_KEYS = ("model", "base_url", *_AMOUNTS, "part_tokens", "free")


@dataclass(frozen=True, slots=True)
class OwnPrice:
    """What the models that fit `model` (`provider:name`, with * and ?) cost, in US dollars for a million tokens."""

    model: str
    base_url: str | None = None
    """Only at this address; None: wherever they are asked."""
    input: float = 0.0
    output: float = 0.0
    cached_input: float | None = None
    """None: as `input`."""
    part_tokens: int | None = None
    """What an image, a sound or a file in a request counts at most; None: nobody knows."""

    def fits(self, model: str, base_url: str | None) -> bool:
        """Whether it says the price of *model* at *base_url*."""
        here = self.base_url is None or self.base_url.rstrip("/") == (base_url or "").rstrip("/")
        return here and fnmatchcase(model, self.model)

    def dollars(self, tokens_in: int, tokens_out: int, cached: int = 0) -> float:
        """The price of so many tokens, of which *cached* are among those that went in."""
        cached = min(cached, tokens_in)
        of_cached = self.input if self.cached_input is None else self.cached_input
        return ((tokens_in - cached) * self.input + cached * of_cached + tokens_out * self.output) / _MILLION

    def worst(self, tokens_in: int, tokens_out: int) -> float:
        """The most that so many tokens can cost."""
        most = max(self.input, self.cached_input or 0.0)
        return (tokens_in * most + tokens_out * self.output) / _MILLION

    @property
    def free(self) -> bool:
        """Whether nothing is charged."""
        return not self.worst(1, 1)


@dataclass(frozen=True, slots=True)
class PriceTable:
    """A person's own prices, the first that fits holds; `version` changes with the file, '' where there is none."""

    prices: tuple[OwnPrice, ...] = ()
    version: str = ""

    def of(self, model: str, base_url: str | None) -> OwnPrice | None:
        """The price of *model*, if it is said."""
        return next((one for one in self.prices if one.fits(model, base_url)), None)


def read_prices(path: Path) -> PriceTable:
    """The table in the file *path*, an empty one where it is not there. SettingsError names file, line and key."""
    try:
        document, text = read_toml(path.read_bytes())
    except FileNotFoundError:
        return PriceTable()
    except (UnreadableError, OSError) as error:
        raise SettingsError(f"{path}: cannot be read: {error}.") from None
    lines = lines_of(text)
    for key in document:
        if key != "price":
            where = told_at(lines, key)
            raise SettingsError(f"{path}{where}: unknown key {key!r}; it holds [[price]] tables and nothing else.")
    tables = document.get("price", [])
    if not isinstance(tables, list):
        raise SettingsError(f"{path}{told_at(lines, 'price')}: 'price' must be written [[price]], once for each price.")
    found = tuple(_price(table, f"{path}, price {number + 1}", lines, number) for number, table in enumerate(tables))
    return PriceTable(found, f"prices.toml {hashlib.sha256(text.encode()).hexdigest()[:12]}")


def _price(table: Any, where: str, lines: Lines, number: int) -> OwnPrice:
    def bad(key: str, problem: str) -> SettingsError:
        return SettingsError(f"{where}{told_at(lines, 'price', number, *([key] if key else []))}: {problem}.")

    if not isinstance(table, Mapping):
        raise bad("", "must be a table")
    for key, value in table.items():
        if key not in _KEYS:
            raise bad(key, f"unknown key {key!r}; known are {', '.join(_KEYS)}")
        if problem := _problem(key, value):
            raise bad(key, f"{key} must be {problem}, not {value!r}")
    if "model" not in table:
        raise bad("", "there is no `model`, such as model = 'openai:gpt-5-mini'")
    free, priced = table.get("free", False), [key for key in _AMOUNTS if key in table]
    if free and priced:
        raise bad("free", f"it is free, and has a price: {priced[0]}; leave out one of them")
    if not free and not {"input", "output"} <= set(priced):
        raise bad("", "say `input` and `output`, in US dollars for a million tokens, or `free = true`")
    return OwnPrice(**{key: value for key, value in table.items() if key != "free"})


def _problem(key: str, value: Any) -> str:
    """What *value* should be and is not; '' if it is."""
    number = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _MILLION
    if key in ("model", "base_url"):
        return "" if isinstance(value, str) and value.strip() else "a text that is not empty"
    if key == "free":
        return "" if isinstance(value, bool) else "true or false"
    if key == "part_tokens":
        return "" if number and isinstance(value, int) else "a whole number from 0 to a million"
    return "" if number else "US dollars for a million tokens, from 0 to a million"
