"""Bombs of memory: on the heap, mapped, shared, in files without a folder, in the kernel."""

from __future__ import annotations

from dataclasses import replace

from toolwright.escape.attack import LIMITS, Family, more_than

attack = Family("bombs")

_SMALL = replace(LIMITS, memory_bytes=64 * 2**20)

ATTACKS = (
    attack(
        "a memory bomb",
        """
        hoard, size = [], 0
        try:
            while size < 192:
                hoard.append(bytearray(16 * 2**20))
                hoard[-1][::4096] = bytes(4096)  # a page counts when it has been touched
                size += 16
        except MemoryError:
            pass
        return size
        """,
        more_than(128),
        gain="uses up the machine's memory",
        limits=_SMALL,
        heavy=True,
    ),
    attack(
        "memory outside the heap",
        """
        size, kept = 0, []
        try:
            for _ in range(64):
                fd = os.memfd_create("bomb")
                os.write(fd, bytes(8 * 2**20))
                kept.append(fd)
                size += 8
        except OSError:
            pass
        return size
        """,
        more_than(64),
        gain="has memory in files that are in no folder and count in no address space",
        limits=_SMALL,
        heavy=True,
    ),
    attack(
        "mapped memory, in threads",
        """
        import mmap, threading
        hoard = []
        def fill():
            try:
                for _ in range(3):
                    one = mmap.mmap(-1, 2**24)
                    one[:] = bytes(2**24)
                    hoard.append(one)
            except (OSError, MemoryError):
                pass
        threads = [threading.Thread(target=fill) for _ in range(4)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        return 16 * len(hoard)
        """,
        more_than(128),
        gain="uses up memory past the allocator",
        limits=_SMALL,
        heavy=True,
    ),
    attack(
        "memory that is shared",
        """
        import mmap
        size = 0
        try:
            for number in range(12):
                with open("/dev/shm/" + f"bomb-{os.getpid()}-{number}", "w+b") as file:
                    os.remove(file.name)
                    os.ftruncate(file.fileno(), 2**24)
                    one = mmap.mmap(file.fileno(), 2**24)
                    one[::4096] = bytes(4096)
                    size += 16
        except (OSError, ValueError, MemoryError):
            pass
        try:
            for number in range(12):
                name = syscall("shmget", 0, 2**24, 0o1600)
                place = syscall("shmat", name, 0, 0)
                syscall("shmctl", name, 0, 0)  # goes with its last user
                import ctypes
                ctypes.memset(place, 1, 2**24)
                size += 16
        except (OSError, MemoryError):
            pass
        return size
        """,
        more_than(128),
        gain="uses up memory that counts for nobody once it is shared",
        limits=_SMALL,
        heavy=True,
    ),
    attack(
        "memory in pipes",
        """
        import fcntl
        size = 0
        try:
            while size < 2**27:
                reading, writing = os.pipe()
                os.set_blocking(writing, False)
                try:
                    fcntl.fcntl(writing, 1031, 2**20)
                except OSError:
                    pass
                try:
                    while True:
                        size += os.write(writing, bytes(65536))
                except BlockingIOError:
                    pass
        except OSError:
            pass
        return size
        """,
        more_than(24 * 2**20),
        gain="keeps memory in the kernel, where no limit of an address space sees it",
        heavy=True,
    ),
)
