"""The root: Settings go in, the assembled house comes out; the one place that names concrete classes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from toolwright import prompts
from toolwright.examiner import Examiner
from toolwright.executor import Executor
from toolwright.forge import Forge
from toolwright.generator import Generator
from toolwright.models.models import Models
from toolwright.models.values import ModelSettings
from toolwright.orchestrator import House, Orchestrator
from toolwright.owntools.naming import named
from toolwright.owntools.servers import mcp_server
from toolwright.owntools.shelf import House as Loops
from toolwright.owntools.shelf import Later, OwnTools
from toolwright.owntools.toolsets import Brought, Given
from toolwright.registry import Registry
from toolwright.sandbox import Sandbox
from toolwright.sandbox.linux import LinuxSandbox
from toolwright.sandbox.packages import Environments
from toolwright.search import FtsRetriever
from toolwright.settings import RoleModel, Settings
from toolwright.store.home import Home
from toolwright.store.local import LocalStore
from toolwright.trace import Event, Sink
from toolwright.validator import Validator

PROMPTS = "prompts"
"""Folder of the home whose `ROLE.md` stands in for a built-in prompt."""


class Switchboard:
    """The sink of the whole house: keeps each event, hands it to *everything*, and to who listens to its run.

    Pieces of streamed text are not kept.
    """

    def __init__(self, home: Home, everything: Sink) -> None:
        self._runs, self._everything = home.runs, everything
        self._listeners: dict[str, Sink] = {}

    @contextmanager
    def listening(self, run_id: str, sink: Sink) -> Iterator[None]:
        """*sink* hears what happens in the run *run_id*."""
        self._listeners[run_id] = sink
        try:
            yield
        finally:
            del self._listeners[run_id]

    def emit(self, event: Event) -> None:
        """Keep it and hand it on; what belongs to no run is not kept."""
        if event.run_id and event.kind != "text-delta":
            self._runs.append(event)
        self._everything.emit(event)
        if (listener := self._listeners.get(event.run_id)) is not None:
            listener.emit(event)


class EnvironmentSecrets:
    """Granted secrets come from this process's environment; see docs/decisions/0003. Each one handed out is masked."""

    def __init__(self, home: Home) -> None:
        self._home = home

    def get(self, name: str) -> str | None:
        """The value of the environment variable *name*."""
        value = os.environ.get(name)
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

    async def aclose(self) -> None:
        """Close the connections to models, and what holds own tools."""
        await self.models.aclose()
        if self.registry.own is not None:
            await self.registry.own.aclose()

    def close(self) -> None:
        """Close the rest."""
        self.sandbox.close()
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
    home = Home.open(settings.home)
    registry = Registry(
        LocalStore(settings.home, FtsRetriever()),
        home.calls,
        home.audit,
        namespace=settings.namespace,
        room=settings.max_tools,
        own=own,
    )
    box = sandbox or LinuxSandbox(profile=settings.sandbox)
    heard = Switchboard(home, sink)

    def progress(text: str) -> None:
        heard.emit(Event("warning", "", {"text": text}))

    environments = Environments(settings.home / "environments", on_progress=progress)
    executor = Executor(
        box,
        settings.policy,
        home.approvals,
        environments,
        EnvironmentSecrets(home),
        settings.limits,
        keep_out=(settings.home,),
    )
    validator = Validator(executor, live_runs=home.live_runs)
    models = Models(_by_role(settings), home.journal, home.ledger, heard.emit, record=record)
    folder = settings.home / PROMPTS
    forge = Forge(
        Generator(models, folder),
        Examiner(models, folder),
        validator,
        registry,
        attempts=settings.attempts,
        max_tools=settings.max_tools,
    )
    house = House(
        models=models,
        registry=registry,
        executor=executor,
        forge=forge,
        runs=home.runs,
        turns=home.turns,
        journal=home.journal,
        approvals=home.approvals,
        values=home.values,
        folder=settings.home / "runs",
        prompt=prompts.text("orchestrator", folder),
    )
    return Parts(home, registry, executor, validator, forge, Orchestrator(house), models, box, heard, house)


def own_tools(
    settings: Settings,
    house: Loops,
    tools: Sequence[Callable[..., Any] | str] = (),
    toolsets: Sequence[Any] = (),
    mcp: Sequence[str] = (),
    warn: Callable[[str], None] | None = None,
) -> OwnTools:
    """What a person brings beside the shelf, by what they say and by the settings. UserError; starts no server."""
    keep_out: tuple[Path, ...] = (settings.home,)
    own = OwnTools(house, settings.namespace, warn, keep_out)
    if settings.functions or any(isinstance(one, str) for one in tools):
        keep_out = (*keep_out, *_written(settings))
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


def _written(settings: Settings) -> list[Path]:
    """The folders that generated tools may write to, by the policy and by what a person said yes to."""
    found = [path for rule in settings.policy.rules if rule.action != "deny" for path in rule.writes]
    if (settings.home / "home.db").exists():
        with closing(Home.open(settings.home)) as home:
            found += [path for _, one in home.approvals.list(settings.namespace) for path in one.grant.writes]
    return list(map(Path, dict.fromkeys(found)))


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
    return found
