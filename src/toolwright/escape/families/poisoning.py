"""A call that wants to change the next one, or whoever looks at what it left: memory, modules, folders, files."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toolwright.escape.attack import Family, Seen, changed, got_secret

if TYPE_CHECKING:
    from toolwright.escape.world import World

attack = Family("poisoning")


def _poisoned(seen: Seen) -> bool:
    """Whether the honest call after it says what it would never say by itself."""
    return "poisoned" in str(seen.after)


def _packages(world: World) -> Path:
    return world.shared / "site-packages"


@contextlib.contextmanager
def _installed(world: World, _wall: bool) -> Iterator[Mapping[str, Any]]:
    """A folder of packages, to which everybody could write."""
    folder = _packages(world)
    (folder / "helper").mkdir(parents=True)
    (folder / "helper" / "__init__.py").write_text("def help():\n    return 'honest'\n")
    _opened(folder)
    yield {"packages": str(folder)}


@contextlib.contextmanager
def _asked_for(world: World, _wall: bool) -> Iterator[Mapping[str, Any]]:
    """A package with a module that the standard library tries to import (`copy` does), and leaves alone if it fails."""
    folder = _packages(world)
    (folder / "org" / "python").mkdir(parents=True)
    (folder / "org" / "python" / "core.py").write_text(
        "import builtins\nPyStringMap = None\nbuiltins.loot_of_a_package = 'nothing'\n"
        f"try:\n    with open({str(world.secret)!r}) as file:\n        builtins.loot_of_a_package = file.read()\n"
        "except OSError:\n    pass\n"
    )
    (folder / "evil-1.0.dist-info").mkdir()
    _opened(folder)
    yield {"packages": str(folder)}


def _opened(folder: Path) -> None:
    for one in (folder, *folder.rglob("*")):
        one.chmod(0o777 if one.is_dir() else 0o666)


_LIBRARY = """
import random
folder = os.path.dirname(random.__file__)
"""

ATTACKS = (
    # -- memory, where a guest is used again --------------------------------------------------------------------------
    attack(
        "a module in the place of another",
        """
        import sys, types
        for name in ("json", "math", "statistics"):
            fake = types.ModuleType(name)
            fake.dumps = fake.mean = fake.sqrt = lambda *_, **__: "poisoned"
            sys.modules[name] = fake
        """,
        _poisoned,
        after="import json, math, statistics\nreturn [json.dumps(1), math.sqrt(4), statistics.mean([1, 3])]",
        worn=True,
        gain="answers for the modules that the next tool imports (sys.modules)",
    ),
    attack(
        "builtins with another meaning",
        """
        import builtins
        builtins.sorted = builtins.abs = builtins.sum = lambda *_, **__: "poisoned"
        """,
        _poisoned,
        after="return [sorted([2, 1]), abs(-1), sum([1])]",
        worn=True,
        gain="changes what every later tool computes",
    ),
    attack(
        "methods of shared types",
        """
        import collections, decimal, pathlib, re
        collections.Counter.most_common = lambda *_: "poisoned"
        pathlib.Path.exists = lambda *_: "poisoned"
        re.match = lambda *_: "poisoned"
        decimal.getcontext().prec = 1
        """,
        _poisoned,
        after="import collections as c, pathlib\nreturn [c.Counter('a').most_common(), pathlib.Path('x').exists()]",
        worn=True,
        gain="changes a class that the next tool uses and did not load itself",
    ),
    attack(
        "hooks of the interpreter",
        """
        import sys, threading
        def say(*_):
            return None
        sys.setprofile(say)
        sys.displayhook = sys.excepthook = sys.unraisablehook = say
        sys.meta_path.insert(0, type("F", (), {"find_spec": say}))
        sys.path.insert(0, os.getcwd())
        """,
        _poisoned,
        after="""
        import sys
        return "poisoned" if sys.getprofile() or os.getcwd() in sys.path[:1] else "honest"
        """,
        worn=True,
        gain="is called at each step of the next tool, and sees what it holds",
    ),
    attack(
        "a small number changed in memory",
        """
        import ctypes, sys
        place = id(243) + (sys.getsizeof(243) - 4)
        assert ctypes.c_int.from_address(place).value == 243
        ctypes.c_int.from_address(place).value = 242
        """,
        _poisoned,
        after="return 'poisoned' if str(int('200') + int('43')) != '243' else 'honest'",
        worn=True,
        gain="changes what 243 is for everybody after it",
    ),
    attack(
        "seeds and sequences",
        """
        import random
        random.seed(4711)
        """,
        lambda seen: seen.after == random.Random(4711).random(),
        after="import random\nreturn random.random()",
        worn=True,
        gain="knows every random number of the next tool",
    ),
    attack(
        "surroundings that stay",
        """
        import locale, resource, signal
        os.environ["HOME"] = os.environ["POISON"] = "poisoned"
        os.umask(0o777)
        signal.signal(signal.SIGALRM, lambda *_: None)
        os.chdir("/")
        """,
        _poisoned,
        after="""
        import signal
        before = os.umask(0o77)
        handled = signal.getsignal(signal.SIGALRM)
        changed = os.getcwd() == "/" or before == 0o777 or callable(handled)
        return [os.environ.get("POISON"), "poisoned" if changed else ""]
        """,
        worn=True,
        gain="has the next tool run in another folder, with other variables, masks and handlers",
    ),
    attack(
        "a timer for the next one",
        """
        import signal
        signal.signal(signal.SIGALRM, lambda *_: None)
        signal.setitimer(signal.ITIMER_REAL, 0.4, 0.1)
        """,
        _poisoned,
        after="""
        import signal
        return "poisoned" if signal.getitimer(signal.ITIMER_REAL)[1] else "honest"
        """,
        worn=True,
        gain="interrupts the next tool, or ends it, at a time of its choice",
    ),
    attack(
        "a thread that goes on",
        """
        import threading
        def on():
            import builtins
            while True:
                builtins.seen_by_thread = "poisoned"
                time.sleep(0.05)
        threading.Thread(target=on, daemon=True).start()
        """,
        _poisoned,
        after="""
        import builtins
        builtins.seen_by_thread = "honest"
        time.sleep(0.3)
        return builtins.seen_by_thread
        """,
        worn=True,
        gain="prints among the words of the next tool, and reads what that holds",
    ),
    # -- what lies where Python looks ---------------------------------------------------------------------------------
    attack(
        "modules in the work folder",
        """
        for name in ("json", "base64", "sitecustomize", "usercustomize", "toolwright_tool", "helper"):
            with open(name + ".py", "w") as file:
                file.write("def dumps(*_): return 'poisoned'\\nb64encode = help = dumps\\n")
        """,
        _poisoned,
        after="""
        import sys
        sys.path.insert(0, os.getcwd())
        sys.modules.pop("base64", None)
        import base64
        return str(base64.b64encode(b"a"))
        """,
        gain="has its own file imported by the next tool, under a library's name",
    ),
    attack(
        "its own file rewritten",
        """
        def rewrite(path):
            with open(path, "w") as file:
                file.write("def attack(**it): return 'mine now'")
            return "rewritten"
        return loot(lambda: rewrite(it["own_file"]), lambda: rewrite(__file__))
        """,
        changed,
        gain="is another tool at its next call than the one that was approved",
    ),
    attack(
        "the standard library",
        _LIBRARY
        + """
