"""The half of the Python door for people: questions that wait, answers, yeses that hold, and who may come in."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal

from toolwright import tokens
from toolwright.errors import UserError
from toolwright.granting import Granted, grant, granted, revoke
from toolwright.moments import moment, words
from toolwright.policy import ApprovalAnswer, ApprovalRequest
from toolwright.settings import Settings
from toolwright.store.asked import Asked
from toolwright.store.tokens import TokenInfo
from toolwright.trace import Place
from toolwright.whoever import person_here
from toolwright.wiring import Parts

Until = float | str | None
"""Unix seconds, words such as `friday`, `2026-12-04` or `7d`, or for good."""


_NO_HOLDS_S = 600.0
"""For so long a no answers the very same question again."""


class Answering(ABC):
    """What answers questions. `Toolwright` is one."""

    settings: Settings

    @property
    @abstractmethod
    def _parts(self) -> Parts:
        """The house. UserError once it is closed."""

    def approvals(self, *, every: bool = False) -> list[Asked]:
        """The questions of runs that wait for a person, oldest first; *every*: the answered ones, too."""
        return list(self._parts.home.asked.list(self.settings.namespace, every=every))

    def approval(self, question: int) -> Asked:
        """The question of that number: `request` is what a person is shown. NotFoundError."""
        return self._parts.home.asked.get(question, self.settings.namespace)

    def ask_later(self, request: ApprovalRequest) -> Asked:
        """Keep *request* (what an `approve` is asked) for a person who is not there, and say how it stands.

        One that waits already is given again, and so is a no that was said to the very same a moment ago; whoever asked
        then asks anew, and goes on if the answer was yes.
        """
        place, timeout_s = Place(request.run_id), self.settings.approvals.timeout_s
        return self._parts.home.asked.open_once(request, place, timeout_s, _NO_HOLDS_S)

    def approve(
        self, question: int, *, scope: Literal["once", "host"] = "once", until: Until = None, who: str = ""
    ) -> Asked:
        """Say yes to a question that waits; then `run(resume=…)` goes on with its run.

        *scope* `host` stands for every later tool that asks for the same hosts. RefusedError tells that another answer
        was first, or that its time is over; NotFoundError; UserError for a time that is none, and for a scope that it
        cannot have.
        """
        answer = ApprovalAnswer(True, scope, who=who or person_here(), until=_at(until))
        return self._parts.home.asked.answer(question, answer, self.settings.namespace, strict=True)

    def reject(self, question: int, why: str = "", *, who: str = "") -> Asked:
        """Say no to a question that waits; with *why*, what was asked for may be mended. Raises as `approve`."""
        answer = ApprovalAnswer(False, reason=why.strip(), who=who or person_here())
        return self._parts.home.asked.answer(question, answer, self.settings.namespace, strict=True)

    def grants(self) -> list[Granted]:
        """Every yes that holds, oldest first: those that stand for all tools, and those to one tool."""
        return granted(self._parts.home, self.settings.namespace)

    def grant(self, host: str, *, until: Until = None, who: str = "") -> Granted:
        """Say yes to *host* for every tool that asks for it and for nothing else, and changes nothing outside."""
        return grant(self._parts.home, self.settings.namespace, host, _at(until), who)

    def revoke(self, grant: int, *, who: str = "") -> Granted:
        """Take back the yes of that number; the next call that needs it is held up. NotFoundError."""
        return revoke(self._parts.home, self.settings.namespace, grant, who)

    def tokens(self) -> list[TokenInfo]:
        """The bearer tokens of this home, by name: what each is good for, and until when; never the token itself."""
        return tokens.listed(self._parts.home)

    def add_token(self, name: str, scopes: Sequence[str], *, until: Until = None, who: str = "") -> TokenInfo:
        """Make a bearer token for the HTTP door, good for *scopes* (`read`, `run`, `make`, `approve`).

        Its `text` is told this once; the home keeps a hash. UserError.
        """
        return tokens.added(self._parts.home, self.settings.namespace, name, scopes, _at(until), who)

    def revoke_token(self, name: str, *, who: str = "") -> TokenInfo:
        """Take a token back; the next request with it is refused. NotFoundError."""
        return tokens.revoked(self._parts.home, self.settings.namespace, name, who)

    def token(self, text: str) -> TokenInfo | None:
        """The token that *text* is; None for one that nobody has, that was taken back, or whose time is over."""
        return tokens.whose(self._parts.home, text)


def _at(until: Until) -> float | None:
    if isinstance(until, str):
        return moment(until)
    if until is not None and until <= time.time():
        raise UserError(f"{words(until)} is over; give a time that is still to come, or words such as 'friday'.")
    return until
