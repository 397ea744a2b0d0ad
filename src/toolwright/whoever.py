"""Who sits here, in words that prove nothing: for the audit, and for others who read what was signed."""

from __future__ import annotations

import getpass
import socket
from contextlib import suppress

from toolwright.masking import hushed


def person_here() -> str:
    """The person at this machine, by the name of their account."""
    with suppress(OSError, KeyError):
        return hushed(getpass.getuser())
    return "somebody"


def who_here() -> str:
    """This person and machine."""
    return f"{person_here()} on {socket.gethostname()}"
