"""The name of a module goes in, its text comes out: it stands in what is exported, is checked here, run only there."""

from __future__ import annotations

from pathlib import Path


def text_of(name: str) -> str:
    """The text of the module *name* beside this one."""
    return Path(__file__).with_name(f"{name}.py").read_text(encoding="utf-8")
