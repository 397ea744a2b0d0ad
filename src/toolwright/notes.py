"""What a run has come to so far: made, reused, shown, refused; kept with each tool result so that a resume agrees."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import asdict, dataclass, field, fields

from toolwright.owntools import OwnTool, Usable

_WORD = re.compile(r"[a-z0-9]+")


@dataclass(slots=True)
class Notes:
    """The one mutable state of a run's tool calls; a snapshot is in every record of the journal."""

    made: list[str] = field(default_factory=list)
    """`name@version` of each tool that was made in this run."""
    reused: list[str] = field(default_factory=list)
    """`name@version` of each tool that was made before this run and did run in it."""
    shown: list[str] = field(default_factory=list)
    """`name@version` of each tool offered beside the fixed three; it only grows."""
    offered: list[str] = field(default_factory=list)
    """Names that were answered with near-duplicates: asked for again with a reason, they are made."""
    failed: list[str] = field(default_factory=list)
    """`name: description` of each request whose attempts all failed."""
    pinned: dict[str, str] = field(default_factory=dict)
    """What a name means in this run, as `number digest`: the version that it was first shown, or called."""
    gap: str = ""
    """Why the last request ended without a tool; empty once a tool was had, or one gave a value, after it."""

    def snapshot(self) -> dict[str, object]:
        """The state as JSON."""
        return asdict(self)

    def restore(self, snapshot: dict[str, object]) -> None:
        """Become what `snapshot` returned; what an earlier release did not keep stays as it is."""
        copied = json.loads(json.dumps(snapshot))
        for one in fields(self):
            if one.name in copied:
                setattr(self, one.name, copied[one.name])

    def begin_with_own(self, names: Collection[str]) -> None:
        """A conversation goes on where *names* are own tools now: those count, and own ones that are gone do not."""
        self.shown = [
            ref
            for ref, name, number in ((ref, *ref.split("@")) for ref in self.shown)
            if (number == "0") == (name in names)
        ]

    def version_shown(self, name: str) -> int | None:
        """The version that the model was shown under *name*, or None."""
        return next((int(number) for one, _, number in (ref.partition("@") for ref in self.shown) if one == name), None)

    def pin(self, version: Usable) -> None:
        """Let its name mean *version* from now on, whatever takes its place on the shelf."""
        digest = "" if isinstance(version, OwnTool) else version.digest
        self.pinned[version.name] = f"{version.number} {digest}"

    def pin_of(self, name: str) -> tuple[int | None, str | None]:
        """Number and digest of what *name* means in this run; both None as long as it was neither shown nor called.

        The digest is empty where only the number is known, as from what an earlier release recorded.
        """
        number, _, digest = self.pinned.get(name, "").partition(" ")
        if number:
            return int(number), digest
        shown = self.version_shown(name)
        return shown, None if shown is None else ""

    def failures_like(self, name: str, description: str) -> int:
        """How many requests failed that asked for the same thing: that name, or mostly the same words."""
        asked = _words(f"{name}: {description}")
        return sum(
            1
            for one in self.failed
            if one.partition(":")[0] == name or len(asked & _words(one)) >= 0.6 * len(asked | _words(one))
        )


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.lower()))
