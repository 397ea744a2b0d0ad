"""The attacks by family: each module beside this one gives `ATTACKS`."""

from __future__ import annotations

import functools
import importlib
import pkgutil

from toolwright.escape.attack import Attack


@functools.cache
def every_attack() -> tuple[Attack, ...]:
    """All attacks of all families, in the order of their names. ValueError if two share a name."""
    found: dict[str, Attack] = {}
    for module in pkgutil.iter_modules(__path__):
        for attack in importlib.import_module(f"{__name__}.{module.name}").ATTACKS:
            if attack.name in found:
                raise ValueError(f"two attacks are called {attack.name!r}")
            found[attack.name] = attack
    return tuple(sorted(found.values(), key=lambda attack: (attack.family, attack.name)))
