"""Markdown pages in; their blocks, tables, headings and links out."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[2]
_FENCE = re.compile(r"(?P<indent> *)(?P<ticks>`{3,})(?P<info>[^`]*)\Z")
_COMMENT = re.compile(r" *<!-- (?P<info>before|typed)\Z")
_ELSEWHERE = re.compile(r" *<!-- runs in: (?P<environment>[\w-]+) -->\Z")
_LINK = re.compile(r"!?\[(?:[^\]\[]|\[[^\]]*\])*\]\(\s*<?(?P<target>[^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")


@dataclass(frozen=True)
class Block:
    """A fenced block: where its text begins (line from 1), its info string, its text without the fence's indent.

    A comment `<!-- before` or `<!-- typed` that nobody sees is one too: commands to run first, keys for the next screen.
    """

    page: str
    line: int
    info: str
    text: str
    indent: str = ""
    environment: str = ""
    """Which of the tests' environments its Python runs in, as a comment `<!-- runs in: NAME -->` above says; '' here."""

    @property
    def language(self) -> str:
        return self.info.partition(" ")[0]

    @property
    def rest(self) -> str:
        """What stands behind the language."""
        return self.info.partition(" ")[2].strip()

    @property
    def runs(self) -> bool:
        return not self.rest.startswith("not-run")

    @property
    def reason(self) -> str:
        """Why it is not run, as `not-run: REASON` says it."""
        return self.rest.removeprefix("not-run").lstrip(":").strip()

    @property
    def words(self) -> list[str]:
        """What stands behind the language, word by word."""
        return self.rest.split()

    @property
    def compared(self) -> bool:
        """Whether what it shows is held against what is printed."""
        return self.language == "console" and bool({"check", "screen"} & set(self.words[:1]))

    @property
    def named(self) -> str:
        """The file that it is, by `file NAME` behind the language or a first line `# name.ext`; '' if it is none."""
        if self.words[:1] == ["file"] and len(self.words) == 2:
            return self.words[1]
        found = re.match(r"# ([\w./-]+\.\w+)\n", self.text)
        return found.group(1) if found else ""

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass(frozen=True)
class Page:
    """One Markdown file, by its path below the root."""

    name: str

    @property
    def path(self) -> Path:
        return ROOT / self.name

    @cached_property
    def text(self) -> str:
        return self.path.read_text("utf-8")

    @cached_property
    def blocks(self) -> list[Block]:
        return list(_blocks(self.name, self.text))

    @property
    def elsewhere(self) -> bool:
        """Whether it runs in other environments than that of the tests, too."""
        return any(one.environment for one in self.blocks)

    def of(self, language: str) -> list[Block]:
        """The blocks in a language that are to be run, in order."""
        return [one for one in self.blocks if one.language == language and one.runs]

    @cached_property
    def prose_with_code(self) -> str:
        """The page without its blocks."""
        lines = self.text.split("\n")
        for block in self.blocks:
            for number in range(block.line - 2, block.line + block.text.count("\n")):
                lines[number] = ""
        return "\n".join(lines)

    @property
    def prose(self) -> str:
        """The page without its blocks and code spans: where links are links."""
        return re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", self.prose_with_code)

    @property
    def links(self) -> list[str]:
        return [found.group("target") for found in _LINK.finditer(self.prose)]

    @property
    def anchors(self) -> set[str]:
        """The anchors that a reader's browser finds on the page, as GitHub makes them."""
        lines = [line for line in self.text.split("\n") if re.match(r"#{1,6} ", line)]
        found: set[str] = set()
        for line in lines:
            words = re.sub(r"[`*_]|\[([^\]]*)\]\([^)]*\)", r"\1", line.lstrip("#").strip()).lower()
            anchor = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
            number = 0
            while (name := f"{anchor}-{number}" if number else anchor) in found:
                number += 1
            found.add(name)
        return found

    def table(self, first: str) -> list[dict[str, str]]:
        """The rows, as heading → cell, of the table whose first heading is *first*."""
        lines = [line.strip() for line in self.text.split("\n")]
        at = next((i for i, line in enumerate(lines) if line.startswith("|") and _cells(line)[0] == first), None)
        assert at is not None, f"{self.name} has no table that begins with {first!r}"
        headings = _cells(lines[at])
        rows = []
        for line in lines[at + 2 :]:
            if not line.startswith("|"):
                break
            rows.append(dict(zip(headings, _cells(line), strict=True)))
        return rows


def _cells(line: str) -> list[str]:
    return [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]


def _blocks(page: str, text: str) -> Iterator[Block]:
    lines = text.split("\n")
    at, environment = 0, ""
    while at < len(lines):
        if found := _ELSEWHERE.match(lines[at]):
            environment = found["environment"]
        opened = _FENCE.match(lines[at]) or _COMMENT.match(lines[at])
        at += 1
        if opened is None:
            continue
        closing = re.compile(rf" *`{{{len(opened['ticks'])},}} *\Z" if "ticks" in opened.groupdict() else " *--> *\\Z")
        end = next((i for i in range(at, len(lines)) if closing.match(lines[i])), None)
        assert end is not None, f"{page}:{at} opens a block that is never closed"
        body = textwrap.dedent("\n".join(lines[at:end]))
        indent = opened.groupdict().get("indent", "")
        yield Block(page, at + 1, opened["info"].strip(), body + "\n" if body else "", indent, environment)
        at = end + 1


def code(cell: str) -> list[str]:
    """The code spans of a table's cell."""
    return re.findall(r"`([^`]+)`", cell)


PAGES = [Page(str(path.relative_to(ROOT))) for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]]
BY_NAME = {page.name: page for page in PAGES}


def page(name: str) -> Page:
    """The page of that path below the root."""
    return BY_NAME[name]
