"""The line where a person types: a heading in, one message (of several lines, perhaps) out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.formatted_text import StyleAndTextTuples

from toolwright.cli.chat_history import KeptHistory
from toolwright.cli.choosing import key_bindings, terminal_input, terminal_output
from toolwright.cli.look import cut, safe

if TYPE_CHECKING:
    from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

_HINT = "Ctrl-D or /quit ends the chat."


class Prompt:
    """Asks for one message after the other. *heading* is shown above each, as wide as the window lets it be."""

    def __init__(self, home: Path, heading: Callable[[], str], completer: Completer) -> None:
        self._heading = heading
        self._hint = ""
        self._session: PromptSession[str] = PromptSession(
            message=self._message,
            multiline=True,
            prompt_continuation="  ",
            history=KeptHistory(home),
            completer=completer,
            complete_while_typing=False,
            enable_suspend=True,
            key_bindings=self._keys(),
            input=terminal_input(),
            output=terminal_output(),
        )

    def ask(self) -> str:
        """The next message. EOFError at its end (Ctrl-D); KeyboardInterrupt only when the program is to end."""
        self._hint = ""
        return self._session.prompt()

    def _message(self) -> StyleAndTextTuples:
        columns = get_app().output.get_size().columns - 1
        said = self._hint or self._heading()
        return [("", "\n"), ("fg:ansibrightblack", cut(safe(said), columns)), ("", "\n"), ("bold", "> ")]

    def _keys(self) -> KeyBindings:
        keys = key_bindings()
        keys.add("enter")(_enter)
        keys.add("escape", "enter")(lambda event: event.current_buffer.newline(copy_margin=False))
        keys.add("c-c")(self._clear)
        keys.add("<sigint>")(self._clear)
        return keys

    def _clear(self, event: KeyPressEvent) -> None:
        """Ctrl-C: the line is gone; on an empty one, say how to leave."""
        self._hint = "" if event.current_buffer.text else _HINT
        event.current_buffer.reset()


def _enter(event: KeyPressEvent) -> None:
    """Enter sends; behind a backslash it begins a new line instead; in a list of completions it takes one."""
    buffer = event.current_buffer
    if buffer.complete_state is not None and buffer.complete_state.current_completion is not None:
        buffer.complete_state = None
        return
    before = buffer.document.text_before_cursor
    if before.endswith("\\") and not before.endswith("\\\\"):
        buffer.delete_before_cursor()
        buffer.newline(copy_margin=False)
    elif buffer.text.strip():
        buffer.validate_and_handle()


class Words(Completer):
    """Completes commands, what stands behind them, and the names of tools in a sentence."""

    def __init__(self, commands: Iterable[str], behind: Callable[[str], Iterable[str]]) -> None:
        """*behind* gives the words that fit behind a command; behind '' those of a sentence."""
        self._commands, self._behind = list(commands), behind

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """What goes on with the word before the cursor."""
        del complete_event
        line = document.text_before_cursor
        command, blank, rest = line.partition(" ")
        if line.startswith("/") and not blank:
            yield from _fitting(self._commands, line)
        elif line.startswith("/"):
            yield from _fitting(self._behind(command), rest)
        elif len(word := document.get_word_before_cursor()) > 1:
            yield from _fitting(self._behind(""), word)


def _fitting(words: Iterable[str], begun: str) -> Iterable[Completion]:
    return (Completion(safe(word), start_position=-len(begun)) for word in words if word.startswith(begun))
