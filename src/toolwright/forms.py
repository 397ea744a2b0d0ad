"""Tools, outcomes, questions and runs go in; the JSON that doors give of them comes out, the same at each door."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolwright.errors import EditedError, NotFoundError
from toolwright.requested import came_of

if TYPE_CHECKING:
    from toolwright.app import Toolwright
    from toolwright.call import Outcome
    from toolwright.forge import Forged
    from toolwright.listing import ToolInfo
    from toolwright.store.asked import Asked
    from toolwright.store.calls import Stats
    from toolwright.store.tokens import TokenInfo
    from toolwright.tool import ToolVersion, Verdict
    from toolwright.trace import Run


def success_rate(info: ToolInfo) -> float | None:
    """Share of the calls that count which gave a value; None if there were none."""
    return info.ok / info.calls if info.calls else None


def info_as_json(info: ToolInfo) -> dict[str, Any]:
    """A tool in a list."""
    return {
        "name": info.name,
        "version": info.number,
        "description": info.description,
        "powers": list(info.powers),
        "packages": list(info.packages),
        "effect": info.effect,
        "origin": info.origin,
        "state": info.state,
        "calls": info.calls,
        "ok": info.ok,
        "success_rate": success_rate(info),
        "last_used": info.last_used,
        "created_at": info.created_at,
        "dollars": info.dollars,
        "digest": info.digest,
        "model": info.model,
        "run_id": info.run_id,
        "shelf": info.shelf,
    }


def tool_as_json(tw: Toolwright, name: str, number: int | None = None) -> dict[str, Any]:
    """Everything that is known of a tool; one that waits to be promoted is read, too. NotFoundError, EditedError."""
    own = own_tool(tw, name) if number in (None, 0) else None
    return _own_record(tw, own) if own else _record(tw, _seen(tw, name, number))


def own_tool(tw: Toolwright, name: str) -> ToolInfo | None:
    """The person's own function of that name (origin `host`), if there is one."""
    return next((one for one in tw.registry.list() if one.name == name and one.origin == "host"), None)


def _seen(tw: Toolwright, name: str, number: int | None) -> ToolVersion:
    """The version as `get` gives it, or one that waits to be promoted, for reading."""
    try:
        return tw.registry.get(name, number)
    except EditedError as error:
        if error.reason != "not-promoted":
            raise
        with suppress(NotFoundError):
            return tw.registry.waiting(name, number)[0]
        raise


def _record(tw: Toolwright, version: ToolVersion) -> dict[str, Any]:
    """What is known of a version; its keys are those of `show --json`."""
    candidate, spec = version.candidate, version.spec
    stats = tw.registry.stats(version.name, version.number)
    history = [info for info in tw.registry.history(version.name) if info.origin != "host"]
    shelf = next((info.shelf for info in history if info.number == version.number), "")
    return {
        "type": "tool",
        "name": version.name,
        "version": version.number,
        "description": spec.description,
        "digest": version.digest,
        "origin": version.origin,
        "state": version.state,
        "effect": candidate.effect,
        "powers": candidate.grant.to_json(),
        "packages": list(candidate.lock),
        "signature": f"{spec.name}({spec.parameters}) -> {spec.returns}",
        "input_schema": dict(spec.input_schema),
        "output_schema": dict(spec.output_schema),
        "examples": [example.text for example in spec.examples],
        "source": candidate.source,
        "checks": checks_as_json(version.verdict),
        "untested": list(version.verdict.untested),
        "created_at": version.created_at,
        "run_id": version.run_id,
        "model": version.model,
        "requests": list(version.requests),
        "parent": candidate.parent,
        "calls": _calls(stats),
        "history": [f"{info.name}@{info.number} {info.state}" for info in history],
        "versions": [_version(tw, info) for info in history],
        "dollars": next((info.dollars for info in history if info.number == version.number), None),
        "file": str(_file(Path(shelf) if shelf else tw.settings.home, version)),
        "shelf": shelf,
        "from": "",
    }


def _calls(stats: Stats) -> dict[str, Any]:
    return {**stats.to_json(), "success_rate": stats.ok / stats.calls if stats.calls else None}


