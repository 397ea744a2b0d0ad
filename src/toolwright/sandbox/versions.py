"""Requirements go in; exact versions with hashes come out, none released more lately than the rules let through."""

from __future__ import annotations

import re
import time
import tomllib
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from toolwright.errors import FaultError, SpecError
from toolwright.packagerules import PackageRules
from toolwright.sandbox.uv_process import UvRun, error_of, is_unknown

NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
LOCKED = re.compile(rf"(?P<pin>{NAME}==[A-Za-z0-9.+!_-]+)(?: --hash=sha256:[0-9a-f]{{64}})+")
_UNDATED = "missing an upload date"
"""What uv says of a file that its index gives no time for; it then leaves that file out."""
_SPAN = re.compile(r"P?(\d+)\s*(days?|weeks?|hours?|D|W)", re.IGNORECASE)
_MOST_NAMED = 3


class Ask(Protocol):
    """Has uv choose versions."""

    def __call__(self, requirements: Sequence[str], *options: str) -> UvRun:
        """How uv ended that looked for *requirements*. FaultError where index or network are at fault."""


@dataclass(frozen=True, slots=True)
class _Release:
    """A version that was found: when its first usable file was uploaded (None: nobody says), and if it lies here."""

    name: str
    version: str
    uploaded: datetime | None
    here: bool

    @property
    def pin(self) -> str:
        return f"{self.name}=={self.version}"


def choose(
    wanted: Sequence[str], ask: Ask, rules: PackageRules, say: Callable[[str], None], own_cutoff: str = ""
) -> tuple[str, ...]:
    """`name==version --hash=sha256:…` for *wanted* and all they need, sorted.

    Of several versions the newest that is old enough is taken. SpecError for a package that there is not, that has no
    wheel, whose only fitting releases are too young, or whose index gives no times where *rules* refuse that.
    *own_cutoff* is a date that the person gave uv, which holds too.
    """
    days = rules.cooldown_days or 0.0
    if not days:
        return _locked(ask(wanted), wanted)
    now = datetime.fromtimestamp(time.time(), UTC)
    cutoff = _earlier(now - timedelta(days=days), own_cutoff, now)
    aged = ("--exclude-newer", cutoff.strftime("%Y-%m-%dT%H:%M:%SZ"))
    ripe = {one.partition("==")[0] for one in wanted if rules.ripe(one)}
    run = ask(wanted, *aged, *_whatever_age(ripe))
    if run.code == 0 and _UNDATED not in run.errors:
        return _locked(run, wanted)
    if is_unknown(run, wanted):
        raise error_of(run, wanted)
    found = _releases(_locked(ask(wanted), wanted), ask)
    undated = [one for one in found if one.uploaded is None and not one.here and one.name not in ripe]
    if undated and rules.undated == "refuse":
        raise SpecError(_no_times(undated, days))
    free = ripe | {one.name for one in undated} | {one.name for one in found if one.here}
    run = ask(wanted, *aged, *_whatever_age(free))
    if run.code:
        young = [one for one in found if one.uploaded and one.uploaded > cutoff and one.name not in free]
        raise SpecError(_too_young(young, wanted, days, now, lambda name: ask([name], "--no-deps", *aged)))
    if undated:
        say(f"the index says no upload times of {_listed(undated)}: taken whatever their age, as the policy has it")
    return _locked(run, wanted)


def _whatever_age(names: Iterable[str]) -> list[str]:
    return [part for name in sorted(names) for part in ("--exclude-newer-package", f"{name}=false")]


def _locked(run: UvRun, wanted: Sequence[str]) -> tuple[str, ...]:
    if run.code:
        raise error_of(run, wanted)
    joined = run.output.replace("\\\n", " ")
    lines = [
        " ".join(line.split()) for line in joined.splitlines() if line.strip() and not line.lstrip().startswith("#")
    ]
    for line in lines:
        if not LOCKED.fullmatch(line):
            raise SpecError(
                f"The packages {', '.join(wanted)} need {line[:200]!r}, which is not a plain version with hashes. "
                "Choose another package."
            )
    return tuple(sorted(lines))


def _releases(lines: Sequence[str], ask: Ask) -> list[_Release]:
    """When the versions of a lock were uploaded, by the index's own word."""
    pins = [line.partition(" ")[0] for line in lines]
    run = ask(pins, "--no-deps", "--format", "pylock.toml")
    if run.code:
        raise error_of(run, pins)
    try:
        return [_release(one) for one in tomllib.loads(run.output)["packages"]]
    except (tomllib.TOMLDecodeError, LookupError, TypeError) as error:
        raise FaultError(
            f"uv's lock of {', '.join(pins)} cannot be read: {error}. Take another version of uv."
        ) from None


def _release(package: dict[str, Any]) -> _Release:
    files = package.get("wheels", [])
    times = [one["upload-time"].astimezone(UTC) for one in files if "upload-time" in one]
    here = bool(files) and all("path" in one or str(one.get("url", "")).startswith("file:") for one in files)
    return _Release(package["name"], str(package["version"]), min(times, default=None), here)


def _listed(releases: Collection[_Release]) -> str:
    return ", ".join(one.pin for one in releases)


def _no_times(undated: Collection[_Release], days: float) -> str:
    return (
        f"The index says no upload times of {_listed(undated)}, and a release must be {days:g} days old. "
        'If you trust that index, write undated = "allow" under [packages] in the policy; or list each exact version '
        "there under allow."
    )


def _too_young(
    young: Sequence[_Release], wanted: Sequence[str], days: float, now: datetime, older: Callable[[str], UvRun]
) -> str:
    rule = f"a release younger than {days:g} days is not taken (setting packages_cooldown_days)"
    if not young:
        return f"The packages {', '.join(wanted)} cannot be had together of releases that are old enough: {rule}."
    sentences = []
    for one in young[:_MOST_NAMED]:
        age = (now - (one.uploaded or now)) / timedelta(days=1)
        run = older(one.name)
        pin = LOCKED.match(" ".join(run.output.replace("\\\n", " ").split())) if run.code == 0 else None
        instead = f"the newest that is old enough is {pin['pin']}" if pin else "no release of it is old enough"
        sentences.append(f"{one.pin} was released {age:.1f} days ago; {instead}.")
    return (
        f"{' '.join(sentences)} {rule[0].upper()}{rule[1:]}. Ask for older versions; or a person lists "
        f"{young[0].pin!r} under [packages] allow in the policy, and the tool asks for exactly that."
    )


def _earlier(ours: datetime, own: str, now: datetime) -> datetime:
    """The earlier of two dates; *own* is what a person wrote into $UV_EXCLUDE_NEWER, '' for nothing."""
    if not own:
        return ours
    if span := _SPAN.fullmatch(own.strip()):
        unit = {"h": "hours", "d": "days", "w": "weeks"}[span[2][0].lower()]
        return min(ours, now - timedelta(**{unit: int(span[1])}))
    try:
        said = datetime.fromisoformat(own.strip())
    except ValueError:
        raise FaultError(f"$UV_EXCLUDE_NEWER = {own!r} is no date; write one such as 2026-01-31.") from None
    return min(ours, said if said.tzinfo else said.replace(tzinfo=UTC))
