"""Reads the corpus: `### name | example` opens an entry, `### bad | old => new` is its mutant, the rest is source."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path

from toolwright.schema import tool_spec
from toolwright.tool import Candidate, ToolSpec

HERE = Path(__file__).parent.parent / "corpus"


@dataclass(frozen=True)
class Entry:
    """A function that is right, by one example; `mutant` is wrong by it."""

    name: str
    example: str
    source: str
    bad: tuple[str, str]
    returns: str
    params: str
    group: str

    def spec(self) -> ToolSpec:
        node = _function(self.source, self.name)
        assert node.returns is not None
        return tool_spec(
            tool_name=self.name,
            description=(ast.get_docstring(node) or "").splitlines()[0],
            input_params=self.params or ast.unparse(node.args),
            return_type=self.returns or ast.unparse(node.returns),
            example=self.example,
        )

    def candidate(self) -> Candidate:
        return Candidate(self.spec(), self.source)

    def mutant(self) -> Candidate:
        old, new = self.bad
        assert self.source.count(old), f"{self.name}: {old!r} is not in its source"
        return Candidate(self.spec(), self.source.replace(old, new))


def _function(source: str, name: str) -> ast.FunctionDef:
    return next(n for n in ast.parse(source).body if isinstance(n, ast.FunctionDef) and n.name == name)


def good() -> list[Entry]:
    """All entries, in order of their files."""
    return [entry for path in sorted((HERE / "good").glob("*.txt")) for entry in _entries(path)]


def _entries(path: Path) -> list[Entry]:
    entries: list[Entry] = []
    head: dict[str, str] = {}
    lines: list[str] = []

    def close() -> None:
        if head:
            old, new = head["bad"].split(" => ", 1)
            source = "\n".join(lines).strip("\n") + "\n"
            said = head.get("returns", ""), head.get("params", "")
            entries.append(Entry(head["name"], head["example"], source, (old, new), *said, path.stem))

    for line in path.read_text(encoding="utf-8").splitlines():
        found = re.match(r"### (\w+) \| (.*)", line)
        if found is None:
            lines.append(line)
        elif found[1] in ("bad", "returns", "params"):
            head[found[1]] = found[2]
        else:
            close()
            head, lines = {"name": found[1], "example": found[2].strip()}, []
    close()
    return entries


def attacks() -> list[tuple[str, str]]:
    """Name and source of each attack; its function is `attack(text: str) -> str`."""
    found: list[tuple[str, str]] = []
    for path in sorted((HERE / "bad").glob("*.txt")):
        for part in re.split(r"^### ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]:
            name, _, source = part.partition("\n")
            found.append((name.strip(), source))
    return found
