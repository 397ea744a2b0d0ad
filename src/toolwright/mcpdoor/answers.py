"""Outcomes and what came of requests for tools go in; results of the protocol come out, in words and as structure."""

from __future__ import annotations

import base64
import json
import mimetypes
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcp_types import (
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    TextContent,
    TextResourceContents,
)

from toolwright.call import Outcome
from toolwright.presented import is_framed
from toolwright.requested import answer_of

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


def of_outcome(tool: Usable, outcome: Outcome, out: Path) -> CallToolResult:
    """What a call gave, with the files that it left below *out*; or how it ended."""
    files, kept = _files(outcome, out)
    if not outcome.ok:
        text = f"{tool.name} gave no value ({outcome.status.value}): {outcome.detail}"
        printed = {"printed": outcome.output[-2_000:]} if outcome.output.strip() else {}
        told = in_words(text, outcome.status.value, **printed)
        return told.model_copy(update={"content": [*told.content, *files]})
    framed = is_framed(tool.output_schema) or not isinstance(outcome.value, dict)
    structure = {"result": outcome.value} if framed else outcome.value
    notes = [TextContent(text=one) for one in (outcome.detail, kept) if one]
    return said(structure, *files, *notes)


def of_outcomes(outcomes: Sequence[Outcome], out: Path) -> CallToolResult:
    """What calls with a list of arguments gave, one for each, in order."""
    results = [
        {"status": "ok", "result": one.value} if one.ok else {"status": one.status.value, "reason": one.detail}
        for one in outcomes
    ]
    files, kept = _files(outcomes[-1], out) if outcomes else ([], "")
    notes = [TextContent(text=kept)] if kept else []
    return said({"results": results}, *files, *notes, error=not any(one.ok for one in outcomes))


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
    came = answer_of(forged, name, handed_in)
    if came.status in ("ready", "waits"):
        return said(came.to_json(), error=came.status == "waits")
    return in_words(came.text, came.status, **came.more)
