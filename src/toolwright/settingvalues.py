"""What a person wrote in a file, a variable or an option goes in; the value of a setting comes out, or ValueError."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from typing import Any

from toolwright.store.aws.address import read_address


def choice_of(*allowed: str) -> Callable[[Any], str]:
    """A reader of one of the words *allowed*."""

    def read(value: Any) -> str:
        if value not in allowed:
            raise ValueError(f"must be one of {', '.join(allowed)}")
        return str(value)

    return read


def text_of(value: Any) -> str:
    """A text that is not empty."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be a text that is not empty")
    return value.strip()


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return float("nan")
    try:
        return float(value)
    except (ValueError, OverflowError):
        return float("nan")


def store_of(value: Any) -> str:
    """`files`, or the address of a shared shelf."""
    text = value.strip() if isinstance(value, str) else ""
    if text != "files":
        read_address(text)
    return text


def url_of(value: Any) -> str:
    """The address of a server."""
    text = text_of(value)
    if not re.match(r"https?://[^/@\s]+/?\Z", text):
        raise ValueError("must be the address of a server, such as http://127.0.0.1:9000, with no user name in it")
    return text.rstrip("/")


def count_of(value: Any) -> int:
    """A whole number, 0 or more."""
    number = _number(value)
    if not 0 <= number < 2**53 or number != int(number):
        raise ValueError("must be a whole number, 0 or more")
    return int(number)


def at_least_one_of(value: Any) -> int:
    """A whole number, 1 or more."""
    if (number := _number(value)) != number or number < 1:
        raise ValueError("must be a whole number, 1 or more")
    return count_of(value)


def seconds_of(value: Any) -> float:
    """Seconds above 0."""
    number = _number(value)
    if not 0 < number < float("inf"):
        raise ValueError("must be a number of seconds above 0")
    return number


def dollars_of(value: Any) -> float:
    """US dollars, 0 or more."""
    number = _number(value)
    if not 0 <= number < float("inf"):
        raise ValueError("must be a number of US dollars, 0 or more")
    return number


def days_of(value: Any) -> float:
    """Days, 0 or more."""
    number = _number(value)
    if not 0 <= number < float("inf"):
        raise ValueError("must be a number of days, 0 or more")
    return number


def flag_of(value: Any) -> bool:
    """True or False, also as a word."""
    if isinstance(value, bool):
        return value
    if str(value).lower() in ("1", "true", "yes", "on"):
        return True
    if str(value).lower() in ("0", "false", "no", "off"):
        return False
    raise ValueError("must be true or false")


def reference_of(value: Any) -> str:
    """`module:function`."""
    text = text_of(value)
    module, _, function = text.rpartition(":")
    if not module.strip() or not function.strip():
        raise ValueError("must be module:function, such as billing:lookup")
    return text


def references_of(value: Any) -> tuple[str, ...]:
    """Several of them."""
    return tuple(map(reference_of, _listed(value, None)))


def paths_of(value: Any) -> tuple[str, ...]:
    """Absolute paths, one a line; `~` is the person's home folder."""
    found = [os.path.expanduser(text_of(one)) for one in _listed(value, "\n")]
    for path in found:
        if not os.path.isabs(path):
            raise ValueError(f"must be absolute paths, and {path!r} is none")
    return tuple(found)


def hosts_of(value: Any) -> tuple[str, ...]:
    """Names of hosts as a Host header says them, without a port, in small letters."""
    found = tuple(text_of(one).lower() for one in _listed(value, None))
    for host in found:
        if not re.fullmatch(r"[a-z0-9.-]+|\[[0-9a-f:.]+\]", host):
            raise ValueError(f"must be names of hosts without a port, and {host!r} is none")
    return found


def servers_of(value: Any) -> tuple[str, ...]:
    """Several texts, one a line."""
    return tuple(map(text_of, _listed(value, "\n")))


def _listed(value: Any, separator: str | None) -> list[Any]:
    """A list; or a text, as in the environment: JSON of a list, or items between separators (None: white space)."""
    if isinstance(value, str):
        if not value.lstrip().startswith("["):
            return [item for item in value.split(separator) if item.strip()]
        value = json.loads(value)
    if not isinstance(value, list):
        raise ValueError("must be a list of texts")
    return value


def name_of(value: Any) -> str:
    """Letters, digits and underscores."""
    text = str(value)
    if not text.isidentifier() or not text.isascii():
        raise ValueError("must be letters, digits and underscores")
    return text
