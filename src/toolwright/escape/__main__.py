"""The suite where there is no pytest: `python -m toolwright.escape [--box module:factory] [--profile X] [--bare]`."""

from __future__ import annotations

import argparse
import functools
import json
import sys

from toolwright.escape import campaign
from toolwright.escape.boxes import LINUX, make_box
from toolwright.escape.families import every_attack


def main() -> int:
    """Try every attack; 1 if one escaped, or proves nothing."""
    options = argparse.ArgumentParser(prog="python -m toolwright.escape", description=__doc__)
    options.add_argument("--box", default=LINUX, metavar="MODULE:FACTORY", help="the box to attack")
    options.add_argument("--profile", default="", help="given to the factory")
    options.add_argument("--bare", action="store_true", help="show as well that each succeeds without a wall")
    options.add_argument("--only", default="", metavar="TEXT", help="attacks whose family or name holds TEXT")
    options.add_argument("--threads", type=int, default=4, help="attacks at a time")
    options.add_argument("--json", action="store_true", help="a line of JSON for each")
    chosen = options.parse_args()
    attacks = [one for one in every_attack() if chosen.only in f"{one.family}: {one.name}"]
    box = make_box(chosen.box, chosen.profile)
    tries: dict[str, campaign.Try] = {"box": functools.partial(campaign.walled, box)}
    if chosen.bare:
        tries["bare"] = campaign.bare
    found = []
    try:
        with campaign.Campaign(tries, chosen.threads) as started:
            for one in started.all(attacks):
                found.append(one)
                words = [one.attack.family, one.attack.name, one.verdict.value, one.detail, round(one.seconds, 2)]
                print(json.dumps(words) if chosen.json else f"{words[2]:9} {words[0]}: {words[1]}", flush=True)
                if not one.good and not chosen.json:
                    print(f"          {one.detail}")
    finally:
        box.close()
    said = campaign.summary((one.attack.family, one.attack.name, one.verdict) for one in found)
    print(json.dumps(said) if chosen.json else said)
    return 0 if all(one.good for one in found) else 1


if __name__ == "__main__":
    sys.exit(main())
