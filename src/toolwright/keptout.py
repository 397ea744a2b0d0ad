"""Settings go in; the folders come out from which no code of a person's is imported, since a model may write there."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from toolwright.homes import lower_home
from toolwright.settings import Settings
from toolwright.store.home import Home


def below_of(settings: Settings) -> Path | None:
    """The home whose shelf is read below that of *settings*, if there is one."""
    return lower_home(settings.origins.get("home", "")) if settings.layers else None


def homes_of(settings: Settings) -> tuple[Path, ...]:
    """The home of *settings*, and the one below it."""
    below = below_of(settings)
    return (settings.home,) if below is None else (settings.home, below)


def written_by_tools(settings: Settings) -> list[Path]:
    """The folders that generated tools may write to, by the policy and by what a person said yes to."""
    found = [path for rule in settings.policy.rules if rule.action != "deny" for path in rule.writes]
    if (settings.home / "home.db").exists():
        with closing(Home.open(settings.home)) as home:
            found += [path for _, one in home.approvals.list(settings.namespace) for path in one.grant.writes]
    return list(map(Path, dict.fromkeys(found)))
