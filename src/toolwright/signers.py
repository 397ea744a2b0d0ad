"""Settings go in; the keys of their home come out, with the service that signs for it where the settings name one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from toolwright.errors import SettingsError, UserError
from toolwright.keptout import homes_of, written_by_tools
from toolwright.owntools.naming import named
from toolwright.settings import Settings
from toolwright.signing.services import CURE, Service
from toolwright.store.keys import HomeKeys


def keys_of(settings: Settings) -> HomeKeys:
    """The keys of the home of *settings*; asks for nothing yet."""
    return HomeKeys(settings.home, service_of(settings))


def service_of(settings: Settings, *others: Settings) -> Service | None:
    """The service that signs for the home of *settings* by its setting `signer`, None where it has keys of its own.

    Nothing is imported before a signature is needed; then by the rules for own tools: nothing that lies in a home or
    where a generated tool may write, by *settings* and by those of *others*, and no file of a tool.
    """
    reference = settings.signer
    if reference is None:
        return None

    def found() -> Callable[[], Any]:
        every = (settings, *others)
        out = [path for one in every for path in homes_of(one)] + [
            path for one in every for path in written_by_tools(one)
        ]
        try:
            return named(reference, out)
        except UserError as error:
            why = str(error).removeprefix(f"own tool {reference!r}: ").removeprefix("own tool: ")
            raise SettingsError(
                f"setting signer = {reference!r}: {why} Nothing was signed, and nothing changed. {CURE}"
            ) from error

    return Service(reference, found)
