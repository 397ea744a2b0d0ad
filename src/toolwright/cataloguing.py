"""The half of the Python door for the catalogue: which tools clients are shown, by a person's word and by a rule."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Literal

from toolwright.deeds import Deed
from toolwright.errors import NotFoundError
from toolwright.listing import Infos, ToolInfo
from toolwright.registry import Registry
from toolwright.settings import Settings
from toolwright.store.catalogue import CatalogueBook, Chosen
from toolwright.whoever import person_here
from toolwright.wiring import Parts

Rule = Literal["fixed", "promoted", "no-powers"]


class Cataloguing(ABC):
    """What a client of this home is shown beside the fixed tools. `Toolwright` is one.

    A tool joins by promotion: a person's, or that of the rule in the setting `clients.catalogue`. No request of a
    client changes it.
    """

    settings: Settings

    @property
    @abstractmethod
    def _parts(self) -> Parts:
        """The house. UserError once it is closed."""

    @property
    @abstractmethod
    def registry(self) -> Registry:
        """The shelf."""

    def catalogue(self) -> Infos:
        """The tools that a client is shown, by name: what a person promoted, then by use, up to `clients.listed`."""
        own = self.settings.clients
        return Infos(chosen(self.registry.list(), self._catalogue.read(), own.catalogue, own.listed))

    def promote(self, name: str, *, who: str = "") -> ToolInfo:
        """Put the tool *name* into the catalogue, whatever the rule says of it. NotFoundError."""
        info = self._on_shelf(name)
        self._catalogue.promote(name)
        self._parts.home.audit.add(Deed(who or person_here(), "catalogued", info.namespace, name, info.number))
        return info

    def demote(self, name: str, *, who: str = "") -> ToolInfo:
        """Take the tool *name* out of the catalogue, whatever the rule says of it; it stays on the shelf."""
        info = self._on_shelf(name)
        self._catalogue.demote(name)
        self._parts.home.audit.add(Deed(who or person_here(), "uncatalogued", info.namespace, name, info.number))
        return info

    @property
    def _catalogue(self) -> CatalogueBook:
        return CatalogueBook(self.settings.home, self.settings.namespace)

    def _on_shelf(self, name: str) -> ToolInfo:
        if not self.registry.shelved(name):
            raise NotFoundError(f"No tool is named {name!r}; `toolwright tools` lists them.")
        return next(info for info in reversed(self.registry.history(name)) if info.state == "active")


def chosen(infos: Iterable[ToolInfo], said: Chosen, rule: Rule, most: int) -> list[ToolInfo]:
    """Those of *infos* that are shown, by name; of more than *most* first what a person promoted, then the most used.

    The rule `no-powers` takes what the shelf holds (so its verdict passed), asks for no powers and changes nothing
    outside; a person's own functions are no part of the shelf.
    """
    if rule == "fixed":
        return []
    on_shelf = [info for info in infos if info.origin != "host" and info.name not in said.demoted]
    by_rule = rule == "no-powers"
    found = [
        one for one in on_shelf if one.name in said.promoted or (by_rule and not one.powers and one.effect == "none")
    ]
    ranked = sorted(found, key=lambda one: (one.name not in said.promoted, -one.calls, one.name))
    return sorted(ranked[:most], key=lambda one: one.name)
