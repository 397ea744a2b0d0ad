"""Attempts at a tool go in, what generator, model and person read about them comes out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from toolwright.ceilings import reached
from toolwright.store.leases import Failed
from toolwright.tool import Candidate, Check, ToolSpec, Verdict

REFUSED = "approval"
"""The check that a person's no fails."""
LONGEST_DETAIL = 400


def refused(candidate: Candidate, why: str) -> Check:
    """The check that a person's no to *candidate* fails, with *why* as its reason."""
    powers = ", ".join(candidate.question().words()) or "no powers"
    said = f"A person said no to what it asks for ({powers}): {why.strip()}"
    detail = f"{said} Write it so that this holds no longer: with less, or in another way."
    return Check(REFUSED, False, detail, evidence={"why": why.strip()})


def said_no(tries: Sequence[Verdict]) -> bool:
    """Whether a person's no stands against the last of *tries*."""
    failed = tries[-1].failed if tries else None
    return failed is not None and failed.name == REFUSED


def is_hopeless(tries: tuple[Verdict, ...]) -> bool:
    """Whether the last of *tries* is the very code that a person said no to before."""
    return said_no(tries) and same_code(tries[-1].candidate, tries[:-1]) is not None


def failed_elsewhere(spec: ToolSpec, failed: Failed) -> str:
    """Why *spec* is not tried now: it failed a moment ago."""
    wait = max(1, round(failed.wait_s))
    return (
        f"No tool was made: {spec.name} was tried with these arguments a moment ago, and it failed: {failed.why} It is "
        f"not tried again for {wait} s; ask for something else, or with other arguments."
    )


def same_code(candidate: Candidate, tries: tuple[Verdict, ...]) -> Check | None:
    """The check that failed before for this very candidate, if it was tried; told as a repetition."""
    for number, verdict in enumerate(tries, 1):
        old, failed = verdict.candidate, verdict.failed
        same = (old.source, old.grant, old.packages) == (candidate.source, candidate.grant, candidate.packages)
        if same and candidate.source and failed is not None:
            detail = f"This is the same code as in attempt {number}; change it. It failed so: {failed.detail}"
            return replace(failed, detail=detail, wall_s=0.0)
    return None


def why_none(tries: tuple[Verdict, ...], most: int) -> str:
    """Why there is no tool after *tries*, of which there may be *most*."""
    last = tries[-1].failed
    if last is not None and said_no(tries):
        return f"The answer was no: {last.evidence['why']}"
    if last is None:
        open_checks = ", ".join(check.name for check in tries[-1].checks if check.passed is None)
        return f"It could not be proved: these checks could not run: {open_checks}."
    where = ", ".join(failed.name for verdict in tries if (failed := verdict.failed) is not None)
    detail = " ".join(last.detail.split())[:LONGEST_DETAIL]
    no_more = f"\n{reached('attempts', most)}" if len(tries) >= most else ""
    return f"No attempt of {len(tries)} passed (failed: {where}). The last one failed {last.name}: {detail}{no_more}"
