"""A call that leaves something for whoever looks at its files: they are taken back into the run's folder, and shown."""

from __future__ import annotations

import stat
from collections.abc import Callable

from toolwright.escape.attack import PLANTED, Family, Left, Proof, changed

attack = Family("poisoning")


def _left(what: Callable[[Left], bool]) -> Proof:
    """Whether something that was taken back into the run's folder is of a kind that must not be there."""
    return lambda seen: any(what(one) for one in seen.left)


def _is_odd(one: Left) -> bool:
    return not (stat.S_ISREG(one.mode) or stat.S_ISDIR(one.mode))


def _is_planted(one: Left) -> bool:
    return PLANTED.search(one.text) is not None


ATTACKS = (
    # -- what is taken back -------------------------------------------------------------------------------------------
    attack(
        "links among the files that it leaves",
        """
        os.symlink(it["secret"], "report.txt")
        os.symlink(os.path.dirname(it["secret"]), "folder")
        os.mkdir("deeper")
        os.symlink("../../../../../.." + it["secret"], "deeper/report.txt")
        return loot(lambda: os.link(it["readable"], "hard.txt"), lambda: os.link(it["secret"], "harder.txt"))
        """,
        _left(_is_planted),
        collects=True,
        gain="has the keeper fetch a file of the host for it, by a link",
    ),
    attack(
        "a folder swapped while it is read",
        """
        import threading
        os.mkdir("folder")
        with open("folder/secret.txt", "w") as file:
            file.write("mine")
        os.symlink(os.path.dirname(it["secret"]), "link")
        def swap():
            while True:
                for one, other in (("folder", "old"), ("link", "folder"), ("folder", "link"), ("old", "folder")):
                    try:
                        os.rename(one, other)
                    except OSError:
                        pass
        threading.Thread(target=swap, daemon=True).start()
        time.sleep(0.2)
        try:
            os.rename("folder", "link2") if os.path.islink("folder") else None
        except OSError:  # swapped in between
            pass
        """,
        _left(_is_planted),
        collects=True,
        gain="passes the check with a folder, and is read through a link",
    ),
    attack(
        "pipes and devices among its files",
        """
        done = loot(lambda: os.mkfifo("pipe"), lambda: os.mknod("zero", 0o20666, os.makedev(1, 5)),
                    lambda: os.symlink("/dev/zero", "endless"), lambda: os.symlink("/proc/self/environ", "environ"))
        try:
            import socket
            socket.socket(socket.AF_UNIX).bind("socket")
        except OSError:
            pass
        os.path.lexists("endless") and os.unlink("endless")
        return done
        """,
        _left(_is_odd),
        collects=True,
        gain="has whoever opens the run's files wait for ever, or read a device",
    ),
    attack(
        "a mode that gives rights away",
        """
        for name, mode in (("run.sh", 0o777), ("root", 0o6755)):
            with open(name, "w") as file:
                file.write("#!/bin/sh\\necho poisoned\\n")
            os.chmod(name, mode & 0o777)
            loot(lambda: os.chmod(name, mode))
        return "left"
        """,
        _left(lambda one: stat.S_ISREG(one.mode) and bool(one.mode & 0o6111)),
        collects=True,
        gain="leaves a program in the run's folder, perhaps with its owner's rights",
    ),
    attack(
        "names that are commands",
        """
        names = ["a\\nb", "a\\x1b[2Jb", "a\\u202eb", "a\\x07b", "a\\rb", "\\x9b2J", "a\\u2028b"]
        for name in names:
            loot(lambda: open(name, "w").close())
        with open(b"half\\xff", "w") as file:
            file.write("x")
        return os.listdir(".").__len__()
        """,
        _left(lambda one: not one.path.isprintable()),
        collects=True,
        gain="drives a terminal, or a script, by the names of its files",
    ),
    attack(
        "a file that is larger than all",
        """
        with open("huge", "w") as file:
            loot(lambda: file.truncate(40 * 2**20))
        with open("grows", "w") as file:
            loot(lambda: file.truncate(20 * 2**20))
        return [os.path.getsize("huge"), os.path.getsize("grows")]
        """,
        lambda seen: sum(one.size for one in seen.left) > 30 * 2**20,
        collects=True,
        gain="fills the host's disk with holes that cost itself nothing",
    ),
    attack(
        "configuration beside the run's folder",
        """
        places = [".git/hooks/post-checkout", ".vscode/tasks.json", ".envrc", "conftest.py", "pyproject.toml"]
        tops = ["..", "../..", "/tmp", os.path.expanduser("~"), os.path.dirname(it["own_file"]), os.sep]
        def plant(path):
            os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
            with open(path, "w") as file:
                file.write("poisoned")
            return "left"
        for place in places:
            plant(place)
        plant(os.path.dirname(it["own_file"]) + "/marker")
        """,
        changed,
        gain="leaves what editors, shells and git run by themselves, in a folder of the host",
    ),
)
