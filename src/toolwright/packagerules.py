"""What a policy says of packages: which are allowed unasked, how old a release must be, and if its age is unknown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from toolwright.errors import SpecError, quoted
from toolwright.lookalikes import look_alike
from toolwright.powers import ALLOWED_PACKAGES, package_name

_EXACT = re.compile(r"[^\s=]+\s*==\s*(?P<version>[A-Za-z0-9.!+_-]+)\Z")
PACKAGE_KEYS = ("allow", "cooldown_days", "undated")
_MOST_DAYS = 36_500


@dataclass(frozen=True, slots=True)
class PackageRules:
    """The `[packages]` table of a policy. `allow` holds names (`numpy`) and exact versions (`numpy==2.1.0`)."""

    allow: tuple[str, ...] = ()
    cooldown_days: float | None = None
    """A release younger than this is not taken; None leaves it to the setting, 0 takes any."""
    undated: Literal["refuse", "allow"] = "refuse"
    """What becomes of releases of an index that says no upload times."""

    def allows(self, requirement: str) -> bool:
        """Whether *requirement* may be had unasked: its name is allowed, or the exact version that it says."""
        return _name_of(requirement) in (*ALLOWED_PACKAGES, *self.allow) or _form(requirement) in self.allow

    def ripe(self, requirement: str) -> bool:
        """Whether *requirement* is an exact version that is allowed as such, and so whatever its age."""
        form = _form(requirement)
        return "==" in form and form in self.allow

    def mistaken(self, packages: Iterable[str]) -> list[str]:
        """A sentence for each of *packages* whose name looks like a well-known one and is not allowed."""
        known = {*ALLOWED_PACKAGES, *map(_name_of, self.allow)}
        names = dict.fromkeys(map(_name_of, packages))
        return [_sentence(name, like) for name in names if (like := look_alike(name, known))]


def _sentence(name: str, like: str) -> str:
    return (
        f"package {name!r} looks like the well-known {like!r}. Declare {like!r} if that is meant; if {name!r} is, "
        "a person lists it under [packages] allow in the policy."
    )


def _name_of(requirement: str) -> str:
    try:
        return package_name(requirement)
    except SpecError:
        return requirement  # on no list


def _form(requirement: str) -> str:
    """*requirement* as it stands in `allow`: `name==version` for one exact version, else the name."""
    exact = _EXACT.match(requirement.strip())
    return f"{_name_of(requirement)}=={exact['version']}" if exact else _name_of(requirement)


def rules_from(table: Any) -> PackageRules:
    """The PackageRules in a parsed `[packages]` table. WrongKeyError says which key is wrong."""
    if not isinstance(table, Mapping):
        raise WrongKeyError("", "packages must be one table, written [packages].")
    allow = table.get("allow", [])
    check_texts("allow", allow)
    days = table.get("cooldown_days")
    number = not isinstance(days, bool) and isinstance(days, (int, float)) and 0 <= days <= _MOST_DAYS
    if days is not None and not number:
        raise WrongKeyError("cooldown_days", f"cooldown_days must be a number of days, 0 or more, not {quoted(days)}.")
    undated = table.get("undated", "refuse")
    if undated not in ("refuse", "allow"):
        raise WrongKeyError("undated", f"undated must be 'refuse' or 'allow', not {quoted(undated)}.")
    allowed = dict.fromkeys(_allowed(number, one) for number, one in enumerate(allow))
    return PackageRules(tuple(allowed), None if days is None else float(days), undated)


def _allowed(number: int, text: str) -> str:
    try:
        name = package_name(text)
    except SpecError as error:
        raise WrongKeyError("allow", str(error), number) from None
    if (form := _form(text)) == name and re.search(r"[^A-Za-z0-9._-]", text.strip()):
        why = f"package {quoted(text)}: an entry is a name, or one exact version such as {name}==1.0."
        raise WrongKeyError("allow", why, number)
    return form


def check_texts(key: str, value: Any) -> None:
    """WrongKeyError unless *value* is a list of strings."""
    if not isinstance(value, list):
        raise WrongKeyError(key, f"{key} must be a list of strings, not {quoted(value)}.")
    for number, one in enumerate(value):
        if not isinstance(one, str):
            raise WrongKeyError(key, f"{key} must be a list of strings, and {quoted(one)} is none.", number)


class WrongKeyError(ValueError):
    """What is wrong in a table of a policy: its *key*, and if it is one item of a list, which."""

    def __init__(self, key: str, message: str, item: int | None = None) -> None:
        super().__init__(message)
        self.place: tuple[str | int, ...] = () if not key else (key,) if item is None else (key, item)
