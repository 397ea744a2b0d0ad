"""The environment goes in, the process's Telemetry comes out: off, the program's own providers, or new ones."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

from toolwright.telemetry.asked import asked
from toolwright.telemetry.quiet import OFF, Telemetry

Warn = Callable[[str], None]

_NAME = "toolwright"
_MISSING = (
    "Variables that begin with OTEL_ ask for telemetry, and what sends it is not installed ({}): "
    "`pip install 'toolwright[otel]'`, or unset them. Nothing is sent."
)


def telemetry_of(shown: Callable[[Any], Any], warn: Warn, version: str) -> Telemetry:
    """What the `OTEL_…` variables ask for. *shown*: what of a JSON value may be seen; *version*: Toolwright's own.

    Whatever is wrong with it is said to *warn*, once a process, and telemetry stays off.
    """
    said = asked(os.environ)
    if said is None:
        return OFF
    try:
        from toolwright.telemetry.exporting import opened
        from toolwright.telemetry.recording import Recording

        providers = opened(said)
        tracer = providers.tracer.get_tracer(_NAME, version)
        meter = providers.meter.get_meter(_NAME, version)
    except ImportError as error:
        _once(_MISSING.format(error.name or error), warn)
        return OFF
    except Exception as error:  # noqa: BLE001 -- a library that is asked for by variables breaks as it likes, no run does
        _once(f"Telemetry is off: what the OTEL_ variables ask for cannot be had: {error}", warn)
        return OFF
    return Recording(tracer, meter, shown, said.content)


def end(within_s: float) -> None:
    """Send the rest, and wait for so many seconds at most: for a process that ends without its interpreter's end."""
    if (exporting := sys.modules.get("toolwright.telemetry.exporting")) is not None:
        exporting.end(within_s)


def _once(text: str, warn: Warn) -> None:
    if text not in _said():
        _said().add(text)
        warn(text)


@cache
def _said() -> set[str]:
    return set()
