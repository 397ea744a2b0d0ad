"""The program's options in, the tables of docs/options.md out; written between two comments on that page."""

from __future__ import annotations

import re

import click

from docs_support.command_tree import all_commands, options_of


def with_tables(text: str) -> str:
    """*text* of the page with its generated parts as they must be."""
    made = {"usage": usage, "options": options}
    return re.sub(
        r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)",
        lambda found: f"{found[1]}\n{made[found[2]]()}\n{found[3]}",
        text,
        flags=re.DOTALL,
    )


def usage() -> str:
    """A row a command: how it is written, and its line of help."""
    rows = ["| usage | does |", "|---|---|"]
    for name, command in all_commands().items():
        pieces = " ".join(command.collect_usage_pieces(click.Context(command, info_name=name)))
        does = (command.help or "").partition("\n\n")[0].replace("\n", " ")
        rows.append(f"| `toolwright {name} {_cell(pieces)}` | {_cell(does)} |")
    return "\n".join(rows) + "\n"


def options() -> str:
    """A row an option: who takes it, and what it means."""
    found: dict[tuple[str, str], list[str]] = {}
    for name, command in all_commands().items():
        for option in options_of(command):
            found.setdefault((_written(option), option.help or ""), []).append(name)
    rows = ["| option | of | meaning |", "|---|---|---|"]
    for (written, meaning), names in sorted(found.items(), key=lambda one: (one[0][0].lstrip("`-"), one[1])):
        rows.append(f"| {_cell(written)} | {_who(names)} | {_cell(meaning)} |")
    return "\n".join(rows) + "\n"


def _written(option: click.Option) -> str:
    metavar = "" if option.is_flag or option.count else option.make_metavar(click.Context(click.Command("")))
    metavar = metavar.replace("INTEGER RANGE", "N").replace("INTEGER", "N")
    ways = [*option.opts, *option.secondary_opts]
    ways.sort(key=lambda way: way.startswith("--"), reverse=True)
    return ", ".join(f"`{way} {metavar}`" if metavar and way.startswith("--") else f"`{way}`" for way in ways)


def _who(names: list[str]) -> str:
    missing = [name for name in all_commands() if name not in names]
    if len(missing) < len(names) and len(names) > 8:
        return "all but " + ", ".join(f"`{name}`" for name in missing) if missing else "all"
    return ", ".join(f"`{name}`" for name in names)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
