"""The operating system's keyring, where there is one: a service and a name go in, the value that was kept comes out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from toolwright.errors import FaultError, SettingsError

_WORKING = 1
"""The least priority of a backend that the keyring library recommends; below it lie those that keep nothing safe."""


@dataclass(frozen=True, slots=True)
class Keychain:
    """A keyring that works. FaultError where it refuses, without its own words: they may say too much."""

    backend: Any

    @property
    def name(self) -> str:
        """What the keyring calls itself."""
        return str(self.backend.name)

    def put(self, service: str, name: str, value: str) -> None:
        """Keep *value*, and see that it is there."""
        try:
            self.backend.set_password(service, name, value)
            there = self.backend.get_password(service, name) == value
        except Exception as error:  # noqa: BLE001 -- a backend may raise anything
            raise self._refused(error, f"keep {name}") from None
        if not there:
            raise FaultError(f"The keyring ({self.name}) does not give back what was kept as {name}.")

    def get(self, service: str, name: str) -> str | None:
        """The value, or None if the keyring has none."""
        try:
            value = self.backend.get_password(service, name)
        except Exception as error:  # noqa: BLE001 -- a backend may raise anything
            raise self._refused(error, f"give {name}") from None
        return value if value is None else str(value)

    def drop(self, service: str, name: str) -> None:
        """Forget the value; none is no matter."""
        try:
            if self.backend.get_password(service, name) is not None:
                self.backend.delete_password(service, name)
        except Exception as error:  # noqa: BLE001 -- a backend may raise anything
            raise self._refused(error, f"forget {name}") from None

    def _refused(self, error: Exception, what: str) -> FaultError:
        return FaultError(
            f"The keyring ({self.name}) does not {what}: {type(error).__name__}. Unlock it, or keep the secret in the "
            "home's own file: `toolwright secrets set NAME --in file`."
        )


def keychain() -> Keychain | None:
    """The keyring of this machine; None where the library is not installed or has no backend that works.

    SettingsError if the person's own choice of a backend cannot be had.
    """
    try:
        import keyring

        backend = keyring.get_keyring()
        working = backend.priority >= _WORKING
    except ModuleNotFoundError as error:
        if error.name == "keyring":
            return None
        raise _unusable(error) from error
    except Exception as error:
        raise _unusable(error) from error
    return Keychain(backend) if working else None


def _unusable(error: Exception) -> SettingsError:
    return SettingsError(
        f"The keyring that was chosen cannot be had ({type(error).__name__}: {error}); see $PYTHON_KEYRING_BACKEND and "
        "keyringrc.cfg, or keep secrets in the home's own file with --in file."
    )
