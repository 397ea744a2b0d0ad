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
_UV = (sys.executable, "-m", "uv")
_COMMON = ("pytest>=8.3,<9.2", "pytest-timeout>=2.3")


def python_of(name: str, *, apart: bool = False) -> Path:
    """The interpreter of the environment *name*, made if need be; whoever asks for it meanwhile waits.

    *apart*: the framework alone, where it cannot be installed beside Toolwright.
    """
    words = [sys.version, str(ROOT), *_wanted(name, apart), REQUIREMENTS[name].read_text()]
    words += [] if apart else [(ROOT / "pyproject.toml").read_text()]
    mark = hashlib.sha256("\0".join(words).encode()).hexdigest()[:12]
    own = hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]  # another checkout's are none of ours to remove
    top = Path(tempfile.gettempdir()) / f"toolwright-adapters-{os.getuid()}" / own
    top.mkdir(mode=0o700, parents=True, exist_ok=True)
    place = top / f"{name}-{mark}"
    with open(top / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / "made").exists():
            for old in top.glob(f"{name}-*"):
                shutil.rmtree(old)
            _make(place, name, _wanted(name, apart))
            (place / "made").touch()
    return place / "bin" / "python"


def beside(name: str) -> subprocess.CompletedProcess[str]:
    """Look, without installing, whether the framework *name* and Toolwright go together; fails where they do not."""
    words = ["pip", "compile", "-q", "--python", sys.executable, str(REQUIREMENTS[name]), str(ROOT / "pyproject.toml")]
    return _done([*_UV, *words])


def _wanted(name: str, apart: bool) -> list[str]:
    return ["-r", str(REQUIREMENTS[name]), *([] if apart else [*_COMMON, "-e", str(ROOT)])]


def _make(place: Path, name: str, wanted: list[str]) -> None:
    python = place / "bin" / "python"
    heavy = REQUIREMENTS[name].with_suffix(".excludes")  # what it is installed with, and nothing here uses
    less = ["--excludes", str(heavy)] if heavy.exists() else []
    _do([*_UV, "venv", "-q", "--seed", "--python", sys.executable, str(place)])
    if _done([*_UV, "pip", "install", "-q", "--python", str(python), *wanted, *less]).returncode:
        # uv reads no settings of pip: where those name the registry, pip finds what uv does not.
        _do([str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *wanted])


def _done(words: list[str]) -> subprocess.CompletedProcess[str]:
    # What is timed beside it, as limits of a sandbox are in tests, is not to be late because of it.
    environment = {**os.environ, "UV_CONCURRENT_INSTALLS": "1", "UV_CONCURRENT_BUILDS": "1"}
    gently = ["nice", "-n", "15", *words] if shutil.which("nice") else words
    return subprocess.run(gently, capture_output=True, text=True, timeout=PATIENCE_S, env=environment)


def _do(words: list[str]) -> None:
    done = _done(words)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}\n{done.stdout}{done.stderr}")
