"""A list of arguments that a model gave one tool goes in; one text with a result for each comes out, in order."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from toolwright.call import FileRef, Outcome, Status, Usage
from toolwright.calling import Calls
from toolwright.ceilings import reached
from toolwright.errors import UnansweredError
from toolwright.largevalues import as_json
from toolwright.owntools import OwnTool, Usable
from toolwright.starts import begin, held_back
from toolwright.trace import Journal, Place

MAX_ITEMS = 1000
"""Arguments in one list: what a model reads of their results has to fit beside the rest of the conversation."""


def refusal(name: str, items: Sequence[Any]) -> str:
    """Why *items* are not run, in words for the model, or ''."""
    if not items:
        return f"{name} was not called: the list of arguments is empty."
    if len(items) > MAX_ITEMS:
        return f"{name} was not called: this list has {len(items)}. {reached('list', MAX_ITEMS)}"
    return ""


@dataclass(slots=True)
class ListCalls:
    """Runs the lists of one run. *calls* runs the single ones, and counts, notes and tells each."""

    calls: Calls
    journal: Journal

    async def outcomes(self, version: Usable, items: Sequence[Any], place: Place) -> list[Outcome]:
        """An Outcome for each item.

        What writes to the world, and what runs in this process, runs one after the other, each recorded as it ends: a
        run that goes on after a kill runs none of those again. The rest shares guests and may run again as a whole.
        """
        if version.effect == "writes" or isinstance(version, OwnTool):
            return await self._one_by_one(version, items, place)
        return await self.calls.batch(version, items, place)

    async def _one_by_one(self, version: Usable, items: Sequence[Any], place: Place) -> list[Outcome]:
        found: list[Outcome] = []
        refused: Outcome | None = None
        for index, item in enumerate(items):
            here = place.below(f"item-{index}")
            outcome = await asyncio.to_thread(self._recorded, here)
            if outcome is None:
                outcome = await self._one(version, item, here, (index, len(items)), refused)
                await asyncio.to_thread(self.journal.put, "tool", here, as_json(_as_json(outcome)).encode())
            if outcome.status is Status.DENIED and outcome.reason != "unknown-end":
                refused = outcome  # one no is a no to them all
            found.append(outcome)
        return found

    async def _one(
        self, version: Usable, item: Any, place: Place, of: tuple[int, int], refused: Outcome | None
    ) -> Outcome:
        again = await asyncio.to_thread(begin, self.journal, place)
        try:
            return await self.calls.one(version, item, place, again, of, refused)
        except UnansweredError:
            await asyncio.to_thread(held_back, self.journal, place)
            raise

    def _recorded(self, place: Place) -> Outcome | None:
        data = self.journal.get("tool", place)
        return None if data is None else _from_json(json.loads(data))


def _as_json(outcome: Outcome) -> dict[str, Any]:
    return {**asdict(outcome), "status": outcome.status.value}


def _from_json(data: Mapping[str, Any]) -> Outcome:
    return Outcome(
        Status(data["status"]),
        data["value"],
        data["detail"],
        data["reason"],
        data["output"],
        Usage(**data["usage"]),
        tuple(FileRef(**one) for one in data["files"]),
        tuple(data.get("egress", ())),
    )
