"""A verdict that met the world goes in; its failed check comes out again for the run that goes on after a kill.

An example runs with powers once for each approval. A process that comes after a kill does not run it again, and would
take a candidate for proven of which the one before it has seen that it is not.
"""

from __future__ import annotations

import json

from toolwright.tool import Check, Verdict
from toolwright.toolrecord import check_from, check_to_json
from toolwright.trace import Journal, Place

_NAME = "examples"
"""The only check that runs with powers."""


class LiveFailures:
    """The failed examples of one home's runs, by the place of their attempt."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def get(self, place: Place) -> Check | None:
        """The check that failed there, if one did."""
        data = self._journal.get("tool", place)
        return None if data is None else check_from(json.loads(data))

    def note(self, place: Place, verdict: Verdict) -> None:
        """Keep what *verdict* failed, if that was an example which ran with powers; on disk when this returns."""
        failed = verdict.failed
        if failed is not None and failed.name == _NAME and verdict.candidate.grant:
            self._journal.put("tool", place, json.dumps(check_to_json(failed)).encode())
