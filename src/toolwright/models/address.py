"""Addresses of endpoints: which of them are this very machine or one beside it, and how one is written."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from toolwright.errors import UserError


def is_loopback(url: str) -> bool:
    """Whether *url* leads to this machine: `localhost`, `*.localhost`, or an address in 127.0.0.0/8 or ::1."""
    name = (urlsplit(url).hostname or "").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def is_at_home(url: str) -> bool:
    """Whether *url* leads to this machine or one beside it: loopback, a private address, or a name without a domain."""
    name = (urlsplit(url).hostname or "").lower()
    if is_loopback(url) or name.endswith((".local", ".lan", ".home.arpa", ".internal")):
        return True
    try:
        return ipaddress.ip_address(name).is_private
    except ValueError:
        return bool(name) and "." not in name


def checked_url(url: str) -> str:
    """*url* without a slash at its end; UserError when it is not an http(s) address, or holds a password."""
    # Looked for first and in any spelling, since the next error repeats the address.
    if "@" in url.partition("://")[2].partition("/")[0] or "@" in url.partition("/")[0]:
        raise UserError("The base URL holds a user name or a password; keys belong into the environment.")
    parts = urlsplit(url.strip())
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UserError(f"base URL {url!r} is not an address; write for example 'http://127.0.0.1:8000/v1'.")
    return url.strip().rstrip("/")
