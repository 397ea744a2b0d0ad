"""A question about powers goes to the person at the client, or into the home's book; their answer comes out."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from mcp.server.context import ServerRequestContext
from mcp_types import CallToolRequestParams, ElicitRequest, ElicitRequestFormParams, ElicitResult, InputRequiredResult
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from toolwright.app import Toolwright
from toolwright.approving import as_seen
from toolwright.asking import whole
from toolwright.consent import Approve
from toolwright.heldcalls import answer_of
from toolwright.policy import ApprovalAnswer, ApprovalRequest

_KEY = "approval"
_LONGEST_SOURCE = 16_000
"""Longer code is no matter for a form: that question is answered where all of it can be read."""
_FORM: dict[str, Any] = {
    "type": "object",
    "properties": {
        "allow": {"type": "boolean", "title": "Allow it", "description": "Yes holds until it is taken back."},
        "why": {"type": "string", "title": "If not, why", "description": "The model reads it, and may ask for less."},
    },
    "required": ["allow"],
}


class InputWantedError(Exception):
    """The client has to bring an answer along with the same request: it cannot be asked in between."""

    def __init__(self, request: ApprovalRequest) -> None:
        super().__init__(request.question.name)
        self.request = request


class Asking:
    """Answers the questions of one request of a client.

    Each is bound to the digest that was shown: an answer that comes with a request answers that very question.
    """

    def __init__(
        self, tw: Toolwright, ctx: ServerRequestContext[Any, Any], params: CallToolRequestParams, asks: bool = True
    ) -> None:
        """Not *asks*: *tw* itself says yes to every power."""
        self._tw, self._ctx = tw, ctx
        self.approve: Approve | None = self._approve if asks else None
        self._state: dict[str, str] = json.loads(params.request_state) if params.request_state else {}
        brought = (params.input_responses or {}).get(_KEY)
        self._brought = brought if isinstance(brought, ElicitResult) else None

    @property
    def errand(self) -> str:
        """The errand that this request goes on with, '' for a new one."""
        return self._state.get("errand", "")

    async def _approve(self, request: ApprovalRequest) -> ApprovalAnswer:
        """The answer. UnansweredError where the question waits in the home's book; InputWantedError."""
        if self._brought is not None and self._state.get("digest") == request.question.digest:
            answer = self._answer(self._brought)
        elif not self._can_ask or len(request.source) > _LONGEST_SOURCE:
            answer = None
        elif self._ctx.protocol_version in MODERN_PROTOCOL_VERSIONS:
            raise InputWantedError(request)
        else:
            given = await self._ctx.session.elicit_form(_shown(request), _FORM, self._ctx.request_id)
            answer = self._answer(given)
        return answer or await self._kept(request)

    @property
    def _can_ask(self) -> bool:
        able = self._ctx.session.client_capabilities
        if self._tw.settings.clients.approvals == "home" or able is None or able.elicitation is None:
            return False
        forms = able.elicitation.form is not None or able.elicitation.url is None
        modern = self._ctx.protocol_version in MODERN_PROTOCOL_VERSIONS
        return forms and (modern or self._ctx.session.can_send_request)

    def _answer(self, given: ElicitResult) -> ApprovalAnswer | None:
        """What was said; None where the form was only closed."""
        who = f"the person at {self._client}"
        if given.action == "cancel":
            return None
        content = given.content or {}
        if given.action == "accept" and content.get("allow") is True:
            return ApprovalAnswer(True, who=who)
        return ApprovalAnswer(False, reason=str(content.get("why") or "").strip(), who=who)

    @property
    def _client(self) -> str:
        known = self._ctx.session.client_params
        return known.client_info.name if known is not None else "an MCP client"

    async def _kept(self, request: ApprovalRequest) -> ApprovalAnswer:
        return answer_of(await asyncio.to_thread(self._tw.ask_later, request))

    def wanted(self, request: ApprovalRequest, errand: str) -> InputRequiredResult:
        """What asks the client for an answer; the state that comes back with it is sealed by the server."""
        state = {"digest": request.question.digest, "errand": errand}
        form = ElicitRequest(params=ElicitRequestFormParams(message=_shown(request), requested_schema=_FORM))
        return InputRequiredResult(input_requests={_KEY: form}, request_state=json.dumps(state))


def _shown(request: ApprovalRequest) -> str:
    """What the person reads, as anywhere else, with all of the code; no secret and nothing random in it."""
    return whole(as_seen(request))
