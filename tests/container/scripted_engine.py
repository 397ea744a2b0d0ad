"""An engine whose containers say what a test wants: `scripted_engine.py MODE FOLDER`, then what an engine is told.

Run as a program, in the place of podman. What it says is what a container could say whose keeper is not ours any more.
"""

import contextlib
import json
import os
import pathlib
import signal
import sys
import time

HELLO = {
    "version": 1,
    "python": "3.12.0",
    "machine": "x86_64",
    "profile": "full",
    "why": "",
    "memory": 1,
    "pids": 1,
    "user": 1000,
    "networks": [],
    "readonly": True,
    "capabilities": 0,
    "no_new_privileges": True,
}
CLAIM = b'{"item":0,"ok":true,"value":1}'
PUT, JOB, CANCEL, TRUST, DATA, ACK, END, DROP = 1, 2, 3, 4, 10, 11, 12, 13
HELLO_KIND, BEGAN, PART, EXIT, FILE, PIECE, OPEN = 20, 21, 22, 23, 24, 25, 26


def say(kind, number=0, payload=b"", length=None):
    data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    head = (len(data) if length is None else length).to_bytes(4, "big") + bytes([kind]) + number.to_bytes(4, "big")
    os.write(1, head + data)


def exact(size):
    data = b""
    while len(data) < size:
        part = os.read(0, size - len(data))
        if not part:
            sys.exit(0)
        data += part
    return data


def hear():
    """The next frame that the host sends."""
    head = exact(9)
    return head[4], int.from_bytes(head[5:9], "big"), exact(int.from_bytes(head[:4], "big"))


def exited(**changes):
    said = {
        "ending": "exited",
        "detail": "",
        "claims": [len(CLAIM)],
        "torn": False,
        "loaded": True,
        "exit_code": 0,
        "output": 0,
        "times": [0.001],
        "wall_s": 0.001,
        "cpu_s": 0.001,
        "peak": 1,
    } | changes
    head = json.dumps({key: value for key, value in said.items() if value != "gone"}).encode()
    return len(head).to_bytes(4, "big") + head + CLAIM


def job():
    """Wait for a job; its number and what it says."""
    while True:
        kind, number, payload = hear()
        if kind == JOB:
            return number, json.loads(payload)


def container(mode, folder):
    exact(int.from_bytes(exact(4), "big"))  # the keeper's code, which does not run here
    started = len(list(folder.glob("started-*")))
    (folder / f"started-{started}").touch()
    if mode == "garbage":
        os.write(1, os.urandom(4096))
    elif mode == "silent":
        time.sleep(60)
    elif mode == "huge":
        say(HELLO_KIND, 0, b"", length=2**31)
    elif mode == "early":
        say(BEGAN, 1)
    elif mode == "strange":
        say(HELLO_KIND, 0, HELLO | {"version": 99})
    elif mode.startswith("hello:"):
        say(HELLO_KIND, 0, HELLO | json.loads(mode[6:]))
    else:
        say(HELLO_KIND, 0, HELLO)
        while True:
            serve(mode, started, *job())
    time.sleep(60)


def serve(mode, started, number, said):
    if mode == "dies unbegun" and started == 0:
        sys.exit(9)
    say(BEGAN, number)
    if mode == "dies begun":
        sys.exit(9)
    if mode == "never ends":
        time.sleep(600)
    if mode == "second hello":
        say(HELLO_KIND, 0, HELLO)
    if mode.startswith("exit:"):
        say(EXIT, number, exited(**json.loads(mode[5:])))
    elif mode == "endless exit":
        for _ in range(100):
            say(PART, number, bytes(2**20))
    elif mode.startswith("file:"):
        path, size, sent = json.loads(mode[5:])
        say(FILE, number, {"path": path, "size": size})
        say(PIECE, number, b"x" * sent)
    elif mode == "many files":
        for index in range(1000):
            say(FILE, number, {"path": f"f{index}", "size": 0})
    elif mode == "unasked connections":
        for lane in range(5):
            say(OPEN, lane, number.to_bytes(4, "big") + b"tcp://127.0.0.1:22")
            assert hear()[:2] == (DROP, lane)
        say(OPEN, 9, number.to_bytes(4, "big"))
        assert hear()[:2] == (DROP, 9)
    elif mode == "too much acknowledged":
        say(OPEN, 1, number.to_bytes(4, "big"))
        say(ACK, 1, (2**32 - 1).to_bytes(4, "big"))
        time.sleep(60)
    say(EXIT, number, exited(detail=said["function"]))


def main(mode, folder, words):
    if words[0] == "--version":
        print("podman version 9.9")
    elif words[0] == "info":
        print("2|false|9.9")
    elif words[0] == "run":
        (pathlib.Path(folder) / f"pid-{words[2]}").write_text(str(os.getpid()))
        container(mode, pathlib.Path(folder))
    elif words[0] == "rm":
        (pathlib.Path(folder) / f"removed-{words[-1]}").touch()
        with contextlib.suppress(OSError):
            os.kill(int((pathlib.Path(folder) / f"pid-{words[-1]}").read_text()), signal.SIGKILL)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
