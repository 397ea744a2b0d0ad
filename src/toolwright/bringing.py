"""Tools without a task: a spec is forged, a person's function is validated and taken in, an edited file is adopted."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from toolwright import schema, toolfile
from toolwright.answers import code_in
from toolwright.call import Outcome, Status
from toolwright.consent import Approve, Consent, request_for
from toolwright.editing import body_of, declared, doctests, edited_candidate, langchain_in, summary
from toolwright.errors import EditedError, NotFoundError, SpecError, UserError
from toolwright.forge import Forged
from toolwright.langchaintools import Plain
from toolwright.meant import function_in
from toolwright.owntools import Usable
from toolwright.policy import ApprovalAnswer
from toolwright.powers import Origin
from toolwright.promoting import told
from toolwright.requests import alike, asked_about, spec_of, truth
from toolwright.settings import Settings
from toolwright.stopping import in_thread
from toolwright.tool import Candidate, Contract, ToolSpec, ToolVersion, Verdict
from toolwright.trace import Place, Sink
from toolwright.wiring import Parts

POWERS = ("hosts", "packages", "reads", "writes", "secrets", "plain_secrets", "subprocess")
"""The kinds of powers that can be said of a function."""
_ASKED = (
    "description",
    "input_params",
    "return_type",
    "example",
    *POWERS,
    "effect",
    "deterministic",
    "stateful",
)


@dataclass(frozen=True, slots=True)
class Bringing:
    """One errand of a person; *run_id* is its place in the journal and on the bill."""

    parts: Parts
    settings: Settings
    approve: Approve | None
    sink: Sink
    run_id: str

    async def make(self, spec: ToolSpec | Mapping[str, Any]) -> Forged:
        """Forge *spec*; powers are asked for as in a run. SpecError; a taken name is a Forged with its reason."""
        if not isinstance(spec, ToolSpec):
            spec = spec_of(spec, self.settings.namespace)
        with self.parts.switchboard.listening(self.run_id, self.sink):
            return await self._forged(spec)

    async def request(self, asked: Mapping[str, Any], source: str) -> Forged:
        """What a model asks for, as in a run: a tool that does the same is offered first, unless it says a reason.

        With *source* no model is asked; what *asked* leaves out is then read from its signature. SpecError.
        """
        spec = spec_of(_with_signature(asked, source) if source else asked, self.settings.namespace)
        with self.parts.switchboard.listening(self.run_id, self.sink):
            near = None if spec.reason else await in_thread(cancel := threading.Event(), self._near, spec, cancel)
            return await self._forged(spec, source) if near is None else Forged(None, (), near)

    def _near(self, spec: ToolSpec, cancel: threading.Event) -> str | None:
        registry = self.parts.registry
        return None if registry.shelved(spec.name) else alike(registry, self.parts.forge, spec, self._meant, cancel)

    def _meant(self, name: str) -> Usable | None:
        try:
            return self.parts.registry.find(name)
        except (NotFoundError, EditedError):
            return None

    async def _forged(self, spec: ToolSpec, source: str = "") -> Forged:
        registry = self.parts.registry
        await registry.opened()
        if registry.own and (own := registry.own.get(spec.name)):
            return Forged(None, (), f"{spec.name} is there already: your own tool ({own.source}). Use another name.")
        if not spec.reason and (same := await in_thread(threading.Event(), registry.own_alike, spec)):
            why = f"Your own tool {same.name} does what looks like the same ({same.source})"
            return Forged(None, (), f"{why}; to have {spec.name} made all the same, say what it lacks (`reason`).")
        place, emit = Place(self.run_id), self.parts.switchboard.emit
        forge = self.parts.forge.handed(source) if source else self.parts.forge
        forged = await forge.make(spec, run_id=self.run_id, place=place, emit=emit, insist=True)
        return await asked_about(forged, forge, self._consent())

    async def validate(self, name: str, source: str, asked: Mapping[str, Any], origin: Origin = "agent") -> Verdict:
        """The Verdict on function *name* in *source*; what is in *asked* goes over what the source says of itself."""
        return await self._verdict(self.candidate(name, source, asked), origin)

    async def import_file(self, path: Path, name: str | None, asked: Mapping[str, Any]) -> Forged:
        """The function in *path* as a version with origin `person`, or the verdict that says why not."""
        found = meant_in(read_source(path), path, name, asked)
        candidate = self.candidate(found.name, found.source, found.said)
        return await self.take(replace(candidate, notes="; ".join(found.notes)))

    async def take(self, candidate: Candidate, *, new_version: bool = False) -> Forged:
        """*candidate* as a version with origin `person`, or the verdict that says why not."""
        return await self._admitted(await self._verdict(candidate, "person"), new_version=new_version)

    async def edit(self, name: str, source: str, asked: Mapping[str, Any]) -> Forged:
        """*source* as the next version of the tool *name*, with origin `person`; see `editing.edited_candidate`.

        NotFoundError; the version that stands is never written over.
        """
        before = await in_thread(threading.Event(), self.parts.registry.as_recorded, name)
        candidate = edited_candidate(before, body_of(source), _known(asked))
        verdict = await self._verdict(candidate, "person", before)
        return await self._admitted(verdict, new_version=True, requests=before.requests)

    async def adopt(self, name: str) -> Forged:
        """The tool's file as it stands now, validated with the spec it has, as its next version of origin `person`."""
        text, version = await in_thread(threading.Event(), self.parts.registry.edited, name)
        source = toolfile.read(text).source
        candidate = replace(version.candidate, source=source, lock=())
        verdict = await self._verdict(candidate, "person", version)
        return await self._admitted(verdict, new_version=True, requests=version.requests)

    async def agreed(self, version: Usable) -> ApprovalAnswer:
        """What the person says to the powers of *version*; if nobody is there, a no with the lines for the policy."""
        consent = self._consent()
        return await consent.ask(await consent.about_call(version, self.parts.registry))

    async def _verdict(self, candidate: Candidate, origin: Origin, earlier: ToolVersion | None = None) -> Verdict:
        verdict = await self._validated(candidate, origin)
        if verdict.pending is None or verdict.pending.status is not Status.NEEDS_APPROVAL:
            return verdict
        consent = self._consent()
        # Only of what a person said yes to once is what changed the question.
        before = "" if earlier is None else await asyncio.to_thread(consent.agreed, earlier, self.parts.registry)
        asking = request_for(verdict.candidate, origin, self.run_id, checks=verdict.checks, before=before)
        answer = await consent.ask(asking)
        if answer.yes:
            return await self._validated(verdict.candidate, origin)
        return replace(verdict, pending=refused(verdict.pending, answer))

    async def _validated(self, candidate: Candidate, origin: Origin) -> Verdict:
        contract = Contract(candidate.spec, notes=("No examiner was asked.",))
        cancel = threading.Event()
        validate = self.parts.validator.validate
        return await in_thread(cancel, validate, candidate, contract, cancel=cancel, origin=origin)

    async def _admitted(self, verdict: Verdict, *, new_version: bool, requests: tuple[str, ...] = ()) -> Forged:
        if not verdict.passed:
            failed = verdict.failed
            why = verdict.pending.detail if verdict.pending else f"{failed.name}: {failed.detail}" if failed else ""
            return Forged(None, (verdict,), why)
        admission = await in_thread(
            threading.Event(),
            self.parts.registry.admit,
            verdict,
            origin="person",
            run_id=self.run_id,
            requests=requests,
            new_version=new_version,
        )
        return Forged(admission.version, (verdict,), told(admission.version), won=admission.won)

    def candidate(self, name: str, source: str, asked: Mapping[str, Any]) -> Candidate:
        """The function *name* in *source*, with what it, its header and *asked* say of it. UserError, SpecError."""
        body = body_of(source)
        said = declared(source)
        over = {key: value for key, value in _known(asked).items() if value or key not in said}
        spec = self._spec(name, body, said | over)
        return Candidate(spec, body, packages=spec.packages, grant=spec.grant)

    def _spec(self, name: str, source: str, asked: Mapping[str, Any]) -> ToolSpec:
        try:
            signature = schema.signature_of(source, name)
        except SpecError:
            # The validator says better than we could what is wrong with it: give it a spec to say it against.
            return schema.tool_spec(
                tool_name=name, description=asked.get("description") or name, namespace=self.settings.namespace
            )
        return schema.tool_spec(
            tool_name=name,
            description=asked.get("description") or summary(signature.docstring) or name.replace("_", " "),
            input_params=asked.get("input_params") or signature,
            return_type=asked.get("return_type") or signature,
            example=asked.get("example") or doctests(signature.docstring, name),
            powers={kind: asked[kind] for kind in POWERS if asked.get(kind)},
            effect=asked.get("effect") or "none",
            deterministic=truth(asked, "deterministic", default=True),
            stateful=truth(asked, "stateful", default=False),
            namespace=self.settings.namespace,
        )

    def _consent(self) -> Consent:
        return Consent(self.approve, self.parts.home.approvals, self.parts.switchboard, self.run_id)


