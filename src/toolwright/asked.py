"""Powers and packages as a model says them go in; a Grant, requirements and the reason for each come out."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from toolwright.errors import SpecError, quoted
from toolwright.literals import LONGEST_TEXT
from toolwright.powers import (
    ALLOWED_PACKAGES,
    EFFECTS,
    LOUD,
    NO_POWERS,
    POWER_LISTS,
    Effect,
    Grant,
    host_power,
    package_name,
    power_words,
)
from toolwright.reach import TCP, bound_secret

_KINDS = {
    "hosts": "hosts host network net domain domains url urls connect internet api http https web",
    "packages": "packages package pip dependencies dependency library libraries requires import",
    "reads": "reads read file files folder folders path paths directory filesystem",
    "writes": "writes write",
    "secrets": "secrets secret env environment key keys api_key api_keys token tokens credential credentials",
    "plain_secrets": "plain_secrets plain_secret",
    "tcp": "tcp raw_tcp",
    "subprocess": "subprocess subprocesses",
}
_KIND_OF = {word: kind for kind, words in _KINDS.items() for word in words.split()}
_NONE = frozenset({"", "none", "no", "null", "nothing", "n/a", "-", "[]", "{}", "false"})
_NAMES = ("name", "host", "package", "path", "secret", "file", "value", "url", "power")
_REASONS = ("why", "reason", "purpose", "description")
_WORDED = re.compile(r"(?P<kind>[A-Za-z_]+)\s*(?::(?!//)|=|\s)\s*(?P<value>\S.*)\Z", re.DOTALL)
_WHY = re.compile(r"(?P<value>\S+)(?:\s+(?:because|for|to)\s|\s+-\s|\s*[—–(])\s*(?P<why>.*?)\)?\s*\Z", re.DOTALL)
_SECRET = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\Z")
_BOUND = re.compile(r"[A-Za-z_]\w*@\S*/(?:header|query)/\S+\Z", re.ASCII)
_BECAUSE = re.compile(
    r"(?:(?:yes|true|needed|subprocess(?:es)?)\b)?[\s(:—–-]*(?:(?:because|for|to)\b)?\s*(?P<why>.*?)\)?\s*\Z",
    re.DOTALL | re.IGNORECASE,
)
_HOSTLIKE = re.compile(
    r"(?:(?:https?|tcp)://\S+|(?:\*\.)?[\w-]+(?:\.[\w-]+)+(?::\d+)?(?:/\S*)?"
    r"|localhost(?::\d+)?|\[[0-9a-fA-F:]+\](?::\d+)?)\Z"
)
_SOME_HOST = re.compile(r"(?:https?|tcp)://[^\s,;]+|(?<![\w.-])[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,}(?::\d+)?")
_NETWORK = re.compile(r"\b(?:network|internet|access|connect\w*|https?|api|host)\b", re.IGNORECASE)
_MOST_POWERS, _LONGEST_POWER = 64, 500
_HINT = (
    'write for example {"hosts": ["api.example.com"], "packages": ["pandas"], "reads": ["/in"], "writes": ["/out"], '
    '"secrets": ["API_KEY@api.example.com/header/Authorization"]}, or lines such as "host api.example.com".'
)


@dataclass
class Asked:
    """What was asked for, collected. A bare secret that *known* has is meant as it stands there."""

    hosts: list[str] = field(default_factory=list)
    packages: list[str] = field(default_factory=list)
    reads: list[str] = field(default_factory=list)
    writes: list[str] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)
    plain_secrets: list[str] = field(default_factory=list)
    subprocess: bool = False
    effect: Effect = "none"
    known: Grant = NO_POWERS
    whys: dict[tuple[str, str], str] = field(default_factory=dict)
    """By kind and value as they were said."""

    @property
    def grant(self) -> Grant:
        """The powers among it."""
        bound = [one for name in self.secrets for one in self._meant(name)]
        # A secret is of no use without its host.
        hosts = [*self.hosts, *(one.host for one in self.known.bindings if one.name in self.secrets)]
        plain = [*self.plain_secrets, *(name for name in self.secrets if name in self.known.plain_secrets)]
        return Grant(tuple(hosts), tuple(self.reads), tuple(self.writes), tuple(bound), tuple(plain), self.subprocess)

    def _meant(self, secret: str) -> list[str]:
        if secret in self.known.plain_secrets:
            return []
        return [str(one) for one in self.known.bindings if one.name == secret] or [secret]

    @property
    def reasons(self) -> dict[str, str]:
        """Why each is needed, by the words of `Grant.words` and `package NAME`."""
        hosts = self.grant.hosts
        found = {}
        for (kind, value), why in self.whys.items():
            for meant in self._meant(value) if kind == "secrets" else [value]:
                found[power_words(kind, bound_secret(meant, hosts) if kind == "secrets" else meant)] = why
        return found

    def add(self, kind: str, value: str, why: str = "") -> None:
        """Take one power; what needs none (a file in the work folder, a standard module) is dropped."""
        if len(value) > _LONGEST_POWER:
            raise SpecError(
                f"powers: {quoted(value)} among {kind} is longer than {_LONGEST_POWER} characters (fixed); {_HINT}"
            )
        value = (
            value.strip().strip("`'\"").rstrip(".,;") if kind != "hosts" else value.strip().strip("`'\"").rstrip(",;")
        )
        if kind in ("reads", "writes"):
            if not value.startswith("/"):
                if value.startswith("~") or ".." in value.split("/"):
                    raise SpecError(f"path {quoted(value)}: a granted path must be absolute and hold no '..'.")
                return
            value = "/" + value.strip("/")
        elif kind == "tcp":
            kind, value = "hosts", host_power(value if value.startswith(TCP) else f"{TCP}{value}")
        elif kind == "hosts":
            value = host_power(value)
        elif kind == "subprocess":
            self.subprocess = True
            self._because(kind, kind, why)
            return
        elif kind == "packages":
            if value.partition(".")[0] in sys.stdlib_module_names:
                return
            package_name(value)
        if value not in (kept := getattr(self, kind)):
            kept.append(value)
        self._because(kind, value, why)
        if sum(len(getattr(self, kind)) for kind in ("packages", *POWER_LISTS)) > _MOST_POWERS:
            raise SpecError(f"powers: more than {_MOST_POWERS} were asked for (fixed); a tool needs few.")

    def _because(self, kind: str, value: str, why: str) -> None:
        if why.strip():
            self.whys[kind, value] = " ".join(why.split())[:500]


def asked_from(powers: Any, packages: Any = (), effect: Any = "none", known: Grant = NO_POWERS) -> Asked:
    """What *powers* (mapping, list, text, or JSON of one) and *packages* ask for; SpecError with what to write."""
    asked = Asked(effect=_effect(effect), known=known)
    if isinstance(packages, str):
        packages = [one for one in re.split(r"[,\s]+(?![<>=!~])", packages) if one.lower() not in _NONE]
    for one in _entries(packages, "packages"):
        _entry(asked, "packages", one, "")
    _take(asked, powers)
    # Grant checks paths and secrets' names: a request that cannot be granted is answered now.
    _ = asked.grant
    return asked


def _effect(value: Any) -> Effect:
    text = str(value or "none").strip().lower()
    word = {"read": "reads", "write": "writes", "pure": "none", "no": "none"}.get(text, text)
    for effect in EFFECTS:
        if word == effect:
            return effect
    raise SpecError(f"effect {quoted(value)} is not one of {', '.join(EFFECTS)}.")


def _take(asked: Asked, powers: Any) -> None:
    if isinstance(powers, str):
        if len(powers) > LONGEST_TEXT:
            raise SpecError(f"powers has {len(powers):,} characters; at most {LONGEST_TEXT:,} are read (fixed).")
        powers = _loaded(powers)
    if powers is None or powers is False:
        return
    if isinstance(powers, str):
        _worded_all(asked, re.split(r"[,;\n]", powers))
    elif isinstance(powers, Mapping):
        _mapping(asked, powers)
    elif isinstance(powers, Sequence):
        for one in powers:
            if isinstance(one, Mapping):
                _mapping(asked, one)
            else:
                _worded_all(asked, [str(one)])
    else:
        raise SpecError(f"powers {quoted(powers)} cannot be read; {_HINT}")


def _loaded(text: str) -> Any:
    if text.strip().lower() in _NONE:
        return None
    if text.lstrip()[:1] in ("{", "["):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text
    return text


def _mapping(asked: Asked, powers: Mapping[Any, Any]) -> None:
    """`{"hosts": [...], "why": {...}}`, or one power as `{"kind": "host", "name": ..., "why": ...}`."""
    whys = powers.get("why") or powers.get("reasons") or powers.get("reason") or {}
    kind = _KIND_OF.get(str(powers.get("kind", powers.get("type", ""))).lower())
    if kind:
        _entry(asked, kind, {key: one for key, one in powers.items() if key not in ("kind", "type")}, "")
        return
    for key, given in powers.items():
        word = str(key).strip().lower().replace("-", "_")
        if word in ("why", "reason", "reasons", "description"):
            continue
        if word == "effect":
            asked.effect = max(asked.effect, _effect(given), key=EFFECTS.index)
        elif _KIND_OF.get(word) == "subprocess":
            _subprocess(asked, given, whys)
        elif word in _KIND_OF:
            for one in _entries(given, word):
                _entry(asked, _KIND_OF[word], one, whys)
        else:
            raise SpecError(f"powers: unknown key {quoted(key)}; {_HINT}")


def _subprocess(asked: Asked, given: Any, whys: Any) -> None:
    """A yes or no, or a text that says why."""
    if isinstance(given, Mapping):
        given = next((given[key] for key in (*_REASONS, *_NAMES) if given.get(key)), "yes")
    if isinstance(given, Sequence) and not isinstance(given, str):
        given = ", ".join(map(str, given))
    if given is None or given is False or (isinstance(given, str) and given.strip().lower() in _NONE):
        return
    found = _BECAUSE.match("" if given is True else str(given).strip())
    why = whys.get("subprocess", "") if isinstance(whys, Mapping) else whys
    said = found["why"] if found and found["why"].lower() != "subprocess" else ""
    asked.add("subprocess", "subprocess", str(why or said))


def _entries(given: Any, word: str) -> Iterable[Any]:
    if given is None or given is False or (isinstance(given, str) and given.strip().lower() in _NONE):
        return []
    if given is True:
        raise SpecError(f"powers: {word!r} is {given!r}; name each one; {_HINT}")
    if isinstance(given, str):
        return [one for one in re.split(r"[,\n]", given) if one.strip()]
    if isinstance(given, Mapping) and not set(given) & set(_NAMES):
        return [{"name": name, "why": why} for name, why in given.items()]
    return [given] if isinstance(given, Mapping) else list(given) if isinstance(given, Sequence) else [str(given)]


def _entry(asked: Asked, kind: str, one: Any, whys: Any) -> None:
    """One entry of a list: a text, or a mapping with its name and why."""
    if kind == "subprocess":
        _subprocess(asked, one, whys)
        return
    why = ""
    if isinstance(one, Mapping):
        if kind == "secrets" and (bound := _binding(one)):
            one = {**one, "name": bound}
        if kind == "hosts" and "tcp" in (one.get("protocol"), one.get("scheme")):
            kind = "tcp"
        why = str(next((one[key] for key in _REASONS if one.get(key)), ""))
        mode = str(one.get("mode", one.get("access", ""))).lower()
        if kind == "reads" and (mode.startswith(("w", "a", "rw", "r+")) or one.get("write") is True):
            kind = "writes"
        port = one.get("port")
        one = next((one[key] for key in _NAMES if one.get(key)), None)
        if isinstance(one, str) and kind in ("hosts", "tcp") and isinstance(port, int) and ":" not in one:
            one = f"{one}:{port}"
    if not isinstance(one, str) or not one.strip():
        raise SpecError(f"powers: {quoted(one)} among {kind} cannot be read; {_HINT}")
    if isinstance(whys, Mapping):
        why = why or str(whys.get(one, whys.get(one.strip(), "")) or whys.get(kind, ""))
    elif not why:
        why = str(whys)
    # `KEY because …` is a secret of that name, and no kind of power.
    secret = kind in ("secrets", "plain_secrets") and _WHY.match(one.strip())
    said = None if secret else _WORDED.match(one.strip())
    if said and _KIND_OF.get(said["kind"].lower()) and kind != "packages" and not said["value"].strip().isdigit():
        kind, one = _KIND_OF[said["kind"].lower()], said["value"]
        if kind == "subprocess":
            _subprocess(asked, one, whys)
            return
    one = one.strip().removesuffix(LOUD)
    if found := _WHY.match(one.strip()):
        one, why = found["value"], why or found["why"]
    asked.add(kind, one, why)


def _binding(one: Mapping[Any, Any]) -> str:
    """The binding of a secret whose host and header or query parameter are said apart; '' if they are not."""
    name = next((one[key] for key in ("name", "secret") if one.get(key)), None)
    host, header = str(one.get("host") or ""), one.get("header")
    parameter = next((one[key] for key in ("query", "param", "parameter") if one.get(key)), None)
    if not isinstance(name, str) or "@" in name or not (host or header or parameter):
        return ""
    where = f"query/{parameter}" if parameter and not header else f"header/{header or 'Authorization'}"
    return f"{name}@{host}/{where}"


def _worded_all(asked: Asked, texts: Iterable[str]) -> None:
    for text in texts:
        bare = text.strip().strip("`-*• ").strip()
        if bare.lower() not in _NONE:
            _worded(asked, bare)


def _worded(asked: Asked, text: str) -> None:
    """One power in words: `host api.example.com`, `package pandas`, a URL, or a sentence that names a host."""
    text = text.removesuffix(LOUD).strip()
    first = text.split()[0]
    said = _WORDED.match(text)
    kind = _KIND_OF.get(said["kind"].lower()) if said else None
    if first.lower().startswith(TCP) or _BOUND.match(first) or first.lower() == "subprocess":
        _entry(asked, _guessed(text), text, "")
    elif said and kind and (kind != "hosts" or _HOSTLIKE.match(said["value"].split()[0])):
        _entry(asked, kind, said["value"], "")
    elif _NETWORK.search(text) and (" " in text or kind or text.lower() in _KIND_OF):
        host = _SOME_HOST.search(text)
        if host is None:
            raise SpecError(f"powers: {quoted(text)} names no host; write for example 'host api.example.com'.")
        _entry(asked, "hosts", host.group(), text.partition(" because ")[2])
    else:
        _entry(asked, _guessed(text), text, "")


def _guessed(text: str) -> str:
    """The kind of a power that is named without one."""
    first = text.split()[0]
    if first.startswith("/"):
        return "reads"
    if first.lower() == "subprocess":
        return "subprocess"
    if _SECRET.match(first) or _BOUND.match(first):
        return "secrets"
    if re.split(r"[<>=!~\[ ]", first)[0].lower() in ALLOWED_PACKAGES:
        return "packages"
    if _HOSTLIKE.match(first):
        return "hosts"
    raise SpecError(f"powers: {quoted(text)} cannot be read; {_HINT}")
