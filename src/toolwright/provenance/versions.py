"""The record of a version goes in; the two statements that it stands on come out, and whether they hold for it.

*validated*: who wrote it and what it passed, bound to namespace, name, number, digest and all of its evidence.
*promoted*: who put it in force, bound to the same and to the changes of state up to then.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from toolwright.provenance import Role, TrustedKey, UntrustedError
from toolwright.signing.ed25519 import Signer
from toolwright.signing.statements import (
    Claim,
    NoStatement,
    Signed,
    UnknownKey,
    WrongSignature,
    canonical,
    opened,
    sealed,
)

VALIDATED = "urn:toolwright:validated:v1"
PROMOTED = "urn:toolwright:promoted:v1"
SIGNATURE, CHANGES, STATE, FOUND_BY = "signature", "changes", "state", "found_by"
WAITING: Final = "validated"
"""The state of a version that has a validator's statement alone."""
_MOVING = frozenset({SIGNATURE, CHANGES, STATE, FOUND_BY})
"""What of a record is no evidence: it goes on changing after the verdict."""
_SAID_BY: dict[str, Role] = {VALIDATED: "validator", PROMOTED: "promoter"}

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Judged:
    """What holds of a version that waits for a promoter: the validator's claim, and whose its key is."""

    validated: Signed
    validator: str


@dataclass(frozen=True, slots=True)
class Provenance:
    """What holds of a version: both claims, the key that made each, and on whose word that is believed."""

    validated: Signed
    promoted: Signed
    validator: str
    promoter: str


def awaits(record: Record) -> bool:
    """Whether a promoter never put *record* in force: it was validated, and at most yanked and given back since."""
    states = [one["state"] for one in record[CHANGES]]
    return states[:1] == [WAITING] and set(states) <= {WAITING, "yanked"}


def evidence_of(record: Record) -> str:
    """sha256 of everything that a version was judged on: the whole record but what goes on changing."""
    return _sha256({key: value for key, value in record.items() if key not in _MOVING})


def validated(record: Record, number: int, setting: Mapping[str, Any]) -> Claim:
    """What a validator says of *record*. *setting*: how (sandbox, policy, prompt), for people to read."""
    made = {key: record.get(key, "") for key in ("origin", "model", "run_id")}
    prompt = setting.get("prompt", "") if made["origin"] == "agent" else ""
    return _claim(
        VALIDATED,
        record,
        number,
        generator={**made, "prompt": prompt, "spec": _sha256(record["spec"])},
        validation={
            **{key: value for key, value in setting.items() if key != "prompt"},
            "checks": [{"check": one["name"], "passed": one["passed"]} for one in record["checks"]],
            "untested": list(record.get("untested", ())),
            "tests": _sha256([record["contract"], record["spec"]["examples"]]),
        },
    )


def promoted(record: Record, number: int) -> Claim:
    """What a promoter says of *record*: on the last of its changes that puts it in force."""
    changes = _up_to_force(record)
    last = {key: changes[-1][key] for key in ("who", "why", "at", "order")}
    return _claim(PROMOTED, record, number, promotion=last, changes=_sha256(changes))


def _up_to_force(record: Record) -> Sequence[Mapping[str, Any]]:
    """The changes of state up to the last that put the version in force: what a promoter signs.

    Whoever takes a version out of force signs nothing: that makes nothing run.
    """
    changes: Sequence[Mapping[str, Any]] = record[CHANGES]
    return changes[: 1 + max((place for place, one in enumerate(changes) if one["state"] == "active"), default=-1)]


def _claim(kind: str, record: Record, number: int, **says: Any) -> Claim:
    bound = {key: record[key] for key in ("namespace", "name", "digest")} | {"number": number}
    name = f"{record['namespace']}/{record['name']}@{number}"
    return Claim(kind, name, record["digest"], {"version": bound, "evidence": evidence_of(record), **says})


def signed(record: Record, number: int, signer: Signer, setting: Mapping[str, Any]) -> dict[str, Any]:
    """*record*, which was just proven here, with both statements; with the validator's alone if it is not in force."""
    first = sealed(validated(record, number, setting), signer)
    if awaits(record):
        return {**record, SIGNATURE: [first]}
    return {**record, SIGNATURE: [first, sealed(promoted(record, number), signer)]}


