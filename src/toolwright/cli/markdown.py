"""A model's Markdown goes in, something for a terminal comes out: legible, harmless, and with every word of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from markdown_it import MarkdownIt
from rich.console import Console, ConsoleOptions, RenderResult
from rich.markdown import Heading, Markdown, MarkdownElement
from rich.text import Text

from toolwright.cli.look import safe

if TYPE_CHECKING:
    from markdown_it.token import Token


class _Heading(Heading):
    """A heading where headings stand: at the left, and without a frame."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        self.text.justify = "left"
        yield self.text


class Answer(Markdown):
    """*text* as it is printed. Nothing of it is dropped, hidden behind a link, or run together into one line."""

    elements: ClassVar[dict[str, type[MarkdownElement]]] = {**Markdown.elements, "heading_open": _Heading}

    def __init__(self, text: str) -> None:
        super().__init__("", hyperlinks=False, code_theme="ansi_dark")
        # Not Rich's own reading: it leaves out what looks like HTML, and the address of a picture or a note.
        reader = (
            MarkdownIt("commonmark", {"html": False}).enable(["strikethrough", "table"]).disable(["image", "reference"])
        )
        self.markup = safe(text).replace("\t", "    ")
        self.parsed = reader.parse(self.markup)
        for token in self.parsed:
            _keep_lines(token)


def _keep_lines(token: Token) -> None:
    for inner in token.children or ():
        if inner.type == "softbreak":
            inner.type = "hardbreak"
        _keep_lines(inner)


def answer(text: str) -> Markdown | Text:
    """*text* for a terminal: as Markdown, or as it stands if that is how it cannot be read."""
    try:
        return Answer(text)
    except (ValueError, IndexError, RecursionError):
        return Text(safe(text))
