"""Choices in, the one that a person took out: with the arrow keys, or by its letter; and text to read or to type."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import termios
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from toolwright.cli.look import cut, err, safe

if TYPE_CHECKING:
    from prompt_toolkit.application import Application
    from prompt_toolkit.formatted_text import StyleAndTextTuples
    from prompt_toolkit.input import Input
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
    from prompt_toolkit.output import Output


@dataclass(frozen=True, slots=True)
class Choice:
    """A line to choose. *letter* takes it, typed with Enter behind it; the one without stands for Enter alone."""

    letter: str
    text: str


def terminal_input() -> Input:
    """The keyboard."""
    from prompt_toolkit.input import create_input

    return create_input(sys.stdin)


def terminal_output() -> Output:
    """The screen, by way of standard error: standard output is for answers, and may lead into a file.

    Where the cursor is is never asked for: not every terminal answers, and the answer may come too late.
    """
    from prompt_toolkit.output import create_output
    from prompt_toolkit.output.vt100 import Vt100_Output

    output = create_output(sys.stderr)
    if isinstance(output, Vt100_Output):
        output.enable_cpr = False
    return output


def forget_what_was_typed() -> None:
    """Keys that were pressed before a question was there do not answer it."""
    from prompt_toolkit.input.typeahead import clear_typeahead

    clear_typeahead(terminal_input())
    with contextlib.suppress(termios.error, OSError, ValueError):
        termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)


def key_bindings() -> KeyBindings:
    """Bindings to add to.

    Colour codes that are typed look like mouse reports, and the library chokes on them. We never ask for the mouse.
    """
    from prompt_toolkit.key_binding import KeyBindings
    from prompt_toolkit.keys import Keys

    keys = KeyBindings()
    keys.add(Keys.Vt100MouseEvent)(lambda event: None)
    return keys


async def choose(choices: list[Choice], note: str = "") -> str:
    """The letter that a person took, '' for Enter alone and for the end of input. *note* stands below the choices.

    Ctrl-C is passed on to the program, which cancels this.
    """
    with contextlib.suppress(EOFError):
        if is_plain():
            return await _by_letter(choices, note)
        return await _run(_Asked(choices, note).application())
    return ""


def is_plain() -> bool:
    """Whether the terminal can only print one line after the other (TERM=dumb, as in an editor's shell)."""
    return err().is_dumb_terminal


async def _by_letter(choices: list[Choice], note: str) -> str:
    for one in choices:
        err().print(f"  [{one.letter}] {one.text}" if one.letter else f"      {one.text}", markup=False)
    letters = [one.letter for one in choices]
    while True:
        if note:
            err().print(note, markup=False)
        said = (await _plain_line("> ")).strip().lower()
        if said in letters:
            return said
        note = f"{safe(said)!r} is not one of {', '.join(filter(None, letters))}."


async def _plain_line(prompt: str) -> str:
    """A line as the terminal itself edits it. EOFError."""
    err().print(prompt, end="", markup=False)
    loop, number = asyncio.get_running_loop(), sys.stdin.fileno()
    ready = asyncio.Event()
    loop.add_reader(number, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(number)
    got = os.read(number, 4096)
    if not got:
        raise EOFError
    return got.decode("utf-8", "replace")


@dataclass(slots=True)
class _Asked:
    """A question on the screen: which line is marked, and what was typed."""

    choices: list[Choice]
    note: str
    typed: str = ""
    marked: int = field(init=False)

    def __post_init__(self) -> None:
        self.marked = self._bare

    @property
    def _bare(self) -> int:
        return next(number for number, one in enumerate(self.choices) if not one.letter)

    def application(self) -> Application[str]:
        from prompt_toolkit.application import Application
        from prompt_toolkit.layout import HSplit, Layout, Window
        from prompt_toolkit.layout.controls import FormattedTextControl

        shown = Window(FormattedTextControl(self._shown, focusable=True, show_cursor=True), dont_extend_height=True)
        return Application(
            layout=Layout(HSplit([shown])),
            key_bindings=self._keys(),
            erase_when_done=True,
            input=terminal_input(),
            output=terminal_output(),
        )

    def _shown(self) -> StyleAndTextTuples:
        from prompt_toolkit.application import get_app

        columns = get_app().output.get_size().columns - 1
        lines: StyleAndTextTuples = []
        for number, one in enumerate(self.choices):
            mark = ">" if number == self.marked else " "
            letter = f"[{one.letter}]" if one.letter else "   "
            style = "reverse bold" if number == self.marked else ""
            lines += [(style, cut(f"{mark} {letter} {one.text}", columns)), ("", "\n")]
        if self.note:
            lines += [("ansiyellow", cut(self.note, columns)), ("", "\n")]
        typed = cut(safe(self.typed), max(1, columns - 30))
        return [*lines, ("", f"> {typed}"), ("[SetCursorPosition]", " ")]

    def _keys(self) -> KeyBindings:
        from prompt_toolkit.keys import Keys

        keys = key_bindings()
        for names, what in (
            (("up", "left", "s-tab"), self._back),
            (("down", "right", "tab"), self._on),
            (("enter", "c-j"), self._take),
            (("backspace", "c-h"), self._rub_out),
            (("c-u", "escape"), self._begin_again),
            (("c-d",), self._end),
            (("c-c", "<sigint>"), _interrupt),
            ((Keys.Any,), self._type),
        ):
            for name in names:
                keys.add(name, eager=name == "escape")(what)
        return keys

    def _back(self, _: KeyPressEvent) -> None:
        self._mark(self.marked - 1)

    def _on(self, _: KeyPressEvent) -> None:
        self._mark(self.marked + 1)

    def _mark(self, number: int) -> None:
        self.typed = self.note = ""
        self.marked = number % len(self.choices)

    def _type(self, event: KeyPressEvent) -> None:
        # No key that has a name, and nothing that was pasted: that is no answer.
        if len(event.key_sequence[0].key) == 1 and event.data.isprintable():
            self._typed(self.typed + event.data)

    def _rub_out(self, _: KeyPressEvent) -> None:
        self._typed(self.typed[:-1])

    def _begin_again(self, _: KeyPressEvent) -> None:
        self._typed("")

    def _typed(self, text: str) -> None:
        self.typed, self.note = text, ""
        said = text.strip().lower()
        letters = [one.letter for one in self.choices]
        self.marked = letters.index(said) if said in letters else self._bare

    def _take(self, event: KeyPressEvent) -> None:
        said = self.typed.strip().lower()
        letters = [one.letter for one in self.choices if one.letter]
        if said and said not in letters:
            self._typed("")
            self.note = f"{safe(said)!r} is not one of {', '.join(letters)}."
        else:
            event.app.exit(result=self.choices[self.marked].letter)

    def _end(self, event: KeyPressEvent) -> None:
        event.app.exit(result="")


async def line_of_text(prompt: str) -> str:
    """One line that a person types; '' at the end of input. Ctrl-C is passed on to the program."""
    from prompt_toolkit import PromptSession
    from prompt_toolkit.history import DummyHistory

    if is_plain():
        with contextlib.suppress(EOFError):
            return await _plain_line(prompt)
        return ""
    keys = key_bindings()
    keys.add("c-c")(_interrupt)
    session: PromptSession[str] = PromptSession(
        history=DummyHistory(), key_bindings=keys, input=terminal_input(), output=terminal_output()
    )
    try:
        return await session.prompt_async(prompt, handle_sigint=False, set_exception_handler=False)
    except EOFError:
        return ""


async def read_through(text: str, title: str) -> None:
    """Show *text* on a screen of its own until the person has read enough."""
    if is_plain():
        err().print(text, markup=False)
        return
    from prompt_toolkit.application import Application
    from prompt_toolkit.layout import HSplit, Layout, Window
    from prompt_toolkit.layout.controls import FormattedTextControl
    from prompt_toolkit.widgets import TextArea

    area = TextArea(text, read_only=True, line_numbers=True, scrollbar=True, wrap_lines=True)
    keys = key_bindings()
    for name in ("q", "escape", "enter", "c-j", "c-d"):
        keys.add(name, eager=True)(lambda event: event.app.exit(result=""))
    keys.add("c-c")(_interrupt)
    keys.add("space")(lambda event: _scroll(area, _height(event) - 3))
    keys.add("b")(lambda event: _scroll(area, 3 - _height(event)))
    foot = Window(FormattedTextControl(f"q goes back; arrows, space, b   {title}"), height=1, style="reverse")
    application: Application[str] = Application(
        layout=Layout(HSplit([area, foot])),
        key_bindings=keys,
        full_screen=True,
        input=terminal_input(),
        output=terminal_output(),
    )
    with contextlib.suppress(EOFError):
        await _run(application)


def _height(event: KeyPressEvent) -> int:
    return int(event.app.output.get_size().rows)


def _scroll(area: Any, lines: int) -> None:
    for _ in range(abs(lines)):
        area.buffer.cursor_down() if lines > 0 else area.buffer.cursor_up()


async def _run(application: Application[str]) -> str:
    # In the thread of a loop that others work on, too: their errors are not for this screen.
    return await application.run_async(handle_sigint=False, set_exception_handler=False)


def _interrupt(event: KeyPressEvent) -> None:
    """Ctrl-C arrives as a key while the terminal is ours: hand it to the program as what it is."""
    if signal.getsignal(signal.SIGINT) in (signal.SIG_IGN, None):
        event.app.exit(result="")  # nobody would hear it
    else:
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