def _with_signature(asked: Mapping[str, Any], source: str) -> Mapping[str, Any]:
    """*asked*, with what *source* says of itself where it says nothing; of one that cannot be read its name is said."""
    name = str(asked.get("tool_name") or asked.get("name") or "")
    try:
        signature = schema.signature_of(code_in("", {"source": source}, name).source, name)
    except SpecError:
        # The validator says better than we could what is wrong with it: give it a spec to say it against.
        return {**asked, "description": asked.get("description") or name.replace("_", " ")}
    said = {
        "input_params": signature,
        "return_type": signature,
        "description": summary(signature.docstring),
        "example": doctests(signature.docstring, name),
    }
    return {**asked, **{key: value for key, value in said.items() if not asked.get(key)}}


def refused(pending: Outcome, answer: ApprovalAnswer) -> Outcome:
    """What becomes of *pending* powers after a no."""
    why = answer.reason or "no reason was given"
    return Outcome(Status.DENIED, detail=f"{pending.detail} The answer was no: {why}", reason="approval")


def read_source(path: Path) -> str:
    """The text of a file with a function. UserError."""
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read: {error}. Name a file of Python source in UTF-8.") from error


def meant_in(text: str, file: Path, named: str | None, asked: Mapping[str, Any]) -> Plain:
    """The function that is meant in the *text* of *file*, with *asked* over what is said of it there. UserError."""
    found = langchain_in(text, file, named) or Plain(function_in(body_of(text), file, named), text)
    over = {key: value for key, value in asked.items() if value or key not in found.said}
    return replace(found, said={**found.said, **over})


def _known(asked: Mapping[str, Any]) -> Mapping[str, Any]:
    if unknown := sorted(set(asked) - set(_ASKED)):
        raise UserError(f"{unknown[0]!r} cannot be said of a function; what can be is {', '.join(_ASKED)}.")
    return asked
