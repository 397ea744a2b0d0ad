"""The yeses that hold, with the numbers that take them back: a home goes in, Granteds come out."""

from __future__ import annotations

import time
from dataclasses import dataclass

from toolwright.approving import standing_grant
from toolwright.errors import NotFoundError
from toolwright.policy import Approval
from toolwright.store.home import Home
from toolwright.whoever import person_here


@dataclass(frozen=True, slots=True)
class Granted:
    """A yes that holds, with the number that takes it back."""

    id: int
    approval: Approval


def granted(home: Home, namespace: str) -> list[Granted]:
    """Every yes that holds in *namespace*, oldest first."""
    return [Granted(number, approval) for number, approval in home.approvals.list(namespace)]


def grant(home: Home, namespace: str, host: str, until: float | None, who: str = "") -> Granted:
    """The standing yes to *host*, on record. SpecError, UserError."""
    approval = standing_grant(host, namespace, who or person_here(), time.time(), until)
    return Granted(home.approvals.record(approval), approval)


def revoke(home: Home, namespace: str, number: int, who: str = "") -> Granted:
    """The yes that was taken back. NotFoundError."""
    found = next((one for one in granted(home, namespace) if one.id == number), None)
    if found is None:
        raise NotFoundError(
            f"No yes has the number {number}, or it holds no longer; `toolwright grants` lists those that do."
        )
    home.approvals.revoke(number, who or person_here())
    return found
