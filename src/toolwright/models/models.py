"""The facade: settings by role in; models for the agent loop and answers for generator and examiner out."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from toolwright.models.asking import AnswerShape, Reply
from toolwright.models.choose import choose, settings_for
from toolwright.models.pricetable import PriceTable
from toolwright.models.values import Ledger, ModelChoice, ModelSettings
from toolwright.models.window import ASSUMED, Window, hosted_window
from toolwright.telemetry import OFF, Telemetry
from toolwright.trace import Cost, Event, Journal, Place, Role

if TYPE_CHECKING:
    import httpx2
    from pydantic_ai.messages import ModelMessage, ModelResponse
    from pydantic_ai.models import Model, ModelRequestParameters

    from toolwright.budgets import BudgetError
    from toolwright.models.budget import Account
    from toolwright.models.embedding import Embedder
    from toolwright.models.loading import AtHome
    from toolwright.models.plain import Speech
    from toolwright.models.record import Recorder
    from toolwright.models.underway import Asking, OnText


RUNS_KEPT = 100
_LEAST_ANSWER = 512
"""Tokens that an answer may have, however small the window."""
_EMBEDDING_S = 30.0
"""Seconds that one request for vectors may take."""


@dataclass(frozen=True, slots=True)
class _Spent:
    role: Role
    place: Place
    cost: Cost


class Models:
    """Every model call of a run goes through here. One instance serves many runs, and one event loop at a time."""

    def __init__(
        self,
        settings: Mapping[str, ModelSettings],
        journal: Journal,
        ledger: Ledger,
        emit: Callable[[Event], None] | None = None,
        *,
        record: Path | None = None,
        own_prices: PriceTable | None = None,
        telemetry: Telemetry = OFF,
    ) -> None:
        """*settings* of the orchestrator serve every role that has none of its own; *record* is written as a script.

        *own_prices* go before the price list.
        """
        self._settings = dict(settings)
        self._journal, self._ledger = journal, ledger
        self._emit = emit or (lambda event: None)
        self._record_path = record
        self.own_prices = own_prices or PriceTable()
        self._telemetry = telemetry
        self._recorder: Recorder | None = None
        self._choices: dict[ModelSettings, ModelChoice] = {}
        self._speeches: dict[ModelChoice, Speech] = {}
        self._homes: dict[ModelChoice, AtHome] = {}
        self._chains: dict[Role, Model] = {}
        self._clients: list[httpx2.AsyncClient] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._spent: OrderedDict[str, list[_Spent]] = OrderedDict()

    def choice(self, role: Role = "orchestrator") -> ModelChoice:
        """The model that *role* takes and why; chosen once. UserError names every way to go on when there is none."""
        own = settings_for(role, self._settings)
        if own not in self._choices:
            self._choices[own] = choose(own)
        return self._choices[own]

    def window(self, role: Role = "orchestrator") -> Window:
        """How much *role*'s model can hold at once, and who says so; a server at home knows it once it is loaded.

        The setting `context_tokens`, else what the server reports, else the price list, else 128,000, assumed.
        """
        own, choice = settings_for(role, self._settings), self.choice(role)
        if own.context_tokens is not None:
            return Window(own.context_tokens, "the setting context_tokens")
        known = self._homes[choice].window if choice in self._homes else choice.window
        if known is None and not choice.server:
            known = hosted_window(choice.provider, choice.name, choice.base_url)
        return known or Window(ASSUMED, "assumed")

    def take(self, name: str) -> ModelChoice:
        """Take the model *name* from now on, for each role without one of its own; UserError leaves all as it was.

        A bare name, and one of the same provider, is asked for where the model before it was.
        """
        now = self.choice("orchestrator")
        here = replace(self._settings.get("orchestrator", ModelSettings()), model=str(now), base_url=now.base_url)
        said = settings_for("generator", {"orchestrator": here, "generator": replace(here, model=name, base_url=None)})
        choice = choose(said)
        self._settings["orchestrator"] = said
        self._chains.clear()
        return choice

    def kept(self) -> dict[str, dict[str, str | None]]:
        """Which model each role takes, as JSON: what a resume needs. Never a key."""
        said = {role: {"model": one.model, "base_url": one.base_url} for role, one in self._settings.items()}
        first = self.choice("orchestrator")
        return said | {"orchestrator": {"model": str(first), "base_url": first.base_url}}

    def assume(self, kept: Mapping[str, Mapping[str, str | None]]) -> None:
        """Take the models of a `kept` for the roles that nobody named a model or an address for."""
        for role in ("orchestrator", "generator", "examiner"):
            own, said = self._settings.get(role, ModelSettings()), kept.get(role, {})
            if said and not (own.model or own.base_url):
                self._settings[role] = replace(own, model=said.get("model"), base_url=said.get("base_url"))

    def agent_model(
        self,
        place: Callable[[], Place],
        role: Role = "orchestrator",
        on_text: OnText | None = None,
        keep: Callable[[str], str] = lambda _: "",
    ) -> Model:
        """A model for the agent loop of one run. *place* is asked once for each call.

        What does not fit into the model's window is shortened; *keep* stores a whole tool result and gives its handle.
        While streaming, *on_text* hears each piece of text; without one, pieces are emitted as `text-delta`.
        """
        from toolwright.models.again import AskedAgain
        from toolwright.models.fitted import Fitted
        from toolwright.models.journal import Journaled, Unrepeated

        places = Unrepeated(place)
        within = Fitted(self._chain(role), lambda: (self.window(role), self._how(role).max_tokens), keep, self._warn)

        def emit_piece(text: str) -> None:
            self._emit(Event("text-delta", places.run_id, {"text": text}))

        model = Journaled(within, self._journal, role, places, self._told, on_text or emit_piece)
        return AskedAgain(model, str(self.choice(role)), self._how(role).max_tokens)

    async def ask(
        self,
        *,
        role: Role,
        system: str,
        user: str,
        answer: AnswerShape,
        place: Place,
        on_text: OnText | None = None,
    ) -> Reply:
        """One question with one offered answer. Never raises for an odd answer; ModelError for a dead provider."""
        from pydantic_ai.messages import ModelRequest, SystemPromptPart, UserPromptPart
        from pydantic_ai.models import ModelRequestParameters
        from pydantic_ai.tools import ToolDefinition

        from toolwright.models.again import AskedAgain
        from toolwright.models.journal import Journaled, Unrepeated
        from toolwright.models.reply import reply_of
        from toolwright.models.speech import ANSWER

        tool = ToolDefinition(
            name=answer.name,
            description=answer.description,
            parameters_json_schema=dict(answer.schema),
            strict=False,
            metadata={ANSWER: answer.in_words},
        )
        asked: list[Asking] = []

        def told(
            call: Asking,
            messages: list[ModelMessage],
            parameters: ModelRequestParameters,
            response: ModelResponse,
            recorded: bool,
        ) -> None:
            asked.append(call)
            self._told(call, messages, parameters, response, recorded)

        model = AskedAgain(
            Journaled(self._chain(role), self._journal, role, Unrepeated(lambda: place), told, on_text),
            str(self.choice(role)),
            self._how(role).max_tokens,
            answers=True,
        )
        request = ModelRequest(parts=[SystemPromptPart(system), UserPromptPart(user)])
        # Free to answer in words: many models write better code outside a tool call, and we read both.
        parameters = ModelRequestParameters(function_tools=[tool], allow_text_output=True)
        response = await model.request([request], None, parameters)
        return reply_of(response, str(self.choice(role)), sum((one.cost for one in asked), Cost()))

    def embedder(self) -> Embedder | None:
        """The embedding model behind retry, budget and provider; None where none was named. Asks nobody yet."""
        from toolwright.models.embedding import ROLE, Embedder

        if ROLE not in self._settings:
            return None
        how = settings_for(ROLE, self._settings)
        # A search goes on without vectors, so that an endpoint which gives none must cost little time.
        retry = replace(how.retry, tries=min(2, how.retry.tries), total_s=10.0)
        how = replace(how, timeout_s=min(how.timeout_s, _EMBEDDING_S), retry=retry)
        return Embedder(lambda: self.choice(ROLE), how, self._account, self._embedded, self._telemetry)

    def _embedded(self, run_id: str, cost: Cost) -> None:
        self._spend(_Spent("embedder", Place(run_id), cost))
        if run_id:
            self._tell_cost("embedder", run_id, cost, recorded=False)

    def cost(self, run_id: str, *, role: Role | None = None, under: Place | None = None) -> Cost:
        """What *run_id* cost so far, recorded answers included; of one role, or of the calls at and below a place.

        Of the last `RUNS_KEPT` runs of this process; the ledger keeps them all.
        """
        total = Cost()
        for spent in self._spent.get(run_id, ()):
            if role in (None, spent.role) and _within(spent.place, under):
                total += spent.cost
        return total

    async def aclose(self) -> None:
        """Close the connections; the instance may be used again afterwards."""
        clients, self._clients = self._clients, []
        self._chains.clear()
        for client in clients:
            await client.aclose()

    def _chain(self, role: Role) -> Model:
        """The links inside the journal, built once for each role and event loop: connections live in one loop."""
        loop = asyncio.get_running_loop() if _loop_runs() else None
        if loop is not self._loop:
            self._loop = loop
            self._chains.clear()
            self._clients.clear()
        if role not in self._chains:
            self._chains[role] = self._build(role)
        return self._chains[role]

    def _how(self, role: Role) -> ModelSettings:
        """The settings of *role*, its output limit within its model's window."""
        how, window = settings_for(role, self._settings), self.window(role)
        if role == "examiner":
            # An endpoint that knows no examiner must cost little time: a run goes on without one.
            how = replace(how, retry=replace(how.retry, tries=min(2, how.retry.tries), total_s=10.0))
        if self.choice(role).server:
            # A model at home may take as long to load as to answer, and an answer gets a quarter of its window at
            # most: some servers refuse a request whose answer would not fit behind it.
            how = replace(how, timeout_s=max(how.timeout_s, how.loading_s))
        return replace(how, max_tokens=min(how.max_tokens, max(_LEAST_ANSWER, window.tokens // 4)))

    def _build(self, role: Role) -> Model:
        from functools import partial

        from toolwright.models.budget import Budgeted
        from toolwright.models.link import Spoken
        from toolwright.models.loading import AtHome, Loaded, until_loaded
        from toolwright.models.plain import Plain, Speech
        from toolwright.models.provider import build, http_client
        from toolwright.models.retry import Retried
        from toolwright.models.traced import Traced

        choice, how = self.choice(role), self._how(role)
        client = http_client(how.timeout_s, choice.base_url)
        self._clients.append(client)
        home = self._homes.setdefault(choice, AtHome(choice, choice.window))
        if how.context_tokens is not None:
            home.window = self.window(role)
        speech = self._speeches.setdefault(choice, Speech(plain=choice.tools is False))
        spoken = Spoken(build(choice, client), how)
        loaded = partial(until_loaded, client, choice.base_url) if choice.base_url else None
        retried = Retried(Budgeted(spoken, self._account(choice), how), choice, how, self._warn, loaded)
        asked: Model = Loaded(retried, home, client, how.loading_s, self._emit)
        if self._telemetry.on:
            asked = Traced(asked, choice, how, self._telemetry)
        return Plain(asked, speech, partial(self._switched, choice))

    def _account(self, choice: ModelChoice) -> Account:
        from toolwright.models.budget import Account
        from toolwright.models.prices import Prices

        return Account(self._ledger, choice, Prices(self.own_prices), self._not_made)

    def _not_made(self, run_id: str, error: BudgetError) -> None:
        self._emit(Event("budget-stop", run_id, error.refusal.to_json()))

    def _switched(self, choice: ModelChoice, run_id: str, why: str) -> None:
        from toolwright.models.servers import kind_of

        kind = kind_of(choice.server)
        cure = f" Started with {kind.tools_on} it would take them." if kind and kind.tools_on and "HTTP" in why else ""
        self._warn(run_id, f"{why}{cure} It is asked in plain text from here on.")

    def _warn(self, run_id: str, text: str) -> None:
        self._emit(Event("warning", run_id, {"text": text}))

    def _told(
        self,
        call: Asking,
        messages: list[ModelMessage],
        parameters: ModelRequestParameters,
        response: ModelResponse,
        recorded: bool,
    ) -> None:
        from toolwright.models.plain import Speech, is_plain

        del parameters
        if recorded and is_plain(response):
            # It was found out before this process: the rest of the run goes on in the same way.
            self._speeches.setdefault(self.choice(call.role), Speech()).plain = True
        self._spend(_Spent(call.role, call.place, call.cost))
        if self._record_path is not None:
            from toolwright.models.record import Recorder

            self._recorder = self._recorder or Recorder(self._record_path)
            self._recorder.add(call.role, messages, response)
        self._tell_cost(call.role, call.place.run_id, call.cost, recorded)

    def _spend(self, spent: _Spent) -> None:
        self._spent.setdefault(spent.place.run_id, []).append(spent)
        while len(self._spent) > RUNS_KEPT:
            self._spent.popitem(last=False)

    def _tell_cost(self, role: Role, run_id: str, one: Cost, recorded: bool) -> None:
        total = self.cost(run_id)
        data = {
            "role": role,
            "tokens_in": total.tokens_in,
            "tokens_out": total.tokens_out,
            "dollars": total.dollars,
            "calls": total.calls,
            "call": {
                "tokens_in": one.tokens_in,
                "tokens_out": one.tokens_out,
                "dollars": one.dollars,
                "tries": one.calls,
                "recorded": recorded,
            },
        }
        self._emit(Event("cost", run_id, data))


def _within(place: Place, under: Place | None) -> bool:
    if under is None:
        return True
    if place.step != under.step:
        return False
    return place.position == under.position or not under.position or place.position.startswith(f"{under.position}.")


def _loop_runs() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
