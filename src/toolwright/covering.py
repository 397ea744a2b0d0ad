"""A registry that notes on which yes a version came onto the shelf: a Verdict in, and its digest stands at that yes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from toolwright.call import Call, Outcome
from toolwright.deeds import Deed, DeedWord
from toolwright.owntools import Usable
from toolwright.permission import Permission
from toolwright.policy import Question
from toolwright.promoting import proof_of
from toolwright.registry import Admission, Registry
from toolwright.tool import ToolVersion, Verdict


class Yeses(Protocol):
    """Where answers are kept."""

    def came(
        self, question: Question, number: int, run_id: str, deed: Deed | None = None, *, once: bool = False
    ) -> None:
        """Keep *deed*, and that version *number*, which asks *question*, came on a yes that holds, if it did.

        Both in one write, or none. *once*: not a second deed of its kind about that version.
        """


class CoveredRegistry(Registry):
    """The shelf, as `Registry`. One yes covers all repairs of what was asked: here stands what became of them."""

    def __init__(
        self,
        *given: Any,
        permission: Callable[[], Permission],
        yeses: Yeses,
        cut_short: Callable[[str], bool],
        **more: Any,
    ) -> None:
        """*permission* says whether a version rests on a yes at all; *cut_short* of a run whether it died under way."""
        super().__init__(*given, **more)
        self._permission, self._yeses, self._cut_short = permission, yeses, cut_short
        self._looked_at: set[tuple[str, int]] = set()

    def admit(self, verdict: Verdict, **how: Any) -> Admission:
        """`Registry.admit`; a second time, as after a kill, it notes what is missing, and nothing twice."""
        admission = super().admit(verdict, **how)
        version = admission.version
        if not admission.won and version.digest == verdict.candidate.digest:
            if version.state == "active" and version.run_id and version.run_id == how.get("run_id"):
                self.note_admitted(version)
            elif self._rests_on_a_yes(version):
                self._yeses.came(_question(version), version.number, version.run_id)
        return admission

    def record_all(self, version: Usable, ended: Sequence[tuple[Call, Outcome]]) -> None:
        """See `Registry.record_all`. What a run left without its lines that nobody resumes has them from here on."""
        key = (version.name, version.number)
        if isinstance(version, ToolVersion) and key not in self._looked_at:
            self._looked_at.add(key)
            if version.run_id and self._cut_short(version.run_id):
                self.note_admitted(version)
        super().record_all(version, ended)

    def _is_noted(self, version: ToolVersion, what: DeedWord) -> bool:
        return self._audit is not None and self._audit.has(what, version.namespace, version.name, version.number)

    def note_admitted(self, version: ToolVersion) -> None:
        """See `Promoting.note_admitted`; the yes that it rests on, too."""
        if not self._is_noted(version, "validated"):
            self._came(version, "admitted", once=True)

    def _note_placed(self, version: ToolVersion, what: DeedWord) -> None:
        self._came(version, what, once=False)

    def _came(self, version: ToolVersion, what: DeedWord, *, once: bool) -> None:
        about = (version.namespace, version.name, version.number)
        told = proof_of(version) + self._by_rule(version)
        deed = Deed(version.origin, what, *about, told, run_id=version.run_id)
        if self._rests_on_a_yes(version):
            self._yeses.came(_question(version), version.number, version.run_id, deed, once=once)
        elif self._audit is not None and not (once and self._is_noted(version, what)):
            self._audit.add(deed)

    def _by_rule(self, version: ToolVersion) -> str:
        """Its powers and the rule that allowed them: that such a tool is made is a decision, if nobody was asked."""
        question = _question(version)
        decision = self._permission().policy.decide(question)
        if not question.words() or decision.action != "allow":
            return ""
        return f"; {', '.join(question.words())}; allowed by {decision.rule}"

    def _rests_on_a_yes(self, version: ToolVersion) -> bool:
        return self._permission().approval(_question(version)) is not None


def _question(version: ToolVersion) -> Question:
    return version.candidate.question(version.origin, model=version.model)
