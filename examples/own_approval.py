"""Approval from your own code: what a tool asks for goes to a queue, and an answer comes back from wherever people are.

    python examples/own_approval.py "Fetch the USD to ILS exchange rate"

Here a coroutine stands in for the people: it allows hosts of one company and refuses the rest with a reason, which the
model gets to read. In your program it would post to a chat, a web page or a ticket, and await the answer there.
"""

import asyncio
import sys
from dataclasses import dataclass, field

from toolwright import ApprovalAnswer, ApprovalRequest, Toolwright

OURS = ("127.0.0.1", "api.frankfurter.dev")


@dataclass
class Question:
    """A request on its way to somebody, and the place where the answer will be."""

    request: ApprovalRequest
    answer: asyncio.Future[ApprovalAnswer] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


async def people(questions: asyncio.Queue[Question]) -> None:
    while True:
        question = await questions.get()
        asked = question.request.question
        print(f"{asked.name} asks for {', '.join(asked.words())}")
        foreign = [host for host in asked.grant.hosts if host.rpartition(":")[0] not in OURS]
        reason = f"{foreign[0]} is not one of our hosts." if foreign else ""
        question.answer.set_result(ApprovalAnswer(not foreign, reason=reason, who="the desk"))


async def main() -> int:
    questions: asyncio.Queue[Question] = asyncio.Queue()

    async def approve(request: ApprovalRequest) -> ApprovalAnswer:
        question = Question(request)
        await questions.put(question)
        return await question.answer  # the run waits; its clock stands

    desk = asyncio.create_task(people(questions))
    try:
        async with Toolwright(approve=approve) as tw:
            result = await tw.arun(" ".join(sys.argv[1:]) or "Fetch the USD to ILS exchange rate")
    finally:
        desk.cancel()
    print(result.status, result.output or result.reason)
    return 0 if result.status == "complete" else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
