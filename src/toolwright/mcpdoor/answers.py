"""Outcomes and what came of requests for tools go in; results of the protocol come out, in words and as structure."""

from __future__ import annotations

import base64
import json
import mimetypes
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcp_types import (
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
    TextResourceContents,
)

from toolwright.call import Outcome
from toolwright.largevalues import KEY, OUTPUT_TAIL, Large, large
from toolwright.mcpdoor.surface import RUN, VALUE
from toolwright.presented import is_framed
from toolwright.requested import came_of

if TYPE_CHECKING:
    from toolwright.forge import Forged
    from toolwright.owntools import Usable

MOST_FILE_BYTES = 4 * 2**20
"""As much of what a call left is sent along; the rest is named by where it lies."""
_SPELLINGS = {"audio/x-wav": "audio/wav"}


def said(structure: Mapping[str, Any], *more: ContentBlock, error: bool = False) -> CallToolResult:
    """*structure*, and the same as text; *more* stands behind it."""
    text = TextContent(text=json.dumps(structure, ensure_ascii=False))
    return CallToolResult(content=[text, *more], structured_content=dict(structure), is_error=error)


def in_words(text: str, status: str = "refused", **more: Any) -> CallToolResult:
    """What a model reads that got nothing of what it wanted, and should mend or leave."""
    return CallToolResult(
        content=[TextContent(text=text)],
        structured_content={"status": status, "reason": text, **more},
        is_error=True,
    )


@dataclass(frozen=True, slots=True)
class Client:
    """What a client is told, as far as it depends on who that is and on how it asked."""

    keep: Callable[[Any], str]
    """Stores a value that is too long for a model; its handle."""
    links: bool
    """Whether it knows links to resources."""
    promised: bool = False
    """Whether it called a tool by its own name: then the structure is what the tool's schema says, however long."""


def of_outcome(tool: Usable, outcome: Outcome, out: Path, client: Client) -> CallToolResult:
    """What a call gave, with the files that it left below *out*; or how it ended."""
    files, kept = _files(outcome, out)
    if not outcome.ok:
        text = f"{tool.name} gave no value ({outcome.status.value}): {outcome.detail}"
        printed = {"printed": outcome.output[-OUTPUT_TAIL:]} if outcome.output.strip() else {}
        told = in_words(text, outcome.status.value, **printed)
        return told.model_copy(update={"content": [*told.content, *files]})
    notes = [TextContent(text=one) for one in (outcome.detail, kept) if one]
    framed = is_framed(tool.output_schema) or not isinstance(outcome.value, dict)
    structure = {"result": outcome.value} if framed else outcome.value
    if (long := large(outcome.value, client.keep)) is None:
        return said(structure, *files, *notes)
    headed = said(_headed(long), *_links(long, client), *files, *notes)
    return headed.model_copy(update={"structured_content": structure}) if client.promised else headed


def of_outcomes(outcomes: Sequence[Outcome], out: Path, client: Client) -> CallToolResult:
    """What calls with a list of arguments gave, one for each, in order."""
    results = [
        {"status": "ok", "result": one.value} if one.ok else {"status": one.status.value, "reason": one.detail}
        for one in outcomes
    ]
    files, kept = _files(outcomes[-1], out)
    notes = [TextContent(text=kept)] if kept else []
    error = not any(one.ok for one in outcomes)
    if (long := large(results, client.keep)) is None:
        return said({"results": results}, *files, *notes, error=error)
    counts = dict(Counter(one.status.value for one in outcomes))
    return said({**_headed(long), "counts": counts}, *_links(long, client), *files, *notes, error=error)


def _headed(long: Large) -> dict[str, Any]:
    """What a model is told of a value that is too long for it."""
    note = (
        f'Too long to be shown whole. {{"{KEY}": "{long.handle}"}} as an argument of any tool hands it on whole; '
        f'{RUN} with what `read_on` holds reads on ("length": characters, "path": inside, such as "rows.0").'
    )
    return {KEY: long.handle, "size": long.size, "head": long.head, "read_on": long.onward, "note": note}


def _links(long: Large, client: Client) -> list[ContentBlock]:
    if not client.links:
        return []
    uri, name = f"{VALUE}{long.handle}", f"the value {long.handle}"
    return [ResourceLink(uri=uri, name=name, mime_type="application/json", size=long.size)]


def page_of(text: str) -> CallToolResult:
    """A part of a kept value, in words, as `read_value` gives it."""
    return CallToolResult(content=[TextContent(text=text)], structured_content={"result": text})


def _files(outcome: Outcome, out: Path) -> tuple[list[ContentBlock], str]:
    """The files that a call left, as content; and a sentence about those that are too long for it."""
    blocks: list[ContentBlock] = []
    left, room = [], MOST_FILE_BYTES
    for file in outcome.files:
        path = Path(file.path)
        if file.size > room:
            left.append(f"{path} ({file.size:,} bytes)")
            continue
        room -= file.size
        blocks.append(_content(path.relative_to(out).as_posix() if path.is_relative_to(out) else path.name, path))
    return blocks, f"Too long to be sent along: {', '.join(left)}." if left else ""


def _content(name: str, path: Path) -> ContentBlock:
    data = path.read_bytes()
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    kind = _SPELLINGS.get(kind, kind)
    encoded = base64.b64encode(data).decode()
    if kind.startswith("image/"):
        return ImageContent(data=encoded, mime_type=kind)
    if kind.startswith("audio/"):
        return AudioContent(data=encoded, mime_type=kind)
    uri = f"toolwright://file/{name}"
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return EmbeddedResource(resource=BlobResourceContents(uri=uri, mime_type=kind, blob=encoded))
    plain = "text/plain" if kind == "application/octet-stream" else kind
    return EmbeddedResource(resource=TextResourceContents(uri=uri, mime_type=plain, text=text))


def of_forged(forged: Forged, name: str, handed_in: bool) -> CallToolResult:
    """The tool, its handle and its schema; or the checks that failed, or why there is none."""
    came = came_of(forged, name, handed_in)
    if came.status in ("ready", "waits"):
        return said(came.to_json(), error=came.status == "waits")
    return in_words(came.text, came.status, **came.more)
