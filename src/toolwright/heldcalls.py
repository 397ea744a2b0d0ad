"""Calls of somebody else's agent that wait for a person go in; they are found again, and put into words."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from secrets import token_hex
from typing import Any

from toolwright.approving import why_of
from toolwright.asking import COLUMNS, ROWS
from toolwright.asking import lines as asked_in_words
from toolwright.errors import UnansweredError
from toolwright.policy import ApprovalAnswer
from toolwright.store.asked import Asked
from toolwright.trace import OF_ALL_RUNS, Journal, Place

_RUNS, _CALLS = OF_ALL_RUNS


@dataclass(frozen=True, slots=True)
class Held:
    """A call that waits, and the question that it waits for."""

    name: str
    question: int
    asked_at: Place
    """Where the question stands: of the first of equal calls, in whatever run."""
    place: Place
    """Where this call stands."""
    key: str
    """Equal for calls with the same name and arguments."""
    first: bool = True
    """Whether this is the first question that was shown for this call, so that a bare yes can mean no other."""
    told: bool = False
    """Of the last of equal calls: whether it heard a no by its framework, and so waits no more."""


def key_of(namespace: str, name: str, arguments: Any) -> str:
    """What equal calls have in common."""
    said = json.dumps([namespace, name, arguments], sort_keys=True, default=str)
    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()


class HeldBook:
    """What any later process knows of an agent's runs and calls, in the journal. Of equal notes the newest counts."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def began(self, agent_run: str, run_id: str) -> None:
        """The agent's own run *agent_run* is *run_id* in the home."""
        self._add(Place(_RUNS, 0, agent_run), {"run": run_id})

    def run_of(self, agent_run: str) -> str:
        """The run in the home that an agent's own run is; '' if nobody knows."""
        return str((self._newest(Place(_RUNS, 0, agent_run)) or {}).get("run", ""))

    def take(self, name: str, run_id: str, data: Mapping[str, Any]) -> bool:
        """Note *data* under *name* for a run, unless the name is taken; whether it was free."""
        note = {"run": run_id, "data": data, "mark": token_hex(8)}
        self._journal.put("tool", _taken(name), json.dumps(note).encode())
        kept = self.taken(name)
        return kept is not None and kept["mark"] == note["mark"]

    def taken(self, name: str) -> dict[str, Any] | None:
        """What is noted under *name*: `run` and `data`."""
        kept = self._journal.get("tool", _taken(name))
        return None if kept is None else dict(json.loads(kept))

    def times(self, run_id: str) -> int:
        """Count that *run_id* begins or goes on; how often that was, with this time."""
        return self._add(Place(run_id, 0, "visit"), {})

    def keep_notes(self, run_id: str, notes: Mapping[str, object]) -> None:
        """Keep what a run has come to."""
        self._add(Place(run_id, 0, "notes"), notes)

    def notes(self, run_id: str, starts: str = "") -> dict[str, Any] | None:
        """What it had come to: of late, or when the agent's own run *starts* began for the first time."""
        newest = self._newest(Place(run_id, 0, "notes"))
        if not starts:
            return newest
        place = Place(run_id, 0, f"starts {starts}")
        before = self._journal.get("tool", place)
        if before is not None:
            return json.loads(before) or None
        self._journal.put("tool", place, json.dumps(newest or {}).encode())
        return newest

    def hold(self, run_id: str, call_id: str, held: Held) -> None:
        """Note that the call *call_id* of a run waits."""
        for place in _of_call(run_id, call_id, held.key) if call_id else ():
            self._add(place, asdict(held))
        equal = self.of_equal(held.key)
        if equal is None or equal.question != held.question:
            self._add(Place(_CALLS, 0, held.key), asdict(held))

    def told(self, held: Held | None) -> None:
        """Note that the call *held* was told a no by its framework."""
        equal = None if held is None else self.of_equal(held.key)
        if held is not None and equal is not None and equal.question == held.question and not equal.told:
            self._add(Place(_CALLS, 0, held.key), asdict(replace(equal, told=True)))

    def of_call(self, run_id: str, call_id: str, key: str = "") -> Held | None:
        """What the last call *call_id* of a run waits for, or waited; with *key*, the last with these arguments.

        An id alone may mean many calls: there are models that number those of each answer anew.
        """
        return _held(self._newest(_of_call(run_id, call_id, key)[bool(key)])) if call_id else None

    def all_of_call(self, run_id: str, call_id: str) -> list[Held]:
        """What the call *call_id* of a run has waited for so far: each question once, in order."""
        found = [_held(data) for data in self._all(_of_call(run_id, call_id, "")[0])]
        return list({one.question: one for one in reversed(found) if one is not None}.values())[::-1]

    def of_equal(self, key: str) -> Held | None:
        """What the last call like that waits for, or waited."""
        return _held(self._newest(Place(_CALLS, 0, key)))

    def show(self, run_id: str, where: str, name: str, value: Any) -> None:
        """Note that the question *name* of a run was shown, as *value*, by what the framework calls *where*."""
        self._add(Place(run_id, 0, f"shown {where}"), {"name": name, "value": value})

    def shown_at(self, run_id: str, where: str) -> list[tuple[str, Any]]:
        """Name and value of what was shown there, in order."""
        return [(data["name"], data["value"]) for data in self._all(Place(run_id, 0, f"shown {where}"))]

    def over(self, place: Place) -> bool:
        """Whether the call at *place* has ended: what it came to is on record."""
        return self._journal.get("tool", place) is not None

    def _add(self, place: Place, data: Mapping[str, Any]) -> int:
        return self._journal.append("tool", place, json.dumps(data).encode())

    def _newest(self, place: Place) -> dict[str, Any] | None:
        found = self._all(place)
        return found[-1] if found else None

    def _all(self, place: Place) -> list[dict[str, Any]]:
        return [json.loads(data) for data in self._journal.notes("tool", place)]


