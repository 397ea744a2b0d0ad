"""The name of a target goes in, the Target comes out."""

from __future__ import annotations

import functools
import importlib

from benchmarks.fuzz.target import Target

_WHERE = {
    "claims": ("claims", "Claims"),
    "http": ("http", "Requests"),
    "answer": ("http", "Answers"),
    "tls": ("tls", "Greetings"),
    "hosts": ("hosts", "Hosts"),
    "keeper": ("keeper", "Channel"),
    "places": ("secrets", "Places"),
    "clean": ("secrets", "CleanAnswers"),
    "stream": ("stream", "Stream"),
}
NAMES = tuple(_WHERE)
"""What `--target` knows."""


@functools.cache
def target(name: str) -> Target:
    """The target of that name."""
    module, kind = _WHERE[name]
    made: Target = getattr(importlib.import_module(f"benchmarks.fuzz.{module}"), kind)()
    return made
