"""A ToolSpec, or failed Verdicts, go in; a Candidate written by a model comes out, in whatever form it answered."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from toolwright import prompts
from toolwright.answers import Body, body_of, code_in, declared_in, defines, imported
from toolwright.asked import Asked, asked_from
from toolwright.briefs import powers_text, spec_text, tries_text
from toolwright.errors import SpecError
from toolwright.masking import hushed
from toolwright.models.asking import AnswerShape, Asker, Reply
from toolwright.powers import ALLOWED_PACKAGES, Grant, host_within, package_name, split_host
from toolwright.tool import Candidate, ToolSpec, Verdict
from toolwright.trace import Place

_LIST = {"type": "array", "items": {"type": "string"}}

SHAPE = AnswerShape(
    name="submit_tool",
    description="Hand in the finished tool: one whole Python file.",
    schema={
        "type": "object",
        "properties": {
            "source": {"type": "string", "description": "The whole file as plain text, without Markdown fences."},
            "packages": {**_LIST, "description": "Packages beyond the standard library, by their names for pip."},
            "powers": {
                "type": "object",
                "description": "What the code needs of the world outside; leave out what it does not need.",
                "properties": {
                    "hosts": {**_LIST, "description": "name:port, or the URL; tcp://name:port for other protocols."},
                    "reads": {**_LIST, "description": "Absolute paths that it reads."},
                    "writes": {**_LIST, "description": "Absolute paths that it writes."},
                    "secrets": {
                        **_LIST,
                        "description": "As the request binds it: NAME@host:port/header/X or NAME@host:port/query/x.",
                    },
                    "plain_secrets": {**_LIST, "description": "Only what the request grants as a plain value: names."},
                    "subprocess": {"type": "boolean", "description": "True only if it starts other programs."},
                },
            },
            "notes": {"type": "string", "description": "What is assumed, what is not covered."},
        },
        "required": ["source"],
    },
    in_words="""\
## How you answer here

Answer with exactly one fenced block: the whole Python file. Begin it with what it needs beyond the standard library,
written as comments; leave out what it does not need:

```python
# /// script
# dependencies = ["httpx"]
# [tool.toolwright.powers]
# hosts = ["api.example.com:443"]
# reads = []
# writes = []
# secrets = ["EXAMPLE_KEY@api.example.com:443/header/Authorization"]
# ///

def example(...) -> ...:
```

Nothing stands behind the block. Keep the file short enough to be whole.""",
)

_NETWORK_MODULES = frozenset({"urllib", "http", "socket", "ssl", "requests", "httpx", "aiohttp", "urllib3"}) | {
    *("smtplib", "imaplib", "poplib", "ftplib", "asyncio", "redis", "pymongo", "psycopg", "psycopg2", "pymysql"),
    *("asyncpg", "pg8000", "paramiko", "ldap3", "websockets", "websocket"),
}
_PROCESSES = re.compile(
    r"\b(?:subprocess|multiprocessing|ProcessPoolExecutor|pty|create_subprocess_\w+)\b"
    r"|\bos\.(?:system|popen|fork|exec|spawn|posix_spawn)"
)
_LONGEST_NOTES = 2_000
_CUT_OFF = "The answer was cut off at the output limit before the code ended. Write the file shorter."


class Generator:
    """Writes candidates. It is shown the spec and what failed, never a contract."""

    def __init__(self, asker: Asker, folder: Path | None = None) -> None:
        """*folder* may hold a `generator.md` that stands in for our prompt."""
        self._asker = asker
        self._folder = folder

    def through(self, wrap: Callable[[Asker], Asker]) -> Generator:
        """The same, asking through a wrapper."""
        return Generator(wrap(self._asker), self._folder)

    async def write(self, spec: ToolSpec, place: Place) -> Candidate:
        """The first candidate for *spec*. One with an empty source stands for an answer without code; see `notes`.

        Raises ModelError and RefusedError as `Asker.ask` does.
        """
        user = f"Write the tool {spec.name}.\n\n{spec_text(spec)}\n\n{powers_text(spec)}"
        return await self._ask(spec, user, None, place)

    async def repair(self, spec: ToolSpec, tries: Sequence[Verdict], place: Place) -> Candidate:
        """A candidate that mends the last of *tries* (all failed, oldest first); the same promises as `write`."""
        user = (
            f"Mend the tool {spec.name}; it did not pass.\n\n{spec_text(spec)}\n\n{powers_text(spec)}\n\n"
            f"{tries_text(tries)}\n\nFind the cause, and hand in the whole file again."
        )
        parent = tries[-1].candidate
        return await self._ask(spec, user, parent.digest if parent.source else parent.parent, place)

    async def _ask(self, spec: ToolSpec, user: str, parent: str | None, place: Place) -> Candidate:
        system = prompts.text("generator", self._folder)
        reply = await self._asker.ask(role="generator", system=system, user=user, answer=SHAPE, place=place)
        return replace(candidate_from(spec, reply, parent), model=reply.model)


def candidate_from(spec: ToolSpec, reply: Reply, parent: str | None = None) -> Candidate:
    """The Candidate in *reply*. Where there is no code its source is '' and its notes say what came instead."""
    read = code_in(reply.text, reply.data, spec.name)
    if not read.source:
        return Candidate(spec, "", grant=spec.grant, parent=parent, notes=_CUT_OFF if reply.truncated else read.problem)
    body = body_of(read.source, spec.name, list(spec.input_schema.get("properties", {})))
    if reply.truncated and not defines(body.source, spec.name):
        return Candidate(spec, "", grant=spec.grant, parent=parent, notes=_CUT_OFF)
    said = _said_of(read.declared, body, reply.text)
    asked, problems = _declared(said, spec.grant)
    known = said.get("powers") is not None and not problems
    grant = _grant(spec, asked.grant, body.source) if known else spec.grant
    # They are kept with the tool, and nothing else looks at them.
    notes = hushed(" ".join([*_said(read.declared.get("notes")), *body.changes, *problems]))[:_LONGEST_NOTES]
    candidate = Candidate(spec, body.source, _packages(spec, asked, body), grant=grant, parent=parent, notes=notes)
    return candidate if _can_be_kept(candidate) else replace(candidate, packages=spec.packages, grant=spec.grant)


def _can_be_kept(candidate: Candidate) -> bool:
    """Whether what it asks for can be written down (a path of lone surrogates cannot)."""
    try:
        return bool(candidate.digest) and "".join(candidate.packages).isascii()
    except SpecError:
        return False


def _said_of(declared: Mapping[str, Any], body: Body, text: str) -> Mapping[str, Any]:
    """What the answer declares: in its structure, else in the script's header, else in lines around the block."""
    if declared.get("powers") is not None or declared.get("packages") is not None:
        return declared
    header = {} if body.powers is None else {"powers": body.powers}
    return {**declared_in(text), **header, **declared}


