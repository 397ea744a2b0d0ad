"""A Question goes in; None, or the Outcome that stands in its way, comes out: policy, answers, what no yes can lift."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from toolwright import taint
from toolwright.call import Outcome, Status
from toolwright.ceilings import reached
from toolwright.policy import Approval, Considered, Policy, Question
from toolwright.powers import Grant, Limits, path_within, writing_words


class Approvals(Protocol):
    """Where recorded answers are looked up."""

    def covering(self, question: Question) -> Approval | None:
        """An approval that holds for *question*, or None."""


class Rates(Protocol):
    """Where calls of a tool are counted."""

    def take(self, namespace: str, name: str, count: int, most: int) -> tuple[int, float]:
        """How many of *count* more calls fit now, *most* being allowed in a minute, and the seconds until the next."""


@dataclass(frozen=True, slots=True)
class Explained:
    """What decides about a tool, and why."""

    question: Question
    considered: tuple[Considered, ...]
    """The rules of the policy that were looked at; the last one decides."""
    approval: Approval | None
    """The recorded yes that it runs on, where the policy asks."""
    refusal: Outcome | None
    """What stands in its way: `needs-approval` or `denied`; None if it may run."""
    writing: tuple[str, ...]
    """The words in its name and description that say that it changes something."""


class Permission:
    """Decides what may run; the executor holds one and nobody else asks. Thread-safe.

    *keep_out*: folders that no grant reaches, whatever policy and people say: Toolwright's own. *rates* counts calls of
    tools where *calls_per_minute* is set.
    """

    def __init__(
        self,
        policy: Policy,
        approvals: Approvals,
        limits: Limits,
        keep_out: Sequence[Path] = (),
        rates: Rates | None = None,
        calls_per_minute: int | None = None,
    ) -> None:
        self.policy = policy
        self._approvals = approvals
        self._limits = limits
        self._keep_out = keep_out
        self._rates, self._most = rates, calls_per_minute

    def refusal(self, question: Question) -> Outcome | None:
        """None if what *question* asks may be; else `needs-approval` or `denied`.

        Within a run (`taint.flowing`) a yes to its powers is not enough to send, once the run has taken in private data
        and untrusted text: then the reason is `flow`.
        """
        decision = self.policy.decide(question)
        if decision.action == "deny":
            return Outcome(Status.DENIED, detail=decision.reason, reason="policy")
        if own := self._reaches_ours(question.grant):
            return Outcome(Status.DENIED, detail=f"{question.name} asks for {own}", reason="home")
        if question.grant.hosts and not self._limits.network:
            detail = f"{question.name} asks for {question.grant.hosts[0]}, and the strict limits allow no network"
            return Outcome(Status.DENIED, detail=f"{detail} (setting limits.profile, --limits).", reason="limits")
        if decision.action == "ask" and self._approvals.covering(question) is None:
            detail = f"{_asks_for(question)} ({decision.rule})" if decision.rule else _asks_for(question)
            return Outcome(Status.NEEDS_APPROVAL, detail=detail, reason="powers")
        flow = taint.current()
        if flow is not None and flow.unasked(question.grant):
            return Outcome(Status.NEEDS_APPROVAL, detail=flow.why(question.name, question.grant), reason="flow")
        return None

    def paced(self, name: str, namespace: str, count: int) -> tuple[int, Outcome | None]:
        """How many of *count* calls of the tool *name* fit into this minute, and the Outcome of the others."""
        if self._rates is None or self._most is None:
            return count, None
        fits, wait_s = self._rates.take(namespace, name, count, self._most)
        if fits == count:
            return fits, None
        detail = f"{reached('rate', self._most)} {name} may be called again in {math.ceil(wait_s)} s."
        return fits, Outcome(Status.DENIED, detail=detail, reason="limits")

    def explain(self, question: Question) -> Explained:
        """What `refusal` says about *question*, with all that it rests on. Touches nothing."""
        writing = writing_words(f"{question.name} {question.description}")
        approval, refusal = self.approval(question), self.refusal(question)
        return Explained(question, self.policy.explain(question), approval, refusal, writing)

    def said_yes(self, question: Question) -> bool:
        """Whether a rule or a person said yes to this very thing, and not only the defaults."""
        decision = self.policy.decide(question)
        by_rule = decision.action == "allow" and not decision.rule.startswith("default")
        return by_rule or self._approvals.covering(question) is not None

    def approval(self, question: Question) -> Approval | None:
        """The recorded yes that holds for *question*; None where policy allows it by itself, or nobody said yes."""
        return self._approvals.covering(question) if self.policy.decide(question).action == "ask" else None

    def _reaches_ours(self, grant: Grant) -> str:
        # Approvals, policy and shelf lie there: who writes them decides what else may run, and no yes can mean that.
        closed = [(path, own) for own in self._keep_out for path in grant.reads + grant.writes]
        if os.path.isfile(self.policy.source):
            closed += [(path, Path(self.policy.source)) for path in grant.writes]
        for path, own in closed:
            real = os.path.realpath(own)
            if path_within(real, path) or path_within(path, real):
                return (
                    f"path {path}, where Toolwright's own files are ({real}). That cannot be granted: name a folder "
                    "beside them, or move them (--home, --policy)."
                )
        return ""


def _asks_for(question: Question) -> str:
    asked = ", ".join(question.words()) or "a call"
    return f"{question.name} asks for: {asked}. A person has to say yes first."
