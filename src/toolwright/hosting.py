"""The half of the Python door for other agents: their loop and their model, our shelf, sandbox and guardrails."""

from __future__ import annotations

import weakref
from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Literal

from toolwright.consent import Approve
from toolwright.errors import UserError
from toolwright.household import Options
from toolwright.portal import Portal
from toolwright.wiring import Parts

if TYPE_CHECKING:
    from toolwright.guestruns import GuestRuns
    from toolwright.toolset import ToolwrightToolset
    from toolwright.visiting import Asks, Visits


class Hosting(ABC):
    """What an agent of another framework is given. `Toolwright` is one."""

    _portal: Portal
    _approve: Approve | None
    _guests: weakref.WeakSet[GuestRuns]

    @property
    @abstractmethod
    def _parts(self) -> Parts:
        """The house. UserError once it is closed."""

    @abstractmethod
    def _options(self) -> Options:
        """What holds for a run."""

    def toolset(self, *, id: str = "toolwright", approvals: Asks = "house") -> ToolwrightToolset:  # noqa: A002
        """A Pydantic AI toolset: `Agent(model, toolsets=[tw.toolset()])` makes, proves, keeps and calls tools.

        *approvals* `house`: `approve` is asked, or the setting `approvals.away` heeded. `framework`: a call that needs
        a yes is deferred, and the agent's run ends with `DeferredToolRequests` (docs/approvals.md).
        """
        from toolwright.adapters.pydantic_ai import GuestToolset

        visits = self._visits(id, approvals)
        return GuestToolset(visits, approvals, bridge=self._portal.run_from_loop)

    def guest_runs(self, *, id: str, approvals: Asks = "house") -> GuestRuns:  # noqa: A002
        """What an adapter to a framework stands on: its threads and tool calls go in, what they are answered comes out.

        *id* keeps the threads of one adapter from those of another. *approvals* as `toolset`: with `framework` a call
        that needs a yes comes back as the question that it waits for.
        """
        from toolwright.guestruns import GuestRuns

        runs = GuestRuns(self._visits(id, approvals), self._portal)
        self._guests.add(runs)
        return runs

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
        for one in list(self._guests):
            await one.aclose()
