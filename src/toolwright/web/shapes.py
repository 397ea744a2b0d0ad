"""The JSON Schemas of what this door takes and gives, by name: for its document, and to hold requests against."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

from toolwright.call import Status
from toolwright.powers import EFFECTS
from toolwright.store.tokens import SCOPES
from toolwright.trace import EventKind, RunStatus
from toolwright.web.problems import KINDS, PREFIX

Schema = dict[str, Any]
TEXT: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
SOME_NUMBER: Schema = {"type": ["number", "null"]}
TEXTS: Schema = {"type": "array", "items": TEXT}
ANY_OBJECT: Schema = {"type": "object"}
NAME_PATTERN = "^[a-z_][a-z0-9_]{0,99}$"
RUN_PATTERN = "^[0-9]{8}-[0-9]{6}-[0-9a-f]{6}$"


def ref(name: str) -> Schema:
    """A reference to one of `SHAPES`."""
    return {"$ref": f"#/components/schemas/{name}"}


def _object(needed: Mapping[str, Any], more: Mapping[str, Any] | None = None, *, closed: bool = False) -> Schema:
    found: Schema = {"type": "object", "required": list(needed), "properties": {**needed, **(more or {})}}
    if not needed:
        del found["required"]
    return {**found, "additionalProperties": False} if closed else found


def _said(about: str, schema: Mapping[str, Any]) -> Schema:
    return {**schema, "description": about}


def _text(most: int, least: int = 0) -> Schema:
    return {"type": "string", "minLength": least, "maxLength": most}


_POWERS = dict.fromkeys(("hosts", "packages", "reads", "writes", "secrets", "plain_secrets"), TEXTS)
REQUEST = _object(
    {"tool_name": _said("such as fetch_exchange_rate", {"type": "string", "pattern": NAME_PATTERN})},
    {
        "description": _said("one clear sentence: what it does and returns", _text(2000, 1)),
        "source": _said(
            "the tool, written by whoever asks: one Python file with that function. What it says of itself need not "
            "be said again, and no model is asked",
            _text(300_000, 1),
        ),
        "input_params": _said("as in a signature: amount: float, currency: str = 'USD'", _text(20_000)),
        "return_type": _said("an annotation: float, list[dict[str, str]]", _text(2000)),
        "example": _said("calls, each with its value if that is certain: add(1, 2) == 3; one a line", _text(20_000)),
        "powers": _said(
            "only if it needs any",
            {
                **_object({}, {**_POWERS, "why": {"type": "object", "additionalProperties": TEXT}}, closed=True),
            },
        ),
        "packages": TEXTS,
        "effect": {"enum": list(EFFECTS)},
        "deterministic": {"type": "boolean"},
        "stateful": {"type": "boolean"},
        "reason": _said("what the tools lack that are there already", _text(2000)),
    },
    closed=True,
) | {"anyOf": [{"required": ["description"]}, {"required": ["source"]}]}
CALL = _object(
    {},
    {
        "arguments": _said("by name; held against the tool's input schema", ANY_OBJECT),
        "version": _said("which one; without it the one in force", {"type": "integer", "minimum": 0, "maximum": 10**9}),
    },
    closed=True,
)
TASK = _object(
    {"task": _said("what is to be done, in a sentence", _text(100_000, 1))},
    {"continues": _said("the run whose conversation it goes on with", {"type": "string", "pattern": RUN_PATTERN})},
    closed=True,
)
APPROVE = _object(
    {},
    {
        "scope": _said("for this tool, or for every tool that asks for the same hosts", {"enum": ["once", "host"]}),
        "until": _said("how long the yes holds: friday, 2026-12-04, 7d", _text(40, 1)),
    },
    closed=True,
)
REJECT = _object({}, {"reason": _said("the model reads it, and may ask for less", _text(2000))}, closed=True)

_INFO = _object(
    {
        "name": TEXT,
        "version": WHOLE,
        "description": TEXT,
        "powers": TEXTS,
        "packages": TEXTS,
        "effect": {"enum": list(EFFECTS)},
        "origin": {"enum": ["agent", "person", "host"]},
        "state": {"enum": ["validated", "active", "yanked", "revoked", "retired"]},
        "calls": _said("those that count for or against it", WHOLE),
        "ok": WHOLE,
        "success_rate": _said("null: none counted yet", SOME_NUMBER),
        "last_used": SOME_NUMBER,
        "created_at": SOME_NUMBER,
        "dollars": _said("what making it cost; null: unknown, which is not 0", SOME_NUMBER),
        "digest": TEXT,
        "model": TEXT,
        "run_id": TEXT,
    },
    {"score": _said("of a search: more is better", NUMBER), "shelf": TEXT},
)
_TOOL = _object(
    {
        "name": TEXT,
        "version": WHOLE,
        "description": TEXT,
        "digest": TEXT,
        "origin": TEXT,
        "state": TEXT,
        "effect": TEXT,
        "powers": ANY_OBJECT,
        "packages": TEXTS,
        "signature": TEXT,
        "input_schema": ANY_OBJECT,
        "output_schema": {"type": ["object", "boolean"]},
        "examples": TEXTS,
        "source": TEXT,
        "checks": {"type": "array", "items": ANY_OBJECT},
        "calls": ANY_OBJECT,
        "versions": {"type": "array", "items": ANY_OBJECT},
        "dollars": SOME_NUMBER,
    }
)
_OUTCOME = _object(
    {
        "status": {"enum": [one.value for one in Status]},
        "value": _said("what the tool answered; null unless the status is ok", {}),
        "detail": TEXT,
        "reason": _said("machine-readable, where it was denied", TEXT),
        "files": _said("copies of what it left, on the server's machine", TEXTS),
        "output": _said("what it printed, capped", TEXT),
        "usage": _object({"wall_s": NUMBER, "cpu_s": NUMBER}),
    },
    {"egress": TEXTS, "question": _said("the number of what a person has to answer first: needs-approval", WHOLE)},
)
_CHECK = _object(
    {
        "check": TEXT,
        "passed": _said("null: it could not run", {"type": ["boolean", "null"]}),
        "detail": _said("of a failed one: what to mend", TEXT),
        "wall_s": NUMBER,
        "notes": TEXTS,
    }
)
_HANDED_IN = _object(
    {
        "status": {"enum": ["ready", "failed", "needs-approval", "waits", "refused"]},
        "tool": _said("name@version, once it is there", TEXT),
        "reason": TEXT,
        "checks": _said("of what was handed in, in the order in which they ran", {"type": "array", "items": _CHECK}),
    },
    {
        "question": _said("the number of what a person has to answer first: needs-approval", WHOLE),
        "name": TEXT,
        "version": WHOLE,
        "description": TEXT,
        "arguments": _said("its input schema", ANY_OBJECT),
        "returns": _said("its output schema", {"type": ["object", "boolean"]}),
        "untested": _said("what could not be tried without its powers", TEXTS),
    },
)
_RUN = _object(
    {
        "id": TEXT,
        "task": TEXT,
        "status": {"enum": list(get_args(RunStatus))},
        "model": TEXT,
        "started_at": NUMBER,
        "ended_at": SOME_NUMBER,
        "output": TEXT,
        "made": _said("name@version", TEXTS),
        "reused": TEXTS,
        "files": {"type": "array", "items": ANY_OBJECT},
        "cost": ANY_OBJECT,
        "settings": _said("with `reason`, why it is not complete, and `question`, what it waits for", ANY_OBJECT),
        "continues": TEXT,
    }
)
_EVENT = _object(
    {
        "kind": {"enum": list(get_args(EventKind))},
        "run_id": TEXT,
        "at": NUMBER,
        "data": _said("docs/events.md", ANY_OBJECT),
    }
)
_QUESTION = _object(
    {
        "id": WHOLE,
        "state": {"enum": ["open", "approved", "rejected", "timed-out"]},
        "run_id": TEXT,
        "kind": {"enum": ["powers", "flow", "again"]},
        "name": TEXT,
        "description": TEXT,
        "powers": {"type": "array", "items": _object({"power": TEXT, "why": TEXT, "used": {"type": "boolean"}})},
        "effect": {"enum": list(EFFECTS)},
        "origin": TEXT,
        "digest": TEXT,
        "taint": TEXTS,
        "checks": TEXTS,
        "examples": TEXTS,
        "dollars": SOME_NUMBER,
        "asked_at": NUMBER,
        "until": _said("how long it waits; null: for good", SOME_NUMBER),
        "answer": {"type": ["object", "null"]},
    },
    {"source": _said("the code that asks; of one question", TEXT), "before": TEXT},
)
_STARTED = _object({"run_id": {"type": "string", "pattern": RUN_PATTERN}, "run": TEXT, "events": TEXT})
_PROBLEM = _object(
    {
        "type": _said(f"`{PREFIX}` and the reason", TEXT),
        "title": TEXT,
        "status": WHOLE,
        "detail": TEXT,
        "reason": {"enum": list(KINDS)},
    },
    {"cause": _said("of what refused: its own reason", TEXT)},
)


def _list(name: str) -> Schema:
    return {"type": "array", "items": ref(name)}


SHAPES: Mapping[str, Schema] = {
    "Request": REQUEST,
    "Call": CALL,
    "Task": TASK,
    "Approve": APPROVE,
    "Reject": REJECT,
    "Info": _INFO,
    "Tool": _TOOL,
    "Tools": _object({"tools": _list("Info"), "total": WHOLE}),
    "Outcome": _OUTCOME,
    "HandedIn": _HANDED_IN,
    "Run": _RUN,
    "Runs": _object({"runs": _list("Run")}),
    "Event": _EVENT,
    "ServerSent": _object({"id": TEXT, "event": _EVENT["properties"]["kind"], "data": TEXT}),
    "Trace": _object({"run": ref("Run"), "events": _list("Event"), "calls": {"type": "array", "items": ANY_OBJECT}}),
    "Question": _QUESTION,
    "Questions": _object({"questions": _list("Question")}),
    "Started": _STARTED,
    "Health": _object({"status": {"const": "ok"}, "version": TEXT}),
    "Whose": _object({"name": TEXT, "scopes": {"type": "array", "items": {"enum": list(SCOPES)}}}),
    "Problem": _PROBLEM,
}
