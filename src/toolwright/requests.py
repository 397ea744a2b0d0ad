"""A model's request for a tool goes in, what it reads comes out: who has the name, what is like it, a new tool."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from toolwright import schema
from toolwright.attempts import said_no
from toolwright.ceilings import reached
from toolwright.consent import Consent
from toolwright.errors import EditedError, NotFoundError, RefusedError, SpecError
from toolwright.forge import Forge, Forged
from toolwright.largevalues import as_json
from toolwright.notes import Notes
from toolwright.owntools import OwnTool, Usable
from toolwright.registry import Registry
from toolwright.search import NEAR, POSSIBLE
from toolwright.stopping import in_thread
from toolwright.tool import ToolSpec, ToolVersion
from toolwright.trace import Event, EventKind, Place, Sink
from toolwright.workspace import Workspace

FIXED = ("search_tools", "request_new_tool", "run_tool")
"""The tools that are always there; no tool on the shelf may have one of these names."""

MAX_OWN = 24
"""A person's own tools that stand in the tools array, beside those of the shelf."""

MAX_FAILURES = 2
"""Requests for the same thing that may fail in one run: the first, and one that asks differently."""

_WITHOUT = "Go on without it, and say in your answer what is missing."

_TRIED = 5
"""As many tools of a shelf are tried on the examples of a request."""

_TOOL_CAP = "budget-tool"
"""The cap on the making of one tool: a tool that failed, and no end of the run."""

_SHELF_SAYS_NO = ("registry-full", "revoked", "yanked", "made-by-a-person")


