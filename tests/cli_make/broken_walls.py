"""`python broken_walls.py NAMES WORDS…`: the command line on a machine where the layers NAMES are not what they say.

An attack on one of them is made without it; a box runs its tool as a plain process; `proxy` lets everything through;
`no Landlock` is a kernel that has none.
"""

import json
import struct
import subprocess
import sys

from toolwright.cli import main
from toolwright.sandbox import Ending, Exit, doctor, linux, proxytrial, seccomp, syscalls
from toolwright.sandbox.boxtrial import ATTACK

broken = sys.argv.pop(1).split(",")
attacked, once = doctor._attacked, linux._once


def without_the_layer(name):
    return attacked(doctor.BARE + name if name in broken else name)


def without_a_wall(pools, profile, job):
    if f"box {profile}" not in broken or job.source != ATTACK:
        return once(pools, profile, job)
    words = f"{job.source}\nimport json\nprint(json.dumps(attack(**{dict(job.arguments[0])!r})))"
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
    claim = {"item": 0, "ok": True, "value": json.loads(done.stdout.splitlines()[-1])}
    return Exit(Ending.EXITED, claims=(json.dumps(claim).encode(),), loaded=True)


doctor._attacked = without_the_layer
linux._once = without_a_wall
if "proxy" in broken:
    proxytrial.refused = lambda: ["a metadata service"]
if "no Landlock" in broken:
    program = [(0x20, 0, 0, 0), (0x15, 0, 1, 444), (0x06, 0, 0, 0x00050026), (0x06, 0, 0, 0x7FFF0000)]
    syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
    seccomp.install(b"".join(struct.pack("=HBBI", *one) for one in program))
main()
