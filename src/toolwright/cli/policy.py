"""`toolwright policy explain NAME`: which rule decides about a tool, and what kept those before it from that."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from toolwright.cli import figures
from toolwright.cli.grouping import Group
from toolwright.cli.live import print_json
from toolwright.cli.look import out, safe, short
from toolwright.cli.naming import name_argument, named, near_misses
from toolwright.cli.options import open_toolwright, power_options

if TYPE_CHECKING:
    from toolwright.permission import Explained
    from toolwright.policy import Considered

_ASKED = ("hosts", "packages", "secrets", "plain_secrets", "subprocess", "reads", "writes", "description", "effect")


@click.group(cls=Group)
def policy() -> None:
    """Say which rule decides about a tool, and why."""


@policy.command()
@name_argument
@click.option("--description", "-d", help="What it does, in place of its own sentence.")
@click.option("--effect", type=click.Choice(["none", "reads", "writes"]), help="What it claims to do to the world.")
@click.option("--origin", type=click.Choice(["agent", "person", "host"]), help="Who brought it.")
@click.option("--by-model", metavar="PROVIDER:NAME", help="The model that wrote it.")
@power_options
def explain(name: str, **options: Any) -> None:
    """Say which rule decides about the tool NAME (or NAME@N), and why not the ones before it.

    Powers that are given stand in place of its own; with them, NAME may be one that no tool has yet. Nobody is asked,
    and nothing runs.
    """
    wanted, number = named(name)
    asked = {key: options[key] for key in _ASKED} | {"origin": options["origin"], "model": options["by_model"]}
    with open_toolwright(options, ask=False) as tw, near_misses(tw, wanted):
        found = tw.explain(wanted, version=number, **asked)
    if options["as_json"]:
        print_json(as_json(found, number))
        return
    for line in _lines(found):
        out().print(line, markup=False, highlight=False, soft_wrap=True)


def as_json(found: Explained, number: int | None) -> dict[str, Any]:
    """The JSON of a decision; `outcome` is what comes of it, `action` what the rule says."""
    question, last, refusal, yes = found.question, found.considered[-1], found.refusal, found.approval
    return {
        "type": "decision",
        "name": question.name,
        "version": number,
        "namespace": question.namespace,
        "origin": question.origin,
        "model": question.model,
        "effect": question.effect,
        "powers": question.grant.to_json(),
        "packages": list(question.packages),
        "sensitive": list(found.writing) if question.grant else [],
        "rules": [
            {"rule": one.rule, "line": one.line, "action": one.action, "decides": one.decides, "said": one.said}
            for one in found.considered
        ],
        "action": last.action,
        "rule": last.rule,
        "outcome": "allowed" if refusal is None else refusal.status.value,
        "reason": "" if refusal is None else refusal.reason,
        "detail": "" if refusal is None else refusal.detail,
        "approval": None
        if yes is None
        else {"name": yes.name, "who": yes.who, "at": yes.at, "digest": yes.digest, "standing": yes.standing},
    }


def _lines(found: Explained) -> Iterator[str]:
    question = found.question
    by = f" ({safe(question.model)})" if question.model else ""
    yield f"{safe(question.name)}  by {question.origin}{by}, tenant {question.namespace}"
    for power in question.words() or ["no powers"]:
        yield f"  {safe(power)}"
    why = f" ({', '.join(map(safe, found.writing))})" if found.writing and question.effect == "writes" else ""
    yield f"  effect {question.effect}{why}"
    rules = [(*_place(one), one) for one in found.considered]
    if source := next((source for source, _, _ in rules if source), ""):
        yield f"policy {safe(source)}"
    width = max(len(place) for _, place, _ in rules)
    for _, place, one in rules:
        what = "decides" if one.decides and one.rule.startswith("rule") else safe(one.said)
        yield f"  {place:<{width}}  {one.action:<5}  {what if one.decides else f'no: {what}'}"
    yield from _outcome(found)


def _place(one: Considered) -> tuple[str, str]:
    """The file of a rule, and the rule in it."""
    if one.rule.startswith("default"):
        return "", "defaults"
    rule, _, source = one.rule.partition(" of ")
    return source, rule + (f", line {one.line}" if one.line else "")


def _outcome(found: Explained) -> Iterator[str]:
    refusal, yes, question = found.refusal, found.approval, found.question
    if refusal is not None:
        yield f"{refusal.status.value}: {safe(refusal.detail)}"
    elif yes is not None:
        what = "every tool with its hosts alone" if yes.standing else f"{yes.name}, digest {yes.digest[:16]}"
        yield f"allowed: {short(yes.who)} said yes on {figures.date(yes.at)} ({what})"
    else:
        yield "allowed: nobody is asked"
    if question.effect == "writes" and question.grant:
        yield 'It writes: no standing yes covers it, and no rule that does not say effects = ["writes"].'
    if question.grant.hosts:
        yield "In a run that has taken in private data and untrusted text, each of its hosts needs a yes of its own."
