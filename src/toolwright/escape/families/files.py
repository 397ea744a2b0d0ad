"""Files of the host: changed, removed, marked, linked, and reached out of a folder that was granted."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from toolwright.escape.attack import Family, changed, got_secret, says
from toolwright.escape.world import World
from toolwright.powers import Grant

attack = Family("files")


@contextmanager
def _granted(world: World, _wall: bool) -> Iterator[dict[str, str]]:
    """A folder to be granted, beside which secrets lie, with links that lead to them."""
    folder = Path(world.folder("granted"))
    (folder / "kept.txt").write_text("as it was")
    (folder / "kept.txt").chmod(0o666)
    os.symlink(world.readable, folder / "link")
    os.symlink("..", folder / "up")
    yield {"granted": str(folder)}


def _reads(world: World) -> Grant:
    return Grant(reads=(str(world.shared / "granted"),))


def _writes(world: World) -> Grant:
    return Grant(writes=(str(world.shared / "granted"),))


ATTACKS = (
    attack(
        "files of others rewritten",
        """
        def write(path):
            with open(path, "w") as file:
                file.write("x")
        return loot(lambda: write(it["marker"]), lambda: write(it["secret"]), lambda: write(it["readable"]),
                    lambda: os.truncate(it["readable"], 1))
        """,
        changed,
        gain="changes files of the host, or makes new ones there",
    ),
    attack(
        "files of others removed or given another's place",
        """
        import ctypes
        def exchange():
            libc = ctypes.CDLL(None, use_errno=True)
            if libc.renameat2(-100, it["readable"].encode(), -100, it["own_file"].encode(), 2):
                raise OSError(ctypes.get_errno(), "renameat2")
        return loot(lambda: os.remove(it["readable"]), lambda: os.rename(it["own_file"], it["marker"]), exchange)
        """,
        changed,
        gain="destroys files, or puts one where another is looked for",
    ),
    attack(
        "modes and times of files of others",
        """
        return loot(lambda: os.chmod(it["readable"], 0o777), lambda: os.utime(it["own_file"], (5, 5)),
                    lambda: os.chmod(it["secret"], 0o644), lambda: os.chown(it["readable"], 1, 1))
        """,
        changed,
        gain="opens a private file to everybody, or hides when it was changed",
    ),
    attack(
        "another name for a file of others",
        """
        names = ("copy", os.path.join(os.path.dirname(it["marker"]), "copy"))
        return loot(*[lambda name=name: os.link(it["readable"], name) for name in names])
        """,
        changed,
        gain="keeps hold of a file after it was removed, or has the keeper carry it out as its own",
    ),
    attack(
        "notes on files of others",
        """
        def mark():
            os.setxattr(it["readable"], "user.planted", b"x")
            return "marked: " + os.getxattr(it["readable"], "user.planted").decode()
        return loot(mark)
        """,
        says('"marked: '),
        gain="leaves marks on files of the host by which others read what it says",
        kernel="everybody",  # where the file system has no such notes
    ),
    attack(
        "up and out of a granted folder",
        """
        granted = it["granted"]
        def by_handle():
            folder = os.open(granted, os.O_RDONLY)
            return os.read(os.open("../readable.txt", os.O_RDONLY, dir_fd=folder), 100)
        def by_change():
            os.chdir(granted)
            os.chdir("..")
            return read("readable.txt")
        return loot(lambda: read(granted + "/../readable.txt"), lambda: read(granted + "/up/readable.txt"), by_handle,
                    by_change)
        """,
        got_secret,
        gain="reads what lies beside the folder that was granted",
        stage=_granted,
        grant=_reads,
    ),
    attack(
        "the whole tree, with a granted folder in it",
        """
        granted, wanted = it["granted"], {it["secret"], it["readable"]}
        found, until = [], time.monotonic() + 1.0
        for path in wanted:
            found += loot(lambda: read(path), lambda: read("/proc/1/root" + path), lambda: read("/.." + path))
        for top in ("/..", "/mnt", "/host", "/old", "/root", "/proc", "/run", "/media", "/srv", "/tmp", "/"):
            for folder, _, names in os.walk(top):
                found += [read(os.path.join(folder, name)) for name in names if name in ("secret.txt", "readable.txt")]
                if time.monotonic() > until:
                    break
        return found
        """,
        got_secret,
        gain="finds the host's tree, from which the folder was taken, somewhere in its own",
        stage=_granted,
        grant=_reads,
    ),
    attack(
        "a link in a granted folder",
        """
        granted = it["granted"]
        return loot(lambda: read(granted + "/link"), lambda: read(os.path.realpath(granted + "/link")))
        """,
        got_secret,
        gain="reads whatever a link in there happens to point to",
        stage=_granted,
        grant=_reads,
    ),
    attack(
        "a link of its own in a granted folder",
        """
        granted = it["granted"]
        os.symlink(it["secret"], granted + "/mine")
        os.symlink(os.path.dirname(it["readable"]), granted + "/beside")
        def write():
            with open(granted + "/beside/marker", "w") as file:
                file.write("x")
        return loot(lambda: read(granted + "/mine"), lambda: read(granted + "/beside/readable.txt"), write)
        """,
        lambda seen: got_secret(seen) or changed(seen),
        gain="reads and writes past the folder that it may write to",
        stage=_granted,
        grant=_writes,
    ),
    attack(
        "a folder moved while it is open",
        """
        granted, beside = it["granted"], os.path.dirname(it["readable"])
        os.mkdir(granted + "/moved")
        inside = os.open(granted + "/moved", os.O_RDONLY)
        def move():
            os.rename(granted + "/moved", beside + "/moved")
            return os.read(os.open("../readable.txt", os.O_RDONLY, dir_fd=inside), 100)
        def bring():
            os.rename(it["readable"], granted + "/brought")
            return read(granted + "/brought")
        def link():
            os.link(it["readable"], granted + "/linked")
            return read(granted + "/linked")
        return loot(link, move, bring)
        """,
        got_secret,
        gain="moves the floor under itself, and so has a `..` that leads out",
        stage=_granted,
        grant=_writes,
    ),
    attack(
        "writing where only reading was granted",
        """
        granted = it["granted"]
        def write():
            with open(granted + "/kept.txt", "w") as file:
                file.write("x")
            return "written"
        def again():
            # A file that is open for reading, opened anew for writing by its number.
            number = os.open(granted + "/kept.txt", os.O_RDONLY)
            return "written: %d" % os.write(os.open(f"/proc/self/fd/{number}", os.O_WRONLY), b"x")
        def map_it():
            import mmap
            mmap.mmap(os.open(granted + "/kept.txt", os.O_RDONLY), 0)[0] = 1
            return "written"
        def make():
            os.mkdir(granted + "/made")
            return "written"
        return loot(write, again, map_it, make, lambda: os.remove(granted + "/kept.txt") or "written")
        """,
        says('"written'),
        gain="changes files that it was only shown",
        stage=_granted,
        grant=_reads,
    ),
    attack(
        "a set-user-id file in a granted folder",
        """
        path = it["granted"] + "/program"
        open(path, "w").close()
        return loot(lambda: os.chmod(path, 0o4755), lambda: os.fchmod(os.open(path, os.O_RDWR), 0o6755),
                    lambda: os.open(path + "2", os.O_CREAT | os.O_WRONLY, 0o4755),
                    lambda: os.mknod(path + "3", 0o104755))
        """,
        lambda seen: isinstance(seen.after, list) and any(mode & 0o6000 for mode in seen.after),
        gain="leaves a program on the host that makes whoever starts it its owner",
        after='return [os.lstat(os.path.join(it["granted"], name)).st_mode for name in os.listdir(it["granted"])]',
        stage=_granted,
        grant=_writes,
    ),
    attack(
        "a device in a granted folder",
        """
        path = it["granted"]
        return loot(lambda: os.mknod(path + "/disk", 0o60666, os.makedev(254, 0)),
                    lambda: os.mknod(path + "/null", 0o20666, os.makedev(1, 3)))
        """,
        lambda seen: isinstance(seen.after, list) and any(mode & 0o170000 in (0o60000, 0o20000) for mode in seen.after),
        gain="leaves a door to the disk in a folder of the person",
        after='return [os.lstat(os.path.join(it["granted"], name)).st_mode for name in os.listdir(it["granted"])]',
        stage=_granted,
        grant=_writes,
        kernel="user",
    ),
    attack(
        "a socket in a granted folder",
        """
        import socket
        def wait():
            server = socket.socket(socket.AF_UNIX)
            server.bind(it["granted"] + "/docker.sock")
            server.listen()
            return "listening"
        return loot(wait, lambda: os.mknod(it["granted"] + "/node", 0o140666) or "listening")
        """,
        says('"listening'),
        gain="poses as a service, and talks with whoever believes it",
        stage=_granted,
        grant=_writes,
    ),
)
