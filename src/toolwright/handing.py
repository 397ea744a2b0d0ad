"""Source that somebody hands in goes in; what stands for generator and examiner where no model is asked comes out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from toolwright.examiner import Examiner
from toolwright.generator import Generator, candidate_from
from toolwright.models.asking import Asker, Reply
from toolwright.tool import Candidate, Contract, ToolSpec, Verdict
from toolwright.trace import Cost, Place


class HandedIn(Generator):
    """Gives what was handed in, read as a generator's answer is read, and mends nothing."""

    def __init__(self, source: str) -> None:
        self._source = source

    def through(self, wrap: Callable[[Asker], Asker]) -> HandedIn:
        """Itself: it asks nobody."""
        del wrap
        return self

    async def write(self, spec: ToolSpec, place: Place) -> Candidate:
        """The candidate that was handed in."""
        del place
        return candidate_from(spec, Reply(text="", data={"source": self._source}, cost=Cost()))

    async def repair(self, spec: ToolSpec, tries: Sequence[Verdict], place: Place) -> Candidate:
        """The same again; whoever asks for one attempt never comes here."""
        del tries
        return await self.write(spec, place)


class NoExaminer(Examiner):
    """Sets nothing beyond what the spec shows."""

    def __init__(self) -> None:
        """There is nobody to ask."""

    def through(self, wrap: Callable[[Asker], Asker]) -> NoExaminer:
        """Itself."""
        del wrap
        return self

    async def contract(self, spec: ToolSpec, place: Place) -> Contract:
        """The spec, with a note that it is all there is."""
        del place
        return Contract(spec, notes=("No examiner was asked.",))
