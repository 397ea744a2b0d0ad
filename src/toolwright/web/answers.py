"""The answers of this door: a request that was let in goes in, a call of `Toolwright` is made, its JSON comes out."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from starlette.responses import Response, StreamingResponse

from toolwright import __version__
from toolwright.call import Outcome, Status
from toolwright.errors import UnansweredError, UserError
from toolwright.forms import (
    forged_as_json,
    info_as_json,
    outcome_as_json,
    question_as_json,
    run_as_json,
    tool_as_json,
)
from toolwright.making import REQUEST
from toolwright.trace import Run, is_run_id
from toolwright.web.operations import Asked
from toolwright.web.problems import Problem

_NAME = re.compile(r"[a-z_][a-z0-9_]{0,99}\Z")
_NUMBER = re.compile(r"[0-9]{1,9}\Z")
_ENDED = ("complete", "incomplete")


class Json(Response):
    """A JSON answer; halves of characters, which somebody's own tool may give, are replaced."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        """The bytes."""
        return json.dumps(content, ensure_ascii=False, default=str).encode("utf-8", "replace")


async def health(asked: Asked) -> Response:
    """That it runs."""
    del asked
    return Json({"status": "ok", "version": __version__})


async def token(asked: Asked) -> Response:
    """What the token that asks is good for."""
    assert asked.token is not None
    return Json({"name": asked.token.name, "scopes": list(asked.token.scopes)})


# -- tools -----------------------------------------------------------------------------------------------------------


async def tools(asked: Asked) -> Response:
    """The tools by name, a page of them."""
    found = await asyncio.to_thread(asked.tw.registry.list)
    start, limit = asked.query["offset"], asked.query["limit"]
    return Json({"tools": [info_as_json(one) for one in found[start : start + limit]], "total": len(found)})


async def search(asked: Asked) -> Response:
    """The tools that fit some words, best first."""
    if "query" not in asked.query:
        raise Problem("invalid", "The parameter query is missing; say in some words what the tool is to do.")
    words = asked.query["query"]
    found = await asyncio.to_thread(lambda: asked.tw.registry.search(words, limit=asked.query["limit"]))
    listed = [{**info_as_json(one.info), "score": one.score} for one in found]
    return Json({"tools": listed, "total": len(listed)})


async def show(asked: Asked) -> Response:
    """All that is known of a tool."""
    name, number = _name(asked), asked.query.get("version")
    return Json(await asyncio.to_thread(tool_as_json, asked.tw, name, number))


async def call(asked: Asked) -> Response:
    """Call a tool; whatever came of it is an Outcome."""
    arguments = asked.body.get("arguments", {})
    try:
        # Not `acall`: that answers the fixed tools, too, and who may call a tool may not have one made.
        (outcome,) = await asked.tw.amap(
            _name(asked), [arguments], version=asked.body.get("version"), approve=asked.later
        )
    except UnansweredError as error:
        waits = Outcome(Status.NEEDS_APPROVAL, detail=str(error), reason="approval")
        return Json({**outcome_as_json(waits), "question": error.question})
    return Json(outcome_as_json(outcome))


def _name(asked: Asked) -> str:
    name = asked.path["name"]
    if not _NAME.match(name):
        raise Problem("not-found", f"{name[:60]!r} is no name of a tool: up to 100 small letters, digits and '_'.")
    return name


# -- runs ------------------------------------------------------------------------------------------------------------


async def request(asked: Asked) -> Response:
    """Begin to make a tool; of one whose source was handed in, say at once what came of it."""
    if "source" in asked.body:
        return Json(await _handed_in(asked))
    await _has_model(asked)
    return _started(await asked.following.begin(make=dict(asked.body)))


async def _handed_in(asked: Asked) -> dict[str, Any]:
    wanted = dict(asked.body)
    source, name = str(wanted.pop("source")), str(wanted["tool_name"])
    try:
        forged = await asked.tw.arequest(wanted, source=source, approve=asked.later)
    except UnansweredError as error:
        told = {"status": "needs-approval", "tool": "", "reason": str(error), "checks": []}
        return {**told, "question": error.question}
    called = forged.version.name if forged.version else name
    return forged_as_json(forged, name, call=f"POST /v1/tools/{called}/calls calls it.")


async def do(asked: Asked) -> Response:
    """Begin a task."""
    task, before = asked.body["task"], asked.body.get("continues")
    await _has_model(asked)
    return _started(await asked.following.begin(task=task, history=before))