def _taken(name: str) -> Place:
    return Place(_RUNS, 0, f"taken {name}")


def _of_call(run_id: str, call_id: str, key: str) -> tuple[Place, Place]:
    return Place(run_id, 0, f"held {call_id}"), Place(run_id, 0, f"held {call_id} {key}")


def _held(data: dict[str, Any] | None) -> Held | None:
    if data is None:
        return None
    return Held(**{**data, "asked_at": Place(**data["asked_at"]), "place": Place(**data["place"])})


def shown(asked: Asked, first: bool) -> dict[str, Any]:
    """The question as JSON, for whoever asks the person: `words` as `approvals show` has them, and the parts."""
    request, question = asked.request, asked.request.question
    powers = [
        {"power": one, "why": why_of(request, one), "used": one not in request.unused} for one in question.words()
    ]
    lines = [text for text, _ in asked_in_words(request, COLUMNS, ROWS, "`source` holds all of it") if text]
    if not first:
        lines.append("This is a further question about the call: a yes counts if this metadata is handed back with it.")
    return {
        "question": asked.id,
        "digest": question.digest,
        "kind": request.kind,
        "name": question.name,
        "description": question.description,
        "powers": powers,
        "effect": question.effect,
        "taint": list(request.taint),
        "examples": list(request.examples),
        "checks": list(request.checks),
        "dollars": request.dollars,
        "source": request.source,
        "before": request.before,
        "until": asked.until,
        "run_id": asked.run_id,
        "needs_metadata": not first,
        "words": "\n".join(lines),
    }


def waits(asked: Asked) -> str:
    """What a model reads about its call that waits for a person."""
    question, number = asked.request.question, asked.id
    powers = ", ".join(question.words()) or "a call"
    goes_on = "the same call, made again, goes through"
    if asked.request.kind == "flow":
        goes_on += ", in this run of the agent alone: a yes that comes after its end is good for nothing"
    return (
        f"{question.name} waits for a person (question {number}): it asks for {powers}. `toolwright approvals show "
        f"{number}` shows it, `toolwright approvals approve {number}` says yes; after that {goes_on}."
        f"{asked.waits_until()} Until then go on without it, and say in your answer what waits."
    )


def answer_of(asked: Asked, words: Callable[[Asked], str] = waits) -> ApprovalAnswer:
    """The answer to *asked*; UnansweredError, which says so in *words*, where a person has still to give it."""
    if asked.answer is not None:
        return asked.answer
    raise UnansweredError(words(asked), asked.id)


def bound(said: Any, asked: Asked, first: bool) -> bool:
    """Whether a yes is one to *asked*: it hands back what was shown, or there was nothing else that it could mean."""
    said = said if isinstance(said, Mapping) else {}
    given = {key: said[key] for key in ("question", "digest") if key in said}
    if not given:
        return first
    return given.items() <= {"question": asked.id, "digest": asked.request.question.digest}.items()


def with_no(text: str, asked: Asked | None) -> str:
    """*text*, with the reason of a no to *asked* where it was mended and the text does not say so."""
    answer = None if asked is None else asked.answer
    if asked is None or answer is None or not answer.mends or answer.reason in text:
        return text
    return f"A person said no to what was asked for at first (question {asked.id}): {answer.reason}\n{text}"
