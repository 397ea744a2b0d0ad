"""An exception of the provider library in, a Fault out: is it worth another try, was it paid for, how to say it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic_ai.exceptions import (
    ModelAPIError,
    ModelAuthenticationError,
    ModelConnectionError,
    ModelHTTPError,
    ModelNotFoundError,
    ModelQuotaExceededError,
    UnexpectedModelBehavior,
)

from toolwright.models.mask import masked
from toolwright.models.table import key_variable
from toolwright.models.values import ModelChoice

QUOTE = 300
"""Characters of a provider's own message that are passed on."""

_RETRIED = (408, 409, 425, 429)


@dataclass(frozen=True, slots=True)
class Fault:
    """What went wrong with one try. `sentence` is whole and holds no key."""

    sentence: str
    again: bool
    """Another try may help."""
    paid: bool
    """The provider may have charged for it."""
    wait_s: float | None = None
    """Seconds that the provider asks to wait."""


def fault_of(error: BaseException, choice: ModelChoice, timeout_s: float) -> Fault | None:
    """The Fault that *error* is, or None when it is none of a provider's (a bug must stay one)."""
    if isinstance(error, TimeoutError | asyncio.TimeoutError):
        return Fault(f"{choice} gave no whole answer within {timeout_s:g} s.", again=True, paid=True)
    if isinstance(error, ModelHTTPError):
        return _http(error, choice)
    if isinstance(error, ModelConnectionError):
        return _connection(error, choice)
    if isinstance(error, ModelAPIError):
        return Fault(f"{choice} sent an answer that cannot be read: {_quoted(error.message)}.", again=True, paid=True)
    if isinstance(error, UnexpectedModelBehavior):
        return Fault(f"{choice} sent an answer that cannot be read: {_quoted(error.message)}.", again=True, paid=True)
    return None


def _http(error: ModelHTTPError, choice: ModelChoice) -> Fault:
    status, where = error.status_code, _where(choice)
    said = _said(error.body)
    if isinstance(error, ModelAuthenticationError) or status in (401, 403):
        # What a provider says about a key often quotes the key: it is not passed on.
        cure = f"check the key in {key_variable(choice.provider)}"
        return Fault(f"{choice}{where} refused the key (HTTP {status}): {cure}.", again=False, paid=False)
    if isinstance(error, ModelNotFoundError) or status == 404:
        cure = "check the model's name" + (" and the base URL" if choice.base_url else "")
        return Fault(f"{choice}{where} is not there (HTTP {status}{said}): {cure}.", again=False, paid=False)
    if isinstance(error, ModelQuotaExceededError):
        cure = f"top up the account behind {key_variable(choice.provider)}, or choose another model"
        return Fault(f"{choice}{where} says that the quota is used up (HTTP {status}{said}): {cure}.", False, False)
    again = status in _RETRIED or status >= 500
    if isinstance(error, ModelHTTPError) and error.provider_retry_hint is False:
        again = False
    what = "asks to slow down" if status == 429 else "failed" if status >= 500 else "refused the request"
    return Fault(
        f"{choice}{where} {what} (HTTP {status}{said}).", again, paid=error.in_stream, wait_s=error.retry_after
    )


def _connection(error: ModelConnectionError, choice: ModelChoice) -> Fault:
    where, root = _where(choice), _root(error)
    if error.phase in ("connect", "pool"):
        cure = "does the server run, and is the base URL right?" if choice.base_url else "is the network there?"
        return Fault(f"{choice}{where} cannot be reached ({root}): {cure}", again=True, paid=False)
    return Fault(f"The connection to {choice}{where} broke before the answer was whole ({root}).", True, paid=True)


def _root(error: BaseException) -> str:
    """What the network said in the first place, below the layers that each say 'connection error'."""
    while error.__cause__ is not None:
        error = error.__cause__
    return _quoted(str(error)) or type(error).__name__


def _where(choice: ModelChoice) -> str:
    return f" at {choice.base_url}" if choice.base_url else ""


def _said(body: Any) -> str:
    """`: its message`, found where providers put it; empty when there is none."""
    for _ in range(3):
        if isinstance(body, Mapping):
            body = body.get("error") or body.get("message") or body.get("detail")
    return f": {_quoted(body)}" if isinstance(body, str) and body.strip() else ""


def _quoted(text: str) -> str:
    line = " ".join(masked(text).split()).rstrip(".")
    return line if len(line) <= QUOTE else line[: QUOTE - 1] + "…"