@dataclass(slots=True)
class Requests:
    """Answers `search_tools` and `request_new_tool` for one run."""

    run_id: str
    namespace: str
    registry: Registry
    forge: Forge
    consent: Consent
    notes: Notes
    sink: Sink
    max_new_tools: int = 5
    max_tools: int = 50
    cancel: threading.Event = field(default_factory=threading.Event)
    task: str = ""
    """The run's task: a tool that it led to is found by its words in later runs."""
    files: Workspace | None = None
    """The run's files: examples may name them."""

    async def search(self, query: str) -> tuple[str, list[Usable]]:
        """What the model reads about the tools that fit *query*, and those tools."""
        found = await self.matching(query)
        if not found:
            return "No tool on the shelf fits. If you need one, use request_new_tool.", []
        return "\n".join(as_json(described(one)) for one in found), found

    async def matching(self, query: str, *, own: bool = True) -> list[Usable]:
        """At most 8 tools that fit *query*, best first; one that cannot be read is left out. *own*: those, too."""
        return await in_thread(self.cancel, self._matching, query, own)

    def _matching(self, query: str, own: bool) -> list[Usable]:
        matches = self.registry.search(query, limit=8, own=own, run_id=self.run_id)
        versions = (self._meant(match.info.name) for match in matches)
        return [one for one in versions if one is not None]

    async def version(self, name: str, number: int) -> Usable | None:
        """That version, or None if it cannot be read."""
        return await in_thread(self.cancel, self._version, name, number)

    def _version(self, name: str, number: int | None = None) -> Usable | None:
        try:
            return self.registry.find(name, number)
        except (NotFoundError, EditedError):
            return None

    def _meant(self, name: str) -> Usable | None:
        """What *name* means in this run: what it pinned as long as that is not withdrawn, else the one in force."""
        number, digest = self.notes.pin_of(name)
        if number is not None:
            with suppress(NotFoundError, EditedError):
                pinned = self.registry.find(name, number, digest)
                if pinned.state == "active":
                    return pinned
        return self._version(name)

    async def own(self, task: str) -> list[Usable]:
        """The person's own tools; of more than 24 those that fit *task* best."""
        return await in_thread(self.cancel, self._own, task) if self.registry.own else []

    def _own(self, task: str) -> list[Usable]:
        own = self.registry.own
        for name in own.names() if own else ():
            if self.registry.shelved(name):
                text = f"Your own tool {name} stands before the one of that name on the shelf, in this run."
                self._emit("warning", text=text)
        return list(own.best(task, MAX_OWN)) if own else []

    def own_names(self) -> list[str]:
        """The names of all own tools; of those that `own` has looked at, without looking again."""
        return self.registry.own.names() if self.registry.own else []

    async def missing_own(self, refs: Sequence[str]) -> None:
        """Say which own tools a run began with that are not here now that it goes on."""
        for name in [ref.partition("@")[0] for ref in refs]:
            if await in_thread(self.cancel, self._version, name, OwnTool.number) is None:
                text = f"Your own tool {name}, which this run began with, is not here now; bring it again to use it."
                self._emit("warning", text=text)

    async def request(self, asked: Mapping[str, Any], place: Place) -> tuple[str, Usable | None]:
        """What the model reads about its request, and the tool that it may use now, if there is one."""
        text, version = await self._request(asked, place)
        self.notes.gap = "" if version is not None else text
        return text, version

    async def _request(self, asked: Mapping[str, Any], place: Place) -> tuple[str, Usable | None]:
        try:
            spec = spec_of(asked, self.namespace)
        except SpecError as error:
            return f"This request cannot be read: {error}", None
        holder = await in_thread(self.cancel, self._meant, spec.name)
        if holder is not None:
            return await in_thread(self.cancel, self._taken, spec, holder), holder
        refusal = await in_thread(self.cancel, self._refusal, spec)
        if refusal:
            self._emit("tool-refused", name=spec.name, reason=refusal)
            return refusal, None
        near = await in_thread(self.cancel, self._near, spec)
        if near:
            return near, None
        return await self._make(spec, place)

    def _taken(self, spec: ToolSpec, holder: Usable) -> str:
        # Made by this very run, which was cut short before it could note it down.
        if isinstance(holder, ToolVersion) and holder.run_id == self.run_id and str(holder) not in self.notes.made:
            self.registry.note_admitted(holder)
            self._emit("tool-made", name=holder.name, version=holder.number, digest=holder.digest, dollars=None)
            self.notes.made.append(str(holder))
            return made_text(holder)
        same = schema.same_schema(spec.input_schema, holder.input_schema) and schema.same_schema(
            spec.output_schema, holder.output_schema
        )
        lead = (
            f"{spec.name} is already there, with these arguments; use it."
            if same
            else f"The name {spec.name} is taken by this tool. Use it if it fits; if not, ask under another name."
        )
        return f"{lead}\n{as_json(described(holder))}"

    def _refusal(self, spec: ToolSpec) -> str:
        if len(self.notes.made) >= self.max_new_tools:
            return f"No new tool. {reached('new-tools', self.max_new_tools)} Go on with the tools that are there."
        if self.notes.failures_like(spec.name, spec.description) >= MAX_FAILURES:
            return f"No new tool. {reached('failures', MAX_FAILURES)} {_WITHOUT}"
        return f"No new tool. {reached('tools', self.max_tools)}" if self.registry.count() >= self.max_tools else ""

    def _near(self, spec: ToolSpec) -> str:
        """What the model reads about tools that do the same by their examples, or else look as if they did."""
        if spec.name in self.notes.offered and spec.reason:
            return ""
        found = alike(self.registry, self.forge, spec, self._meant, self.cancel, self.files)
        if found is not None and spec.name not in self.notes.offered:
            self.notes.offered.append(spec.name)
        return "" if found is None else found

    async def _make(self, spec: ToolSpec, place: Place) -> tuple[str, Usable | None]:
        self._emit("tool-requested", name=spec.name, description=spec.description)
        try:
            forged = await self._forged(spec, place)
        except RefusedError as error:
            if error.reason == _TOOL_CAP:
                self.notes.failed.append(f"{spec.name}: {spec.description}")
            elif error.reason not in _SHELF_SAYS_NO:
                raise  # the budget: that ends the run
            return self._refused(spec, str(error)), None
        return self._told(spec, forged)

    async def _forged(self, spec: ToolSpec, place: Place) -> Forged:
        forged = await self.forge.make(
            spec,
            run_id=self.run_id,
            place=place,
            emit=self.sink.emit,
            cancel=self.cancel,
            requests=(self.task,),
            files=self.files,
        )
        return await asked_about(forged, self.forge, self.consent)

    def _told(self, spec: ToolSpec, forged: Forged) -> tuple[str, Usable | None]:
        if forged.version is None and (forged.pending is not None or said_no(forged.verdicts)):
            return self._refused(spec, forged.reason), None
        if forged.version is None:
            return self._failed(spec, forged), None
        if forged.version.state == "validated":
            self._emit("tool-refused", name=spec.name, reason=forged.reason)
            return f"{forged.reason} {_WITHOUT}", None
        if forged.won:
            self.notes.made.append(str(forged.version))
            return made_text(forged.version), forged.version
        return f"Another run made {spec.name} at the same time; use that.\n{made_text(forged.version)}", forged.version

    def _refused(self, spec: ToolSpec, why: str) -> str:
        self._emit("tool-refused", name=spec.name, reason=why)
        return f"{spec.name} was not made. {why}"

    def _failed(self, spec: ToolSpec, forged: Forged) -> str:
        self.notes.failed.append(f"{spec.name}: {spec.description}")
        self._emit("tool-refused", name=spec.name, reason=forged.reason)
        failed = [one for one in (verdict.failed for verdict in forged.verdicts[-1:]) if one is not None]
        lines = [f"The last of {len(forged.verdicts)} attempts failed {one.name}: {one.detail}" for one in failed]
        more = (
            "You may ask once more, differently."
            if self.notes.failures_like(spec.name, spec.description) < MAX_FAILURES
            else f"{reached('failures', MAX_FAILURES)} {_WITHOUT}"
        )
        return "\n".join([f"{spec.name} could not be made.", *(lines or [forged.reason]), more])

    def _emit(self, kind: EventKind, **data: Any) -> None:
        self.sink.emit(Event(kind, self.run_id, data))


