"""The launcher's code, compiled once in this process, and the command line that starts an interpreter with it."""

from __future__ import annotations

import fcntl
import functools
import marshal
import os
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType

_HERE = Path(__file__).parent
_MODULES = (
    *("syscalls", "syscall_numbers", "landlock", "seccomp", "idmap", "mounts", "network", "wall", "fetching"),
    *("guest", "control", "preloading", "zygote", "launch"),
)
"""In the order of their imports."""
_SEALS = fcntl.F_SEAL_SEAL | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
_START = (
    "import marshal,os,sys;b,m=marshal.loads(os.pread(int(sys.argv[1]),1<<24,0));"
    "n={'__name__':'boot'};exec(b,n);n['start'](m,sys.argv[2:])"
)


def command(interpreter: str, *words: str, trial: bool = False) -> tuple[list[str], int]:
    """The command line of a launcher, and the descriptor that has to be passed on to it."""
    descriptor = _bundle(trial)
    return [interpreter, "-I", "-S", "-B", "-c", _START, str(descriptor), *words], descriptor


def codec() -> bytes:
    """The compiled text of the codec that a guest turns values with: executed only there."""
    return marshal.dumps(_compiled(_HERE.parent / "_codec.py"))


@functools.cache
def _compiled(path: Path) -> CodeType:
    name = f"toolwright.{path.stem}"
    code: CodeType | None = SourceFileLoader(name, str(path)).get_code(name)  # from the cache, where there is one
    assert code is not None
    return code


@functools.cache
def _bundle(trial: bool) -> int:
    names = (*_MODULES, "trial") if trial else _MODULES
    modules = [(name, _compiled(_HERE / f"{name}.py")) for name in names]
    descriptor = os.memfd_create("toolwright-launcher", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with open(descriptor, "wb", closefd=False) as file:
        file.write(marshal.dumps((_compiled(_HERE / "boot.py"), modules)))
    # Whoever may come to hold it changes no later launcher.
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _SEALS)
    return descriptor