async def _has_model(asked: Asked) -> None:
    try:
        await asyncio.to_thread(asked.tw.model)
    except UserError as error:
        raise Problem("no-model", str(error)) from None


async def resume(asked: Asked) -> Response:
    """Go on with a run that was cut short, or waited for a person."""
    run = await _own(asked)
    if asked.following.has(run.id):
        raise Problem("run-state", f"Run {run.id} is under way; follow its events.")
    if run.status in _ENDED and not run.settings.get("stopped"):
        raise Problem("run-state", f"Run {run.id} is {run.status}; there is nothing to go on with.")
    return _started(await asked.following.begin(resume=run.id))


async def cancel(asked: Asked) -> Response:
    """End a run that was begun here."""
    run = await _own(asked)
    if not asked.following.cancel(run.id):
        said = f"Run {run.id} is {run.status}, and not one that is under way on this server."
        raise Problem("run-state", said)
    return _started(run.id)


async def _own(asked: Asked) -> Run:
    """The run that is to be gone on with or ended, if the token is good for what it does."""
    run = await asyncio.to_thread(asked.tw.run_record, _run_id(asked))
    if REQUEST not in run.settings:
        asked.also("run")
    return run


def _started(run_id: str) -> Response:
    run = f"/v1/runs/{run_id}"
    return Json({"run_id": run_id, "run": run, "events": f"{run}/events"}, 202, {"Location": run})


async def runs(asked: Asked) -> Response:
    """The runs, newest first."""
    limit, offset, status = asked.query["limit"], asked.query["offset"], asked.query.get("status")
    found = await asyncio.to_thread(lambda: asked.tw.runs(limit=limit, offset=offset, status=status))
    return Json({"runs": [run_as_json(one) for one in found]})


async def run(asked: Asked) -> Response:
    """A run as it is on record."""
    return Json(run_as_json(await asyncio.to_thread(asked.tw.run_record, _run_id(asked))))


async def trace(asked: Asked) -> Response:
    """All that is kept of a run: its events, and how each call of a tool ended."""
    run_id = _run_id(asked)

    def read() -> Mapping[str, Any]:
        found = asked.tw.run_record(run_id)
        events = [asdict(one) for one in asked.tw.events(run_id)]
        return {"run": run_as_json(found), "events": events, "calls": asked.tw.recorded_calls(run_id)}

    return Json(await asyncio.to_thread(read))


async def events(asked: Asked) -> Response:
    """What happens in a run, as it happens."""
    said = asked.request.headers.get("last-event-id", str(asked.query["after"]))
    if not _NUMBER.match(said):
        raise Problem(
            "invalid", f"The header Last-Event-ID is {said[:60]!r}, and must be the id of an event, a number."
        )
    lines = await asked.following.told(_run_id(asked), int(said))
    if lines is None:
        return Response(status_code=204)  # which keeps a browser from asking for more, again and again
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(lines, headers=headers, media_type="text/event-stream")


def _run_id(asked: Asked) -> str:
    run_id = asked.path["run_id"]
    if not is_run_id(run_id):
        raise Problem("not-found", f"{run_id[:60]!r} is no id of a run; /v1/runs lists them.")
    return run_id


# -- questions -------------------------------------------------------------------------------------------------------


async def approvals(asked: Asked) -> Response:
    """The questions that wait for a person, oldest first."""
    found = await asyncio.to_thread(lambda: asked.tw.approvals(every=asked.query["all"]))
    return Json({"questions": [question_as_json(one) for one in found]})


async def approval(asked: Asked) -> Response:
    """A question as a person is shown it, with the code that asks."""
    found = await asyncio.to_thread(asked.tw.approval, _question(asked))
    return Json(question_as_json(found, whole=True))


async def approve(asked: Asked) -> Response:
    """Say yes. The first answer counts."""
    number, scope, until = _question(asked), asked.body.get("scope", "once"), asked.body.get("until")
    found = await asyncio.to_thread(lambda: asked.tw.approve(number, scope=scope, until=until, who=asked.who))
    return Json(question_as_json(found))


async def reject(asked: Asked) -> Response:
    """Say no, with a reason or without. The first answer counts."""
    number, why = _question(asked), asked.body.get("reason", "")
    found = await asyncio.to_thread(lambda: asked.tw.reject(number, why, who=asked.who))
    return Json(question_as_json(found))


def _question(asked: Asked) -> int:
    number = asked.path["id"]
    if not _NUMBER.match(number):
        raise Problem("not-found", f"{number[:60]!r} is no number of a question; /v1/approvals lists them.")
    return int(number)