names = ["sitecustomize.py", "usercustomize.py", "site-packages/x.pth", "dist-packages/x.pth", "lib-dynload/x.so"]
places = [*[folder + "/" + name for name in names], random.__file__, __import__("sys").executable]
def touch(path):
    is_there = os.path.lexists(path)  # nothing is written: this runs without a wall as well
    os.close(os.open(path, os.O_WRONLY | (0 if is_there else os.O_CREAT | os.O_EXCL)))
    if not is_there:
        os.unlink(path)
    return "could write " + path
return loot(*[lambda path=path: touch(path) for path in places])
""",
        lambda seen: "could write" in seen.text,
        kernel="user",
        gain="plants a module, a start-up file or a change that every later Python runs",
    ),
    attack(
        "compiled modules",
        _LIBRARY
        + """
def plant(cache):
    path = os.path.join(cache, "planted.cpython-999.pyc")
    with open(path, "wb") as file:
        file.write(b"x")
    os.unlink(path)
    return "could write " + cache
def rename():
    os.rename(folder + "/__pycache__", folder + "/__pycache__2")
    os.rename(folder + "/__pycache__2", folder + "/__pycache__")
    return "could rename"
return loot(lambda: plant(folder + "/__pycache__"), lambda: plant(folder + "/json/__pycache__"),
            lambda: plant(os.path.dirname(os.path.dirname(folder)) + "/__pycache__"))
