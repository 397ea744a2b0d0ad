"""The half of the Python door for tools without a task: called, made, validated, taken in, edited, pruned."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from toolwright import pruning
from toolwright.bringing import POWERS, Bringing
from toolwright.consent import Approve
from toolwright.errors import UserError
from toolwright.folders import ImportReport, OnEach, import_folder
from toolwright.looping import on_this_loop
from toolwright.pruning import Proposal, Rules, prune
from toolwright.tool import ToolSpec, Verdict
from toolwright.toolcalls import ToolCalls
from toolwright.trace import Silence, Sink, new_run_id

if TYPE_CHECKING:
    from toolwright.forge import Forged
    from toolwright.registry import ToolInfo

T = TypeVar("T")


class Errands(ToolCalls):
    """What can be had without a task. `Toolwright` is one.

    Each comes twice: plain, which waits, and with an `a` before its name, to be awaited; an async `approve` then runs
    on the loop that awaits.
    """

    @abstractmethod
    def _may_make(self) -> None:
        """RefusedError where nothing may be made."""

    def make(self, spec: ToolSpec | Mapping[str, Any], *, sink: Sink | None = None) -> Forged:
        """Have the tool of *spec* made, without a task: a ToolSpec, or the keywords of `request_new_tool`.

        RefusedError (reason `limit`) where the setting max_new_tools is 0.
        """
        self._may_make()
        return self._portal.run(self._bringing(sink).make(spec))

    async def amake(self, spec: ToolSpec | Mapping[str, Any], *, sink: Sink | None = None) -> Forged:
        """`make`, awaited."""
        self._may_make()
        return await self._awaited(self._bringing_here(sink).make(spec))

    def request(
        self,
        asked: Mapping[str, Any],
        *,
        source: str = "",
        approve: Approve | None = None,
        errand: str = "",
        sink: Sink | None = None,
    ) -> Forged:
        """What a model of yours asks for with the keywords of `request_new_tool`, outside any run.

        With *source*, which that model wrote itself, no model is asked: it is proven, or the last of `verdicts` says
        which check failed. A tool that does the same is named instead, unless *asked* holds a `reason`. *approve*
        answers in place of the Toolwright's own. *errand* is the `run_id` of a request (of its events) that was not
        answered: what models said in it is not asked for again. SpecError; RefusedError as `make`.
        """
        self._may_make()
        return self._portal.run(self._bringing(sink, approve, errand).request(asked, source))

    async def arequest(
        self,
        asked: Mapping[str, Any],
        *,
        source: str = "",
        approve: Approve | None = None,
        errand: str = "",
        sink: Sink | None = None,
    ) -> Forged:
        """`request`, awaited."""
        self._may_make()
        bringing = self._bringing(sink, on_this_loop(approve or self._approve), errand)
        return await self._awaited(bringing.request(asked, source))

    def validate(self, name: str, source: str, **asked: Any) -> Verdict:
        """Hold the function *name* in *source* against what it says of itself; registers nothing.

        *asked*: `example`, `description`, `input_params`, `return_type`, `hosts`, `packages`, `reads`, `writes`,
        `secrets`, `plain_secrets`, `subprocess`, `effect`, `deterministic`, `stateful`.
        """
        return self._portal.run(self._bringing().validate(name, source, asked))

    async def avalidate(self, name: str, source: str, **asked: Any) -> Verdict:
        """`validate`, awaited."""
        return await self._awaited(self._bringing_here().validate(name, source, asked))

    def import_file(self, path: str | Path, *, name: str | None = None, **asked: Any) -> Forged:
        """Make the function in the file a tool with origin `person`, through the same validator; see `validate`."""
        return self._portal.run(self._bringing().import_file(Path(path), name, asked))

    async def aimport_file(self, path: str | Path, *, name: str | None = None, **asked: Any) -> Forged:
        """`import_file`, awaited."""
        return await self._awaited(self._bringing_here().import_file(Path(path), name, asked))

    def adopt(self, name: str) -> Forged:
        """Validate the tool's file as it was edited by hand; if it passes, it becomes the next version."""
        return self._portal.run(self._bringing().adopt(name))

    async def aadopt(self, name: str) -> Forged:
        """`adopt`, awaited."""
        return await self._awaited(self._bringing_here().adopt(name))

    def edit(self, name: str, source: str, **asked: Any) -> Forged:
        """Validate *source* as the next version of the tool *name*, with origin `person`; what stands stays.

        Schemas, sentence, examples and powers are the tool's own unless *source* or *asked* (see `validate`) changes
        them; powers in *asked* are added. NotFoundError.
        """
        return self._portal.run(self._bringing().edit(name, source, asked))

    async def aedit(self, name: str, source: str, **asked: Any) -> Forged:
        """`edit`, awaited."""
        return await self._awaited(self._bringing_here().edit(name, source, asked))

    def retire(self, name: str, *, why: str = "") -> ToolInfo:
        """Take the tool off the shelf; versions and history stay, `registry.restore` brings it back. NotFoundError."""
        return self.registry.retire(name, why=why)

    def prune(self, *, unused_days: float = 30.0, failing_rate: float = 0.5, failing_calls: int = 3) -> list[Proposal]:
        """Tools of agents that may go: the failing, the superseded, the unused, with evidence. Retires nothing.

        On a shared shelf none is called unused: no home knows what others call.
        """
        rules = Rules(unused_days, failing_rate, failing_calls)
        return prune(self.registry, rules=rules, shared=self.settings.store != "files")

    def retire_proposed(self, chosen: Sequence[Proposal]) -> list[Proposal]:
        """Retire what `prune` proposed, at a person's word: the very versions; those that were still in force."""
        return pruning.retire(self.registry, chosen)

    def prune_by_policy(self, found: Sequence[Proposal]) -> list[Proposal]:
        """Retire those of *found* whose reason the policy lists under `[prune] retire`; those that went.

        None that a person has put back, and none of a shared shelf: there a person says it.
        """
        if self.settings.store != "files":
            return []
        chosen = pruning.by_policy(self.registry, found, self.settings.policy.prune)
        return pruning.retire(self.registry, chosen, "policy")

    def import_folder(
        self,
        path: str | Path,
        *,
        everything: bool = False,
        replacing: bool = False,
        on_each: OnEach | None = None,
        **offered: Sequence[str] | bool,
    ) -> ImportReport:
        """Take the tools of a hand-made registry, a folder with a `manifest.json`; nothing of it runs outside the box.

        *everything* takes files too that the manifest does not name; *replacing* makes a tool whose name is taken the
        next version. *offered* are `hosts`, `packages`, `secrets`, `plain_secrets`, `reads`, `writes` and `subprocess`
        for tools which cannot do without, each asked for as ever. Ctrl-C ends with the report so far. UserError for a
        folder or manifest that cannot be read.
        """
        how = {"everything": everything, "replacing": replacing, "on_each": on_each}
        return self._portal.run(_folder(self._bringing(), path, offered, how))

    async def aimport_folder(
        self,
        path: str | Path,
        *,
        everything: bool = False,
        replacing: bool = False,
        on_each: OnEach | None = None,
        **offered: Sequence[str] | bool,
    ) -> ImportReport:
        """`import_folder`, awaited; *on_each* is called on another thread."""
        how = {"everything": everything, "replacing": replacing, "on_each": on_each}
        return await self._awaited(_folder(self._bringing_here(), path, offered, how))

    def _bringing(self, sink: Sink | None = None, approve: Approve | None = None, errand: str = "") -> Bringing:
        return Bringing(self._parts, self.settings, approve or self._approve, sink or Silence(), errand or new_run_id())

    def _bringing_here(self, sink: Sink | None = None) -> Bringing:
        return self._bringing(sink, on_this_loop(self._approve))

    async def _awaited(self, work: Coroutine[Any, Any, T]) -> T:
        return await self._portal.run_from_loop(work)


def _folder(
    bringing: Bringing, path: str | Path, offered: Mapping[str, Sequence[str] | bool], how: Mapping[str, Any]
) -> Coroutine[Any, Any, ImportReport]:
    if unknown := sorted(set(offered) - set(POWERS)):
        raise UserError(f"{unknown[0]!r} is no kind of power; those are {', '.join(POWERS)}.")
    return import_folder(bringing, Path(path), offered=offered, **how)
