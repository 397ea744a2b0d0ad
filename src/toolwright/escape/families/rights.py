"""Rights: another user, powers of root, higher limits, a better place in the queue, settings of its process undone."""

from __future__ import annotations

from toolwright.escape.attack import Family, more_than, reached, says

attack = Family("rights")

ATTACKS = (
    attack(
        "another user",
        """
        def one(call, *arguments):
            call(*arguments)
            return "changed"
        # Nobody's id is fine to show it with; that of root is what it would be.
        wanted = 0 if os.getuid() else 65534
        return loot(lambda: one(os.setresgid, wanted, wanted, wanted), lambda: one(os.setgroups, [wanted]),
                    lambda: one(os.setresuid, wanted, wanted, wanted))
        """,
        says('"changed'),
        gain="becomes root, or whichever user owns what it wants",
        kernel="user",
    ),
    attack(
        "powers taken back",
        """
        import ctypes
        head, sets = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
        powers = {0: "chown", 1: "dac", 7: "setuid", 19: "ptrace", 21: "admin"}
        libc = ctypes.CDLL(None)
        held = [name for number, name in powers.items() if libc.prctl(23, number, 0, 0, 0) == 1]
        for place in (0, 1, 2):
            sets[place] = 1 << 21
        def take():
            syscall("capset", head, sets)
            return "taken"
        return loot(take)
        """,
        says('"taken'),
        gain="has a power of root again that was only put aside",
        kernel="user",
    ),
    attack(
        "a set-user-id file",
        """
        open("suid", "w").close()
        loot(lambda: os.chmod("suid", 0o4755), lambda: os.fchmod(os.open("suid", os.O_RDWR), 0o6755))
        return "left: %o" % os.stat("suid").st_mode if os.stat("suid").st_mode & 0o6000 else "none"
        """,
        says("left: "),
        gain="leaves a program that makes whoever starts it its owner",
    ),
    attack(
        "raised limits",
        """
        import resource
        done = 0
        for kind in (resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE):
            soft, hard = resource.getrlimit(kind)
            try:
                resource.setrlimit(kind, (soft - 1, hard))
                resource.setrlimit(kind, (soft, hard))
                done += 1
            except (OSError, ValueError):
                pass
        return done
        """,
        more_than(0),
        gain="sets its own limits",
    ),
    attack(
        "raised limits, by the newer call",
        """
        import ctypes
        done = []
        for kind in (9, 0, 7, 1, 6, 4):  # address space, processor, files, file size, processes, cores
            old = (ctypes.c_uint64 * 2)()
            def change():
                syscall("prlimit64", 0, kind, None, old)
                syscall("prlimit64", 0, kind, old, None)
                return "set"
            done += loot(change)
        return done
        """,
        says('"set'),
        gain="sets its own limits by a call that also only asks",
    ),
    attack(
        "time of its own at the processor",
        """
        import ctypes
        def in_time(policy, priority):
            os.sched_setscheduler(0, policy, os.sched_param(priority))
            os.sched_setscheduler(0, 0, os.sched_param(0))
            return "set"
        def deadline():
            words = (ctypes.c_uint64 * 6)(48 | 6 << 32, 0, 0, 10**6, 10**7, 10**7)
            syscall("sched_setattr", 0, words, 0)
            os.sched_setscheduler(0, 0, os.sched_param(0))
            return "set"
        return loot(lambda: in_time(1, 1), lambda: in_time(2, 1), deadline)
        """,
        says('"set'),
        gain="takes a processor for itself alone: even its keeper does not run any more",
        kernel="user",
    ),
    attack(
        "a better place in the queue",
        """
        def nicer():
            os.nice(-5)
            return "set"
        def at_disk():
            syscall("ioprio_set", 1, 0, 1 << 13 | 4)
            return "set"
        return loot(nicer, at_disk)
        """,
        says('"set'),
        gain="runs before everything else on the machine",
        kernel="user",
    ),
    attack(
        "all processors again",
        """
        import ctypes
        def widen():
            mask = (ctypes.c_ulong * 16)(*[2**64 - 1] * 16)
            syscall("sched_setaffinity", 0, 128, mask)
            return "set"
        return loot(widen)
        """,
        says('"set'),
        gain="leaves the processors that were given to it",
    ),
    attack(
        "never the one to be ended",
        """
        def spared(value):
            with open("/proc/self/oom_score_adj", "w") as file:
                file.write(value)
            return "set"
        return loot(lambda: spared("-1000"), lambda: spared("0"))
        """,
        says('"set'),
        gain="has the kernel end others when it uses up the memory",
    ),
    attack(
        "memory that is never given back",
        """
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        room = ctypes.create_string_buffer(2**20)
        def lock():
            if libc.mlock(room, 2**20):
                raise OSError(ctypes.get_errno(), "mlock")
            return "locked"
        def all_of_it():
            if libc.mlockall(2):
                raise OSError(ctypes.get_errno(), "mlockall")
            return "locked"
        return loot(lock, all_of_it)
        """,
        says('"locked'),
        gain="keeps real memory that others would need",
    ),
    attack(
        "settings of its own process undone",
        """
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        done = []
        for name, option, value in (("parent's death", 1, 0), ("dumpable", 4, 1), ("subreaper", 36, 1), ("keep", 8, 1),
                                    ("tracer", 0x59616D61, -1), ("time stamps", 26, 1), ("slack", 29, 1)):
            if libc.prctl(option, ctypes.c_ulong(value & (2**64 - 1)), 0, 0, 0) == 0:
                done.append(name)
        return "done: " + str(done) if done else "none"
        """,
        says("done: "),
        gain="lives on when its keeper dies, may be looked at by others, gets orphans",
    ),
    attack(
        "another picture of itself",
        """
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        words = (ctypes.c_uint64 * 13)()
        def change(*arguments):
            if libc.prctl(35, *arguments):
                raise OSError(ctypes.get_errno(), "prctl")
        return doors(map=lambda: change(14, words, 104, 0), size=lambda: change(15, words, 0, 0))
        """,
        reached,
        gain="shows another program, name and arguments to whoever looks for it",
        kernel="user",
    ),
)