""",
        lambda seen: "could write" in seen.text,
        kernel="user",
        gain="has the interpreter load bytecode of its own in place of a library's (__pycache__)",
    ),
    attack(
        "packages that tools share",
        """
        import sys
        sys.path.append(it["packages"])
        import helper
        folder = os.path.dirname(os.path.dirname(helper.__file__))
        def plant(name, text):
            with open(os.path.join(folder, name), "w") as file:
                file.write(text)
            return "wrote into it"
        return loot(lambda: plant("helper/__init__.py", "def help(): return 'poisoned'"),
                    lambda: plant("x.pth", "poison"), lambda: plant("json.py", "poison"),
                    lambda: os.makedirs(folder + "/helper/__pycache__/poison"))
        """,
        lambda seen: _poisoned(seen) or "wrote into it" in seen.text,
        after="import sys\nsys.path.append(it['packages'])\nimport helper\nreturn helper.help()",
        stage=_installed,
        packages=_packages,
        gain="changes a package for every tool that uses it",
    ),
    attack(
        "a package with a module that the library asks for",
        """
        import builtins, sys
        if hasattr(builtins, "loot_of_a_package"):
            return "ran before the call: " + builtins.loot_of_a_package
        sys.path.append(it["packages"])
        sys.modules.pop("copy", None)
        import copy
        return builtins.loot_of_a_package
        """,
        lambda seen: got_secret(seen) or "ran before the call" in seen.text,
        stage=_asked_for,
        packages=_packages,
        gain="runs in the process that all guests come from, before any wall",
    ),
    attack(
        "files where programs look first",
        """
        tops = ["/tmp", "/dev/shm", "/var/tmp", "/run", os.path.expanduser("~")]
        name = "planted-" + os.path.basename(os.path.dirname(it["secret"]))
        def plant(top):
            with open(os.path.join(top, name), "w") as file:
                file.write("x")
            return "left it"
        return loot(*[lambda top=top: plant(top) for top in tops])
        """,
        _poisoned,
        after="""
        tops = ["/tmp", "/dev/shm", "/var/tmp", "/run", os.path.expanduser("~")]
        name = "planted-" + os.path.basename(os.path.dirname(it["secret"]))
        found = [top for top in tops if os.path.exists(os.path.join(top, name))]
        for top in found:
            os.unlink(os.path.join(top, name))
        return "poisoned: " + str(found) if found else "honest"
        """,
        gain="leaves a file in a folder that the next call, or any program, shares",
    ),
    attack(
        "what is kept without a name",
        """
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        key = 0x4711 + it["victim"]
        return loot(lambda: syscall("shmget", key, 4096, 0o1666), lambda: syscall("semget", key, 1, 0o1666),
                    lambda: syscall("msgget", key, 0o1666))
        """,
        _poisoned,
        after="""
        key = 0x4711 + it["victim"]
        def take(get, control, *size):
            number = syscall(get, key, *size, 0)
            syscall(control, number, *([0, 0] if get == "semget" else [0]))
            return "poisoned"
        return loot(lambda: take("shmget", "shmctl", 4096), lambda: take("semget", "semctl", 1),
                    lambda: take("msgget", "msgctl"))
        """,
        gain="leaves a letter for a later call in shared memory, semaphores and queues",
    ),
)
