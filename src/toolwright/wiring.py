"""The root: Settings go in, the assembled house comes out; the one place that names concrete classes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from toolwright import __version__, prompts
from toolwright.boxes import box_of
from toolwright.covering import CoveredRegistry
from toolwright.crowding import Uncrowded
from toolwright.errors import NotFoundError
from toolwright.examiner import Examiner
from toolwright.executor import Executor
from toolwright.forge import Forge
from toolwright.generator import Generator
from toolwright.household import House
from toolwright.keeping import keep_to_daily
from toolwright.keptout import homes_of, written_by_tools
from toolwright.livefailures import LiveFailures
from toolwright.models.models import Models
from toolwright.models.pricetable import FILE as PRICES
from toolwright.models.pricetable import read_prices
from toolwright.models.values import ModelSettings
from toolwright.orchestrator import Orchestrator
from toolwright.owntools.naming import named
from toolwright.owntools.servers import mcp_server
from toolwright.owntools.shelf import House as Loops
from toolwright.owntools.shelf import Later, OwnTools
from toolwright.owntools.toolsets import Brought, Given
from toolwright.packagerules import PackageRules
from toolwright.registry import Registry
from toolwright.runs import cut_short
from toolwright.sandbox import Sandbox
from toolwright.sandbox.packages import Environments
from toolwright.search import Meaning
from toolwright.settings import RoleModel, Settings
from toolwright.shelves import shelf_of
from toolwright.store.home import Home
from toolwright.store.secrets import SecretStore
from toolwright.store.vectors import VectorBook
from toolwright.switchboard import Switchboard
from toolwright.telemetry import telemetry_of
from toolwright.trace import Event, Sink
from toolwright.validator import Validator
from toolwright.watched import WatchedBox, WatchedExecutor, WatchedForge, WatchedOrchestrator

PROMPTS = "prompts"
"""Folder of the home whose `ROLE.md` stands in for a built-in prompt."""

AUTHORITY = "authority"
"""Folder of the home with the certificate authority that guests with a bound secret trust."""


SLOTS = "slots"
"""Folder of the home with a file for each guest that may run at once."""


def _cut_short(home: Home, run_id: str) -> bool:
    """Whether that is a run of *home* which died under way."""
    try:
        run = home.runs.get(run_id)
    except NotFoundError:
        return False
    return cut_short(run, home.path / "runs" / run.id)


class HomeSecrets:
    """Granted secrets come from the home's store, else from the environment. Each one handed out is masked."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._store = SecretStore(home.path)

    def get(self, name: str) -> str | None:
        """The value that is kept as *name*, else that of the environment variable. SettingsError, FaultError."""
        value = self._store.get(name) or os.environ.get(name)
        if value:
            self._home.hide({name: value})
        return value


@dataclass(frozen=True, slots=True)
class Parts:
    """The assembled house."""

    home: Home
    registry: Registry
    executor: Executor
    validator: Validator
    forge: Forge
    orchestrator: Orchestrator
    models: Models
    sandbox: Sandbox
    switchboard: Switchboard
    house: House
    environments: Environments

    async def aclose(self) -> None:
        """Close the connections to models, and what holds own tools."""
        await self.models.aclose()
        if self.registry.own is not None:
            await self.registry.own.aclose()

    def close(self) -> None:
        """Close the rest."""
        self.sandbox.close()
        self.environments.close()
        self.registry.close()
        self.home.close()


