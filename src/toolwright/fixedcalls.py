"""The half of the Python door for a loop of your own: the fixed tools are called by their names like any other."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from toolwright import largevalues
from toolwright.call import Outcome, Status
from toolwright.consent import Approve
from toolwright.errands import Errands
from toolwright.errors import (
    EditedError,
    FaultError,
    ModelError,
    NotFoundError,
    RefusedError,
    SandboxError,
    SpecError,
    ToolwrightError,
    UnansweredError,
    UserError,
)
from toolwright.forge import Forged
from toolwright.largevalues import READ_VALUE, as_json, with_values
from toolwright.paging import page
from toolwright.presented import described
from toolwright.requested import WRITE_IT, Requested, ToMake, ToRun, came_of, found, to_make, unknown
from toolwright.requested import to_run as meant_by
from toolwright.workbench import Unreadable, read_arguments

Given = Mapping[str, Any] | str | None
"""Arguments, or the JSON of them as a model wrote it."""
_SEARCH, _REQUEST, _RUN = "search_tools", "request_new_tool", "run_tool"


class FixedCalls(Errands):
    """What answers a model that has no run of ours around it. `Toolwright` is one."""

    _requested: Requested

    def call(
        self,
        name: str,
        arguments: Given = None,
        *,
        version: int | None = None,
        files: Sequence[str | Path] = (),
        out: str | Path | None = None,
        approve: Approve | None = None,
    ) -> Outcome:
        """Call the tool *name* in the sandbox, outside any run. NotFoundError; a bad tool is an Outcome.

        *arguments* may be the JSON that a model wrote. *files* are put into its work folder, read-only; what it leaves
        is copied to *out* (default `./toolwright-files/ID`), and `files` of the Outcome names the copies. An own tool
        runs in this process. *approve* answers in place of the Toolwright's own.

        The fixed tools are called likewise: `search_tools` gives the tools that fit; `run_tool` the Outcome of the tool
        that it names, or with a list of arguments a list of results; `request_new_tool` is `request`, `source` and all:
        ok once the tool is there, else `bad-call` (to mend: reason `failed`, `spec`), `denied` or `needs-approval`.
        """
        wanted = self._wanted(name, arguments, version)
        if isinstance(wanted, Outcome):
            return wanted
        if isinstance(wanted, ToRun):
            try:
                each = self.map(wanted.name, wanted.each, version=wanted.number, files=files, out=out, approve=approve)
            except NotFoundError:
                if name != _RUN:
                    raise
                return _bad(unknown(wanted.name), "unknown")
            return _together(wanted, each)
        errand = self._requested.of(wanted)
        try:
            forged = self.request(wanted.asked, source=wanted.source, approve=approve, errand=errand)
        except ToolwrightError as error:
            return self._not_made(wanted, errand, error)
        return self._came(wanted, forged)

    async def acall(
        self,
        name: str,
        arguments: Given = None,
        *,
        version: int | None = None,
        files: Sequence[str | Path] = (),
        out: str | Path | None = None,
        approve: Approve | None = None,
    ) -> Outcome:
        """`call`, awaited; cancelling it ends the box."""
        wanted = await asyncio.to_thread(self._wanted, name, arguments, version)
        if isinstance(wanted, Outcome):
            return wanted
        if isinstance(wanted, ToRun):
            how = {"files": files, "out": out, "approve": approve}
            try:
                each = await self.amap(wanted.name, wanted.each, version=wanted.number, **how)  # type: ignore[arg-type]
            except NotFoundError:
                if name != _RUN:
                    raise
                return _bad(unknown(wanted.name), "unknown")
            return _together(wanted, each)
        errand = self._requested.of(wanted)
        try:
            forged = await self.arequest(wanted.asked, source=wanted.source, approve=approve, errand=errand)
        except ToolwrightError as error:
            return self._not_made(wanted, errand, error)
        return self._came(wanted, forged)

    def told(self, name: str, outcome: Outcome) -> str:
        """What a model is to read about its call of *name*: the value as JSON, or status and reason in words.

        Of a value over 16 KiB it is the head, the size and a handle, which the home keeps (`keep.values_days`):
        `call("read_value", {"handle": …})` reads on, and `{"$value": HANDLE}` in arguments of a `call` is the whole.
        """
        if name == READ_VALUE and outcome.ok:
            return str(outcome.value)
        text = largevalues.told(name, outcome, self.keep_value)
        if outcome.status is Status.BAD_CALL:
            with suppress(NotFoundError, EditedError):
                text += f"\nIts arguments: {as_json(dict(self.registry.find(name).input_schema))}"
        return text

    def _wanted(self, name: str, given: Given, version: int | None) -> Outcome | ToRun | ToMake:
        """What is to be done, read; the Outcome where that is all."""
        _ = self._parts  # UserError of one that is closed
        arguments = read_arguments(given)
        if isinstance(arguments, Unreadable):
            return _bad(f"Its arguments are not a JSON object: {as_json(arguments.text[:500])}", "arguments")
        if name == _SEARCH:
            tools = found(self.registry, str(arguments.get("query", "")))
            return Outcome(Status.OK, {"tools": [described(one) for one in tools]})
        if name == READ_VALUE:
            return Outcome(Status.OK, page(arguments, self.kept_value))
        if name == _REQUEST:
            asked = to_make(arguments)
            return _bad(asked, "spec") if isinstance(asked, str) else asked
        meant = meant_by(arguments) if name == _RUN else ToRun(name, version, [arguments])
        if isinstance(meant, str):
            return _bad(meant, "arguments")
        return ToRun(meant.name, meant.number, [with_values(one, self._value) for one in meant.each], meant.is_list)

    def _value(self, handle: str) -> Any:
        try:
            return self.kept_value(handle)
        except NotFoundError:  # no handle of ours: it is what it looks like
            return {largevalues.KEY: handle}

    def _came(self, asked: ToMake, forged: Forged) -> Outcome:
        self._requested.over(asked)
        answer = came_of(forged, asked.name, bool(asked.source))
        if answer.status == "ready":
            return Outcome(Status.OK, answer.to_json())
        if answer.status == "waits":
            return Outcome(Status.NEEDS_APPROVAL, detail=answer.text, reason="not-promoted")
        if answer.status == "refused":
            return Outcome(Status.DENIED, detail=answer.text, reason="refused")
        return (
            _bad(answer.text, "failed") if asked.source else Outcome(Status.DENIED, detail=answer.text, reason="failed")
        )

    def _not_made(self, asked: ToMake, errand: str, error: ToolwrightError) -> Outcome:
        """How a request ended that had no answer; raises what is no matter of the request."""
        _ = self._parts  # closed meanwhile
        if isinstance(error, UnansweredError):
            self._requested.waits(asked, errand)
            return Outcome(Status.NEEDS_APPROVAL, detail=str(error), reason="approval")
        if isinstance(error, RefusedError):
            return Outcome(Status.DENIED, detail=str(error), reason=error.reason)
        if isinstance(error, SpecError):
            return _bad(f"This request cannot be read: {error}", "spec")
        if isinstance(error, FaultError | SandboxError):
            return Outcome(Status.FAULT, detail=str(error), reason="fault")
        if isinstance(error, ModelError | UserError) and not asked.source:
            return Outcome(Status.DENIED, detail=f"{WRITE_IT}\n{error}", reason="no-model")
        raise error


def _bad(why: str, reason: str) -> Outcome:
    return Outcome(Status.BAD_CALL, detail=why, reason=reason)


def _together(wanted: ToRun, each: Sequence[Outcome]) -> Outcome:
    """One Outcome: of one call it is that; of a list, a value with a result for each."""
    if not wanted.is_list:
        return each[0]
    files = tuple(file for one in each for file in one.files)
    return Outcome(Status.OK, largevalues.results(each), files=files)
