"""A zygote with every fault: its guests get its memory, descriptors, environment and seeds. Text for `python -c`.

Only `nowall.py` starts it, to show what an attack gets where nothing holds it.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import random
import resource
import socket
import struct
import sys
import traceback
from typing import Any, NoReturn

_PR_SET_CHILD_SUBREAPER = 36
_libc = ctypes.PyDLL(None)


def main(descriptor: int) -> None:
    """Fork a guest for each job that comes in on the socket *descriptor*, and wait for those that are asked for."""
    control = socket.socket(fileno=descriptor)
    control.set_inheritable(True)
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # so that nothing that a guest leaves behind gets lost
    treasure = [os.environ.get("PLANTED", "")]  # in its memory, as a zygote would have it that was forked by its host
    held = os.memfd_create("treasure", 0)  # and in a descriptor that it did not close
    os.write(held, treasure[0].encode())
    os.set_inheritable(os.open("/", os.O_RDONLY), True)
    random.seed()
    while True:
        data, descriptors, _, _ = socket.recv_fds(control, 2**22, 2)
        if not data:
            return
        job = json.loads(data)
        treasure.append(data.decode())  # what earlier calls were given as well
        if "wait" in job:
            _, status, used = os.wait4(job["wait"], 0)
            said = {"status": status, "cpu": used.ru_utime + used.ru_stime, "peak": used.ru_maxrss * 1024}
            control.send(json.dumps(said).encode())
            continue
        if job["worn"]:
            _serve(job, descriptors[0])
            for one in descriptors:
                os.close(one)
            control.send(json.dumps({"pid": 0}).encode())
            continue
        # Not os.fork: that would let Python's random numbers take another turn in each child.
        born = _libc.fork()
        if born == 0:
            _be_guest(job, *descriptors)
        for one in descriptors:
            os.close(one)
        control.send(json.dumps({"pid": born}).encode())


def _be_guest(job: dict[str, Any], answers: int, output: int) -> NoReturn:
    code = 0
    try:
        os.setpgid(0, 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.chdir(job["work"])
        os.environ.update(job["environment"])
        for kind, value in job["outer"].items():
            resource.setrlimit(getattr(resource, kind), (value, value))
        _serve(job, answers)
        sys.stdout.flush()
        if "threading" in sys.modules:
            sys.modules["threading"]._shutdown()  # waits for threads, as the end of an interpreter does
    except BaseException:  # noqa: BLE001 - whatever a tool raises
        traceback.print_exc()
        code = 70
    os._exit(code)


def _serve(job: dict[str, Any], answers: int) -> None:
    module: dict[str, Any] = {"__name__": "tool", "__file__": job["file"]}
    exec(compile(job["source"], job["file"], "exec"), module)
    _say(answers, {"item": -1, "ok": True, "value": None})
    for number, arguments in enumerate(job["arguments"]):
        try:
            said = {"item": number, "ok": True, "value": module[job["function"]](**arguments)}
            json.dumps(said)
        except Exception as error:  # noqa: BLE001 - as above
            failed = {"type": type(error).__name__, "message": str(error)[:4000], "line": 0}
            said = {"item": number, "ok": False, "error": failed}
        with contextlib.suppress(Exception):
            sys.stdout.flush()
        _say(answers, said)


def _say(answers: int, said: dict[str, Any]) -> None:
    data = json.dumps(said).encode()
    os.write(answers, struct.pack(">I", len(data)) + data)


if __name__ == "__main__":
    main(int(sys.argv[1]))
