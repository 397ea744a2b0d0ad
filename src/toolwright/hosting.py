"""The half of the Python door for other agents: their loop and their model, our shelf, sandbox and guardrails."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, Literal

from toolwright.consent import Approve
from toolwright.errors import NotFoundError, UserError
from toolwright.household import Options
from toolwright.portal import Portal
from toolwright.presented import fixed, in_order, of_info
from toolwright.wiring import Parts
from toolwright.workbench import GUIDE

if TYPE_CHECKING:
    from toolwright.adapters.schemas import Form
    from toolwright.guestruns import GuestRuns
    from toolwright.toolset import ToolwrightToolset
    from toolwright.visiting import Asks, Visits


class Hosting(ABC):
    """What an agent of another framework is given. `Toolwright` is one."""

    _portal: Portal
    _approve: Approve | None
    _guests: dict[tuple[str, str], GuestRuns]

    @property
    @abstractmethod
    def _parts(self) -> Parts:
        """The house. UserError once it is closed."""

    @abstractmethod
    def _options(self) -> Options:
        """What holds for a run."""

    def toolset(
        self,
        *,
        id: str = "toolwright",  # noqa: A002
        approvals: Asks = "house",
        guide: str | None = GUIDE,
    ) -> ToolwrightToolset:
        """A Pydantic AI toolset: `Agent(model, toolsets=[tw.toolset()])` makes, proves, keeps and calls tools.

        *id* names its work for durable engines, which find their runs again by it (docs/pydantic-ai.md).
        *approvals* `house`: `approve` is asked, or the setting `approvals.away` heeded. `framework`: a call that needs
        a yes is deferred, and the agent's run ends with `DeferredToolRequests` (docs/approvals.md). *guide* is what the
        model is told beside the agent's instructions; None for nothing.
        """
        from toolwright.adapters.pydantic_ai import GuestToolset

        visits = self._visits(id, approvals)
        return GuestToolset(visits, approvals, bridge=self._portal.run_from_loop, guide=guide)

    def schemas(
        self, form: Form, *, names: Sequence[str] | None = None, limit: int | None = None, source: bool = False
    ) -> list[dict[str, Any]]:
        """What an SDK takes as `tools`, for a loop of your own that answers with `call`.

        *form*: `openai-chat`, `openai-responses`, `anthropic`, `gemini`, `mcp`. The fixed tools come first, then your
        own, then those of the shelf in the order in which they came: what is made later stands at the end, and a new
        version in the place of the old. At most *limit* (100) stand beside the fixed; the others are found by
        `search_tools` and called through `run_tool`. *names*: these and no others, in this order. With *source* the
        model is asked to write the tools that it requests. UserError; NotFoundError for a name that nobody has.
        """
        from toolwright.adapters.schemas import MOST, in_form

        registry = self._parts.registry
        own = registry.own.names() if registry.own else []
        infos = in_order(registry.list(), own, lambda name: min(one.created_at for one in registry.history(name)))
        if names is not None:
            known = {one.name: one for one in infos}
            if unknown := [one for one in names if one not in known]:
                raise NotFoundError(f"No tool is named {unknown[0]!r}; `toolwright tools` lists them.")
            infos = [known[one] for one in dict.fromkeys(names)]
        most = limit if limit is not None else len(infos) if names is not None else MOST
        if most < 0:
            raise UserError(f"limit={limit} is no number of tools; give 0 or more.")
        return in_form(form, [*fixed(source=source), *map(of_info, infos[:most])])

    def guest_runs(self, *, id: str, approvals: Asks = "house") -> GuestRuns:  # noqa: A002
        """What an adapter to a framework stands on: its threads and tool calls go in, what they are answered comes out.

        *id* keeps the threads of one adapter from those of another. *approvals* as `toolset`: with `framework` a call
        that needs a yes comes back as the question that it waits for. Asked for again, it is the same object.
        """
        from toolwright.guestruns import GuestRuns

        visits = self._visits(id, approvals)
        # It holds runs open, whatever becomes of the adapter that began them.
        return self._guests.setdefault((id, approvals), GuestRuns(visits, self._portal))

    def as_langchain_tools(
        self,
        *,
        names: Collection[str] = (),
        approvals: Asks = "house",
        interrupt_on: Collection[str] | Literal[True] = (),
        id: str = "langchain",  # noqa: A002
    ) -> list[Any]:
        """LangChain tools for a graph built by hand: the fixed three, and the tools of the shelf called *names*.

        A thread of the graph is a run. *approvals* and *interrupt_on* as `ToolwrightMiddleware` has them
        (docs/langchain.md). NotFoundError for a name that is not on the shelf. Needs `toolwright[langchain]`.
        """
        from toolwright.adapters.langchain import shelf_tools

        runs = self.guest_runs(id=id, approvals=approvals)
        return shelf_tools(runs, self._parts.house.registry, names, approvals, interrupt_on)

    def _visits(self, toolset_id: str, approvals: Asks) -> Visits:
        from toolwright.visiting import Visits

        if approvals not in ("house", "framework"):
            raise UserError(f"approvals={approvals!r} is none of 'house', 'framework'.")
        theirs, parts = approvals == "framework", self._parts
        approve = None if theirs else self._approve
        pauses = theirs or parts.house.pauses
        return Visits(parts.house, self._options(), approve, parts.switchboard, toolset_id, pauses)

    async def _guests_out(self) -> None:
        """End the runs that adapters hold open. On the portal's loop."""
        for one in list(self._guests.values()):
            await one.aclose()
