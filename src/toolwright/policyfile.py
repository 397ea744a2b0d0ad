"""A parsed policy file goes in, the Policy comes out; what is wrong in it is told with file, rule, line and value."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from toolwright.errors import SettingsError, SpecError, quoted
from toolwright.packagerules import PACKAGE_KEYS, PackageRules, WrongKeyError, check_texts, rules_from
from toolwright.policy import ANY_TCP, PRUNED, Action, Policy, Rule
from toolwright.powers import EFFECTS, ORIGINS, Grant, SecretBinding, host_power, host_within, package_name
from toolwright.reach import secret_name
from toolwright.tomllines import Lines, line_at, lines_of, told_at

T = TypeVar("T")

RULE_KEYS = (
    *("action", "hosts", "reads", "writes", "secrets", "packages", "names", "effects", "origins"),
    *("plain_secrets", "subprocess", "tenants", "models"),
)
_KEYS = {"rule": RULE_KEYS, "packages": PACKAGE_KEYS, "prune": ("retire",)}
_TABLES = {"rule": "[[rule]]", "packages": "[packages]", "prune": "[prune]"}
"""Each table, with how it is written."""


def policy_from(document: Mapping[str, Any], source: str, text: str = "") -> Policy:
    """The Policy in a parsed TOML *document* (docs/policy.md); SettingsError names *source* and what is bad.

    With the *text* that it was parsed from the error names the line, too.
    """
    lines = lines_of(text)
    for key in document:
        if key not in _TABLES:
            holds = "A policy holds [[rule]] tables and the tables [packages] and [prune]."
            told = f"unknown key {quoted(key)}{told_at(lines, key)}. {_instead(key, _TABLES)}{holds}"
            raise SettingsError(f"{source}: {told}")
    packages = _table("packages", _packages, document, source, lines)
    prune = _table("prune", _pruned, document, source, lines)
    tables = document.get("rule", [])
    if not isinstance(tables, list):
        raise SettingsError(f"{source}: 'rule'{told_at(lines, 'rule')} must be written [[rule]], once for each rule.")
    rules = []
    for number, table in enumerate(tables):
        try:
            rules.append(_rule(table, line_at(lines, ("rule", number))))
        except WrongKeyError as error:
            where = told_at(lines, "rule", number, *error.place)
            raise SettingsError(f"{source}, rule {number + 1}{where}: {error}") from None
    return Policy(tuple(rules), source, packages, prune)


def _table(name: str, read: Callable[[Any], T], document: Mapping[str, Any], source: str, lines: Lines) -> T:
    """What *read* makes of the table *name*, or of an empty one."""
    try:
        return read(document.get(name, {}))
    except WrongKeyError as error:
        raise SettingsError(f"{source}, [{name}]{told_at(lines, name, *error.place)}: {error}") from None


def _instead(key: str, known: Mapping[str, str]) -> str:
    """`Did you mean 'hosts'? `: what to write for *key*, of *known*, each with how it is written; '' for no idea."""
    table = next((table for table, keys in _KEYS.items() if key in keys), "")
    if table:
        return f"It is a key of {_TABLES[table]}. "
    if key in _TABLES:
        return f"It is a table of its own, {_TABLES[key]}. "
    like = difflib.get_close_matches(key.lower(), known, 1)
    return f"Did you mean {known[like[0]]}? " if like else ""


def _check_keys(table: Mapping[str, Any], name: str) -> None:
    known = _KEYS[name]
    for key in table:
        if key not in known:
            told = f"{_instead(key, {one: repr(one) for one in known})}Known here: {', '.join(known)}."
            raise WrongKeyError(key, f"unknown key {quoted(key)}. {told}")


def _packages(table: Any) -> PackageRules:
    if isinstance(table, Mapping):
        _check_keys(table, "packages")
    return rules_from(table)


def _pruned(table: Any) -> tuple[str, ...]:
    if not isinstance(table, Mapping):
        raise WrongKeyError("", "prune must be one table, written [prune].")
    _check_keys(table, "prune")
    reasons = table.get("retire", [])
    if not isinstance(reasons, list):
        raise WrongKeyError("retire", f"retire must be a list of reasons, not {quoted(reasons)}.")
    for number, one in enumerate(reasons):
        if one not in PRUNED:
            raise WrongKeyError("retire", f"reason {quoted(one)} is not one of {', '.join(PRUNED)}.", number)
    return tuple(reasons)


def _rule(table: Any, line: int) -> Rule:
    if not isinstance(table, Mapping):
        raise WrongKeyError("", f"it must be a table, not {quoted(table)}.")
    _check_keys(table, "rule")
    for key, value in table.items():
        if key == "subprocess" and not isinstance(value, bool):
            raise WrongKeyError(key, f"subprocess must be true or false, not {quoted(value)}.")
        if key not in ("action", "subprocess"):
            check_texts(key, value)
            if value == []:
                raise WrongKeyError(key, f"{key} is empty, and without {key} a rule is one for any: name some.")
    action = table.get("action")
    if action not in ("allow", "ask", "deny"):
        said = f"not {quoted(action)}" if "action" in table else "and this rule says none"
        raise WrongKeyError("action", f"action must be 'allow', 'ask' or 'deny', {said}.")
    lists = {key: tuple(value) for key, value in table.items() if key not in ("action", "subprocess")}
    for key, word, known in (("effects", "effect", EFFECTS), ("origins", "origin", ORIGINS)):
        for number, one in enumerate(lists.get(key, ())):
            if one not in known:
                raise WrongKeyError(key, f"{word} {quoted(one)} is not one of {', '.join(known)}.", number)
    for key, read in _READERS.items():
        found: dict[str, None] = {}
        for number, one in enumerate(lists.get(key, ())):
            try:
                found[read(one, action)] = None
            except SpecError as error:
                raise WrongKeyError(key, str(error), number) from None
        lists[key] = tuple(found)
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
