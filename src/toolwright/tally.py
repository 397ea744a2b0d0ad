"""Someone who asks models goes in; the same comes out, with what the asking costs counted beside it."""

from __future__ import annotations

from dataclasses import dataclass

from toolwright.models.asking import AnswerShape, Asker, Reply
from toolwright.trace import Cost, Place, Role


class Tally:
    """Counts what the asking costs, and remembers which model wrote."""

    def __init__(self) -> None:
        self.cost = Cost()
        self.model = ""

    def around(self, asker: Asker) -> Asker:
        """*asker*, counted here."""
        return _Counted(asker, self)


@dataclass(frozen=True, slots=True)
class _Counted:
    asker: Asker
    tally: Tally

    async def ask(self, *, role: Role, system: str, user: str, answer: AnswerShape, place: Place) -> Reply:
        reply = await self.asker.ask(role=role, system=system, user=user, answer=answer, place=place)
        self.tally.cost += reply.cost
        if role == "generator":
            self.tally.model = reply.model
        return reply
