"""`toolwright show NAME --provenance`: who made, validated and promoted a version, as signed; for people or as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from toolwright.cli import figures
from toolwright.cli.look import safe
from toolwright.errors import EditedError, NotFoundError

if TYPE_CHECKING:
    from rich.text import Text

    from toolwright.app import Toolwright
    from toolwright.provenance.versions import Judged, Provenance
    from toolwright.signing.statements import Signed


def record(tw: Toolwright, name: str, number: int | None) -> dict[str, Any]:
    """What is signed of a version; its keys are those of `show --provenance --json`. NotFoundError, EditedError."""
    try:
        version = tw.registry.get(name, number)
        both = tw.registry.provenance(name, version.number)
        held: Provenance | Judged = both
        promotion: dict[str, Any] | None = _promotion(both)
    except EditedError as error:
        if error.reason != "not-promoted":
            raise
        try:
            (version, held), promotion = tw.registry.waiting(name, number), None
        except NotFoundError:
            raise error from None
    says = held.validated.claim.says
    return {
        "type": "provenance",
        "name": version.name,
        "version": version.number,
        "namespace": version.namespace,
        "digest": version.digest,
        "state": version.state,
        "evidence": says["evidence"],
        "generator": says["generator"],
        "validation": says["validation"] | _by(held.validated, held.validator),
        "promotion": promotion,
    }


def _promotion(held: Provenance) -> dict[str, Any]:
    return {**held.promoted.claim.says["promotion"], **_by(held.promoted, held.promoter)}


def _by(signed: Signed, whose: str) -> dict[str, str]:
    return {"keyid": signed.keyid, "whose": whose}


def shown(told: Mapping[str, Any]) -> Iterator[Text]:
    """The same in words."""
    made, proven, put = told["generator"], told["validation"], told["promotion"]
    yield _line("tool", f"{told['name']}@{told['version']} in {told['namespace']}, {told['state']}")
    yield _line("digest", told["digest"])
    yield _line("evidence", told["evidence"])
    who = f"an agent with {made['model'] or 'a model that is not known'}" if made["origin"] == "agent" else "a person"
    yield _line("made", f"by {who}" + (f", in {made['run_id']}" if made["run_id"] else ""))
    if made["origin"] == "agent" and made["prompt"]:
        yield _line("", f"prompt {made['prompt'][:16]}, spec {made['spec'][:16]}")
    yield _line("validated", f"by key {proven['keyid'][:16]} ({proven['whose']}){_how(proven)}")
    passed = [one["check"] for one in proven["checks"] if one["passed"]]
    yield _line("", f"passed {', '.join(passed)}; tests {proven['tests'][:16]}")
    if put is None:
        yield _line("promoted", f"by nobody yet; `toolwright registry promote {told['name']} {told['version']}` does")
        return
    why = f": {put['why']}" if put["why"] else ""
    yield _line(
        "promoted", f"by key {put['keyid'][:16]} ({put['whose']}), {figures.date(put['at'])}, {put['who']}{why}"
    )


def _how(proven: Mapping[str, Any]) -> str:
    if proven.get("imported"):
        return f", {proven['note']}"
    policy = proven.get("policy", {})
    rules = figures.counted(policy["rules"], "rule") if policy else ""
    return "".join(f", {part}" for part in (proven.get("sandbox"), rules and f"policy of {rules}") if part)


def _line(what: str, text: str) -> Text:
    from rich.text import Text

    return Text(safe(f"{what:<9} {text}"))