def alike(
    registry: Registry,
    forge: Forge,
    spec: ToolSpec,
    meant: Callable[[str], Usable | None],
    cancel: threading.Event,
    files: Workspace | None = None,
) -> str | None:
    """What a model reads about tools that do the same by the examples of *spec*, or else look as if they did.

    None where there are none. *meant* gives the tool that a name means.
    """
    same: list[Usable] = []
    close: list[Usable] = []
    for match in registry.near(spec, limit=_TRIED, least=POSSIBLE):
        version = meant(match.info.name)
        if version is None:
            continue
        met = forge.meets(version, spec, cancel, files) if isinstance(version, ToolVersion) else None
        if met:
            same.append(version)
        elif met is None and match.score >= NEAR:
            close.append(version)
    if not same and not close:
        return None
    lead = (
        "Nothing was made: called with the arguments of your example, this gives what it shows."
        if same
        else "Nothing was made, since the shelf has what looks like the same."
    )
    return "\n".join(
        [
            f"{lead} Call one of these if it fits; if none does, ask for {spec.name} again with `reason`: what they "
            "lack.",
            *(as_json(described(one)) for one in (same or close)[:3]),
        ]
    )


async def asked_about(forged: Forged, forge: Forge, consent: Consent) -> Forged:
    """*forged* after whoever may answer was asked about its powers, once for each candidate.

    A person's no with a reason goes to the generator, which may mend the candidate; any other no is the end of it, and
    its reason. While they think, equal requests wait (`Forge`); after a no, when this is cancelled, and while the
    question waits for somebody (UnansweredError), the next one is made.
    """
    asked: set[str] = set()
    try:
        while forged.asks and forged.verdicts[-1].candidate.digest not in asked:
            candidate = forged.verdicts[-1].candidate
            # Once for each candidate: a yes that does not cover what was asked is not asked for again and again.
            asked.add(candidate.digest)
            request = await consent.about(forged.verdicts, forged.cost.dollars)
            answer = await consent.ask(request, forged.pending, forged.work.place if forged.work else None)
            if answer.yes:
                forged = await forge.go_on(forged)
            elif answer.mends and forged.pending and forged.pending.reason != "flow":
                forged = await forge.refused(forged, answer.reason)
            else:
                return replace(forged, reason=f"The answer was no: {answer.reason or 'no reason was given'}")
        return forged
    finally:
        forge.let_go(forged)


def described(version: Usable) -> dict[str, Any]:
    """What a model needs to know to call *version*, as JSON."""
    return {
        "name": version.name,
        "description": version.description,
        "arguments": dict(version.input_schema),
        "returns": dict(version.output_schema),
    }


def made_text(version: Usable) -> str:
    """What the model reads about a tool that is there now."""
    lead = f'{version.name} is ready. Call {version.name}, or run_tool with the name "{version.name}".'
    return f"{lead}\n{as_json(described(version))}"


def spec_of(asked: Mapping[str, Any], namespace: str) -> ToolSpec:
    """The ToolSpec of a model's `request_new_tool` arguments, extra keys and all; SpecError says what to write."""
    return schema.tool_spec(
        tool_name=asked.get("tool_name", asked.get("name", "")),
        description=asked.get("description", ""),
        input_params=asked.get("input_params", ""),
        return_type=asked.get("return_type", "Any"),
        example=asked.get("example", asked.get("examples", "")),
        powers=asked.get("powers"),
        packages=asked.get("packages", ()),
        reason=str(asked.get("reason") or ""),
        effect=asked.get("effect", "none"),
        deterministic=truth(asked, "deterministic", default=True),
        stateful=truth(asked, "stateful", default=False),
        namespace=namespace,
    )


def truth(asked: Mapping[str, Any], key: str, *, default: bool) -> bool:
    """The yes or no that *asked* says of *key*, as a boolean or as the text `true` or `false`; else SpecError."""
    given = asked.get(key)
    if given is None or given == "":
        return default
    word = str(given).strip().lower()
    if word not in ("true", "false"):
        raise SpecError(f"{key} {str(given)[:60]!r} is not true or false.")
    return word == "true"
