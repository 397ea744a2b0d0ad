"""A call of an own tool goes in, an Outcome comes out: whatever the person's code does, it is one and no exception."""

from __future__ import annotations

import os
import threading
import time
import traceback

from toolwright import schema
from toolwright.call import Call, Outcome, Status, Usage
from toolwright.owntools import ApprovalWantedError, CallStoppedError, NoJsonError, OwnTool

_LONGEST_DETAIL = 4000
_NOT_THEIRS = ("<frozen", "site-packages", os.path.dirname(os.__file__), os.path.dirname(__file__))
"""Files of libraries, of Python and of ours."""


def answered(
    tool: OwnTool, call: Call, refusal: Outcome | None, cancel: threading.Event | None, approved: bool = False
) -> Outcome:
    """The Outcome of *call*; *refusal* is what policy said against it. For the executor alone: it asks policy.

    *approved*: a person, or a rule of theirs that speaks of it, said yes.
    """
    if wrong := schema.fits(dict(call.arguments), tool.input_schema):
        return Outcome(Status.BAD_CALL, detail=f"{tool.name}: {wrong}", reason="arguments")
    if refusal is not None:
        return refusal
    began = time.monotonic()
    outcome = _run(tool, call, cancel, approved)
    return Outcome(outcome.status, outcome.value, outcome.detail, outcome.reason, usage=Usage(time.monotonic() - began))


def _run(tool: OwnTool, call: Call, cancel: threading.Event | None, approved: bool) -> Outcome:
    try:
        value = tool.invoke(call.arguments, cancel, approved)
    except CallStoppedError:
        return Outcome(Status.CANCELLED, detail="The caller cancelled.", reason="cancelled")
    except ApprovalWantedError:
        detail = f"{tool.name} wants to be asked about: {tool.source} says so. A person has to say yes first."
        return Outcome(Status.NEEDS_APPROVAL, detail=detail, reason="powers")
    except NoJsonError as error:
        return Outcome(Status.BAD_VALUE, detail=_words(f"{tool.name} returned {error}"), reason="value")
    except (Exception, SystemExit) as error:  # noqa: BLE001 -- it is the person's code, and may raise anything
        detail = _words(f"{type(error).__name__}: {error}".rstrip(": "))
        return Outcome(Status.RAISED, detail=f"{detail}{_words(_where(error))}", reason="raised")
    if tool.output_schema and (wrong := schema.fits(value, tool.output_schema)):
        return Outcome(
            Status.BAD_VALUE, detail=f"{tool.name} returned what it does not promise: {wrong}", reason="value"
        )
    if not tool.output_schema and (wrong := schema.fits(value, {})):
        return Outcome(Status.BAD_VALUE, detail=f"{tool.name}: {wrong}", reason="value")
    return Outcome(Status.OK, value)


def _words(text: str) -> str:
    # File names of another encoding are halves of characters in Python, and no record can carry those.
    return text.encode("utf-8", "backslashreplace").decode()[:_LONGEST_DETAIL]


def _where(error: BaseException) -> str:
    """The line of the person's own code that raised, or what it called; '' where no line is theirs."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if not any(part in frame.filename for part in _NOT_THEIRS):
            return f" ({os.path.basename(frame.filename)}, line {frame.lineno})"
    return ""
