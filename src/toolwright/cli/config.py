"""`toolwright config`: every setting with where it comes from; one of them read, written, or taken out again."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from toolwright.cli.completing import complete_choice, complete_key
from toolwright.cli.grouping import Group
from toolwright.cli.live import print_json
from toolwright.cli.look import err, out, safe
from toolwright.cli.options import home_options
from toolwright.cli.pages import paged, pager_option

if TYPE_CHECKING:
    from rich.console import RenderableType

    from toolwright.configfile import SettingValue
    from toolwright.settings import Settings


class _Numbers(click.Command):
    """A command for which `-3` is a value and no option: that it is too low is for the setting to say."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As `click.Command`."""
        ctx.ignore_unknown_options = any(re.match(r"-\.?\d", one) for one in args)
        return super().parse_args(ctx, args)


@click.group(cls=Group)
def config() -> None:
    """Show and change the settings, which stand in config.toml in the home.

    An environment variable goes over the file, and an option of a command over both.
    """


@config.command("list")
@click.option("--changed", is_flag=True, help="Only those that are not left to their default.")
@pager_option
@home_options
def list_(changed: bool, pager: bool, **options: Any) -> None:
    """List every setting: what holds, where it comes from, the default."""
    from toolwright import configfile

    settings = _settings(options)
    found = [one for one in configfile.values(settings) if not changed or one.origin != "default"]
    if options["as_json"]:
        print_json({"type": "config", **_places(settings), "settings": [_as_json(one) for one in found]})
    elif found:
        paged(*_shown(settings, found), pager=pager)
    else:
        err().print("Every setting is left to its default.", markup=False)


@config.command()
@click.argument("key", shell_complete=complete_key)
@home_options
def get(key: str, **options: Any) -> None:
    """Print the value of KEY alone; nothing where it is left to circumstances."""
    from toolwright import configfile

    found = configfile.value(_settings(options), key)
    if options["as_json"]:
        print_json({"type": "setting", **_as_json(found), "overridden_by": None})
        return
    click.echo("" if found.value is None else safe(_written(found.value)))
    if err().is_terminal:
        left = f"{configfile.LEFT_OPEN.get(key, '')}; " if found.value is None else ""
        err().print(f"{left}{_from(found)}", style="dim", markup=False)


@config.command("set", cls=_Numbers)
@click.argument("key", shell_complete=complete_key)
@click.argument("values", metavar="VALUE...", nargs=-1, required=True, shell_complete=complete_choice)
@home_options
def set_(key: str, values: tuple[str, ...], **options: Any) -> None:
    """Set KEY to VALUE in config.toml; comments and order stay. Several values, or ["a", "b"], make a list."""
    from toolwright import configfile

    home = _home(options)
    configfile.set_value(home, key, values[0] if len(values) == 1 else values)
    _tell(home, key, "set", options["as_json"])


@config.command()
@click.argument("key", shell_complete=complete_key)
@home_options
def unset(key: str, **options: Any) -> None:
    """Take KEY out of config.toml, so that its default holds again."""
    from toolwright import configfile

    home = _home(options)
    there = configfile.unset(home, key)
    _tell(home, key, "unset" if there else "was not set", options["as_json"])


@config.command()
@home_options
def path(**options: Any) -> None:
    """Print where config.toml is, whether it is there or not."""
    from toolwright.homes import find_home
    from toolwright.settings import CONFIG_FILE

    home, said_by = find_home(options["home"])
    if options["as_json"]:
        there = {"exists": (home / CONFIG_FILE).exists(), "home_from": said_by}
        print_json({"type": "config-path", "file": str(home / CONFIG_FILE), "home": str(home), **there})
    else:
        click.echo(safe(str(home / CONFIG_FILE)))


def _home(options: dict[str, Any]) -> Path:
    from toolwright.homes import find_home

    return find_home(options["home"])[0]


def _settings(options: dict[str, Any]) -> Settings:
    from toolwright.settings import load

    return load(options["home"])


def _places(settings: Settings) -> dict[str, str]:
    from toolwright.settings import CONFIG_FILE

    policy = settings.said.get("policy") or settings.home / "policy.toml"
    return {"home": str(settings.home), "file": str(settings.home / CONFIG_FILE), "policy_file": str(policy)}


def _as_json(one: SettingValue) -> dict[str, Any]:
    return {"key": one.key, "value": one.value, "origin": one.origin, "default": one.default}


def _tell(home: Path, key: str, done: str, as_json: bool) -> None:
    """What holds now; a variable that goes over the file is named, since the file alone is not what holds."""
    from toolwright import configfile
    from toolwright.errors import SettingsError
    from toolwright.settings import KEYS, load

    over, told = configfile.overridden_by(key), {"key": key, "value": None, "origin": "default", "default": None}
    other = ""
    try:
        if key in KEYS or done == "set":
            told = _as_json(configfile.value(load(home), key))
    except SettingsError as error:  # another setting is wrong: this one was written all the same
        other = str(error)
    if as_json:
        print_json({"type": "setting", **told, "overridden_by": over or None})
        return
    shown = f" = {_written(told['value'])}" if done == "set" and not over and not other else ""
    said = f"{key} {done}" if done == "was not set" else f"{done} {key}{shown}"
    out().print(safe(said), markup=False)
    if over:
        err().print(f"note: {over} is set, and goes over config.toml: {_written(told['value'])!s}", style="yellow")
    if other:
        err().print(safe(f"note: {other}"), style="yellow", markup=False)


def _written(value: Any) -> str:
    """A value as `config set` takes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return json.dumps(list(value), ensure_ascii=False)
    return f"{value:g}" if isinstance(value, float) and value < 1e6 else str(value)


def _from(one: SettingValue) -> str:
    return {"default": "the default", "given": "an option"}.get(one.origin, one.origin)


def _shown(settings: Settings, found: Sequence[SettingValue]) -> list[RenderableType]:
    rows = [_row(one) for one in found]
    if not out().is_terminal:
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    wide = out().width >= _WIDE
    for name in ("setting", "value", "from", "default")[: None if wide else 3]:
        table.add_column(name, style="bold" if name == "setting" else "", no_wrap=name == "setting", overflow="fold")
    for one, row in zip(found, rows, strict=True):
        style = "dim" if one.origin == "default" else ""
        table.add_row(
            *[Text(cell, style=style if number else "") for number, cell in enumerate(row)][: len(table.columns)]
        )
    places = _places(settings)
    return [table, Text(safe(f"file    {places['file']}\npolicy  {places['policy_file']}"), style="dim")]


_WIDE = 80


def _row(one: SettingValue) -> list[str]:
    from toolwright.configfile import LEFT_OPEN

    open_ = f"({LEFT_OPEN[one.key]})" if one.key in LEFT_OPEN else "(not set)"
    value = open_ if one.value is None else _written(one.value)
    default = open_ if one.default is None else _written(one.default)
    return [safe(cell) for cell in (one.key, value, one.origin, default)]
