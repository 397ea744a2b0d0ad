"""What an attack is: a tool's source, the proof that it got what it was after, and how that shows without a wall."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from toolwright.powers import NO_POWERS, Grant, Limits
from toolwright.sandbox import Exit

if TYPE_CHECKING:
    from toolwright.escape.world import World

LIMITS = Limits(wall_s=1.5, cpu_s=1.5, output_bytes=2**18)
"""Of a call, unless an attack says otherwise: short, so that bombs cost little time."""

PLANTED = re.compile("planted" + "-secret-[0-9a-f]{8}")
"""What every secret in the world looks like, wherever it is found."""

_AT_HAND = Path(__file__).with_name("at_hand.py").read_text("utf-8")
_DIED_EARLY = frozenset({"NameError", "SyntaxError", "TypeError", "AttributeError", "KeyError", "UnboundLocalError"})


@dataclass(frozen=True, slots=True)
class Left:
    """One file, folder or other thing in the folder of a run: its path in there, its mode with its kind, its text."""

    path: str
    mode: int
    size: int
    text: str


@dataclass(slots=True)
class Seen:
    """What an attack left behind, in the box or without a wall: the same in both, so that one proof judges both."""

    exits: list[Exit] = field(default_factory=list)
    """How each call of the attack itself ended, in order."""
    values: list[Any] = field(default_factory=list)
    """What each of them answered: the value, or the text of its error, or None."""
    before: Any = None
    beside: Any = None
    after: Any = None
    """What the calls before, beside and after it answered."""
    others: dict[str, Exit] = field(default_factory=dict)
    """How those ended, by `before`, `beside`, `after`."""
    seconds: float = 0.0
    hits: int = 0
    """Connections and datagrams that reached a server of the world, and whatever a stage counts as one."""
    changes: list[str] = field(default_factory=list)
    """What in the world is no longer as it was planted."""
    left: list[Left] = field(default_factory=list)
    """What was taken back of what it left in its work folder."""

    @property
    def exit(self) -> Exit:
        """How the last call of the attack ended."""
        return self.exits[-1]

    @property
    def value(self) -> Any:
        """What the last call of the attack answered."""
        return self.values[-1]

    @property
    def text(self) -> str:
        """Everything that the attack said in answers and in output."""
        return json.dumps(self.values) + "".join(one.output for one in self.exits)


class NotHereError(Exception):
    """A stage raises it, and says why, where this machine lacks what an attack needs: that is counted apart."""


Proof = Callable[[Seen], bool]
Refused = Literal["", "user", "everybody"]
Stage = Callable[["World", bool], AbstractContextManager[Mapping[str, Any]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attack:
    """One way to get what a tool must not have."""

    name: str
    """Unique, a few words."""
    family: str
    gain: str
    """What it would have gained, in words: `reads a secret out of the keeper's environment`."""
    source: str
    """A tool with `attack(**it)`, *it* being the addresses in the world."""
    proof: Proof
    """Whether it has got that. Never true for a box that holds, always without a wall."""
    before: str = ""
    """A tool called before it, with the same arguments and `treasure` (a secret of its own)."""
    beside: str = ""
    """A tool that runs at the same time in another guest of the same box, with `treasure`; started first."""
    after: str = ""
    """A tool called after it: an honest next call, to see whether it was poisoned."""
    calls: int = 1
    """How many times it is called, each with the same arguments: warm guests and loaded ones come with use."""
    pause_s: float = 0.0
    """Between those calls: for what a guest does that waits for one."""
    items: int = 1
    """How many items each call has."""
    tenants: bool = False
    """The calls before, beside and after, and each second call of its own, belong to another tenant."""
    grant: Callable[[World], Grant] = lambda _world: NO_POWERS
    """The powers that it was given and abuses."""
    collects: bool = False
    """What it leaves in its work folder is taken back, as a run's files are: its proof looks at `Seen.left`."""
    secrets: Callable[[World], Mapping[str, str]] = lambda _world: {}
    """The values of secrets that its grant binds to hosts: it may hold their placeholders, and no more."""
    packages: Callable[[World], Path | None] = lambda _world: None
    """A folder of packages that it shares with other tools."""
    stage: Stage | None = None
    """More of a world for this attack alone: a context manager (of the world, and whether there is a wall) whose value
    is added to the arguments."""
    limits: Limits = LIMITS
    heavy: bool = False
    """It burns memory, processor or processes: no two of these at a time."""
    wait_s: float = 0.0
    """The world is looked at this much later: for what outlives its call."""
    bare_s: float = 15.0
    """How long it may go on without a wall before the outer limit ends it."""
    bare_cpu_s: int = 20
    """How many seconds of a processor that limit allows."""
    worn: bool = False
    """Without a wall all its calls run in one process: for what a guest that is used twice would keep."""
    kernel: Refused = ""
    """Whom the kernel itself refuses it without our wall: such a user's run shows that and is counted apart."""


class Family:
    """Makes the attacks of one family: `attack = Family("secrets"); ATTACKS = (attack("name", …), …)`."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, name: str, body: str, proof: Proof, gain: str, **more: Any) -> Attack:
        """An Attack whose *body* is the inside of `attack(**it)`; `before`, `beside`, `after` are bodies as well."""
        for step in ("before", "beside", "after"):
            if step in more:
                more[step] = source(more[step])
        return Attack(name=name, family=self.name, gain=gain, source=source(body), proof=proof, **more)


def source(body: str) -> str:
    """A tool `attack(**it)` with *body*, and with what `at_hand.py` defines."""
    return f"{_AT_HAND}\n\ndef attack(**it):\n{textwrap.indent(textwrap.dedent(body).strip(), '    ')}\n"


# -- proofs ------------------------------------------------------------------------------------------------------------


def got_secret(seen: Seen) -> bool:
    """It said a planted secret."""
    return PLANTED.search(seen.text) is not None


def hit(seen: Seen) -> bool:
    """It reached a server of the world."""
    return seen.hits > 0


def changed(seen: Seen) -> bool:
    """It changed something in the world."""
    return bool(seen.changes)


def more_than(least: float) -> Proof:
    """It answered with a number above *least*."""
    return lambda seen: isinstance(seen.value, (int, float)) and seen.value > least


def says(word: str) -> Proof:
    """Its answer or its output holds *word*: one that stands in it for success only."""
    return lambda seen: word in seen.text


def reached(seen: Seen) -> bool:
    """It answered with a list of doors (`doors` of `at_hand.py`), of which one at least opened."""
    return isinstance(seen.value, dict) and bool(seen.value.get("open"))


def burnt(cpu_s: float) -> Proof:
    """It used more processor time than that."""
    return lambda seen: seen.exit.usage.cpu_s > cpu_s


def lasted(seconds: float) -> Proof:
    """It went on for longer than that."""
    return lambda seen: seen.seconds > seconds


def broken(seen: Seen) -> str:
    """Why the attack cannot have tried at all, or '': a wall is not what a wrong name in its source runs into."""
    for ended, said in zip(seen.exits, seen.values, strict=True):
        if not ended.loaded:
            return f"its source did not load: {ended.detail}"
        if isinstance(said, str) and said.partition(":")[0] in _DIED_EARLY:
            return f"it is broken: {said}"
        if "NameError: " in json.dumps(said):
            return f"it is broken: {said}"
    return ""
