"""A terminal that belongs to a person: to write on it, to type on it, to take it, or to change how it behaves."""

from __future__ import annotations

import contextlib
import os
import select
import termios
import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from toolwright.escape.attack import Family, hit, reached, says

if TYPE_CHECKING:
    from toolwright.escape.world import World

attack = Family("terminal")

_WORDS = b"planted words"


@contextlib.contextmanager
def _a_terminal(world: World, _wall: bool) -> Iterator[Mapping[str, Any]]:
    """Somebody's terminal: what appears on it, what is typed on it, and another echo or size, are hits."""
    screen, keys = os.openpty()
    path = os.ttyname(keys)
    os.chmod(path, 0o666)
    before = termios.tcgetattr(keys)
    plain = termios.tcgetattr(keys)
    # As a program has it that reads keys; so what is typed can be read without an end of line, and is not repeated.
    plain[3] &= ~(termios.ICANON | termios.ECHO)
    termios.tcsetattr(keys, termios.TCSANOW, plain)
    plain, size = termios.tcgetattr(keys), termios.tcgetwinsize(keys)
    ended = threading.Event()

    def watch() -> None:
        heard = {screen: b"", keys: b""}
        while not ended.is_set():
            for one in select.select([screen, keys], [], [], 0.02)[0]:
                heard[one] += os.read(one, 4096)
                if _WORDS in heard[one]:
                    heard[one] = b""
                    world.hits += 1
            if termios.tcgetattr(keys) != plain or termios.tcgetwinsize(keys) != size:
                world.hits += 1
                ended.set()

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield {"terminal": path}
    finally:
        ended.set()
        watching.join()
        termios.tcsetattr(keys, termios.TCSANOW, before)
        os.close(screen)
        os.close(keys)


ATTACKS = (
    attack(
        "words on another terminal",
        r"""
        def write(path):
            with open(path, "wb", buffering=0) as file:
                return file.write(b"\x1b]0;title\x07\x1b]52;c;cGxhbnRlZA==\x07\x1b[2Jplanted words\n")
        others = [it["terminal"], "/dev/tty", "/dev/stdout", "/proc/self/fd/1"]
        return loot(*[lambda path=path: write(path) for path in others])
        """,
        hit,
        stage=_a_terminal,
        wait_s=0.15,
        gain="shows a person what the program before them never said, or fills their clipboard (OSC 52)",
    ),
    attack(
        "keys pressed for a person",
        """
        import fcntl
        def press(number):
            for byte in b"planted words\\n":
                fcntl.ioctl(number, 0x5412, bytes([byte]))  # TIOCSTI
            return "typed"
        return loot(lambda: press(os.open(it["terminal"], os.O_RDWR)), *[lambda n=n: press(n) for n in range(3)])
        """,
        hit,
        stage=_a_terminal,
        wait_s=0.15,
        kernel="user",
        gain="types commands that the person's shell runs when the call is over (TIOCSTI)",
    ),
    attack(
        "a terminal that behaves differently",
        """
        import fcntl, struct, termios
        def change(number):
            settings = termios.tcgetattr(number)
            settings[0] |= termios.IGNBRK
            termios.tcsetattr(number, termios.TCSANOW, settings)
            fcntl.ioctl(number, termios.TIOCSWINSZ, struct.pack("HHHH", 1, 1, 0, 0))
            return "changed"
        own = os.open(it["terminal"], os.O_RDWR | os.O_NOCTTY)
        return loot(*[lambda number=number: change(number) for number in (own, 1, 2)])
        """,
        hit,
        stage=_a_terminal,
        wait_s=0.15,
        gain="turns off what the person sees of what they type, or how wide the screen is",
    ),
    attack(
        "a terminal taken over",
        """
        import fcntl
        def take():
            try:
                os.setsid()
            except PermissionError:
                if os.fork():
                    return "another one tries"
                os.setsid()
            number = os.open(it["terminal"], os.O_RDWR)
            fcntl.ioctl(number, 0x540E, 0)  # TIOCSCTTY
            with open("/dev/tty", "wb", buffering=0) as own:
                own.write(b"planted words: has it\\n")
            return "took it"
        return loot(take)
        """,
        hit,
        stage=_a_terminal,
        wait_s=0.3,
        gain="has the person's terminal as its own, with the keys that interrupt",
    ),
    attack(
        "a terminal of its own making",
        """
        return doors(ptmx=lambda: os.open("/dev/ptmx", os.O_RDWR), pts=lambda: os.open("/dev/pts/ptmx", os.O_RDWR),
                     pair=lambda: os.openpty())
        """,
        lambda seen: reached(seen) and any("ENOENT" not in one for one in seen.value["open"]),
        gain="runs a program that believes that a person is there",
    ),
    attack(
        "the machine's own console",
        """
        tries = {"console": "/dev/console", "first": "/dev/tty0", "screen": "/dev/vcs1", "log": "/dev/kmsg",
                 "keys": "/dev/uinput", "mouse": "/dev/input/event0", "frame": "/dev/fb0", "card": "/dev/dri/card0"}
        opened = []
        for name, path in tries.items():
            for mode in (os.O_RDONLY, os.O_WRONLY):
                try:
                    os.close(os.open(path, mode | os.O_NONBLOCK | os.O_NOCTTY))
                    opened.append(name)
                except OSError:
                    pass
        return "opened: " + str(opened) if opened else "none"
        """,
        says("opened: "),
        kernel="user",
        gain="reads the screen, writes on the console, or presses keys of the machine itself",
    ),
)
