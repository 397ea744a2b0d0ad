"""A registry that notes on which yes a version came onto the shelf: a Verdict in, and its digest stands at that yes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from toolwright.permission import Permission
from toolwright.policy import Question
from toolwright.registry import Admission, Registry
from toolwright.tool import Verdict


class Yeses(Protocol):
    """Where answers are kept."""

    def cover(self, question: Question, number: int) -> None:
        """Note that version *number*, which asks *question*, came onto the shelf on a yes that holds."""


class CoveredRegistry(Registry):
    """The shelf, as `Registry`. One yes covers all repairs of what was asked: here stands what became of them."""

    def __init__(self, *given: Any, permission: Callable[[], Permission], yeses: Yeses, **more: Any) -> None:
        """*permission* says whether a version rests on a yes at all."""
        super().__init__(*given, **more)
        self._permission, self._yeses = permission, yeses

    def admit(self, verdict: Verdict, **how: Any) -> Admission:
        """`Registry.admit`; a second time, as after a kill, notes nothing twice."""
        admission = super().admit(verdict, **how)
        version = admission.version
        if version.digest == verdict.candidate.digest:
            question = version.candidate.question(version.origin, model=version.model)
            if self._permission().approval(question) is not None:
                self._yeses.cover(question, version.number)
        return admission
