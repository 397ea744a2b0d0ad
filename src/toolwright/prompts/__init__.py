"""A role goes in, its system prompt comes out: a text file that a person can read, and override in their home."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from toolwright.errors import SettingsError
from toolwright.trace import Role

ROLES: tuple[Role, ...] = ("orchestrator", "generator", "examiner")


def role_line(role: Role) -> str:
    """The line that each system prompt begins with; stable, so that anybody can script or route the roles."""
    return f"[toolwright:{role}]"


def text(role: Role, folder: Path | None = None, *, page: str = "") -> str:
    """The prompt of *role*: `ROLE.md` in *folder* if there is one, else ours. Begins with its `role_line` in any case.

    *page* is another prompt of the same role: `request` words a request for a tool. Raises SettingsError naming the
    file when an override cannot be read or is empty.
    """
    page = page or role
    own = None if folder is None else folder / f"{page}.md"
    if own is None or not own.exists():
        found = resources.files(__name__).joinpath(f"{page}.md").read_text("utf-8")
    else:
        found = _override(own)
    line = role_line(role)
    body = found.strip()
    return body if body.partition("\n")[0].strip() == line else f"{line}\n\n{body}"


def _override(path: Path) -> str:
    try:
        found = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: this prompt cannot be read: {error}.") from error
    if not found.strip():
        raise SettingsError(f"{path}: this prompt is empty; write it, or delete the file to use the built-in one.")
    return found