def build(
    settings: Settings,
    sink: Sink,
    sandbox: Sandbox | None = None,
    record: Path | None = None,
    own: OwnTools | None = None,
) -> Parts:
    """Assemble the house of *settings*. Opens the home; starts nothing and asks nobody."""
    prices = read_prices(settings.home / PRICES)
    home = Home.open(settings.home)
    keep_to_daily(home, settings.keep)
    heard = Switchboard(home, sink)

    def progress(text: str) -> None:
        heard.emit(Event("warning", "", {"text": text}))

    telemetry = telemetry_of(partial(_shown, home), progress, __version__)
    box = sandbox or box_of(settings.sandbox, progress)
    guests = WatchedBox(box, telemetry) if telemetry.on else box
    models = Models(
        _by_role(settings),
        home.journal,
        home.ledger.under(settings.budget, settings.namespace),
        heard.emit,
        record=record,
        own_prices=prices,
        telemetry=telemetry,
    )
    meaning = _meaning(settings, models, home, heard)
    store, trust = shelf_of(settings, home, progress, meaning)
    registry = CoveredRegistry(
        store,
        home.calls,
        home.audit,
        trust=trust,
        setting=partial(_setting, settings, box),
        namespace=settings.namespace,
        room=settings.max_tools,
        own=own,
        warn=progress,
        redacted=home.redacted,
        meaning=meaning,
        permission=lambda: executor.permission,
        yeses=home.approvals,
        cut_short=partial(_cut_short, home),
    )
    environments = Environments(
        settings.home / "environments",
        on_progress=progress,
        unused_days=settings.packages_days,
        needed=registry.locks,
        rules=_package_rules(settings),
    )
    executor = WatchedExecutor(
        Uncrowded(guests, settings.sandboxes, settings.home / SLOTS),
        settings.policy,
        home.approvals,
        environments,
        HomeSecrets(home),
        settings.limits,
        keep_out=homes_of(settings),
        authority=settings.home / AUTHORITY,
        rates=home.rates,
        calls_per_minute=settings.calls_per_minute,
        on_denied=lambda question, refusal: home.approvals.noted("policy-denied", question, "policy", refusal.detail),
    ).under(telemetry)
    validator = Validator(executor, live_runs=home.live_runs, telemetry=telemetry)
    folder = settings.home / PROMPTS
    forge = WatchedForge(
        Generator(models, folder),
        Examiner(models, folder),
        validator,
        registry,
        attempts=settings.attempts,
        max_tools=settings.max_tools,
        failures=LiveFailures(home.journal),
    ).under(telemetry)
    house = House(
        models=models,
        registry=registry,
        executor=executor,
        forge=forge,
        runs=home.runs,
        turns=home.turns,
        journal=home.journal,
        approvals=home.approvals,
        asked=home.asked,
        values=home.values,
        folder=settings.home / "runs",
        prompt=prompts.text("orchestrator", folder),
        pauses=settings.approvals.away == "pause",
    )
    orchestrator = WatchedOrchestrator(house).under(telemetry)
    return Parts(home, registry, executor, validator, forge, orchestrator, models, box, heard, house, environments)


def _shown(home: Home, value: Any) -> Any:
    return home.shown(Event("warning", "", {"value": value})).data["value"]


def _package_rules(settings: Settings) -> PackageRules:
    said = settings.policy.packages
    return replace(said, cooldown_days=settings.packages_cooldown_days) if said.cooldown_days is None else said


def _meaning(settings: Settings, models: Models, home: Home, heard: Sink) -> Meaning | None:
    embed = models.embedder()
    if embed is None:
        return None

    def warn(run_id: str, text: str) -> None:
        heard.emit(Event("warning", run_id, {"text": text}))

    return Meaning(embed, VectorBook.open(settings.home / "vectors.db"), home.redacted, warn)


def _setting(settings: Settings, box: Sandbox) -> dict[str, Any]:
    """How candidates are validated here, for the validator's statement."""
    rules = hashlib.sha256(repr(settings.policy.rules).encode()).hexdigest()
    prompt = hashlib.sha256(prompts.text("generator", settings.home / PROMPTS).encode()).hexdigest()
    return {
        "toolwright": __version__,
        "sandbox": f"{box.name}, {box.profile}",
        "policy": {"rules": len(settings.policy.rules), "sha256": rules},
        "prompt": prompt,
    }


def own_tools(
    settings: Settings,
    house: Loops,
    tools: Sequence[Callable[..., Any] | str] = (),
    toolsets: Sequence[Any] = (),
    mcp: Sequence[str] = (),
    warn: Callable[[str], None] | None = None,
) -> OwnTools:
    """What a person brings beside the shelf, by what they say and by the settings. UserError; starts no server."""
    keep_out = homes_of(settings)
    own = OwnTools(house, settings.namespace, warn, keep_out)
    if settings.functions or any(isinstance(one, str) for one in tools):
        keep_out = (*keep_out, *written_by_tools(settings))
    for name, reference in settings.functions:
        own.bring(Later(partial(named, reference, keep_out), name))
    for one in tools:
        own.register(named(one, keep_out) if isinstance(one, str) else one)
    for toolset in toolsets:
        label = f"toolset {toolset.id or type(toolset).__name__}"
        own.bring(Brought(label, Given(toolset), namespace=settings.namespace))
    for text in (*settings.mcp, *mcp):
        own.bring(mcp_server(text, settings.namespace))
    return own


def _by_role(settings: Settings) -> dict[str, ModelSettings]:
    def of(role: RoleModel) -> ModelSettings:
        return ModelSettings(
            role.model,
            role.base_url,
            stream=settings.stream,
            context_tokens=settings.context_tokens,
            local_servers=settings.local_servers,
        )

    found = {"orchestrator": of(settings.orchestrator)}
    for name, own in (("generator", settings.generator), ("examiner", settings.examiner)):
        if own.model or own.base_url:
            found[name] = of(own)
    if settings.embeddings:
        found["embedder"] = of(RoleModel(settings.embeddings, settings.embeddings_base_url))
    return found
