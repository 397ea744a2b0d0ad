"""A tool's name, or the powers that one would ask for, go in; which rule decides and what comes of it come out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from toolwright.errors import NotFoundError, UserError
from toolwright.permission import Explained
from toolwright.policy import Question
from toolwright.powers import EFFECTS, ORIGINS, Grant, least_effect, package_name
from toolwright.wiring import Parts

_POWERS = ("hosts", "reads", "writes", "secrets", "plain_secrets")
_ASKED = (*_POWERS, "subprocess", "packages", "description", "effect", "origin", "model")


def explained(parts: Parts, namespace: str, name: str, number: int | None, asked: Mapping[str, Any]) -> Explained:
    """What decides about the tool *name* with what is *asked* in place of its own. NotFoundError, UserError.

    Nobody is asked, nothing runs and no box is started: whether this machine's box can hold it is not looked at.
    """
    if unknown := sorted(set(asked) - set(_ASKED)):
        raise UserError(f"{unknown[0]!r} cannot be asked about; what can be is {', '.join(_ASKED)}.")
    given = {key: value for key, value in asked.items() if value}
    for key, known in (("effect", EFFECTS), ("origin", ORIGINS)):
        if key in given and given[key] not in known:
            raise UserError(f"{key} {given[key]!r} is not one of {', '.join(known)}.")
    try:
        question = parts.executor.question(parts.registry.find(name, number))
    except NotFoundError:
        if not given or number is not None:
            raise
        question = Question(name, "", Grant(), namespace=namespace)
    return parts.executor.permission.explain(_with(question, given))


def _with(question: Question, given: Mapping[str, Any]) -> Question:
    if not given:
        return question
    powers = {kind: tuple(given[kind]) for kind in _POWERS if kind in given}
    packages = tuple(given.get("packages", ()))
    for one in packages:
        package_name(one)
    if powers or packages or "subprocess" in given:
        grant = Grant(**powers, subprocess=bool(given.get("subprocess")))
        question = replace(question, grant=grant, packages=packages, effect="none")
    said = {key: given[key] for key in ("description", "effect", "origin", "model") if key in given}
    question = replace(question, **said)
    effect = least_effect(question.name, question.description, question.grant, question.effect)
    return replace(question, effect=effect)
