"""Doors of the kernel that a tool has no use for: large, new or privileged calls, and other ways to make calls."""

from __future__ import annotations

from toolwright.escape.attack import Family, more_than, reached, says

attack = Family("kernel")

ATTACKS = (
    attack(
        "programs in the kernel",
        """
        import ctypes
        code = ctypes.create_string_buffer(bytes.fromhex("b700000000000000 9500000000000000"))
        words = (ctypes.c_uint64 * 16)()
        words[0] = 1 | 2 << 32  # a socket filter of two instructions
        words[1] = ctypes.addressof(code)
        licence = ctypes.create_string_buffer(b"GPL")
        words[2] = ctypes.addressof(licence)
        return doors(load=lambda: syscall("bpf", 5, words, 128), map=lambda: syscall("bpf", 0, words, 128))
        """,
        reached,
        gain="runs code in the kernel, the richest source of its holes",
        kernel="user",
    ),
    attack(
        "performance events",
        """
        import ctypes
        words = (ctypes.c_uint64 * 16)()
        words[0] = 1 | 128 << 32  # software, of this size
        words[1] = 0
        words[5] = 1 << 5 | 1 << 6  # no kernel, no hypervisor
        return doors(perf=lambda: syscall("perf_event_open", words, 0, -1, -1, 0))
        """,
        reached,
        gain="measures others' work, and reaches a call that has given root to many",
        kernel="user",
    ),
    attack(
        "page faults handled by itself",
        'return doors(userfaultfd=lambda: syscall("userfaultfd", 0o2004001))',
        reached,
        gain="holds the kernel still in the middle of a copy, which makes races certain",
    ),
    attack(
        "calls through a ring",
        """
        import ctypes
        words = (ctypes.c_uint32 * 30)()
        return doors(ring=lambda: syscall("io_uring_setup", 8, words))
        """,
        reached,
        gain="opens, connects and writes without any call that a filter would see",
        kernel="everybody",  # where io_uring is switched off
    ),
    attack(
        "keys and keyrings",
        """
        return doors(join=lambda: syscall("keyctl", 1, 0), of_session=lambda: syscall("keyctl", 0, -3, 1),
                     add=lambda: syscall("add_key", b"user\\0", b"x\\0", b"y", 1, -1),
                     ask=lambda: syscall("request_key", b"user\\0", b"no-such\\0", 0, -1))
        """,
        reached,
        gain="keeps data in the kernel that outlives its call, and has the host run a program (request-key)",
        kernel="everybody",
    ),
    attack(
        "modules of the kernel",
        """
        import ctypes
        nothing = ctypes.create_string_buffer(8)
        return doors(init=lambda: syscall("init_module", nothing, 0, b"\\0"),
                     from_file=lambda: syscall("finit_module", -1, b"\\0", 0),
                     remove=lambda: syscall("delete_module", b"no-such-module\\0", 0o4000))
        """,
        reached,
        gain="loads code of its own into the kernel",
        kernel="everybody",  # where the kernel has no modules
    ),
    attack(
        "a restart of the machine",
        """
        # Numbers that no restart has: whether one may ask is looked at before them.
        return doors(reboot=lambda: syscall("reboot", 1, 2, 3, 0),
                     kexec=lambda: syscall("kexec_load", 0, 17, None, 0xFFFF))
        """,
        reached,
        gain="stops the machine, or starts another kernel on it",
        kernel="user",
    ),
    attack(
        "swap, accounting and quotas",
        """
        return doors(swap=lambda: syscall("swapon", b"/no-such-file\\0", 0),
                     accounts=lambda: syscall("acct", b"/no-such\\0"),
                     quota=lambda: syscall("quotactl", 0x80000300, b"/no-such\\0", 0, 0))
        """,
        reached,
        gain="has the kernel write memory, or a record of every process, to a file of its choice",
        kernel="user",
    ),
    attack(
        "the machine's clock",
        """
        import ctypes
        words = (ctypes.c_int64 * 26)()
        def same():
            syscall("clock_adjtime", 0, words)  # only asks
            words[0] = 0x4000  # the length of a tick, as it is
            syscall("clock_adjtime", 0, words)
            return "set"
        return loot(same)
        """,
        says('"set'),
        gain="moves the time of the whole machine: certificates, logs, timers",
        kernel="user",
    ),
    attack(
        "the machine's name",
        """
        import socket
        return loot(lambda: "set %s" % socket.sethostname(socket.gethostname()))
        """,
        says('"set'),
        gain="renames the machine for everybody on it",
        kernel="user",
    ),
    attack(
        "ports of the hardware",
        """
        if platform.machine() != "x86_64":
            return doors()
        return doors(all=lambda: syscall("iopl", 3), one=lambda: syscall("ioperm", 0x80, 1, 1))
        """,
        reached,
        gain="speaks to devices directly",
        kernel="everybody",  # other machines have none, and many kernels lock them
    ),
    attack(
        "segments of its own",
        """
        import ctypes
        if platform.machine() != "x86_64":
            return doors()
        entry = (ctypes.c_uint32 * 4)(0, 0, 0xFFFFF, 0x51)
        return doors(set=lambda: syscall("modify_ldt", 0x11, entry, 16))
        """,
        reached,
        gain="runs 16-bit code, old corners of the processor that the kernel got wrong more than once",
        kernel="everybody",
    ),
    attack(
        "another personality",
        """
        def change():
            syscall("personality", 0x0400000 | 0x0040000)  # what is read may be run, no random addresses
            return "now: %x" % syscall("personality", 0xFFFFFFFF)
        return loot(change)
        """,
        says('"now: '),
        gain="turns off what makes memory errors hard to use",
    ),
    attack(
        "a filter of its own for system calls",
        """
        import ctypes
        code = ctypes.create_string_buffer((6).to_bytes(8, "little")[:4] + (0x7FFF0000).to_bytes(4, "little"))
        words = (ctypes.c_uint64 * 2)(1, ctypes.addressof(code))
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(38, 1, 0, 0, 0)
        def by_prctl():
            if libc.prctl(22, 2, words, 0, 0):
                raise OSError(ctypes.get_errno(), "prctl")
        return doors(listen=lambda: syscall("seccomp", 1, 8, words), ask=lambda: syscall("seccomp", 2, 0, words),
                     prctl=by_prctl)
        """,
        reached,
        gain="answers calls in the kernel's stead, and makes each slower than the limit counts",
    ),
    attack(
        "pipes that share pages with files",
        """
        reading, writing = os.pipe()
        other = os.pipe()
        file = os.open(os.__file__, os.O_RDONLY)
        return doors(splice=lambda: syscall("splice", file, 0, writing, 0, 100, 0),
                     tee=lambda: syscall("tee", reading, other[1], 100, 2),
                     vmsplice=lambda: syscall("vmsplice", writing, None, 0, 0))
        """,
        reached,
        gain="has the way by which files that are only readable were written to (Dirty Pipe)",
    ),
    attack(
        "files by their handles",
        """
        import ctypes
        handle = (ctypes.c_uint32 * 34)(128, 0)
        mount = ctypes.c_int()
        def again():
            syscall("name_to_handle_at", -100, it["readable"].encode() + b"\\0", handle, ctypes.byref(mount), 0)
            folder = os.open(os.path.dirname(it["readable"]), os.O_RDONLY)
            return "read: " + os.read(syscall("open_by_handle_at", folder, handle, 0), 100).decode()
        def made_up():
            # The root of many file systems is inode 2: no path and no folder on it need be known.
            root = (ctypes.c_uint32 * 4)(8, 1, 2, 0)
            return "read: %d" % syscall("open_by_handle_at", os.open("/", os.O_RDONLY), root, 0)
        return loot(again, made_up)
        """,
        says('"read: '),
        gain="opens any file of a file system by its number, past every folder (the shocker)",
        kernel="user",
    ),
    attack(
        "threads that are processes, by raw calls",
        """
        for flags in (17, 0x8000 | 17, 0x10000000 | 17):  # plain, as a brother, in a new user namespace
            try:
                child = syscall("clone", flags, 0, 0, 0, 0)
            except OSError:
                continue
            if child == 0:
                os._exit(0)
            return "forked"
        return "none"
        """,
        says("forked"),
        gain="has a process that no limit on Python's own fork holds",
    ),
    attack(
        "the newer call for a process",
        """
        import ctypes
        words = (ctypes.c_uint64 * 11)(0, 0, 0, 0, 17)
        def spawn():
            child = syscall("clone3", words, 88)
            if child == 0:
                os._exit(0)
            return "forked"
        return loot(spawn)
        """,
        says('"forked'),
        gain="forks by a call whose flags no filter can read, since they lie in memory",
    ),
    attack(
        "calls of a 32-bit program",
        """
        import ctypes, mmap
        if platform.machine() != "x86_64":
            return "none"
        code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        code.write(bytes.fromhex("b814000000cd80c3"))  # getpid, by interrupt 0x80
        number = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))()
        return "reached" if number == os.getpid() else "none"
        """,
        says("reached"),
        gain="makes every call under a number that the filter takes for another",
        kernel="everybody",  # on other machines, and where the kernel has no 32-bit calls
    ),
    attack(
        "calls under the numbers of x32",
        """
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        if platform.machine() != "x86_64":
            return 0
        count = 0
        for number in (*range(335), *range(424, 470), *range(512, 548)):
            if number in (15, 57, 58, 60, 56, 231, 435):  # without a filter these would end this process or double it
                continue
            ctypes.set_errno(0)
            result = libc.syscall(ctypes.c_long(0x40000000 | number), ctypes.c_long(-1), 0, 0, 0, 0, 0)
            count += not (result == -1 and ctypes.get_errno() in (1, 38))
        return count
        """,
        more_than(0),
        gain="makes every call under a number that a list of forbidden numbers does not have",
        kernel="everybody",  # where the kernel has no such calls
    ),
    attack(
        "calls that nobody has heard of",
        """
        names = ("memfd_secret", "process_mrelease", "fsopen", "fspick", "landlock_create_ruleset", "lookup_dcookie")
        numbers = {name: number_of(name) for name in names}
        numbers |= {"futex_waitv": 449, "cachestat": 451, "map_shadow_stack": 453, "statmount": 457, "listmount": 458,
                    "lsm_get_self_attr": 459, "lsm_list_modules": 461, "mseal": 462, "quotactl_fd": 443}
        return doors(**{name: lambda number=number: syscall(number) for name, number in numbers.items()})
        """,
        reached,
        gain="reaches what was added to the kernel after the filter was written",
    ),
    attack(
        "odd requests to devices and files",
        """
        import array, fcntl, termios
        file = os.open("own", os.O_CREAT | os.O_RDWR, 0o600)
        os.write(file, bytes(4096))
        found = []
        requests = {"flags": 0x80086601, "extents": 0xC020660B, "project": 0x801C581F, "encryption": 0x400C6615}
        for name, request in requests.items():
            try:
                fcntl.ioctl(file, request, array.array("B", bytes(64)), True)
                found.append(name)
            except OSError as error:
                if error.errno not in (1, 25, 38):
                    found.append(name + ": " + str(error.errno))
        return "answered: " + str(found) if found else "none"
        """,
        says("answered: "),
        gain="reaches code of file systems and devices that takes the word of whoever has a file open",
    ),
)
