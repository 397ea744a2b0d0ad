"""Bombs for the processor and the clock: what does not come back, by itself or when it is asked to."""

from __future__ import annotations

from dataclasses import replace

from toolwright.escape.attack import LIMITS, Family, burnt, lasted

attack = Family("processor")

_BARE_S, _BARE_CPU_S = 30.0, 2
_BURNT = burnt(1.3)  # a call has a fifth of a second, without a wall it has two
_LASTED = lasted(6.0)
_LONG_S = 7.0
_SHORT = replace(LIMITS, wall_s=1.5, cpu_s=0.2)

ATTACKS = (
    attack(
        "an endless loop that ignores SIGTERM",
        """
        import signal
        for number in range(1, 32):
            try:
                signal.signal(number, signal.SIG_IGN)
            except OSError:
                pass
        while True:
            pass
        """,
        _BURNT,
        gain="burns a processor for ever, whoever asks it to end",
        limits=_SHORT,
        bare_s=_BARE_S,
        bare_cpu_s=_BARE_CPU_S,
        heavy=True,
    ),
    attack(
        "sleep without end",
        """
        import signal
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            try:
                time.sleep(1000)
            except BaseException:
                pass
        """,
        _LASTED,
        gain="keeps its caller waiting without using any time of a processor",
        bare_s=_LONG_S,
    ),
    attack(
        "a wait that nothing ends",
        """
        import threading
        lock = threading.Lock()
        lock.acquire()
        while True:
            try:
                lock.acquire()
            except BaseException:
                pass
        """,
        _LASTED,
        gain="keeps its caller waiting behind a lock",
        bare_s=_LONG_S,
    ),
    attack(
        "an expression that never matches",
        """
        import re
        return bool(re.match("(a+)+$", "a" * 40 + "b"))
        """,
        _BURNT,
        gain="burns a processor in one call of the interpreter, between two steps of which no signal is heard",
        limits=_SHORT,
        bare_s=_BARE_S,
        bare_cpu_s=_BARE_CPU_S,
        heavy=True,
    ),
    attack(
        "a number that is too large",
        """
        number = 3 ** (10 ** 7)
        while True:
            number = number * number % (1 << 40_000_000)
        """,
        _BURNT,
        gain="burns a processor in one multiplication",
        limits=_SHORT,
        bare_s=_BARE_S,
        bare_cpu_s=_BARE_CPU_S,
        heavy=True,
    ),
    attack(
        "a number as text",
        """
        sys.set_int_max_str_digits(0)
        return len(str(7 ** (2 * 10 ** 6)))
        """,
        _BURNT,
        gain="burns a processor in a conversion that takes the square of its length",
        limits=_SHORT,
        bare_s=_BARE_S,
        bare_cpu_s=_BARE_CPU_S,
        heavy=True,
    ),
    attack(
        "many threads at once",
        """
        import hashlib, threading
        def burn():
            while True:
                hashlib.pbkdf2_hmac("sha256", b"x", b"y", 10 ** 6)
        for _ in range(8):
            threading.Thread(target=burn, daemon=True).start()
        while True:
            time.sleep(1)
        """,
        _BURNT,
        gain="uses the time of all processors, each for as long as its limit says",
        limits=_SHORT,
        bare_s=_BARE_S,
        bare_cpu_s=_BARE_CPU_S,
        heavy=True,
    ),
    attack(
        "its own stop",
        """
        import signal
        os.kill(os.getpid(), signal.SIGSTOP)
        return "went on"
        """,
        _LASTED,
        gain="stands still, so that it can neither answer nor be asked to end",
        bare_s=_LONG_S,
    ),
    attack(
        "recursion without a floor",
        """
        sys.setrecursionlimit(10 ** 9)
        def down(depth):
            try:
                return down(depth + 1)
            except BaseException:
                while True:
                    pass
        return down(0)
        """,
        lambda seen: _BURNT(seen) or (seen.exit.ending == "signalled" and seen.exit.usage.peak_memory_bytes > 2**29),
        gain="fills the stack, and goes on in what is left of it",
        limits=_SHORT,
        bare_s=_BARE_S,
        bare_cpu_s=_BARE_CPU_S,
        heavy=True,
    ),
    attack(
        "an end that it handles itself",
        """
        import resource, signal
        signal.signal(signal.SIGXCPU, lambda *_: None)
        signal.signal(signal.SIGALRM, lambda *_: None)
        signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
        while True:
            try:
                while True:
                    pass
            except BaseException:
                pass
        """,
        _BURNT,
        gain="goes on after the warning that its time is over",
        limits=_SHORT,
        bare_s=_BARE_S,
        bare_cpu_s=_BARE_CPU_S,
        heavy=True,
    ),
    attack(
        "an end at the end",
        """
        import threading
        def stay():
            while True:
                time.sleep(1000)
        threading.Thread(target=stay).start()
        return "answered"
        """,
        _LASTED,
        gain="never leaves, after all was said",
        bare_s=_LONG_S,
    ),
)
