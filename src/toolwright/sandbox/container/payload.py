"""The keeper's code for a container, as one archive, and the command line that starts an interpreter with it."""

from __future__ import annotations

import functools
import io
import zipfile
from pathlib import Path

_HERE = Path(__file__).parent
_SANDBOX = _HERE.parent
_PACKAGE = _SANDBOX.parent
_TOP = ("masking", "errors", "call", "powers", "reach", "_codec")
_CONTAINER = ("frames", "lanes", "wire", "found", "inside")
_ON_THE_HOST = ("packages", "pip_settings", "uv_process", "doctor", "trial", "limittrial", "standing")
"""Modules of the sandbox that nothing inside asks for."""
FOLDER = "/var/tmp/toolwright"
"""Where it all lies inside: a folder of its own, in memory, which no guest is shown."""

_START = (
    "import io,os,sys,zipfile\n"
    "i=os.dup(0);o=os.dup(1);n=os.open('/dev/null',os.O_RDWR);os.dup2(n,0);os.dup2(2,1);os.close(n)\n"
    "def r(k):\n"
    " b=b''\n"
    " while len(b)<k:\n"
    "  d=os.read(i,k-len(b))\n"
    "  if not d:os._exit(0)\n"
    "  b+=d\n"
    " return b\n"
    "f=sys.argv[1];os.umask(63);os.mkdir(f)\n"
    "z=zipfile.ZipFile(io.BytesIO(r(int.from_bytes(r(4),'big'))));z.extractall(f+'/code')\n"
    "sys.path.insert(0,f+'/code')\n"
    "from toolwright.sandbox.container.inside import main\n"
    "main(i,o,f,sys.argv[2])\n"
)


def command(profile: str) -> list[str]:
    """What a container runs: an interpreter that reads the archive and serves. *profile*: auto, full or landlock."""
    return ["python3", "-I", "-S", "-B", "-c", _START, FOLDER, profile]


def greeting() -> bytes:
    """What such an interpreter is sent first."""
    data = _archive()
    return len(data).to_bytes(4, "big") + data


@functools.cache
def _archive() -> bytes:
    files = {f"toolwright/{name}.py": (_PACKAGE / f"{name}.py").read_bytes() for name in _TOP}
    files |= {
        f"toolwright/sandbox/{path.name}": path.read_bytes()
        for path in sorted(_SANDBOX.glob("*.py"))
        if path.stem not in _ON_THE_HOST
    }
    files |= {f"toolwright/sandbox/container/{name}.py": (_HERE / f"{name}.py").read_bytes() for name in _CONTAINER}
    # The way out is another one there, under the same name; the rest of the package stays empty.
    for name in ("__init__", "authority"):
        files[f"toolwright/sandbox/egress/{name}.py"] = (_HERE / "way_out.py").read_bytes()
    files |= {f"toolwright/{name}__init__.py": b"" for name in ("", "sandbox/container/")}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()
