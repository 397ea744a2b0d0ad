"""What the examples meet: a home with the demo's policy, and the docs' scripted model behind a real endpoint."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from docs_support.world import World

EXAMPLES = Path(__file__).parents[2] / "examples"
VOWELS = "How many vowels are in 'toolwright registry'?"


def run(here: World, name: str, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run an example to its end, as a person would; it ends with *code* and without a traceback."""
    done = here.run(sys.executable, str(EXAMPLES / name), *words)
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == code, f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def kernel_in(folder: Path) -> dict[str, str]:
    """An environment in which Jupyter finds one kernel, this very Python, and writes into *folder* only."""
    spec = folder / "share" / "jupyter" / "kernels" / "python3"
    spec.mkdir(parents=True)
    words = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    (spec / "kernel.json").write_text(json.dumps({"argv": words, "display_name": "Python 3", "language": "python"}))
    own = {"JUPYTER_PATH": str(folder / "share" / "jupyter"), "JUPYTER_PREFER_ENV_PATH": "0"}
    for name in ("JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "IPYTHONDIR", "HOME"):
        own[name] = str(folder / name.lower())
        os.makedirs(own[name])
    return own
