"""A page in; each thing that its blocks run, with what it printed and what the page shows of it, out, in order."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from adapters.venvs import python_of
from docs_support.console import Command, commands
from docs_support.pages import Block, Page
from docs_support.screen import Terminal, steps
from docs_support.steady import differs
from docs_support.world import World, has_full_sandbox, short_place, world

RUN_PYTHON = Path(__file__).parent / "run_python.py"
ROWS = 200
FILES = ("yaml", "toml", "python", "json", "text", "markdown")


@dataclass(frozen=True)
class Played:
    """One command, or one Python block: what it was, what came of it, and what the page shows."""

    block: Block
    line: int
    what: str
    printed: str
    complaint: str = ""
    """What it printed to standard error; for Python its traceback."""
    exit_code: int | None = 0
    wanted_code: int = 0
    shown: list[str] = field(default_factory=list)
    compared: bool = False

    @property
    def failed(self) -> bool:
        """Whether it ended otherwise than the page says, or broke down."""
        return self.exit_code not in (self.wanted_code, None) or "Traceback" in self.complaint

    @property
    def wrong(self) -> str:
        """'' if it did as the page says, else what is wrong."""
        where = f"{self.block.page}:{self.line}  {self.what}\n"
        if self.failed:
            said = _end_of(self.printed) + _end_of(self.complaint)
            return f"{where}ended with {self.exit_code}, not {self.wanted_code}\n{said}"
        if self.compared and (wrong := differs(self.shown, self.printed)):
            return f"{where}{wrong}`python tests/docs_support/refresh.py {self.block.page}` rewrites what is shown.\n"
        return ""


def _end_of(text: str) -> str:
    return "".join(line + "\n" for line in text.splitlines()[-8:])


def has_parts(page: Page) -> bool:
    """Whether anything on the page is run."""
    return bool(page.of("python") or page.of("console"))


@contextmanager
def opened(page: Page) -> Iterator[World]:
    """A world in which the files that the page shows lie where its code looks for them."""
    with short_place() as place, world(place) as here:
        for block in page.blocks:
            if block.named and block.language in FILES:
                file = here.folder / block.named
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(block.text, "utf-8")
        yield here


def play(page: Page, here: World, *, long: bool) -> Iterator[Played]:
    """Run the blocks of *page* from its top to its end; those marked `long` only if *long*."""
    full = has_full_sandbox()
    typed = ""
    with ExitStack() as stack:
        pythons: dict[str, _Python] = {}
        for number, block in enumerate(page.blocks):
            if not block.runs:
                continue
            if block.language == "typed":
                typed = block.text
            elif block.language == "before" or block.language == "console":
                if ("long" in block.words and not long) or ("full" in block.words and not full):
                    continue
                for command in _commands(block):
                    yield _run(here, block, command, typed)
                typed = ""
            elif block.language == "python":
                if block.environment not in pythons:
                    pythons[block.environment] = stack.enter_context(_Python(page, here, block.environment))
                yield pythons[block.environment].run(block, output_of(page, number))


def output_of(page: Page, number: int) -> Block | None:
    """The output that the page shows of its Python block of that number: the block that comes next."""
    after = page.blocks[number + 1 : number + 2]
    return after[0] if after and after[0].language == "text" and after[0].words[:1] == ["output"] else None


def _commands(block: Block) -> list[Command]:
    if block.language == "console":
        return commands(block)
    return [Command(number, line) for number, line in enumerate(block.text.splitlines(), block.line)]


def _run(here: World, block: Block, command: Command, typed: str) -> Played:
    words = ["bash", "-c", command.text]
    if block.words[:1] == ["screen"]:
        columns, _, rows = (block.words[1] if len(block.words) > 1 else "").partition("x")
        with Terminal(
            words, folder=here.folder, environment=here.environment, columns=int(columns), rows=int(rows or ROWS)
        ) as terminal:
            printed, code = terminal.play(steps(typed))
        complaint = printed if "Traceback" in printed else ""
    else:
        done = _alone(here, command.text) or here.run(*words)
        printed, code, complaint = done.stdout, done.returncode, done.stderr or ""
    return Played(
        block,
        command.line,
        f"$ {command.text}",
        here.told(printed),
        complaint,
        code,
        command.exit_code,
        command.shown,
        block.compared,
    )


def _alone(here: World, text: str) -> subprocess.CompletedProcess[str] | None:
    """Run *text* without a shell, if it is our command, its words and perhaps `2>&1`, and nothing that a shell reads."""
    bare = text.removesuffix("2>&1").rstrip()
    if not bare.startswith("toolwright ") or set(bare) & set("|&;<>$#`~*?\\\n"):
        return None
    return here.toolwright(*shlex.split(bare)[1:], mixed=bare != text.rstrip())


class _Python:
    """The namespace of a page's Python blocks that run in one environment, in a process of its own."""

    def __init__(self, page: Page, here: World, environment: str) -> None:
        self._here = here
        self._process = subprocess.Popen(
            [str(python_of(environment)) if environment else sys.executable, str(RUN_PYTHON), str(page.path)],
            cwd=here.folder,
            env=here.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def __enter__(self) -> _Python:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def run(self, block: Block, output: Block | None) -> Played:
        """Run *block* and wait; *output* is what the page shows of it."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([block.line, block.text]) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        said = json.loads(line) if line else {"printed": "", "wrong": "Traceback: the process ended"}
        first = next((one for one in block.text.splitlines() if one.strip()), "")
        return Played(
            output or block,
            block.line,
            first,
            self._here.told(said["printed"]),
            said["wrong"],
            shown=output.text.splitlines() if output else [],
            compared=output is not None and ("full" not in output.words or has_full_sandbox()),
        )
