"""A tool question by question: a person types answers, each is checked at once, and a ToolSpec comes out."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from toolwright.cli import wanted
from toolwright.cli.choosing import Choice, choose, is_plain, key_bindings, terminal_input, terminal_output
from toolwright.cli.look import cut, err, rest, safe
from toolwright.cli.wanted import Answers
from toolwright.errors import SpecError

if TYPE_CHECKING:
    from toolwright.app import Toolwright
    from toolwright.tool import ToolSpec


@dataclass(frozen=True, slots=True)
class Question:
    """One thing to say of a tool: the field of `Answers`, what it is called, and what can be said."""

    field: str
    title: str
    hint: str
    needed: bool = False


QUESTIONS = (
    Question("tool_name", "Name", "snake_case, such as convert_temperature", needed=True),
    Question("description", "What it does", "one clear sentence, with units and formats", needed=True),
    Question("input_params", "Parameters", "as in a signature: celsius: float, digits: int = 2; Enter: none"),
    Question("return_type", "Returns", "an annotation: float, list[dict[str, str]]; Enter: anything"),
    Question("example", "Example", "a call, with its value if that is certain: double(2) == 4; Enter: none"),
    Question("powers", "Powers", "host api.example.com, package pandas, secret API_KEY; Enter: none"),
)


def ask_all(tw: Toolwright, answers: Answers) -> None:
    """Ask for everything that *answers* does not say yet. Ctrl-C and the end of input leave nothing."""
    rest()
    for question in QUESTIONS:
        if not getattr(answers, question.field):
            ask(tw, answers, question)


def ask(tw: Toolwright, answers: Answers, question: Question) -> None:
    """Ask one question until its answer can be read; what was said before stands there to be changed."""
    if question.field == "example":
        _ask_examples(tw, answers, question)
        return
    typed = getattr(answers, question.field)
    while True:
        typed = _line(question.title, question.hint, typed).strip()
        why = f"{question.title.lower()} cannot be empty." if question.needed and not typed else ""
        if not (why := why or _wrong(tw, answers, question.field, typed)):
            return
        _say_wrong(why)


def _ask_examples(tw: Toolwright, answers: Answers, question: Question) -> None:
    """One example after the other; an empty line is the end."""
    before, answers.example = answers.example, []
    for number in range(_MOST_EXAMPLES):
        typed = before[number] if number < len(before) else ""
        title = question.title if number == 0 else "Another example"
        while True:
            typed = _line(title, question.hint if number == 0 else "Enter: no more", typed).strip()
            if not typed:
                return
            kept = [*answers.example, typed]
            if not (why := _wrong(tw, answers, question.field, kept)):
                break
            _say_wrong(why)


_MOST_EXAMPLES = 20


def _wrong(tw: Toolwright, answers: Answers, field: str, said: str | list[str]) -> str:
    """Take *said* as the answer for *field*, or say why it cannot be; then nothing has changed."""
    kept = Answers(**{**vars(answers), "example": list(answers.example)})
    if field == "tool_name" and isinstance(said, str):
        if tw.registry.shelved(said):
            return f"the name {said!r} is taken by a tool on the shelf; choose another one."
        kept.rename(said)
    else:
        setattr(kept, field, said)
    try:
        kept.spec(tw.settings.namespace)
    except SpecError as error:
        return str(error)
    vars(answers).update(vars(kept))
    return ""


def settle(tw: Toolwright, spec: ToolSpec) -> ToolSpec | None:
    """Show *spec* until the person says that it is to be made; None if it is not."""
    while True:
        rest()
        wanted.show(spec)
        wanted.say_alike(wanted.alike(tw, spec))
        said = asyncio.run(choose(_CHOICES))
        if said == "y":
            return spec
        if said != "e":
            return None
        spec = _changed(tw, spec)


_CHOICES = [
    Choice("y", "make it"),
    Choice("e", "change an answer"),
    Choice("n", "no"),
    Choice("", "no: Enter is no"),
]


def _changed(tw: Toolwright, spec: ToolSpec) -> ToolSpec:
    answers = Answers.of(spec)
    shown = [Choice(str(number), f"{one.title}: {_now(answers, one)}") for number, one in enumerate(QUESTIONS, 1)]
    said = asyncio.run(choose([*shown, Choice("", "nothing: Enter goes back")]))
    if said:
        ask(tw, answers, QUESTIONS[int(said) - 1])
    return answers.spec(tw.settings.namespace) if said else spec


def _now(answers: Answers, question: Question) -> str:
    said = getattr(answers, question.field)
    return safe("; ".join(said) if isinstance(said, list) else said) or "-"


def yes(question: str) -> bool:
    """Whether the person says yes to *question*; Enter is no."""
    rest()
    err().print(safe(question), markup=False)
    return asyncio.run(choose([Choice("y", "yes"), Choice("n", "no"), Choice("", "no: Enter is no")])) == "y"


def _say_wrong(why: str) -> None:
    err().print(safe(why), style="yellow", markup=False)


def _line(title: str, hint: str, typed: str) -> str:
    """A line that begins as *typed*. click.Abort at the end of input, KeyboardInterrupt for Ctrl-C."""
    reader: Callable[[str, str, str], str] = _plain_line if is_plain() else _edited_line
    try:
        return reader(title, hint, typed)
    except EOFError:
        raise click.Abort from None


def _plain_line(title: str, hint: str, typed: str) -> str:
    err().print(safe(f"{title} ({hint})"), markup=False)
    if typed:
        err().print(safe(f"Enter keeps {typed!r}"), markup=False)
    err().print("> ", end="", markup=False)
    if not (got := sys.stdin.readline()):
        raise EOFError
    return got.rstrip("\n") or typed


def _edited_line(title: str, hint: str, typed: str) -> str:
    from prompt_toolkit import PromptSession
    from prompt_toolkit.application import get_app
    from prompt_toolkit.history import DummyHistory

    def message() -> list[tuple[str, str]]:
        columns = get_app().output.get_size().columns - 1
        return [("bold", title), ("fg:ansibrightblack", cut(f"  {hint}", max(1, columns - len(title)))), ("", "\n> ")]

    session: PromptSession[str] = PromptSession(
        history=DummyHistory(), key_bindings=key_bindings(), input=terminal_input(), output=terminal_output()
    )
    # typed: list[tuple[str, str]] is what the library calls formatted text
    return session.prompt(message, default=typed)  # type: ignore[arg-type]
