"""A person's own words go in; the ToolSpec that a model makes of them comes out, checked, for one question or two."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from toolwright import prompts
from toolwright.ceilings import reached
from toolwright.errors import ModelError, NotFoundError, RefusedError, SpecError, UserError
from toolwright.models.asking import AnswerShape, Reply
from toolwright.requests import spec_of
from toolwright.schema import same_schema
from toolwright.settings import Settings
from toolwright.specfile import checked
from toolwright.tool import ToolSpec
from toolwright.trace import Place, Role, Sink
from toolwright.wiring import PROMPTS, Parts
from toolwright.workbench import FIXED_TOOLS

ROLE: Role = "orchestrator"
_TRIES = 2
_LONGEST_WORDS = 20_000
_LISTED = 5


def _shape() -> AnswerShape:
    request = next(one for one in FIXED_TOOLS if one.name == "request_new_tool")
    return AnswerShape(request.name, request.description, request.schema)


@dataclass(frozen=True, slots=True)
class Specifying:
    """Words a request for a tool. *run_id* is its place in the journal and on the bill."""

    parts: Parts
    settings: Settings
    sink: Sink
    run_id: str

    async def spec(self, words: str, settled: Mapping[str, Any]) -> ToolSpec:
        """The ToolSpec of *words*; what is in *settled* (keywords of `request_new_tool`) stands as it was said.

        An answer that cannot be used, or whose name another tool has, is asked for once more with the reason. Raises
        UserError before anything is asked, ModelError for a model that fails or cannot word it, RefusedError (reason
        `registry-full`) where no tool could be kept.
        """
        if not words.strip():
            raise UserError("There are no words; say in a sentence what the tool is to do.")
        if len(words) > _LONGEST_WORDS:
            raise UserError(
                f"There are {len(words):,} characters of words; at most {_LONGEST_WORDS:,} are read (fixed)."
            )
        settled = checked(settled, "what is settled")
        await asyncio.to_thread(self._check_room)
        with self.parts.switchboard.listening(self.run_id, self.sink):
            return await self._asked(words, settled)

    async def _asked(self, words: str, settled: Mapping[str, Any]) -> ToolSpec:
        user = await asyncio.to_thread(self._question, words, settled)
        why, last = "", None
        for attempt in range(_TRIES):
            reply = await self.parts.models.ask(
                role=ROLE,
                system=prompts.text(ROLE, self.settings.home / PROMPTS, page="request"),
                user=user if last is None else f"{user}\n\n{_again(last, why)}",
                answer=_shape(),
                place=Place(self.run_id, 0, f"spec{attempt}"),
            )
            try:
                spec = spec_of({**_said(reply), **settled}, self.settings.namespace)
            except SpecError as error:
                why, last = str(error), reply
                continue
            taken = await asyncio.to_thread(self._taken, spec)
            if not taken or attempt + 1 == _TRIES or "tool_name" in settled:
                return spec  # a name that is taken all the same is said by whoever goes on with it
            why, last = taken, reply
        raise ModelError(
            f"The model could not word a request for this tool, asked {_TRIES} times. The last one cannot be used: "
            f"{why} Say it more exactly, or say the parts yourself: toolwright make NAME -d '…' -p '…' -r '…' -e '…'."
        )

    def _check_room(self) -> None:
        most = self.settings.max_tools
        if self.parts.registry.count() >= most:
            raise RefusedError(f"No tool can be made. {reached('tools', most)}", "registry-full")

    def _question(self, words: str, settled: Mapping[str, Any]) -> str:
        lines = [f"The tool that is wanted, in the person's words:\n\n{words.strip()}"]
        if settled:
            lines.append(f"Settled by the person: {json.dumps(settled, ensure_ascii=False, default=str)}")
        found = [match.info for match in self.parts.registry.search(words, limit=_LISTED)]
        if found:
            listed = "\n".join(f"- {info.name}: {info.description}" for info in found)
            lines.append(f"Names that are taken, by tools that are there already:\n{listed}")
        return "\n\n".join(lines)

    def _taken(self, spec: ToolSpec) -> str:
        """Why the name of *spec* cannot be had; '' if it can, or if its tool is just what is asked for."""
        try:
            holder = self.parts.registry.get(spec.name)
        except (NotFoundError, UserError):
            return ""
        own = holder.spec
        if same_schema(own.input_schema, spec.input_schema) and same_schema(own.output_schema, spec.output_schema):
            return ""
        return f"tool_name {spec.name!r} is taken by another tool ({own.description}); choose another name."


def _said(reply: Reply) -> Mapping[str, Any]:
    """The request in *reply*, also where it stands one level deeper. SpecError if there is none."""
    said: Any = reply.data
    for _ in range(2):
        inner = said.get("arguments", said.get("parameters")) if isinstance(said, Mapping) else None
        if isinstance(inner, str):
            try:
                inner = json.loads(inner)
            except ValueError:
                inner = None
        if isinstance(inner, Mapping) and "description" not in said:
            said = inner
    if not isinstance(said, Mapping):
        cut = " It was cut off at the output limit." if reply.truncated else ""
        raise SpecError(f"the answer holds no request: call request_new_tool with its arguments.{cut}")
    return said


def _again(reply: Reply, why: str) -> str:
    said = json.dumps(reply.data, ensure_ascii=False) if reply.data is not None else reply.text
    return f"You answered before:\n{said[:4000]}\n\nThat cannot be used: {why}\nAnswer again, with that mended."
