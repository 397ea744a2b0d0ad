"""The virtual environment of a framework: a name in, its interpreter out, with Toolwright and the framework at a pin.

Frameworks want different versions of the same libraries, so none is installed beside another.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
REQUIREMENTS = {one.stem: one for one in sorted((ROOT / "tests" / "adapters" / "requirements").glob("*.txt"))}
PATIENCE_S = 900
_COMMON = ("pytest>=8.3,<9.2", "pytest-timeout>=2.3")


def python_of(name: str) -> Path:
    """The interpreter of the environment *name*, made if need be; whoever asks for it meanwhile waits."""
    words = [sys.version, str(ROOT), REQUIREMENTS[name].read_text(), (ROOT / "pyproject.toml").read_text(), *_COMMON]
    mark = hashlib.sha256("\0".join(words).encode()).hexdigest()[:12]
    top = Path(tempfile.gettempdir()) / f"toolwright-adapters-{os.getuid()}"
    top.mkdir(mode=0o700, exist_ok=True)
    place = top / f"{name}-{mark}"
    with open(top / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / "made").exists():
            for old in top.glob(f"{name}-*"):
                shutil.rmtree(old)
            _make(place, name)
            (place / "made").touch()
    return place / "bin" / "python"


def _make(place: Path, name: str) -> None:
    python = place / "bin" / "python"
    wanted = [*_COMMON, "-r", str(REQUIREMENTS[name]), "-e", str(ROOT)]
    uv = [sys.executable, "-m", "uv"]
    _do([*uv, "venv", "-q", "--seed", "--python", sys.executable, str(place)])
    if _done([*uv, "pip", "install", "-q", "--python", str(python), *wanted]):
        return
    # uv reads no settings of pip: where those name the registry, pip finds what uv does not.
    _do([str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *wanted])


def _done(words: list[str]) -> bool:
    return subprocess.run(words, capture_output=True, timeout=PATIENCE_S).returncode == 0


def _do(words: list[str]) -> None:
    done = subprocess.run(words, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout}{done.stderr}"
