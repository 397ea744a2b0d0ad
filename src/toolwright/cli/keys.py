"""`toolwright registry keys`: the keys that a home signs with and believes, and whom a trust root lets in."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from toolwright.cli.live import print_json
from toolwright.cli.look import err, out, safe
from toolwright.cli.options import home_options
from toolwright.cli.sharing import shared, standing

if TYPE_CHECKING:
    from toolwright.joining import Joined
    from toolwright.provenance import Role
    from toolwright.provenance.root import Member
    from toolwright.store.keys import HomeKeys, KeyInfo
    from toolwright.store.secrets import Where


_ONLY_SHARED = (
    "a trust root, which lets keys in and bars them, only a shared one has. `toolwright config set store "
    "'s3://BUCKET/PREFIX?table=TABLE'` names yours."
)


@click.command()
@click.option("--rotate", is_flag=True, help="Make a new key, and give up the private half of the last one.")
@click.option(
    "--in", "where", type=click.Choice(["keyring", "file"]), default="file", help="Where a new key is kept (file)."
)
@click.option("--admit", metavar="FINGERPRINT", help="Let a key sign for the shared shelf; by the word of its root.")
@click.option(
    "--role",
    "roles",
    type=click.Choice(["validator", "promoter"]),
    multiple=True,
    help="With --admit: as this, and no other (both); repeat.",
)
@click.option("--bar", metavar="FINGERPRINT", help="Let it sign no more: nothing that it ever signed there runs.")
@home_options
def keys(
    rotate: bool, where: Where, admit: str | None, roles: tuple[Role, ...], bar: str | None, **options: Any
) -> None:
    """List the keys that this home believes, each by its sha256; the last one of its own signs. Or make a new one.

    What an earlier key signed still holds. Of a shared shelf also the keys that its trust root lets sign there, and
    those that ask.
    """
    from toolwright.settings import load
    from toolwright.signers import keys_of

    if sum((rotate, admit is not None, bar is not None)) > 1:
        raise click.UsageError("One of --rotate, --admit and --bar.")
    if roles and admit is None:
        raise click.UsageError("--role is for --admit.")
    home = keys_of(load(options["home"]))
    made = home.rotate(where) if rotate else None
    asks, changed, there = _shared_keys(home, rotate, None if admit is None else (admit, roles), bar, options)
    if options["as_json"]:
        roots = [{"store": place, "root": root} for place, root in home.pinned().items()]
        own = [asdict(one) for one in home.list()]
        print_json({"type": "keys", "keys": own, "roots": roots, "members": [asdict(one) for one in there]})
        return
    if made or changed:
        lines = [f"made {_line(made)}"] if made else [f"{_member(one)}" for one in changed]
        lines += [standing(asks)] if asks else []
    else:
        lines = _listed(home, there)
    for line in lines:
        out().print(safe(line), markup=False)
    if home.awaits_service:
        err().print("The signer of the settings signs from the next signature on.", markup=False)
    elif not lines:
        err().print("This home has no key yet; the first tool that it keeps makes one.", markup=False)


def _shared_keys(
    home: HomeKeys,
    rotate: bool,
    admit: tuple[str, tuple[Role, ...]] | None,
    bar: str | None,
    options: dict[str, Any],
) -> tuple[Joined | None, list[Member], list[Member]]:
    """What became of this home's own key on the shared shelf, whom the root let in or barred now, and all of them."""
    from toolwright import joining
    from toolwright.settings import load, shared_store

    address = shared_store(load(options["home"]))
    deed = admit is not None or bar is not None
    if not deed and (address is None or str(address) not in home.pinned()):
        return None, [], []
    _, address = shared(None, options, _ONLY_SHARED)
    place = str(address)
    with joining.papers_at(address) as papers:
        asks = joining.ask(home, papers, place) if rotate else None
        changed = [] if admit is None else [joining.admit(home, papers, place, *admit)]
        changed += [] if bar is None else [joining.bar(home, papers, place, bar)]
        return asks, changed, joining.members(home, papers, place)


def _listed(home: HomeKeys, there: list[Member]) -> list[str]:
    roots = [f"{root}  trust root of {place}" for place, root in home.pinned().items()]
    return [*(_line(one) for one in home.list()), *roots, *map(_member, there)]


_PLACES = {"file": "private file", "keyring": "keyring", "service": "service", "gone": "signs no more"}


def _line(one: KeyInfo) -> str:
    since = time.strftime("%Y-%m-%d %H:%M", time.localtime(one.since))
    return f"{one.keyid}  {_PLACES[one.where]}  {since}{'  signs' if one.current else ''}"


def _member(one: Member) -> str:
    as_what = f" as {' and '.join(one.roles)}" if one.standing == "admitted" else ""
    cure = f"; toolwright registry keys --admit {one.keyid}" if one.standing == "waiting" else ""
    return f"{one.keyid}  {one.standing}{as_what}, {one.who or 'nobody says who'}{cure}"
