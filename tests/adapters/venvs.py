"""A virtual environment for each framework: with Toolwright, the framework itself at a pin, and pytest, and no more.

Frameworks want different versions of the same libraries, so none is installed beside another or beside the other tests.
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

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
INSIDE = HERE / "inside"
REQUIREMENTS = {one.stem: one for one in sorted((HERE / "requirements").glob("*.txt"))}
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


def run_in(name: str, *words: str, timeout: float = PATIENCE_S, **environ: str) -> subprocess.CompletedProcess[str]:
    """`python WORDS` in the environment *name*; the tests' helpers can be imported there, no key of a person is seen."""
    clean = {key: value for key, value in os.environ.items() if not key.endswith("_API_KEY") and key != "VIRTUAL_ENV"}
    env = clean | {"PYTHONPATH": f"{HERE.parent}:{HERE}:{HERE.parent / 'people'}"} | environ
    command = [str(python_of(name)), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout, env=env, cwd=ROOT)


def tests_in(name: str, file: str, *words: str) -> None:
    """Run the tests of `inside/FILE` in the environment *name*; fails with what pytest printed there."""
    plain = ("-m", "pytest", "--noconftest", "-c", os.devnull, "--rootdir", str(ROOT), "-p", "no:cacheprovider")
    done = run_in(name, *plain, "-q", "-rs", "--timeout", "280", *words, str(INSIDE / file))
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
