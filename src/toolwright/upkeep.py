"""The half of the Python door that keeps house: records of runs, settings, the machine, requests in words."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from toolwright import configfile
from toolwright.errors import NotFoundError, RefusedError, UserError
from toolwright.portal import Portal
from toolwright.settings import Settings
from toolwright.specifying import Specifying
from toolwright.trace import Event, Run, RunStatus, Silence, Sink, is_run_id, new_run_id
from toolwright.wiring import Parts

if TYPE_CHECKING:
    from toolwright.checkup import Checkup
    from toolwright.tool import ToolSpec


class Upkeep(ABC):
    """Records, settings and the machine. `Toolwright` is one."""

    settings: Settings
    _portal: Portal

    @property
    @abstractmethod
    def _parts(self) -> Parts:
        """The house. UserError once it is closed."""

    def spec(self, words: str, *, sink: Sink | None = None, **settled: Any) -> ToolSpec:
        """What a model makes of *words* as a request for a tool: `tw.make(tw.spec("convert celsius to fahrenheit"))`.

        *settled* are keywords of `request_new_tool` that stand as you say them. One question, and a second one where
        the first answer cannot be used; ModelError after that. Makes nothing.
        """
        return self._portal.run(self._worded(words, settled, sink))

    async def aspec(self, words: str, *, sink: Sink | None = None, **settled: Any) -> ToolSpec:
        """`spec`, awaited."""
        return await self._portal.run_from_loop(self._worded(words, settled, sink))

    async def _worded(self, words: str, settled: Mapping[str, Any], sink: Sink | None) -> ToolSpec:
        self._may_make()
        return await Specifying(self._parts, self.settings, sink or Silence(), new_run_id()).spec(words, settled)

    def _may_make(self) -> None:
        if self.settings.max_new_tools < 1:
            raise RefusedError("No new tool: the limit is 0 (setting max_new_tools, --max-new-tools N).", "limit")

    def config(self) -> list[configfile.SettingValue]:
        """Every setting: its value, where that comes from, its default."""
        return configfile.values(self.settings)

    def doctor(self) -> Checkup:
        """What works on this machine, and the cure for what does not; it takes about a second."""
        from toolwright.checkup import check_up

        own = self.settings
        return check_up(own.home, own.origins.get("home", "given"), own, self._parts.sandbox)

    async def adoctor(self) -> Checkup:
        """`doctor`, awaited."""
        return await asyncio.to_thread(self.doctor)

    def runs(self, *, limit: int = 20, offset: int = 0, status: RunStatus | None = None) -> list[Run]:
        """The runs, newest first; those with *status* only, if one is given."""
        return self._parts.home.runs.list(limit=limit, offset=offset, status=status)

    def run_record(self, run_id: str) -> Run:
        """The run of that id; `last` is the newest, and the beginning of an id is enough where only one begins so.

        NotFoundError, also where several begin so: it names them.
        """
        if is_run_id(run_id):
            return self._parts.home.runs.get(run_id)
        if run_id == "last":
            newest = self.runs(limit=1)
            if not newest:
                raise NotFoundError("There are no runs yet; `toolwright run TASK` makes one.")
            return newest[0]
        if not run_id or not set(run_id) <= set("0123456789abcdef-"):
            raise UserError(f"{run_id!r} is not the id of a run; `toolwright runs` lists them.")
        found = self._parts.home.runs.beginning(run_id)
        if len(found) != 1:
            several = f"Several runs have an id that begins with {run_id!r}: {', '.join(found[:5])}."
            raise NotFoundError(several if found else f"No run has an id {run_id!r}; `toolwright runs` lists them.")
        return self._parts.home.runs.get(found[0])

    def newest_conversation(self) -> Run:
        """The run that ended last and can be gone on from: what `--continue` without an id means. NotFoundError."""
        home = self._parts.home
        if not (run_id := home.turns.newest(self.settings.namespace)):
            raise NotFoundError("There is no earlier conversation to go on with; give a task alone.")
        return home.runs.get(run_id)

    def events(self, run_id: str) -> list[Event]:
        """Everything that happened in a run, in order. NotFoundError."""
        return self._parts.home.runs.events(self.run_record(run_id).id)
