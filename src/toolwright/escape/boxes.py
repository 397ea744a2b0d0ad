"""The address of a box goes in, `module:factory`, and the box comes out."""

from __future__ import annotations

import importlib

from toolwright.sandbox import Sandbox

LINUX = "toolwright.sandbox.linux:LinuxSandbox"


def make_box(address: str, profile: str) -> Sandbox:
    """The box that `module:factory` makes, given *profile* if it is not empty. ValueError for an address of no form."""
    module, colon, factory = address.partition(":")
    if not module or not colon or not factory:
        raise ValueError(f"box {address!r} must be module:factory, such as {LINUX}.")
    make = getattr(importlib.import_module(module), factory)
    made: Sandbox = make(profile) if profile else make()
    return made