def signed_again(record: Record, number: int, signer: Signer, keys: Mapping[str, TrustedKey]) -> dict[str, Any]:
    """*record*, just put in force, with a promoter's new statement. UntrustedError without a validator's."""
    waited = awaits({**record, CHANGES: record[CHANGES][:-1]})
    _one(record, number, VALIDATED, keys, evidence_of(record), alone=waited)
    return {**record, SIGNATURE: [record[SIGNATURE][0], sealed(promoted(record, number), signer)]}


def proven(record: Record, number: int, keys: Mapping[str, TrustedKey]) -> Provenance:
    """What holds of *record* as version *number*; UntrustedError with the reason, the version and the cure."""
    if record.get(STATE) == WAITING or awaits(record):
        raise not_promoted(record["name"], number)
    evidence = evidence_of(record)
    first, validator = _one(record, number, VALIDATED, keys, evidence)
    second, promoter = _one(record, number, PROMOTED, keys, evidence)
    moved = record.get(STATE) != record[CHANGES][-1]["state"]
    if moved or second.claim.says.get(CHANGES) != _sha256(_up_to_force(record)):
        raise _refused(record, number, "changed", "its changes of state are not those that were signed")
    return Provenance(first, second, validator, promoter)


def judged(record: Record, number: int, keys: Mapping[str, TrustedKey]) -> Judged:
    """What holds of *record*, which waits for a promoter; UntrustedError where its validator's statement does not."""
    if not awaits(record) or record.get(STATE) != record[CHANGES][-1]["state"]:
        raise _refused(record, number, "changed", "it does not wait for a promoter")
    return Judged(*_one(record, number, VALIDATED, keys, evidence_of(record), alone=True))


def not_promoted(name: str, number: int) -> UntrustedError:
    """The refusal of a version that was validated and not promoted."""
    why = "it was validated, and nobody promoted it yet"
    cure = f"`toolwright registry promote {name} {number}` does, in a home whose key is admitted as promoter."
    return UntrustedError(f"{name}@{number} is not run: {why}. {cure}", "not-promoted", why)


def _one(
    record: Record,
    number: int,
    kind: str,
    keys: Mapping[str, TrustedKey],
    evidence: str,
    *,
    alone: bool = False,
) -> tuple[Signed, str]:
    """The statement of *kind* and on whose word its key is believed; *alone*: there need be no other."""
    role, place = _SAID_BY[kind], list(_SAID_BY).index(kind)
    envelopes = record.get(SIGNATURE)
    if not envelopes or not isinstance(envelopes, list):
        raise _refused(record, number, "unsigned", "nobody whom this home trusts has signed it")
    if len(envelopes) != len(_SAID_BY) and not alone:
        raise _refused(
            record, number, "not-promoted", "to be in force it needs a validator's and a promoter's statement"
        )
    try:
        found = opened(envelopes[place], {keyid: one.public for keyid, one in keys.items() if role in one.roles})
    except NoStatement as error:
        raise _refused(record, number, "signature", f"the {role}'s statement cannot be read: {error}") from None
    except UnknownKey as error:
        why = f"its {role}'s key is not trusted here ({str(error)[:16] or 'none is named'})"
        raise _refused(record, number, "unknown-key", why) from None
    except WrongSignature:
        raise _refused(record, number, "signature", f"the {role}'s signature does not fit what it signs") from None
    _check_bound(found.claim, kind, record, number, evidence)
    return found, keys[found.keyid].whose


def _check_bound(claim: Claim, kind: str, record: Record, number: int, evidence: str) -> None:
    about = claim.says.get("version")
    bound = {key: record[key] for key in ("namespace", "name", "digest")} | {"number": number}
    if claim.kind != kind or about != bound or claim.sha256 != record["digest"]:
        raise _refused(record, number, "swapped", f"what is signed is a statement about {claim.name}")
    if claim.says.get("evidence") != evidence:
        raise _refused(record, number, "changed", "its record is not the one that was signed")


def _refused(record: Record, number: int, reason: Any, why: str) -> UntrustedError:
    name = record["name"]
    cure = f"Read it, then `toolwright registry adopt {name}` validates it and signs it here."
    return UntrustedError(f"{name}@{number} is not run: {why}. {cure}", reason, why)


def _sha256(value: Any) -> str:
    return hashlib.sha256(canonical(value)).hexdigest()
