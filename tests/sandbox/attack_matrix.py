"""Runs every attack in a box of a profile and prints a JSON line each: `python attack_matrix.py PROFILE [--bare]`.

A script, so that it can run as another user and with another interpreter than the tests themselves.
"""

import json
import sys
import time

from attack_world import Seen, World
from attacks import ATTACKS

from toolwright.powers import Limits
from toolwright.sandbox import Job, claims
from toolwright.sandbox.linux import LinuxSandbox

LIMITS = Limits(wall_s=1.5, cpu_s=1.5, output_bytes=2**18)


def boxed(box, world, attack):
    """What *attack* reached from inside *box*."""
    world.reset()
    started = time.monotonic()
    ended = box.run(Job(attack.source, "attack", (world.arguments(),), limits=LIMITS))
    seconds = time.monotonic() - started
    time.sleep(attack.afterwards_s)
    claim = claims.parse(ended.claims[0], 0) if ended.claims else None
    said = claim.value if claim is not None and claim.ok else claim.message if claim is not None else None
    seen = Seen(said, ended.output, seconds, ended.ending.value, ended.detail, world.hits, world.changes())
    world._revive()
    return seen


def verdict(attack, seen):
    """Why the attack is not contained, or ''."""
    if seen.ending in ("denied", "fault"):
        return f"the box did not run: {seen.detail}"
    if attack.proof(seen):
        return f"it succeeded: {seen}"
    return f"it lasted {seen.seconds:.1f} s" if seen.seconds > 10 else ""


def main(profile):
    box = LinuxSandbox(profile)
    with World() as world:
        for attack in ATTACKS:
            seen = boxed(box, world, attack)
            print(json.dumps([attack.name, verdict(attack, seen), repr(seen)[:600]]), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