def _version(tw: Toolwright, info: ToolInfo) -> dict[str, Any]:
    changes = tw.registry.changes(info.name, info.number)
    return {
        "version": info.number,
        "state": info.state,
        "origin": info.origin,
        "created_at": info.created_at,
        "dollars": info.dollars,
        "changes": [{"state": one.state, "at": one.at, "who": one.who, "why": one.why} for one in changes],
    }


def _file(home: Path, version: ToolVersion) -> Path:
    from toolwright.store.files import tool_folder

    return tool_folder(home, version.namespace, version.name) / f"{version.number}.py"


def _own_record(tw: Toolwright, info: ToolInfo) -> dict[str, Any]:
    """What is known of a person's own tool: it is not stored, so it has no verdict and no history."""
    return {
        "type": "tool",
        "name": info.name,
        "version": info.number,
        "description": info.description,
        "digest": info.digest,
        "origin": info.origin,
        "state": info.state,
        "effect": info.effect,
        "powers": {},
        "packages": [],
        "signature": f"{info.name}({info.parameters})",
        "input_schema": dict(info.input_schema),
        "output_schema": dict(info.output_schema),
        "examples": [],
        "source": "",
        "checks": [],
        "untested": [],
        "created_at": info.created_at,
        "run_id": "",
        "model": "",
        "requests": [],
        "parent": None,
        "calls": _calls(tw.registry.stats(info.name, info.number)),
        "history": [],
        "versions": [],
        "dollars": None,
        "file": "",
        "shelf": "",
        "from": getattr(tw.registry.find(info.name), "source", ""),
    }


def checks_as_json(verdict: Verdict) -> list[dict[str, Any]]:
    """The checks that ran."""
    return [
        {"check": one.name, "passed": one.passed, "detail": one.detail, "wall_s": one.wall_s, "notes": list(one.notes)}
        for one in verdict.checks
    ]


def forged_as_json(forged: Forged, name: str, *, call: str) -> dict[str, Any]:
    """What came of *name*, whose source was handed in; `checks` of the last attempt with all that is known of them.

    *call* says how the tool is called.
    """
    came = came_of(forged, name, True, call)
    untested = {"untested": list(forged.version.verdict.untested)} if came.status == "ready" and forged.version else {}
    checks = checks_as_json(forged.verdicts[-1]) if forged.verdicts else []
    return {"tool": "", **came.to_json(), **untested, "checks": checks}


def outcome_as_json(outcome: Outcome) -> dict[str, Any]:
    """An outcome; `egress` is there where a host was asked for."""
    return {
        "status": outcome.status.value,
        "value": outcome.value,
        "detail": outcome.detail,
        "reason": outcome.reason,
        "files": [file.path for file in outcome.files],
        "output": outcome.output,
        "usage": {"wall_s": outcome.usage.wall_s, "cpu_s": outcome.usage.cpu_s},
        **({"egress": list(outcome.egress)} if outcome.egress else {}),
    }


def question_as_json(asked: Asked, *, whole: bool = False) -> dict[str, Any]:
    """A question that waits, or was answered; *whole*: with the code, and the code that had a yes before."""
    request, question, answer = asked.request, asked.request.question, asked.answer
    powers = [
        {"power": one, "why": request.reasons.get(one, ""), "used": one not in request.unused}
        for one in question.words()
    ]
    said = answer and {"yes": answer.yes, "who": answer.who, "reason": answer.reason, "at": asked.answered_at}
    return {
        "id": asked.id,
        "state": asked.state,
        "run_id": asked.run_id,
        "kind": request.kind,
        "name": question.name,
        "description": question.description,
        "powers": powers,
        "effect": question.effect,
        "origin": question.origin,
        "digest": question.digest,
        "taint": list(request.taint),
        "checks": list(request.checks),
        "examples": list(request.examples),
        "dollars": request.dollars,
        "asked_at": asked.at,
        "until": asked.until,
        "answer": said,
        **({"source": request.source, "before": request.before} if whole else {}),
    }


def run_as_json(run: Run) -> dict[str, Any]:
    """A run as it is on record."""
    return {**asdict(run), "continues": continues(run.settings)}


def continues(settings: Mapping[str, Any]) -> str:
    """The run that one with these *settings* goes on from; '' for none."""
    return str(settings.get("continues") or "")


def token_as_json(token: TokenInfo) -> dict[str, Any]:
    """A bearer token, but not the token itself."""
    return {"name": token.name, "scopes": list(token.scopes), "since": token.since, "until": token.until}
