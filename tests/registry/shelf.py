"""What the tests of the shelf build on: specs, verdicts whose checks were written by hand, and an open registry."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toolwright import schema
from toolwright.registry import Registry
from toolwright.search import FtsRetriever
from toolwright.shelves import trust_of
from toolwright.store import Seal
from toolwright.store.home import Home
from toolwright.store.local import LocalStore
from toolwright.tool import CHECKS, Candidate, Check, Contract, ToolSpec, Verdict


def spec_of(name: str = "convert_currency", description: str = "Convert an amount.", **more: Any) -> ToolSpec:
    given = {"input_params": "amount: float, rate: float", "return_type": "float"} | more
    return schema.tool_spec(tool_name=name, description=description, **given)


def verdict_of(
    name: str = "convert_currency", description: str = "Convert an amount.", body: str = "amount * rate", **more: Any
) -> Verdict:
    spec = spec_of(name, description, **more)
    source = f'def {name}({spec.parameters}) -> {spec.returns}:\n    """{description}"""\n    return {body}\n'
    candidate = Candidate(spec, source, packages=spec.packages, grant=spec.grant)
    return Verdict(candidate, Contract(spec), tuple(Check(check, True) for check in CHECKS))


@dataclass
class Shelf:
    home: Home
    store: LocalStore
    registry: Registry

    @property
    def seal(self) -> Seal:
        return self.registry._seal

    def close(self) -> None:
        self.registry.close()
        self.home.close()


def open_shelf(folder: Path, **more: Any) -> Shelf:
    home = Home.open(folder)
    store = LocalStore(folder, FtsRetriever())
    return Shelf(home, store, Registry(store, home.calls, home.audit, trust=trust_of(folder), **more))
