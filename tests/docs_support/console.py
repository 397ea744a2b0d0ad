"""A console block in, its commands with what each must end as and print out."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from docs_support.pages import Block

_EXIT = re.compile(r"\s*# exit (\d+)\s*\Z")


@dataclass
class Command:
    """One command of a block, its exit code (0 unless `# exit N` stands behind it), the lines shown below it."""

    line: int
    text: str
    exit_code: int = 0
    shown: list[str] = field(default_factory=list)


def commands(block: Block) -> list[Command]:
    """The lines that begin with `$ `, with those that go on after a backslash or begin with `> `."""
    found: list[Command] = []
    open_ended = False
    for number, line in enumerate(block.text.splitlines(), block.line):
        if line.startswith("$ "):
            found.append(Command(number, line[2:]))
        elif open_ended or (line.startswith("> ") and found and not found[-1].shown):
            found[-1].text += "\n" + line.removeprefix("> ")
        elif (said := _EXIT.match(line)) and found:
            found[-1].exit_code = int(said[1])
        else:
            assert found, f"{block}: a console block begins with a line `$ COMMAND`, not {line!r}"
            found[-1].shown.append(line)
        open_ended = line.endswith("\\")
    for one in found:
        if said := _EXIT.search(one.text):
            one.exit_code, one.text = int(said[1]), one.text[: said.start()]
    return found


def differs(shown: list[str], printed: str) -> str:
    """'' if *printed* is what is shown, where `…` stands for any text, and alone on a line for any lines."""
    lines = [line.rstrip() for line in shown]
    while lines and not lines[-1]:
        lines.pop()
    pattern = "".join("(?:.*\n)*?" if line == "…" else re.escape(line).replace("…", ".*") + "\n" for line in lines)
    given = "".join(line.rstrip() + "\n" for line in printed.rstrip().splitlines())
    return "" if re.fullmatch(pattern, given) else "shown:\n" + "\n".join(lines) + "\nprinted:\n" + given
