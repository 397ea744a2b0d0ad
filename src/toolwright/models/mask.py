"""Text in, the same text without keys out: nothing that Toolwright writes or says holds a provider's key."""

from __future__ import annotations

import os
import re

MASK = "***"

_KEY_NAME = re.compile(r"(?i)(?:api[_-]?key|token|secret|password|credential)")
_KEY_SHAPES = re.compile(
    r"\b(?:sk|rk|pk|gsk|xai|hf|pplx|csk)[-_][A-Za-z0-9_\-]{12,}|\bAIza[A-Za-z0-9_\-]{20,}|(?i:\bbearer\s+)[A-Za-z0-9._\-]{8,}"
)


def secrets_in_environment() -> tuple[str, ...]:
    """Values of environment variables whose names say that they are keys; the longest first."""
    found = {value for name, value in os.environ.items() if _KEY_NAME.search(name) and len(value) >= 8}
    return tuple(sorted(found, key=len, reverse=True))


def masked(text: str) -> str:
    """*text* with every known key value, and whatever has the shape of a key, replaced by `***`."""
    for secret in secrets_in_environment():
        text = text.replace(secret, MASK)
    return _KEY_SHAPES.sub(MASK, text)
