"""Imported modules and declared packages go in; out comes each import that nothing declared would bring."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from toolwright.powers import ALLOWED_PACKAGES, package_name
from toolwright.screen.tables import BROUGHT_ALONG, DISTRIBUTIONS, LANGUAGE_MODELS


def language_model_library(dotted: str) -> str | None:
    """The library of a language model that *dotted* belongs to, or None."""
    parts = dotted.split(".")
    heads = (".".join(parts[:count]) for count in range(1, len(parts) + 1))
    return next((head for head in heads if head in LANGUAGE_MODELS), None)


def undeclared(imported: Iterable[str], packages: Sequence[str]) -> dict[str, str]:
    """Each top-level import that neither the standard library nor *packages* bring, with the package to declare."""
    declared = {package_name(one) for one in packages}
    brought = {name: one for one in declared for name in BROUGHT_ALONG.get(one, ())}
    missing: dict[str, str] = {}
    explained: set[str] = set()
    for name in dict.fromkeys(dotted.partition(".")[0] for dotted in imported):
        if not name or name in sys.stdlib_module_names or name in brought:
            explained.add(brought.get(name, ""))
            continue
        bringing = distributions(name) & declared
        explained |= bringing
        if not bringing:
            missing[name] = min(DISTRIBUTIONS.get(name, (package_name(name),)), key=len)
    # Import names need not look like the package's. One that the table does not know may come from a declared
    # package that nothing else here explains; if it does not, loading it says so.
    spare = len(declared - explained - {*ALLOWED_PACKAGES, *BROUGHT_ALONG})
    for name in [one for one in missing if one not in DISTRIBUTIONS][:spare]:
        del missing[name]
    return missing


def distributions(name: str) -> set[str]:
    """What packages that bring the import *name* may be called."""
    plain = package_name(name) if name[0].isalnum() else name.lower()
    return {*DISTRIBUTIONS.get(name, ()), plain, f"python-{plain}", f"py{plain}", f"{plain}-py", f"py-{plain}"}
