"""The half of the Python door that keeps house: records of runs, settings, the machine, requests in words."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolwright import configfile, keeping
from toolwright.ceilings import reached
from toolwright.errors import NotFoundError, RefusedError, UserError
from toolwright.evidence import recorded
from toolwright.keeping import Deleted, Stripped
from toolwright.portal import Portal
from toolwright.settings import Settings
from toolwright.specifying import Specifying
from toolwright.store.audit import AuditLine, Verified, head_from
from toolwright.trace import Event, Run, RunStatus, Silence, Sink, new_run_id
from toolwright.wiring import Parts

if TYPE_CHECKING:
    from toolwright.checkup import Checkup
    from toolwright.costs import Costs, Recomputed
    from toolwright.exporting import ToolExport
    from toolwright.permission import Explained
    from toolwright.sandbox.packagesets import PackageSet
    from toolwright.store.ledger import Grouping
    from toolwright.store.secrets import SecretInfo, SecretStore, Where
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
            raise RefusedError(f"No new tool. {reached('new-tools', 0)}", "limit")

    def explain(self, name: str, *, version: int | None = None, **asked: Any) -> Explained:
        """Which rule of the policy decides about the tool *name*, why, and what comes of it; nobody is asked.

        *asked* stands in place of what it has: `hosts`, `reads`, `writes`, `secrets`, `plain_secrets`, `subprocess`,
        `packages`, `description`, `effect`, `origin`, `model`; with any of them, no tool need have that name yet.
        NotFoundError.
        """
        from toolwright.explaining import explained

        return explained(self._parts, self.settings.namespace, name, version, asked)

    def prune_packages(self, *, unused_days: float | None = None) -> list[PackageSet]:
        """Remove the sets of packages that no tool on the shelf needs, no process uses, and nobody used for so long.

        The setting packages_days says how long unless *unused_days* does. What is needed again is built again.
        """
        days = self.settings.packages_days if unused_days is None else unused_days
        return self._parts.environments.collect(days)

    def export(
        self,
        name: str,
        form: str,
        *,
        version: int | None = None,
        out: str | Path | None = None,
        force: bool = False,
    ) -> ToolExport:
        """Write the tool *name* as a `script`, `package` (a wheel), `skill` or `mcp` (a server of its own).

        *out* is the place itself or a folder for it, which is the current one without it; what stands there already is
        replaced with *force* only. See docs/export.md. NotFoundError, UserError, RefusedError.
        """
        from toolwright.exporting import export

        place = None if out is None else Path(out)
        return export(self._parts.registry, self.settings.home, name, form, number=version, out=place, force=force)

    def config(self) -> list[configfile.SettingValue]:
        """Every setting: its value, where that comes from, its default."""
        return configfile.values(self.settings)

    def doctor(self) -> Checkup:
        """What works on this machine, and the cure for what does not; it takes a few seconds."""
        from toolwright.checkup import check_up

        own = self.settings
        return check_up(own.home, own.origins.get("home", "given"), own, self._parts.sandbox)

    async def adoctor(self) -> Checkup:
        """`doctor`, awaited."""
        return await asyncio.to_thread(self.doctor)

    def secrets(self) -> list[SecretInfo]:
        """The secrets that this home keeps: name, where, since when; never a value."""
        return self._secrets.list()

    def set_secret(self, name: str, value: str, *, where: Where | None = None) -> SecretInfo:
        """Keep *value* as the secret *name*, in the OS keyring where one works, else in a private file in the home.

        *where*: `keyring` or `file`, and no other. UserError for what cannot be a name or a value; neither is repeated.
        """
        kept, _ = self._secrets.set(name, value, where)
        self._parts.home.hide({name: value})
        return kept

    def remove_secret(self, name: str) -> SecretInfo:
        """Forget the secret *name*; what it was. NotFoundError."""
        return self._secrets.remove(name)

    @property
    def _secrets(self) -> SecretStore:
        from toolwright.store.secrets import SecretStore

        return SecretStore(self._parts.home.path)

    def runs(self, *, limit: int = 20, offset: int = 0, status: RunStatus | None = None) -> list[Run]:
        """The runs, newest first; those with *status* only, if one is given."""
        return self._parts.home.runs.list(limit=limit, offset=offset, status=status)

    def run_record(self, run_id: str) -> Run:
        """The run of that id; `last` is the newest, and the beginning of an id is enough where only one begins so.

        NotFoundError, also where several begin so: it names them.
        """
        runs = self._parts.home.runs
        return runs.get(runs.named(run_id))

    def costs(
        self,
        by: Grouping = "day",
        *,
        since: float | None = None,
        until: float | None = None,
        tenant: str | None = None,
    ) -> Costs:
        """What model calls cost, by `day`, `run`, `tool`, `model` or `tenant`, from *since* to *until* (Unix seconds).

        Tools come with what they served and saved. UserError for another grouping.
        """
        from toolwright import costs

        if by not in costs.GROUPINGS:
            raise UserError(f"Costs are summed by {', '.join(costs.GROUPINGS)}, not by {by!r}.")
        home, own = self._parts.home, self.settings
        found = costs.costs(
            home.ledger, home.calls, self._parts.registry, by, since or 0.0, until, tenant, own.namespace
        )
        return replace(found, caps=costs.states_of(own.budget, home.ledger, tenant or own.namespace))

    def recompute_costs(self) -> Recomputed:
        """Reckon what each model call cost by its raw counts and the prices of today; what a provider charged stays."""
        from toolwright import costs
        from toolwright.models.prices import Prices

        return costs.recompute(self._parts.home.ledger, Prices(self._parts.models.own_prices))

    def newest_conversation(self) -> Run:
        """The run that ended last and can be gone on from: what `--continue` without an id means. NotFoundError."""
        home = self._parts.home
        if not (run_id := home.turns.newest(self.settings.namespace)):
            raise NotFoundError("There is no earlier conversation to go on with; give a task alone.")
        return home.runs.get(run_id)

    def delete_runs(self, *run_ids: str, conversation: bool = False, force: bool = False) -> Deleted:
        """Delete these runs for good: what happened, was said and came out, and their files; costs and audit stay.

        All or none: NotFoundError, UserError where one is under way, waits for a person (*force* deletes it all the
        same), or where others go on from it (*conversation* deletes those too).
        """
        found = [self.run_record(one).id for one in run_ids]
        return keeping.delete_runs(self._parts.home, found, conversation=conversation, force=force)

    def delete_runs_before(self, when: float, *, force: bool = False) -> Deleted:
        """`delete_runs` of all that began before *when* (Unix seconds); `left` says which stay, and why."""
        return keeping.delete_before(self._parts.home, when, force=force)

    def prune_runs(self) -> Stripped:
        """Remove what is older than the settings `keep.…` say; how many runs lost traces, values, prompts."""
        return keeping.keep_to(self._parts.home, self.settings.keep)

    def audit(self, *, limit: int = 100, run_id: str = "", name: str = "") -> list[AuditLine]:
        """What was decided in this home, newest first: each line with its `deed`, `id` and `hash`."""
        return list(self._parts.home.audit.latest(run_id=run_id, name=name, limit=limit))

    def verify_audit(self, head: str | None = None) -> Verified:
        """Hold every line of the audit against the chain: `whole`, `problem`, `line`, `head`.

        *head*, `COUNT:HASH`, is one that was kept elsewhere: the audit must have come by it. UserError.
        """
        return self._parts.home.audit.verify(None if head is None else head_from(head))

    def events(self, run_id: str, *, after: int = 0) -> list[Event]:
        """Everything that happened in a run, in order, behind the first *after*. NotFoundError."""
        return self._parts.home.runs.events(self.run_record(run_id).id, after)

    def recorded_calls(self, run_id: str) -> list[dict[str, Any]]:
        """How each call of a tool in a run ended, with all that it printed and asked of hosts: see docs/json.md.

        In the order of recording, without values. NotFoundError.
        """
        journal = self._parts.home.journal
        found: list[dict[str, Any]] = []
        for role, place in journal.places(self.run_record(run_id).id):
            if role == "tool":
                found += recorded(place, journal.get(role, place) or b"{}")
        return found
