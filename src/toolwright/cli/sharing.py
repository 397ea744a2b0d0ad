"""`toolwright registry init`, `join`: a shelf that machines share is set up, and joined."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from toolwright.cli.live import print_json
from toolwright.cli.look import out, safe
from toolwright.cli.options import home_options

if TYPE_CHECKING:
    from toolwright.joining import Joined
    from toolwright.store.aws.address import Address
    from toolwright.store.keys import HomeKeys
    from toolwright.store.secrets import Where


def say(as_json: bool, text: str, **fields: Any) -> None:
    """One line of JSON for scripts, or *text* for a person."""
    if as_json:
        print_json({"type": "registry", **fields})
    else:
        out().print(safe(text), markup=False)


_STORE = click.option(
    "--store", metavar="URL", help="s3://BUCKET/PREFIX?table=TABLE; without it, the one in the settings."
)


@click.command()
@_STORE
@click.option(
    "--in", "where", type=click.Choice(["keyring", "file"]), default="file", help="Where a new key is kept (file)."
)
@click.option("--sweeper", is_flag=True, help="Print the policy of whoever runs `registry gc`, and may delete blobs.")
@home_options
def init(store: str | None, where: Where, sweeper: bool, **options: Any) -> None:
    """Make what a shared shelf needs, where it is missing, check it, and print the least IAM policy.

    That is bucket, table and trust root, whose key stays in this home; others join with the root's fingerprint.
    """
    from toolwright.joining import found_root, papers_at
    from toolwright.store.aws.setup import create, least_policy

    keys, address = shared(store, options)
    made = create(address)
    with papers_at(address) as papers:
        root = found_root(keys, papers, str(address), where)
    policy, sweeping = least_policy(address), least_policy(address, sweeps=True)
    if options["as_json"]:
        told = {"root": root.fingerprint, "root_made": root.made, "joined": root.joined}
        policies = {"policy": json.loads(policy), "sweeper_policy": json.loads(sweeping)}
        say(True, "", store=str(address), created=made, **told, **policies)
        return
    for one in made:
        say(False, f"made {one}")
    if root.made:
        say(False, f"made the trust root {root.fingerprint}; its key is kept in this home ({where})")
    elif root.joined:
        say(False, f"the trust root is {root.fingerprint}, as this home knows it")
    else:
        say(False, f"there is a trust root, {root.fingerprint}; ask whoever made it whether that is theirs")
    say(False, f"{address} keeps its conditions and can be used: toolwright config set store '{address}'")
    say(False, f"Another home: toolwright registry join '{address}' --trust {root.fingerprint}")
    if sweeper:
        say(False, f"The least that whoever runs `toolwright registry gc` there must be allowed:\n{sweeping}")
        return
    say(False, f"Who runs `registry gc` there needs more: toolwright registry init --store '{address}' --sweeper")
    say(False, f"The least that whoever uses it must be allowed:\n{policy}")


@click.command()
@click.argument("store", metavar="URL")
@click.option(
    "--trust", "fingerprint", required=True, metavar="FINGERPRINT", help="Of its trust root, from whoever set it up."
)
@home_options
def join(store: str, fingerprint: str, **options: Any) -> None:
    """Use the shared shelf URL (s3://BUCKET/PREFIX?table=TABLE) from now on, and believe its trust root.

    A shelf that shows another root than FINGERPRINT is refused. What this home makes is believed by others once whoever
    holds the root lets its key in; the command for that is printed.
    """
    from toolwright import configfile
    from toolwright.joining import join as joined
    from toolwright.joining import papers_at

    keys, address = shared(store, options, "nobody joins it; name a shared one: s3://BUCKET/PREFIX?table=TABLE.")
    with papers_at(address) as papers:
        found = joined(keys, papers, str(address), fingerprint)
    configfile.set_value(keys.home, "store", str(address))
    over = configfile.overridden_by("store")
    if options["as_json"]:
        told = {"root": found.fingerprint, "keyid": found.keyid, "admitted": found.admitted}
        say(True, "", store=str(address), **told)
        return
    say(False, f"joined {address}; set store in config.toml" + (f", but {over} goes over it" if over else ""))
    say(False, standing(found))


def standing(found: Joined) -> str:
    """Whether the home's key was let in, and if not, who does what."""
    if found.admitted:
        return f"this home's key {found.keyid} is let in: what it makes is believed by every home that joined"
    return (
        f"this home's key is {found.keyid}; it runs what others made, and makes nothing there until whoever holds "
        f"the trust root lets it in: toolwright registry keys --admit {found.keyid}"
    )


def shared(
    store: str | None, options: dict[str, Any], cure: str = "name a shared one: --store s3://BUCKET?table=TABLE."
) -> tuple[HomeKeys, Address]:
    """The home's keys, and the shared shelf that *store* or the settings name. SettingsError where that is none."""
    from toolwright.errors import SettingsError
    from toolwright.settings import load, shared_store
    from toolwright.signers import keys_of

    settings = load(options["home"], {"store": store})
    address = shared_store(settings)
    if address is None:
        shelf = "The shelf is" if store is None else f"{store!r} is"
        raise SettingsError(f"{shelf} the home's own files; {cure}")
    return keys_of(settings), address
