"""What asks for powers in a request goes in; the question is kept, and its number is what the request is answered."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from toolwright.heldcalls import answer_of
from toolwright.policy import ApprovalAnswer, ApprovalRequest

if TYPE_CHECKING:
    from toolwright.app import Toolwright
    from toolwright.consent import Approve
    from toolwright.store.asked import Asked


def later(tw: Toolwright, asks: bool) -> Approve | None:
    """Keeps each question for whoever has the scope `approve`: UnansweredError until there is an answer.

    None where *tw* answers by itself: it says yes to everything (not *asks*), or nothing waits (`approvals.away`).
    """
    if not asks or tw.settings.approvals.away != "pause":
        return None

    async def keep(request: ApprovalRequest) -> ApprovalAnswer:
        return answer_of(await asyncio.to_thread(tw.ask_later, request), _words)

    return keep


def _words(asked: Asked) -> str:
    powers = ", ".join(asked.request.question.words()) or "a call"
    return (
        f"Question {asked.id} waits for a person: {asked.request.question.name} asks for {powers}. "
        f"GET /v1/approvals/{asked.id} shows it, POST /v1/approvals/{asked.id}/approve says yes; then the very same "
        f"request goes through.{asked.waits_until()}"
    )
