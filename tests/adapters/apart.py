"""The virtual environment of a framework that cannot be installed beside Toolwright: the framework at a pin, alone."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from adapters.venvs import PATIENCE_S, REQUIREMENTS


def beside(name: str) -> subprocess.CompletedProcess[str]:
    """Look, without installing, whether the framework *name* and Toolwright go together; fails where they do not."""
    root = Path(__file__).parents[2]
    words = ["pip", "compile", "-q", "--python", sys.executable, str(REQUIREMENTS[name]), str(root / "pyproject.toml")]
    return subprocess.run([sys.executable, "-m", "uv", *words], capture_output=True, text=True, timeout=PATIENCE_S)


def python_apart(name: str) -> Path:
    """Its interpreter, made if need be; whoever asks for it meanwhile waits."""
    mark = hashlib.sha256(f"{sys.version}\0{REQUIREMENTS[name].read_text()}".encode()).hexdigest()[:12]
    top = Path(tempfile.gettempdir()) / f"toolwright-adapters-{os.getuid()}"
    top.mkdir(mode=0o700, exist_ok=True)
    place = top / f"{name}-apart-{mark}"
    python = place / "bin" / "python"
    with open(top / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / "made").exists():
            for old in top.glob(f"{name}-*"):
                shutil.rmtree(old)
            uv = [sys.executable, "-m", "uv"]
            wanted = ["-r", str(REQUIREMENTS[name])]
            heavy = REQUIREMENTS[name].with_suffix(".excludes")  # what it is installed with, and the tests never use
            less = ["--excludes", str(heavy)] if heavy.exists() else []
            _done([*uv, "venv", "-q", "--seed", "--python", sys.executable, str(place)])
            said = _done([*uv, "pip", "install", "-q", "--python", str(python), *wanted, *less])
            if said:  # uv reads no settings of pip: where those name the registry, pip finds what uv does not
                said = _done([str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *wanted])
            assert not said, said
            (place / "made").touch()
    return python


def _done(words: list[str]) -> str:
    """'' if the command went well, else what it said."""
    done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE_S)
    return "" if done.returncode == 0 else f"{' '.join(words)}\n{done.stdout}{done.stderr}"
