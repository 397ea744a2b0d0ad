"""A scripted model behind real HTTP, and the house's own parts around it: home, sandbox, validator, registry."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from toolwright.consent import Approve, Consent
from toolwright.examiner import Examiner
from toolwright.executor import Executor
from toolwright.forge import Forge, Forged
from toolwright.generator import Generator
from toolwright.models.models import Models
from toolwright.models.scripted import ScriptedServer
from toolwright.models.values import ModelSettings, RetrySettings
from toolwright.policy import Policy
from toolwright.registry import Registry
from toolwright.requests import asked_about
from toolwright.sandbox.linux import LinuxSandbox
from toolwright.sandbox.packages import Environments
from toolwright.schema import tool_spec
from toolwright.search import FtsRetriever
from toolwright.shelves import trust_of
from toolwright.store.home import Home
from toolwright.store.local import LocalStore
from toolwright.tool import ToolSpec
from toolwright.trace import Event, Place, Silence, new_run_id
from toolwright.validator import Validator
from toolwright.wiring import HomeSecrets

T = TypeVar("T")
QUICK = RetrySettings(tries=2, first_s=0.01, most_s=0.02, total_s=5.0)


def convert_spec(**changes: Any) -> ToolSpec:
    asked: dict[str, Any] = {
        "tool_name": "convert",
        "description": "Convert an amount of money by an exchange rate.",
        "input_params": "amount: float, rate: float",
        "return_type": "float",
        "example": "convert(100.0, 3.71) == 371.0",
    }
    return tool_spec(**{**asked, **changes})


RIGHT = '''def convert(amount: float, rate: float) -> float:
    """Convert *amount* by *rate*."""
    return amount * rate
'''
WRONG = RIGHT.replace("amount * rate", "amount + rate")


def writes(answer: Any, **when: Any) -> dict[str, Any]:
    """A turn of the generator: a structure as a tool call, or a text."""
    more = {key: when.pop(key) for key in ("finish", "delay", "usage", "times") if key in when}
    body = {"text": answer} if isinstance(answer, str) else {"calls": [{"name": "submit_tool", "arguments": answer}]}
    return {"when": {"role": "generator", **when}, "plain": True, **body, **more}


def examines(answer: Any, **when: Any) -> dict[str, Any]:
    """A turn of the examiner."""
    more = {key: when.pop(key) for key in ("delay", "usage", "times") if key in when}
    body = (
        {"text": answer} if isinstance(answer, str) else {"calls": [{"name": "submit_examples", "arguments": answer}]}
    )
    return {"when": {"role": "examiner", **when}, "plain": True, **body, **more}


ONLINE = '''from urllib.request import urlopen


def convert(amount: float, rate: float) -> float:
    """Convert *amount* by *rate*, as the service does it."""
    with urlopen(f"http://127.0.0.1:9/{amount}", timeout=5) as answer:
        return float(answer.read()) * rate
'''
POWERS = {"hosts": ["http://127.0.0.1:9"]}

FIRST, SECOND = "Set the test", "Give the values"


class Shop:
    """One scripted model, one home; each ask stands at a place of its own unless told otherwise."""

    def __init__(self, home: Path, server: ScriptedServer) -> None:
        self.home, self.server = home, server
        self.store = Home.open(home)
        self.registry = Registry(LocalStore(home, FtsRetriever()), self.store.calls, trust=trust_of(home))
        self.events: list[Event] = []
        self.run_id = new_run_id()

    def asked(self, role: str) -> list[str]:
        """The user messages that arrived for *role*, in order."""
        return [_user(one.body) for one in self.server.log if one.role == role]

    def with_models(self, work: Callable[[Models], Awaitable[T]]) -> T:
        async def once() -> T:
            settings = ModelSettings("openai:scripted", self.server.base_url, retry=QUICK)
            models = Models({"orchestrator": settings}, self.store.journal, self.store.ledger, self.events.append)
            try:
                return await work(models)
            finally:
                await models.aclose()

        return asyncio.run(once())

    def forge(
        self, models: Models, *, policy: Policy | None = None, folder: Path | None = None, **limits: Any
    ) -> Forge:
        secrets = HomeSecrets(self.store)
        environments = Environments(self.home / "environments")
        executor = Executor(LinuxSandbox(), policy or Policy(), self.store.approvals, environments, secrets)
        return Forge(Generator(models, folder), Examiner(models, folder), Validator(executor), self.registry, **limits)

    def make(self, spec: ToolSpec, place: Place | None = None, **more: Any) -> Forged:
        async def work(models: Models) -> Forged:
            forge = self.forge(models, **more)
            return await forge.make(spec, run_id=self.run_id, place=place or self.place(0), emit=self.events.append)

        return self.with_models(work)

    async def ask_for(self, forge: Forge, spec: ToolSpec, approve: Approve, position: int | str = 0) -> Forged:
        """*spec* as a run of its own asks for it; *approve* is asked about powers."""
        run_id = new_run_id()
        place = Place(run_id, 1, str(position))
        forged = await forge.make(spec, run_id=run_id, place=place, emit=self.events.append)
        return await asked_about(forged, forge, Consent(approve, self.store.approvals, Silence(), run_id))

    def heard(self, kind: str, *keys: str) -> list[Any]:
        """The events of *kind*: their data, or the values of *keys*."""
        found = [event.data for event in self.events if event.kind == kind]
        return [tuple(data[key] for key in keys) for data in found] if keys else [dict(data) for data in found]

    def write(self, spec: ToolSpec, place: Place | None = None) -> Any:
        return self.with_models(lambda models: Generator(models).write(spec, place or self.place(0)))

    def contract(self, spec: ToolSpec) -> Any:
        return self.with_models(lambda models: Examiner(models).contract(spec, self.place(0)))

    def place(self, position: int | str) -> Place:
        return Place(self.run_id, 1, str(position))


def _user(body: Any) -> str:
    content = [one["content"] for one in body["messages"] if one["role"] == "user"][-1]
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
