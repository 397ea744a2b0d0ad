"""An exception of the provider library in, a Fault out: is it worth another try, was it paid for, how to say it."""

from __future__ import annotations

import asyncio
import re
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

from toolwright.errors import ModelError
from toolwright.masking import masked
from toolwright.models.servers.kinds import kind_of
from toolwright.models.table import key_variable
from toolwright.models.values import ModelChoice

QUOTE = 300
"""Characters of a provider's own message that are passed on."""

_RETRIED = (408, 409, 425, 429)

_NO_TOOLS = re.compile(
    r"does not support (?:tools|tool|function)\b|requires --jinja|enable-auto-tool-choice|support tool use"
    r"|(?:tool|function)[ _-]?call(?:s|ing)? (?:is|are) not supported|tools? (?:is|are) not supported",
    re.IGNORECASE,
)
"""Ollama, llama.cpp without --jinja, vLLM without its two flags, OpenRouter, and the words that others use."""
_LOADING = re.compile(r"loading model|model .{0,80}\b(?:is )?(?:still |currently )?loading\b", re.IGNORECASE)
_NOT_LOADED = re.compile(
    r"(?:llama[ -](?:runner|server)|runner) process has terminated|fail(?:ed|ure) to load|error loading model"
    r"|unable to load|insufficient (?:system )?(?:resources|memory)|requires more system memory|out of memory",
    re.IGNORECASE,
)
_TOO_LONG = re.compile(
    r"exceed_context_size|exceeds? the available context|maximum context length|(?:than|exceeds?) the context length"
    r"|context length of only|context the overflows|context[ _]length[ _]exceeded|exceeds? (?:the |its |this model's )?"
    r"(?:maximum )?context (?:window|limit|length|size)|prompt is too long|input is too long|maximum prompt length"
    r"|input token count .{0,60}exceeds|longer than the maximum model length"
    r"|reduce the length of the (?:messages|prompt)|tokens? in the prompt cannot exceed|too large for model with \d+",
    re.IGNORECASE,
)
_NO_SUCH_MODEL = re.compile(
    r"try pulling it first|no models? (?:is |are )?loaded|model .{0,200}(?:not found|does not exist)", re.IGNORECASE
)
A_PAGE = "a web page"
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_PAGE = re.compile(r"\A\s*<(?:!doctype|html|head|body)\b", re.IGNORECASE)


class NoToolsError(ModelError):
    """The model, or its server as it was started, takes no tools: it is to be asked in plain text."""


class TooLongError(ModelError):
    """The request is longer than the model can hold: a shorter one may be answered."""


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
    loading: bool = False
    """The model is being loaded: no fault, only a wait."""
    no_tools: bool = False
    """It takes no tools; without them the same request may be answered."""
    too_long: bool = False
    """It is longer than the model can hold; less of it may be answered."""


def fault_of(error: BaseException, choice: ModelChoice, timeout_s: float) -> Fault | None:
    """The Fault that *error* is, or None when it is none of a provider's (a bug must stay one)."""
    if isinstance(error, TimeoutError | asyncio.TimeoutError):
        return Fault(f"{choice} gave no whole answer within {timeout_s:g} s (fixed).", again=True, paid=True)
    if isinstance(error, ModelHTTPError):
        return _http(error, choice)
    if isinstance(error, ModelConnectionError):
        return _connection(error, choice)
    if isinstance(error, NotChatError) or (isinstance(error, ModelAPIError) and error.message.startswith(A_PAGE)):
        return _no_chat(error.message, choice)
    if isinstance(error, ModelAPIError):
        return Fault(f"{choice} sent an answer that cannot be read: {_quoted(error.message)}.", again=True, paid=True)
    if isinstance(error, UnexpectedModelBehavior):
        return Fault(f"{choice} sent an answer that cannot be read: {_quoted(error.message)}.", again=True, paid=True)
    return None


class NotChatError(UnexpectedModelBehavior):
    """The body of a good answer is a web page: somebody else listens there."""


def _no_chat(page: str, choice: ModelChoice) -> Fault:
    cure = "is the base URL right? It usually ends in /v1" if choice.base_url else "is a proxy in the way?"
    return Fault(f"{choice}{_where(choice)} sent {_quoted(page)} instead of an answer: {cure}.", False, False)


def _http(error: ModelHTTPError, choice: ModelChoice) -> Fault:
    status, where = error.status_code, _where(choice)
    said = _said(error.body)
    if isinstance(error, ModelAuthenticationError) or status in (401, 403):
        # What a provider says about a key often quotes the key: it is not passed on.
        cure = f"check the key in {key_variable(choice.provider)}"
        return Fault(f"{choice}{where} refused the key (HTTP {status}): {cure}.", again=False, paid=False)
    if (known := _known(error, choice, f"{choice}{where}", said)) is not None:
        return known
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


def _known(error: ModelHTTPError, choice: ModelChoice, who: str, said: str) -> Fault | None:
    """What servers at home say of their models, whatever the status: it is their words that tell."""
    status, kind = error.status_code, kind_of(choice.server)
    if _NO_TOOLS.search(said):
        return Fault(f"{who} takes no tools (HTTP {status}{said}).", again=False, paid=False, no_tools=True)
    if status == 503 and _LOADING.search(said):
        return Fault(f"{who} is still loading its model (HTTP {status}).", again=True, paid=False, loading=True)
    if _TOO_LONG.search(said):
        lift = f"a longer context helps: {kind.lift}" if kind else "a model with a longer context helps"
        sentence = f"{who} cannot hold the conversation (HTTP {status}{said}): {lift}."
        return Fault(sentence, again=False, paid=False, too_long=True)
    if status in (400, 404) and _NO_SUCH_MODEL.search(said) and (kind or "pulling" in said):
        cure = kind.has_not(choice.name) if kind else f"pull it with `ollama pull {choice.name}`"
        return Fault(f"{who} does not have the model (HTTP {status}{said}): {cure}.", again=False, paid=False)
    if _NOT_LOADED.search(said):
        cure = "a smaller model, or a shorter context, needs less memory; the server's log says more"
        # Loading a large model five times over helps nobody; one that crashed is loaded once more by its next request.
        return Fault(f"{who} could not load its model (HTTP {status}{said}): {cure}.", again=False, paid=False)
    return None


def _connection(error: ModelConnectionError, choice: ModelChoice) -> Fault:
    where, root = _where(choice), _root(error)
    if error.phase in ("connect", "pool"):
        cure = "does the server run, and is the base URL right?" if choice.base_url else "is the network there?"
        if (kind := kind_of(choice.server)) is not None:
            cure = f"{kind.title} answered before; does it still run? (`{kind.start}`)"
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


def page_in(text: str) -> str:
    """`a web page ('ITS TITLE')` if *text* is one, else ''."""
    if not _PAGE.match(text):
        return ""
    title = _TITLE.search(text)
    return f"{A_PAGE} ({' '.join(title.group(1).split())[:80]!r})" if title else A_PAGE


def _quoted(text: str) -> str:
    text = page_in(text) or text
    line = " ".join(masked(text).split()).rstrip(".")
    return line if len(line) <= QUOTE else line[: QUOTE - 1] + "…"
