"""Namespaces, mounts and roots: a world of its own in which a guest would be root, or a way back into the host's."""

from __future__ import annotations

from toolwright.escape.attack import Family, got_secret, reached, says

attack = Family("namespaces")

ATTACKS = (
    attack(
        "a user namespace",
        """
        def become():
            syscall("unshare", 0x10000000)
            with open("/proc/self/status") as file:
                return "powers: " + [line for line in file if line.startswith("CapEff")][0]
        return loot(become, lambda: "powers: %d" % syscall("unshare", 0x10000000))
        """,
        says('"powers: '),
        gain="is root over a namespace of its own, and so reaches half of the kernel's privileged code",
    ),
    attack(
        "a mount namespace and a tmpfs in it",
        """
        def mounted():
            syscall("unshare", 0x00020000)
            syscall("mount", b"none\\0", b"/\\0", None, 1 << 14 | 1 << 18, None)
            syscall("mount", b"tmpfs\\0", os.getcwd().encode() + b"\\0", b"tmpfs\\0", 0, None)
            return "mounted"
        return loot(mounted)
        """,
        says('"mounted'),
        gain="has a file system that no limit of its work folder holds",
        kernel="user",
    ),
    attack(
        "other namespaces",
        """
        kinds = {"network": 0x40000000, "ipc": 0x08000000, "uts": 0x04000000, "pid": 0x20000000, "cgroup": 0x02000000,
                 "time": 0x80}
        return doors(**{name: lambda flag=flag: syscall("unshare", flag) for name, flag in kinds.items()})
        """,
        reached,
        gain="has a network stack, a clock or a process tree of its own",
        kernel="user",
    ),
    attack(
        "the namespaces of another process",
        """
        victim = it["victim"]
        def by_file(name):
            syscall("setns", os.open(f"/proc/{victim}/ns/{name}", os.O_RDONLY), 0)
            return "entered"
        def by_process():
            syscall("setns", os.pidfd_open(victim), 0x08000000 | 0x04000000)
            return "entered"
        return loot(by_process, lambda: by_file("uts"), lambda: by_file("ipc"), lambda: by_file("net"))
        """,
        says('"entered'),
        gain="leaves its own world for that of a process outside",
        kernel="user",
    ),
    attack(
        "namespaces in the flags of a new process",
        """
        def spawn(flag):
            child = syscall("clone", flag | 17, 0, 0, 0, 0)
            if child == 0:
                os._exit(0)
            return "born"
        return loot(lambda: spawn(0x10000000), lambda: spawn(0x10000000 | 0x00020000))
        """,
        says('"born'),
        gain="gets a user namespace where only unshare was thought of",
    ),
    attack(
        "mounts by the new calls",
        """
        import ctypes
        def made():
            context = syscall("fsopen", b"tmpfs\\0", 0)
            syscall("fsconfig", context, 6, None, None, 0)
            tree = syscall("fsmount", context, 0, 0)
            os.close(os.open("free", os.O_CREAT | os.O_WRONLY, dir_fd=tree))
            return "mounted"
        return loot(made)
        """,
        says('"mounted'),
        gain="has a file system of its own without the call that is called mount",
        kernel="user",
    ),
    attack(
        "a copy of the tree",
        """
        def copied():
            tree = syscall("open_tree", -100, b"/\\0", 1 | 0x8000)
            return "copied: " + str(os.listdir(os.open(".", os.O_RDONLY, dir_fd=tree))[:5])
        return loot(copied)
        """,
        says('"copied: '),
        gain="sees what is hidden below other mounts",
        kernel="user",
    ),
    attack(
        "a file system that is read-only, made writable",
        """
        def plain():
            away()
            syscall("mount", b"/\\0", b"/\\0", None, 4096, None)
            syscall("mount", b"none\\0", b"/\\0", None, 32 | 4096, None)
            return "writable"
        def newer():
            import ctypes
            words = (ctypes.c_uint64 * 4)(0, 1, 0, 0)
            syscall("mount_setattr", -100, b"/\\0", 0, words, 32)
            return "writable"
        return loot(plain, newer)
        """,
        says('"writable'),
        gain="writes to the interpreter that every later guest starts from",
        kernel="user",
    ),
    attack(
        "what lies under a mount",
        """
        def lifted():
            away()
            syscall("mount", b"tmpfs\\0", b"/tmp\\0", b"tmpfs\\0", 0, None) if os.path.exists(it["readable"]) else None
            syscall("umount2", b"/tmp\\0", 2)
            return "lifted"
        return loot(lifted)
        """,
        says('"lifted'),
        gain="takes its own folder away and sees the host's under it",
        kernel="user",
    ),
    attack(
        "a secret bound into its folder",
        """
        def bound():
            away()
            os.makedirs("here", exist_ok=True)
            folder = os.path.dirname(it["secret"]).encode()
            syscall("mount", folder + b"\\0", b"here\\0", None, 4096, None)
            return read("here/secret.txt")
        return loot(bound)
        """,
        got_secret,
        gain="has any folder of the host appear in its own",
        kernel="user",
    ),
    attack(
        "another root",
        """
        def turned():
            away()
            os.makedirs("root/old", exist_ok=True)
            syscall("mount", b"tmpfs\\0", b"root\\0", b"tmpfs\\0", 0, None)
            os.makedirs("root/old")
            syscall("pivot_root", b"root\\0", b"root/old\\0")
            return "turned"
        return loot(turned)
        """,
        says('"turned'),
        gain="puts its own files where the C library and the keeper's code are looked for",
        kernel="user",
    ),
    attack(
        "out of a root by a root within",
        """
        def climb():
            os.makedirs("deeper", exist_ok=True)
            os.chroot("deeper")
            for _ in range(64):
                os.chdir("..")
            os.chroot(".")
            return read(it["secret"])
        return loot(climb)
        """,
        got_secret,
        gain="climbs out of a root that was only changed and not turned",
        kernel="user",
    ),
    attack(
        "a node of a disk or of memory",
        """
        found = []
        for kind, device in ((0o60600, os.makedev(254, 0)), (0o20600, os.makedev(1, 1)), (0o20600, os.makedev(1, 8))):
            def make():
                name = "node%d" % len(found)
                os.mknod(name, kind, device)
                return "made: " + name
            found += loot(make)
        return found
        """,
        says('"made: '),
        gain="opens the disk or the memory of the machine by a name of its own",
        kernel="user",
    ),
    attack(
        "host files through a driver in user space",
        """
        def mounted():
            device = os.open("/dev/fuse", os.O_RDWR)
            return "opened: %d" % device
        paths = ["/dev/loop-control", "/dev/kvm", "/dev/net/tun", "/dev/vhost-vsock", "/dev/uinput", "/dev/userfaultfd"]
        return loot(mounted, *[lambda path=path: "opened: %d" % os.open(path, os.O_RDWR) for path in paths])
        """,
        says('"opened: '),
        gain="answers the kernel's questions about files itself, or drives devices",
        kernel="everybody",  # a machine may have none of them, or for root only
    ),
)
