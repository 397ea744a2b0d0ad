"""Which folder is the home: named, found in the project, or the platform's; a found one only if it is trusted."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from toolwright.errors import SettingsError

PROJECT_HOME = ".toolwright"


def find_home(home: str | Path | None = None) -> tuple[Path, str]:
    """The home and what named it: the caller, `$TOOLWRIGHT_HOME`, `./.toolwright`, the platform's data folder.

    A project's home holds approvals and settings, and a cloned project's would be a stranger's word: one that this
    person neither made here nor trusted raises SettingsError.
    """
    if home is not None:
        return _named(home), "given"
    if named := os.environ.get("TOOLWRIGHT_HOME"):
        return _named(named), "$TOOLWRIGHT_HOME"
    project = Path.cwd() / PROJECT_HOME
    if not project.is_dir():
        return own_data_folder(), "the platform's data folder"
    if _is_empty(project):
        trust(project)
    elif str(project.resolve()) not in _trusted():
        raise SettingsError(
            f"{project} was made elsewhere, and its approvals and settings would count as yours. "
            "If you trust it, say so once with `toolwright registry trust`, or name it with --home."
        )
    return project, f"./{PROJECT_HOME}"


def lower_home(said_by: str) -> Path | None:
    """The person's own home, where a project's is in use (*said_by* as of `find_home`) and there is one."""
    own = own_data_folder() if said_by == f"./{PROJECT_HOME}" else None
    return own if own is not None and own.is_dir() else None


def trust(home: Path) -> None:
    """Remember that *home*, found in a project, may be used by this person on this machine."""
    listed = sorted({*_trusted(), str(home.resolve())})
    folder = own_data_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile("w", dir=folder, delete=False, encoding="utf-8") as file:
            json.dump(listed, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        Path(file.name).replace(folder / "trusted-homes.json")
    except OSError as error:
        raise SettingsError(f"{folder}: the trust in {home} cannot be noted there: {error.strerror}.") from error


def _named(home: str | Path) -> Path:
    try:
        return Path(home).expanduser().absolute()
    except RuntimeError as error:
        raise SettingsError(f"home {str(home)!r}: {error} Write the whole path.") from None


def _is_empty(folder: Path) -> bool:
    try:
        return not any(folder.iterdir())
    except OSError as error:
        raise SettingsError(
            f"{folder}: cannot be read: {error.strerror}. Name another home with --home DIR."
        ) from error


def own_data_folder() -> Path:
    """This person's data folder for Toolwright; may not exist yet."""
    import platformdirs

    try:
        folder = Path(platformdirs.user_data_dir("toolwright", appauthor=False))
    except RuntimeError:
        folder = Path()
    if not folder.is_absolute():
        raise SettingsError(
            "Where your data goes cannot be found out: set HOME, or name a folder with --home DIR or $TOOLWRIGHT_HOME."
        )
    return folder


def _trusted() -> list[str]:
    path = own_data_folder() / "trusted-homes.json"
    try:
        return [str(one) for one in json.loads(path.read_text("utf-8"))]
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError) as error:
        raise SettingsError(
            f"{path}: cannot be read: {error}. Delete it, and trust the project's home again."
        ) from error
