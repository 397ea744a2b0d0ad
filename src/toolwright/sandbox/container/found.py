"""What holds this container, looked at from inside: memory, processes, user, network, root, capabilities."""

from __future__ import annotations

import os
from typing import Any

_MEMORY = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_PROCESSES = ("/sys/fs/cgroup/pids.max", "/sys/fs/cgroup/pids/pids.max")


def limits() -> dict[str, Any]:
    """The numbers of a greeting. A limit that cannot be seen is 0."""
    status = _status()
    return {
        "memory": _number(_MEMORY),
        "pids": _number(_PROCESSES),
        "user": os.getuid(),
        "networks": sorted(set(_networks()) - {"lo"}),
        "readonly": _is_readonly(),
        "capabilities": int(status.get("CapBnd", "0"), 16) | int(status.get("CapEff", "0"), 16),
        "no_new_privileges": status.get("NoNewPrivs") == "1",
    }


def _number(paths: tuple[str, ...]) -> int:
    for path in paths:
        try:
            with open(path, encoding="ascii") as file:
                said = file.read().strip()
        except OSError:
            continue
        return int(said) if said.isdigit() else 2**52  # "max"
    return 0


def _status() -> dict[str, str]:
    with open("/proc/self/status", encoding="utf-8") as file:
        pairs = (line.partition(":") for line in file)
        return {name: value.strip() for name, _, value in pairs}


def _networks() -> list[str]:
    try:
        return os.listdir("/sys/class/net")
    except OSError:
        return []


def _is_readonly() -> bool:
    try:
        return bool(os.statvfs("/").f_flag & os.ST_RDONLY)
    except OSError:
        return False
