"""`python tests/docs_support/refresh.py [PAGE…]`: rewrites the output that the pages show with what is printed now."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from docs_support.console import commands
from docs_support.options_table import with_tables
from docs_support.pages import PAGES, Block, Page, page
from docs_support.play import Played, has_parts, opened, play
from docs_support.steady import holds, merged


def refreshed(shown: Page, played: Iterable[Played]) -> tuple[str, list[str]]:
    """The text of the page with its output renewed, and what is wrong with it that no new output mends.

    All of it is renewed, so that it is one run's, or none: a page that holds is left as it is.
    """
    ran = list(played)
    wrong = [one.wrong for one in ran if one.failed]
    compared = [one for one in ran if one.compared]
    if wrong or all(holds(one.shown, one.printed) for one in compared):
        return shown.text, wrong
    new = {one.block: merged(one.shown, one.printed) for one in compared if one.block.language == "text"}
    output = {one.line: merged(one.shown, one.printed) for one in compared if one.block.language == "console"}
    new |= {block: _console(block, output) for block in shown.of("console") if block.compared}
    return _rewritten(shown.text, new), wrong


def _console(block: Block, output: dict[int, list[str]]) -> list[str]:
    lines: list[str] = []
    for command in commands(block):
        shown = command.shown
        empty = len(shown) - len("\n".join(shown).rstrip().splitlines())
        lines += [*command.source, *output.get(command.line, shown), *[""] * (empty if command.line in output else 0)]
    return lines


def _rewritten(text: str, new: dict[Block, list[str]]) -> str:
    lines = text.split("\n")
    for block in sorted(new, key=lambda one: one.line, reverse=True):
        count = block.text.count("\n")
        lines[block.line - 1 : block.line - 1 + count] = [(block.indent + line).rstrip() for line in new[block]]
    return "\n".join(lines)


def main(names: list[str]) -> int:
    """Renew the pages of those names, or all; a page with a block that did not end as it says stays as it is: 1."""
    code = 0
    for shown in [page(name) for name in names] or PAGES:
        text, wrong = with_tables(shown.text), []
        if has_parts(shown):
            with opened(shown) as here:
                text, wrong = refreshed(shown, play(shown, here, long=True))
        elif text == shown.text:
            continue
        if wrong:
            print(*wrong, sep="\n", file=sys.stderr)
            code = 1
        changed = text != shown.text
        if changed:
            shown.path.write_text(text, "utf-8")
        print(f"{shown.name}: {'rewritten' if changed else 'as it was'}")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
