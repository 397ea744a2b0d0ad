"""A console block in, its commands with what each must end as and print out."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field

from docs_support.pages import Block

_EXIT = re.compile(r"\s*# exit (\d+)\s*\Z")
_HEREDOC = re.compile(r"<<-?\s*(['\"]?)(\w+)\1")


@dataclass
class Command:
    """One command of a block, its exit code (0 unless `# exit N` stands behind it), the lines shown below it."""

    line: int
    text: str
    exit_code: int = 0
    shown: list[str] = field(default_factory=list)
    source: list[str] = field(default_factory=list)
    """Its own lines as they stand on the page."""

    @property
    def is_open(self) -> bool:
        """Whether it goes on in the next line: after a backslash, in a quotation, in a here-document."""
        if self.text.endswith("\\"):
            return True
        if found := _HEREDOC.search(self.text):
            return found[2] not in self.text.split("\n")[1:]
        try:
            shlex.split(self.text, comments=True)
        except ValueError:
            return True
        return False


def commands(block: Block) -> list[Command]:
    """The lines that begin with `$ `, each with those that it goes on in (`> ` in front of them is left out)."""
    found: list[Command] = []
    for number, line in enumerate(block.text.splitlines(), block.line):
        if found and found[-1].is_open and not found[-1].shown:
            found[-1].text += "\n" + line.removeprefix("> ")
            found[-1].source.append(line)
        elif line.startswith("$ "):
            found.append(Command(number, line[2:], source=[line]))
        elif (said := _EXIT.match(line)) and found:
            found[-1].exit_code = int(said[1])
            found[-1].source.append(line)
        else:
            assert found, f"{block}: a console block begins with a line `$ COMMAND`, not {line!r}"
            found[-1].shown.append(line)
    for one in found:
        if said := _EXIT.search(one.text):
            one.exit_code, one.text = int(said[1]), one.text[: said.start()]
    return found
