"""A question about powers and a person's answer go in; what of them is kept comes out: JSON, and the Approvals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from toolwright.errors import UserError
from toolwright.policy import Approval, ApprovalAnswer, ApprovalRequest, Question
from toolwright.powers import Grant, host_within, path_within


def as_shown(request: ApprovalRequest) -> dict[str, Any]:
    """*request* as JSON."""
    question = request.question
    return {
        **{key: getattr(request, key) for key in request.__slots__ if key not in ("question", "reasons", "id")},
        "reasons": dict(request.reasons),
        "question": {**asdict(replace(question, grant=Grant())), "grant": question.grant.to_json()},
    }


def request_from(shown: Mapping[str, Any]) -> ApprovalRequest:
    """What `as_shown` gave."""
    asked = dict(shown["question"])
    grant, packages = Grant.from_json(asked.pop("grant")), tuple(asked.pop("packages"))
    rest: dict[str, Any] = {key: tuple(one) if isinstance(one, list) else one for key, one in shown.items()}
    rest["question"] = Question(**asked, grant=grant, packages=packages)
    return ApprovalRequest(**rest)


def why_not_standing(request: ApprovalRequest) -> str:
    """Why no yes to *request* can stand for every tool that asks for its hosts, in a sentence; '' if one can."""
    if request.taint:
        return "What this run has taken in makes it a yes for this run alone."
    asked = request.question.words()
    if request.question.effect == "writes" or not asked or not all(one.startswith("host ") for one in asked):
        return "Only hosts, and never for a tool that sends, writes or deletes."
    return ""


def checked(request: ApprovalRequest, answer: ApprovalAnswer) -> ApprovalAnswer:
    """*answer*, if it can be given to *request*. UserError."""
    if answer.yes and answer.scope == "host" and (why := why_not_standing(request)):
        raise UserError(f"A yes to {request.question.name} cannot stand for the host: {why} Say yes to the tool alone.")
    if answer.until is not None and (not answer.yes or request.kind != "powers"):
        raise UserError("Only a yes to powers has an end: leave out the time.")
    return answer


def approvals_of(request: ApprovalRequest, answer: ApprovalAnswer, at: float) -> list[Approval]:
    """What *answer*, given at *at* (Unix seconds), puts on record: nothing for a no, and for a yes for this once."""
    question = request.question
    if not answer.yes or request.kind != "powers":
        return []
    own = Approval(
        question.namespace,
        question.name,
        question.grant,
        question.packages,
        question.effect,
        question.origin,
        question.digest,
        answer.who,
        at,
        until=answer.until,
    )
    # Raw TCP is said yes to for one tool at a time.
    if answer.scope != "host" or not question.grant.http_hosts or question.effect == "writes":
        return [own]
    return [own, replace(own, grant=Grant(question.grant.http_hosts), packages=(), standing=True)]


def standing_grant(host: str, namespace: str, who: str, at: float, until: float | None = None) -> Approval:
    """The yes to *host* for every tool of *namespace*. SpecError for what is no host, UserError for raw TCP."""
    grant = Grant((host,))
    if not grant.http_hosts:
        raise UserError(f"{host!r} is raw TCP, and that is said yes to for one tool at a time.")
    return Approval(namespace, "", grant, (), "reads", "agent", "", who, at, standing=True, until=until)


def why_of(request: ApprovalRequest, power: str) -> str:
    """The reason that was given for *power*, or for a wider one of its kind that was asked for at first."""
    kind, _, value = power.partition(" ")
    if exact := request.reasons.get(power) or request.reasons.get(value):
        return exact
    within = {"read": path_within, "write": path_within, "host": host_within}.get(kind)
    asked = ((one.partition(" "), why) for one, why in request.reasons.items())
    return next((why for (own, _, wider), why in asked if own == kind and within and within(value, wider)), "")
