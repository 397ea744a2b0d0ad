"""The values around a version go in; plain JSON for `N.json` comes out, and the way back. Unknown keys are left out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from toolwright.powers import Grant
from toolwright.tool import MISSING, Candidate, Check, Contract, Example, HeldBack, ToolSpec, ToolVersion, Verdict

Data = Mapping[str, Any]


def record_of(version: ToolVersion) -> dict[str, Any]:
    """Everything of *version* but its source and number: what it was judged on, and where it comes from."""
    verdict, candidate = version.verdict, version.candidate
    contract = _contract(verdict.contract)
    if verdict.contract.spec != candidate.spec:
        contract["spec"] = _spec(verdict.contract.spec)
    return {
        "name": version.name,
        "namespace": version.namespace,
        "digest": version.digest,
        "spec": _spec(candidate.spec),
        "packages": list(candidate.packages),
        "lock": list(candidate.lock),
        "powers": candidate.grant.to_json(),
        "parent": candidate.parent,
        "notes": candidate.notes,
        "python": candidate.python,
        "contract": contract,
        "checks": [check_to_json(check) for check in verdict.checks],
        "untested": list(verdict.untested),
        "origin": version.origin,
        "state": version.state,
        "created_at": version.created_at,
        "run_id": version.run_id,
        "model": version.model,
        "requests": list(version.requests),
        "signature": version.signature,
    }


def version_of(record: Data, source: str, number: int) -> ToolVersion:
    """The version that *record* tells of. Raises KeyError, TypeError, ValueError or AttributeError if it is torn."""
    spec = _spec_from(record["spec"])
    candidate = Candidate(
        spec,
        source,
        packages=tuple(record["packages"]),
        lock=tuple(record["lock"]),
        grant=Grant.from_json(record["powers"]),
        parent=record.get("parent"),
        notes=record.get("notes", ""),
        python=record["python"],
    )
    contract = record["contract"]
    verdict = Verdict(
        candidate,
        Contract(
            _spec_from(contract["spec"]) if "spec" in contract else spec,
            held_back=tuple(HeldBack(_example_from(one), bool(one["decides"])) for one in contract["held_back"]),
            properties=tuple(contract.get("properties", ())),
            notes=tuple(contract.get("notes", ())),
        ),
        checks=tuple(check_from(one) for one in record["checks"]),
        untested=tuple(record.get("untested", ())),
    )
    return ToolVersion(
        verdict,
        number,
        origin=record["origin"],
        state=record.get("state", "active"),
        created_at=record.get("created_at", 0.0),
        run_id=record.get("run_id", ""),
        model=record.get("model", ""),
        requests=tuple(record.get("requests", ())),
        signature=_text(record.get("signature", "")),
    )


def _text(signature: Any) -> str:
    return signature if isinstance(signature, str) else json.dumps(signature, sort_keys=True)


def _spec(spec: ToolSpec) -> dict[str, Any]:
    return {
        "name": spec.name,
        "description": spec.description,
        "parameters": spec.parameters,
        "returns": spec.returns,
        "input_schema": dict(spec.input_schema),
        "output_schema": dict(spec.output_schema),
        "examples": [_example(one) for one in spec.examples],
        "powers": spec.grant.to_json(),
        "packages": list(spec.packages),
        "effect": spec.effect,
        "deterministic": spec.deterministic,
        "stateful": spec.stateful,
        "reason": spec.reason,
        "power_reasons": dict(spec.power_reasons),
        "namespace": spec.namespace,
    }


def _spec_from(data: Data) -> ToolSpec:
    return ToolSpec(
        name=data["name"],
        description=data["description"],
        parameters=data["parameters"],
        returns=data["returns"],
        input_schema=dict(data["input_schema"]),
        output_schema=dict(data["output_schema"]),
        examples=tuple(_example_from(one) for one in data["examples"]),
        grant=Grant.from_json(data["powers"]),
        packages=tuple(data["packages"]),
        effect=data["effect"],
        deterministic=data.get("deterministic", True),
        stateful=data.get("stateful", False),
        reason=data.get("reason", ""),
        power_reasons=dict(data.get("power_reasons", {})),
        namespace=data.get("namespace", "local"),
    )


def _example(example: Example) -> dict[str, Any]:
    shown = {"arguments": dict(example.arguments), "text": example.text}
    return shown | ({"expected": example.expected} if example.has_expected else {})


def _example_from(data: Data) -> Example:
    return Example(dict(data["arguments"]), data.get("expected", MISSING), data.get("text", ""))


def _contract(contract: Contract) -> dict[str, Any]:
    return {
        "held_back": [_example(one.example) | {"decides": one.decides} for one in contract.held_back],
        "properties": list(contract.properties),
        "notes": list(contract.notes),
    }


def check_to_json(check: Check) -> dict[str, Any]:
    """*check* as JSON."""
    return {
        "name": check.name,
        "passed": check.passed,
        "detail": check.detail,
        "wall_s": check.wall_s,
        "notes": list(check.notes),
        "evidence": dict(check.evidence),
        "secret_detail": check.secret_detail,
    }


def check_from(data: Data) -> Check:
    """The check that `check_to_json` wrote."""
    return Check(
        name=data["name"],
        passed=data["passed"],
        detail=data.get("detail", ""),
        wall_s=data.get("wall_s", 0.0),
        notes=tuple(data.get("notes", ())),
        evidence=dict(data.get("evidence", {})),
        secret_detail=data.get("secret_detail", ""),
    )