def _declared(declared: Mapping[str, Any], known: Grant) -> tuple[Asked, list[str]]:
    """The powers and packages that the answer declares, and in words what of it cannot be read."""
    asked, problems, packages = Asked(), [], list[str]()
    for key in ("powers", "packages"):
        try:
            said = declared.get(key)
            got = asked_from(said, known=known) if key == "powers" else asked_from(None, said)
        except (SpecError, TypeError, AttributeError, RecursionError) as error:
            problems.append(f"Its {key} could not be read: {error}")
            continue
        packages += got.packages
        asked = got if key == "powers" else asked
    asked.packages = packages
    return asked, problems


def _grant(spec: ToolSpec, declared: Grant, source: str) -> Grant:
    """What was declared; where that is nothing at all, those of the spec's powers that the code shows it uses.

    Many models fill every field of a structure, and an empty list is what they put where they did not think.
    """
    if declared:
        return declared
    online = bool(imported(source) & _NETWORK_MODULES)
    own = spec.grant
    hosts = tuple(host for host in own.hosts if online or split_host(host)[0].removeprefix("*.") in source)
    bound = [one for one in own.bindings if any(host_within(one.host, host) for host in hosts)]
    return Grant(
        hosts,
        tuple(path for path in own.reads if path in source),
        tuple(path for path in own.writes if path in source),
        tuple(str(one) for one in bound if one.name in source),
        tuple(name for name in own.plain_secrets if name in source),
        own.subprocess and _PROCESSES.search(source) is not None,
    )


def _packages(spec: ToolSpec, asked: Asked, body: Body) -> tuple[str, ...]:
    """What was declared (in the answer or in a script header), and what is imported of the allowed and asked ones."""
    used = imported(body.source)
    known = [one for one in (*spec.packages, *ALLOWED_PACKAGES) if package_name(one).replace("-", "_") in used]
    found: dict[str, str] = {}
    for requirement in (*asked.packages, *_readable(body.packages), *known):
        found.setdefault(package_name(requirement), requirement)
    return tuple(found[name] for name in sorted(found))


def _readable(packages: Iterable[str]) -> list[str]:
    try:
        return asked_from(None, list(packages)).packages
    except SpecError:
        return []


def _said(notes: Any) -> list[str]:
    text = notes if isinstance(notes, str) else " ".join(map(str, notes)) if isinstance(notes, list) else ""
    return [text.encode("utf-8", "replace").decode()] if text.strip() else []
