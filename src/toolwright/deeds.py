"""The words of the audit: what can be done or decided that a home keeps for good, and one such Deed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

DeedWord = Literal[
    "admitted",  # a version was proved and promoted to the shelf; detail: digest, run
    "validated",
    "promoted",  # a version that was proved and waited serves now, by `who`
    "catalogued",  # a person promoted it to the catalogue that clients are shown
    "uncatalogued",
    "retired",
    "restored",
    "yanked",
    "revoked",
    "imported",  # a version from before signatures was signed as this home's own
    "vouched for",  # a version of another shelf was taken over
    "signing-begun",
    "chain-begun",  # what stands before it was not chained until then
    "asked",  # a person was asked for powers; detail: digest, powers
    "approved",  # by `who`, for the digest in the detail
    "denied",  # by `who`, or by nobody where nobody was there
    "covered",  # a version was admitted on an earlier yes; detail: digest, the approval
    "approval-revoked",
    "policy-denied",  # a rule, a limit or the home's own folders stood against it
    "run-begun",
    "run-ended",  # detail: status
    "budget-stop",  # a model call was not made; detail: limit, value, wanted
    "token-added",  # a bearer token for the HTTP door, by its name; detail: its scopes
    "token-revoked",
    "costs-recomputed",  # settled costs were reckoned anew by another table of prices
    "runs-deleted",  # detail: how many, which
    "retention",  # old traces, values or prompts were removed; detail: how many
]
"""What a line of the audit can tell."""


@dataclass(frozen=True, slots=True)
class Deed:
    """One line of the audit; `at` in Unix seconds (0: now); `run_id` its run, if any.

    No detail holds what a person or a model wrote as a task or as arguments: the audit is never cleared.
    """

    who: str
    what: DeedWord
    namespace: str
    name: str
    number: int | None = None
    detail: str = ""
    at: float = 0.0
    run_id: str = ""


class Audit(Protocol):
    """Where it is kept who changed what on the shelf."""

    def add(self, deed: Deed) -> None:
        """Keep a deed."""

    def has(self, what: DeedWord, namespace: str, name: str, number: int) -> bool:
        """Whether a deed of that kind is kept about that version."""
