"""A version and the text of its file go in; the bytes of a wheel come out, the same ones for the same version.

The format is that of https://packaging.python.org/en/latest/specifications/binary-distribution-format/; no build tool
is needed to write it.
"""

from __future__ import annotations

import base64
import hashlib
import io
import zipfile

from toolwright.exporting import facts
from toolwright.exporting.script import command
from toolwright.exporting.texts import text_of
from toolwright.tool import ToolVersion

_BEFORE_TIME = (1980, 1, 1, 0, 0, 0)
"""The first moment that a zip file can name."""


def wheel_name(version: ToolVersion) -> str:
    """`toolwright_tool_add-1-py3-none-any.whl`."""
    return f"{package_of(version)}-{version.number}-py3-none-any.whl"


def package_of(version: ToolVersion) -> str:
    """The name that it is imported by: with ours before it, a tool named `json` hides nobody's `json`."""
    return f"toolwright_tool_{version.name.rstrip('_')}"


def command_of(version: ToolVersion) -> str:
    """The name of its command and of its distribution, the same one: so `uvx FILE.whl` runs it."""
    return package_of(version).replace("_", "-")


def parts(version: ToolVersion, text: str) -> dict[str, bytes]:
    """What lies in the wheel but for its `RECORD`, by path."""
    package, info = package_of(version), f"{package_of(version)}-{version.number}.dist-info"
    texts = {
        f"{package}/__init__.py": _init(version, package),
        f"{package}/__main__.py": command(version, package, command_of(version)),
        f"{package}/tool.py": text,
        f"{package}/tests.py": text_of("cases"),
        f"{package}/requirements.lock": "".join(f"{line}\n" for line in version.candidate.lock),
        f"{info}/METADATA": _metadata(version),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: toolwright\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[console_scripts]\n{command_of(version)} = {package}.__main__:_main\n",
    }
    return {path: one.encode("utf-8") for path, one in texts.items()} | {
        f"{package}/cases.json": facts.as_bytes(facts.cases(version, ["-m", package])),
        f"{package}/provenance.json": facts.as_bytes(facts.provenance(version)),
    }


def packed(version: ToolVersion, files: dict[str, bytes]) -> bytes:
    """*files* and their `RECORD` as a wheel."""
    record = f"{package_of(version)}-{version.number}.dist-info/RECORD"
    lines = [f"{path},sha256={_sum(data)},{len(data)}\n" for path, data in files.items()]
    whole = {**files, record: "".join([*lines, f"{record},,\n"]).encode()}
    wheel = io.BytesIO()
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, data in whole.items():
            entry = zipfile.ZipInfo(path, _BEFORE_TIME)
            entry.external_attr = 0o100644 << 16
            entry.create_system = 3  # Unix, on whatever machine it is written
            archive.writestr(entry, data)  # stored: how much a zlib compresses depends on its version
    return wheel.getvalue()


def _sum(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def _init(version: ToolVersion, package: str) -> str:
    return (
        f'"""The tool {version}, made by Toolwright; importing and calling it happens outside the sandbox."""\n\n'
        f'from {package}.tool import {version.name}\n\n__all__ = ["{version.name}"]\n'
    )


def _metadata(version: ToolVersion) -> str:
    name, package = command_of(version), package_of(version)
    head = [
        "Metadata-Version: 2.1",
        f"Name: {name}",
        f"Version: {version.number}",
        f"Summary: {version.description[:500]}",
        "Classifier: Private :: Do Not Upload",
        f"Requires-Python: {version.candidate.python}",
        *(f"Requires-Dist: {pin}" for pin in facts.pins(version)),
        "Description-Content-Type: text/markdown",
    ]
    body = [
        f"# {version.name}",
        "",
        version.description,
        "",
        f"    {name} {facts.arguments(version)}",
        f"    from {package} import {version.name}     # {facts.signature(version)}",
        f"    python -m {package}.tests",
        "",
        f"Made by Toolwright: {version}, digest `{version.digest}`. `provenance.json` says who made it and what it "
        "passed; `requirements.lock` has the hashes of its packages.",
        "",
        facts.OUTSIDE,
        "",
        "Inside the sandbox it was granted:",
        "",
        *facts.granted(version),
        "",
    ]
    return "\n".join([*head, "", *body])
