"""Plain values go in, the HTML that a notebook shows comes out: all that a model or a tool wrote is escaped."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
_LONGEST = 20_000
"""Characters of one cell: a page that holds an endless answer is of no use to anybody."""
_TABLE = "border-collapse:collapse;font-size:90%"
_HEAD = "text-align:left;vertical-align:top;padding:2px 12px 2px 0;opacity:.7;font-weight:normal"
_CELL = "text-align:left;vertical-align:top;padding:2px 12px 2px 0;white-space:pre-wrap"
# A ground of its own, so that the colours can be read on a light page and on a dark one.
_CODE = "background:#f7f7f7;color:#222;padding:8px;border-radius:4px;overflow-x:auto;line-height:1.3"


def facts(title: str, rows: Mapping[str, str]) -> str:
    """A small table with a row for each fact; those without words are left out."""
    lines = [
        f'<tr><th style="{_HEAD}">{escaped(name)}</th><td style="{_CELL}">{escaped(value)}</td></tr>'
        for name, value in rows.items()
        if value
    ]
    return f'<div><b>{escaped(title)}</b><table style="{_TABLE}">{"".join(lines)}</table></div>'


def listing(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table with headings."""
    head = "".join(f'<th style="{_HEAD}">{escaped(one)}</th>' for one in columns)
    body = "".join(
        "<tr>" + "".join(f'<td style="{_CELL}">{escaped(cell)}</td>' for cell in row) + "</tr>" for row in rows
    )
    return f'<table style="{_TABLE}"><tr>{head}</tr>{body}</table>'


def code(title: str, below: str, source: str) -> str:
    """Highlighted Python under a title and a line of words."""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    text = harmless(source)[:_LONGEST]
    shown = highlight(text, PythonLexer(), HtmlFormatter(noclasses=True, nowrap=True))
    words = f'<div style="opacity:.7;font-size:90%">{escaped(below)}</div>' if below else ""
    return f'<div><b>{escaped(title)}</b>{words}<pre style="{_CODE}">{shown}</pre></div>'


def escaped(text: str) -> str:
    """*text* as HTML that is nothing but text: no markup of its own, no control or direction characters."""
    cut = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    return html.escape(harmless(cut))


def harmless(text: str) -> str:
    """*text* with its control and direction characters written out (`\\x1b`)."""
    return _CONTROL.sub(lambda found: f"\\x{ord(found.group()):02x}", text)
