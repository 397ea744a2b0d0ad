"""A parsed policy file goes in, the Policy comes out; what is wrong in it is told with file, rule, line and value."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from toolwright.errors import SettingsError, SpecError
from toolwright.packagerules import WrongKeyError, rules_from
from toolwright.policy import ANY_TCP, PRUNED, Action, Policy, Rule
from toolwright.powers import EFFECTS, ORIGINS, Grant, SecretBinding, host_power, host_within, package_name
from toolwright.reach import secret_name

T = TypeVar("T")

RULE_KEYS = (
    *("action", "hosts", "reads", "writes", "secrets", "packages", "names", "effects", "origins"),
    *("plain_secrets", "subprocess", "tenants", "models"),
)


def policy_from(document: Mapping[str, Any], source: str, text: str = "") -> Policy:
    """The Policy in a parsed TOML *document* (docs/policy.md); SettingsError names *source* and what is bad.

    With the *text* that it was parsed from the error names the line, too.
    """
    unknown = set(document) - {"rule", "packages", "prune"}
    if unknown:
        key = sorted(unknown)[0]
        known = "a policy holds [[rule]] tables and the tables [packages] and [prune]"
        raise SettingsError(f"{source}: unknown key {key!r}{_at(text, 0, key)}; {known}.")
    packages = _table("packages", rules_from, document, source, text)
    prune = _table("prune", _pruned, document, source, text)
    tables = document.get("rule", [])
    if not isinstance(tables, list):
        raise SettingsError(f"{source}: 'rule' must be written [[rule]], once for each rule.")
    rules = []
    for number, table in enumerate(tables, 1):
        try:
            rules.append(_rule(table, _line(text, number, "")))
        except WrongKeyError as error:
            raise SettingsError(f"{source}, rule {number}{_at(text, number, error.key)}: {error}") from None
    return Policy(tuple(rules), source, packages, prune)


def _table(name: str, read: Callable[[Any], T], document: Mapping[str, Any], source: str, text: str) -> T:
    """What *read* makes of the table *name*, or of an empty one."""
    try:
        return read(document.get(name, {}))
    except WrongKeyError as error:
        raise SettingsError(f"{source}, [{name}]{_at_table(text, name, error.key)}: {error}") from None


def _pruned(table: Any) -> tuple[str, ...]:
    if not isinstance(table, Mapping) or set(table) - {"retire"}:
        raise WrongKeyError("", "it holds one key: retire, a list of reasons.")
    reasons = table.get("retire", [])
    for one in reasons if isinstance(reasons, list) else [reasons]:
        if one not in PRUNED:
            raise WrongKeyError("retire", f"reason {one!r} is not one of {', '.join(PRUNED)}.")
    return tuple(reasons)


def _at(text: str, number: int, key: str) -> str:
    """` (line 12)`: where *key* stands in the rule of that *number* (0: before all of them), '' if it is not seen."""
    line = _line(text, number, key)
    return f" (line {line})" if line else ""


def _line(text: str, number: int, key: str) -> int:
    seen, head = 0, 0
    for line, said in enumerate(text.splitlines(), 1):
        if re.match(r"\s*\[\[\s*rule\s*\]\]", said):
            seen, head = seen + 1, line if seen + 1 == number else head
        elif key and seen == number and re.match(rf"""\s*\[?["']?{re.escape(key)}["']?\s*[=\]]""", said):
            return line
    return head


def _at_table(text: str, name: str, key: str) -> str:
    """`_at` for the table *name*."""
    inside = False
    for line, said in enumerate(text.splitlines(), 1):
        if said.lstrip().startswith("["):
            inside = re.match(rf"\s*\[\s*{name}\s*\]", said) is not None
        elif inside and key and re.match(rf"\s*{re.escape(key)}\s*=", said):
            return f" (line {line})"
    return ""


def _rule(table: Any, line: int) -> Rule:
    if not isinstance(table, Mapping):
        raise WrongKeyError("", "must be a table.")
    for key, value in table.items():
        if key not in RULE_KEYS:
            raise WrongKeyError(key, f"unknown key {key!r}; known are {', '.join(RULE_KEYS)}.")
        if key == "subprocess" and not isinstance(value, bool):
            raise WrongKeyError(key, f"subprocess must be true or false, not {value!r}.")
        texts = isinstance(value, list) and all(isinstance(item, str) for item in value)
        if key not in ("action", "subprocess") and not texts:
            raise WrongKeyError(key, f"{key} must be a list of strings, not {value!r}.")
        if value == []:
            raise WrongKeyError(key, f"{key} is empty, and without {key} a rule is one for any: name some.")
    action = table.get("action")
    if action not in ("allow", "ask", "deny"):
        raise WrongKeyError("action", f"action must be 'allow', 'ask' or 'deny', not {action!r}.")
    lists = {key: tuple(value) for key, value in table.items() if key not in ("action", "subprocess")}
    for key, word, known in (("effects", "effect", EFFECTS), ("origins", "origin", ORIGINS)):
        for one in lists.get(key, ()):
            if one not in known:
                raise WrongKeyError(key, f"{word} {one!r} is not one of {', '.join(known)}.")
    for key, read in _READERS.items():
        try:
            lists[key] = tuple(dict.fromkeys(read(one, action) for one in lists.get(key, ())))
        except SpecError as error:
            raise WrongKeyError(key, str(error)) from None
    for one in lists["secrets"] if action == "allow" else ():
        if "@" in one and not any(host_within(SecretBinding.parse(one).host, own) for own in lists["hosts"]):
            raise WrongKeyError(
                "secrets", f"secret {one!r}: its host is not among the hosts of this rule; add it there."
            )
    return Rule(action, subprocess=table.get("subprocess", False), line=line, **lists)


def _host(text: str, action: Action) -> str:
    if text.strip() == ANY_TCP:
        if action == "allow":
            raise SpecError(f"host {text!r}: a rule that allows raw TCP names each host: 'tcp://mail.example.com:25'.")
        return ANY_TCP
    return host_power(text)


def _plain_secret(text: str, action: Action) -> str:
    if text == "*" and action == "allow":
        raise SpecError(f"secret {text!r}: a rule that allows plain values names each one.")
    return text if text == "*" else secret_name(text)


_READERS: Mapping[str, Callable[[str, Action], str]] = {
    "hosts": _host,
    "reads": lambda text, _: Grant(reads=(text,)).reads[0],
    "writes": lambda text, _: Grant(writes=(text,)).writes[0],
    "secrets": lambda text, _: str(SecretBinding.parse(text)) if "@" in text else secret_name(text),
    "packages": lambda text, _: package_name(text),
    "plain_secrets": _plain_secret,
}
"""How each text of a list is read; SpecError."""
