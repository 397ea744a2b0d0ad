"""What every attack has at hand: this text stands before its source, wherever that runs."""
# No imports for types' sake: a guest would pay for them.
# mypy: disable-error-code="no-untyped-def, no-untyped-call, var-annotated"

import os
import platform
import sys  # noqa: F401 - for the attacks
import time

_CALLS = {  # the calls that have another number on aarch64; those from 424 on have one everywhere
    "ptrace": (101, 117),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "bpf": (321, 280),
    "userfaultfd": (323, 282),
    "perf_event_open": (298, 241),
    "setns": (308, 268),
    "unshare": (272, 97),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "swapon": (167, 224),
    "reboot": (169, 142),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "init_module": (175, 105),
    "delete_module": (176, 106),
    "finit_module": (313, 273),
    "kexec_load": (246, 104),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "syslog": (103, 116),
    "vhangup": (153, 58),
    "iopl": (172, -1),
    "ioperm": (173, -1),
    "modify_ldt": (154, -1),
    "personality": (135, 92),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "msgget": (68, 186),
    "msgsnd": (69, 189),
    "msgrcv": (70, 188),
    "msgctl": (71, 187),
    "semget": (64, 190),
    "semctl": (66, 191),
    "mq_open": (240, 180),
    "mq_unlink": (241, 181),
    "mq_timedsend": (242, 182),
    "mq_timedreceive": (243, 183),
    "memfd_create": (319, 279),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "seccomp": (317, 277),
    "clone": (56, 220),
    "fork": (57, -1),
    "vfork": (58, -1),
    "execveat": (322, 281),
    "capset": (126, 91),
    "ioprio_set": (251, 30),
    "sched_setscheduler": (144, 119),
    "sched_setattr": (314, 274),
    "sched_setaffinity": (203, 122),
    "setpriority": (141, 140),
    "prlimit64": (302, 261),
    "mknodat": (259, 33),
    "inotify_init1": (294, 26),
    "fanotify_init": (300, 262),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    "mbind": (237, 235),
    "vmsplice": (278, 75),
    "splice": (275, 76),
    "tee": (276, 77),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "lookup_dcookie": (212, 18),
    "io_setup": (206, 0),
    "pidfd_send_signal": (424, 424),
    "io_uring_setup": (425, 425),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "pidfd_open": (434, 434),
    "clone3": (435, 435),
    "openat2": (437, 437),
    "pidfd_getfd": (438, 438),
    "process_madvise": (440, 440),
    "mount_setattr": (442, 442),
    "landlock_create_ruleset": (444, 444),
    "memfd_secret": (447, 447),
    "process_mrelease": (448, 448),
}


def syscall(name, *arguments):
    """The call by its name or number: its result, or OSError. Integers go as longs, bytes and buffers by address."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    number = name if isinstance(name, int) else number_of(name)
    passed = [ctypes.c_long(one) if isinstance(one, int) else one for one in arguments]
    passed += [ctypes.c_long(0)] * (6 - len(passed))
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *passed)
    if result == -1:
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")
    return result


def doors(**tries):
    """Try each: `open` has what went through, or failed for its arguments only; `shut` what was refused, and how."""
    import errno

    found = {"open": [], "shut": []}
    for name, one in tries.items():
        try:
            found["open"].append(f"{name}: {one()}")
        except OSError as error:
            refused = error.errno in (errno.EPERM, errno.ENOSYS, errno.EACCES, errno.ENOTSUP)
            found["shut" if refused else "open"].append(f"{name}: {errno.errorcode.get(error.errno or 0, error.errno)}")
        except Exception as error:  # noqa: BLE001 - whatever the wall raises
            found["shut"].append(f"{name}: {type(error).__name__}")
    return found


def loot(*tries):
    """What each of *tries* got, or its error, as texts."""
    found = []
    for one in tries:
        try:
            found.append(str(one()))
        except Exception as error:  # noqa: BLE001 - as above
            found.append(type(error).__name__ + ": " + str(error))
    return found


def read(path):
    """What stands in file *path*, or the beginning of it."""
    with open(path, "rb") as file:
        return file.read(100000).decode("latin-1")


def away():
    """Out of the machine's own tree of mounts, for what would change it where there is no wall."""
    syscall("unshare", 0x00020000)
    syscall("mount", b"none\0", b"/\0", None, 1 << 14 | 1 << 18, None)


def number_of(name):
    """The number of a call that has one on every machine."""
    return _CALLS[name][platform.machine() == "aarch64"]


def stay(it, value=None):
    """For a tool that runs beside an attack: be there long enough, and say since when."""
    began = time.monotonic()
    time.sleep(it["stay"])
    return {"from": began, "value": value}


def searched(start, seconds=1.0):
    """The words that begin with *start* in its own memory, wherever they come from.

    A write from an address that is not there fails and does not crash: so memory can be searched without a map.
    """
    import ctypes
    import re

    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    libc = ctypes.CDLL(None, use_errno=True)
    libc.sbrk.restype = ctypes.c_void_p
    wanted = re.compile(start.encode() + b"[0-9a-f]{8}")
    near = [libc.sbrk(0), id(object()), id(os), ctypes.cast(libc.getenv, ctypes.c_void_p).value]
    found, seen = set(), set()
    until = time.monotonic() + seconds
    for step in range(24000):
        for page in {(center >> 12) + way * step for center in near for way in (1, -1)} - seen:
            seen.add(page)
            if libc.write(writing, ctypes.c_void_p(page << 12), ctypes.c_size_t(4096)) == 4096:
                found.update(wanted.findall(os.read(reading, 4096)))
        if time.monotonic() > until:
            break
    os.close(reading)
    os.close(writing)
    return [one.decode() for one in found]
