"""Jobs and exits go in, bytes come out, and back again: what a container says is hostile until it fits."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from toolwright.call import FileRef, Usage
from toolwright.powers import Grant, Limits
from toolwright.sandbox import Ending, Exit, InputFile, Job
from toolwright.sandbox.claims import HELD
from toolwright.sandbox.container.frames import MOST, ProtocolError

_DETAIL_CAP = 8000
_NAME_CAP = 4096
_FRAME = 512
"""What there may be of an answer beside its value, at most."""
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_HEAD_KEYS = {
    *("ending", "detail", "claims", "torn", "loaded", "exit_code", "output", "times", "wall_s", "cpu_s", "peak"),
}


# -- jobs: from the host, trusted --------------------------------------------------------------------------------


def job_bytes(job: Job, *, packages: str, trust: str, collect: bool) -> bytes:
    """*job* for the container, without its files and without the values of bound secrets, which never go there.

    *packages*: the folder of its environment inside; *trust*: the name of the certificates that it trusts, or '';
    *collect*: whether the files that it leaves are wanted.
    """
    return json.dumps(
        {
            "source": job.source,
            "function": job.function,
            "arguments": [dict(arguments) for arguments in job.arguments],
            "grant": job.grant.to_json(),
            "limits": asdict(job.limits),
            "files": [[file.path, file.readonly] for file in job.files],
            "packages": packages,
            "secrets": {name: job.secrets[name] for name in job.grant.plain_secrets if name in job.secrets},
            "empty_folders": list(job.empty_folders),
            "tenant": job.tenant,
            "trust": trust,
            "collect": collect,
        }
    ).encode()


def job_of(said: Mapping[str, Any], inputs: str) -> Job:
    """The Job in *said*, whose files lie in the folder *inputs* by their index."""
    return Job(
        source=said["source"],
        function=said["function"],
        arguments=tuple(said["arguments"]),
        grant=Grant.from_json(said["grant"]),
        limits=Limits(**said["limits"]),
        files=tuple(
            InputFile(path, Path(inputs, str(index)), readonly) for index, (path, readonly) in enumerate(said["files"])
        ),
        environment=Path(said["packages"]) if said["packages"] else None,
        authority=Path("/") if said["grant"]["secrets"] else None,  # asked for its certificates, which came along
        secrets=said["secrets"],
        empty_folders=tuple(said["empty_folders"]),
        tenant=said["tenant"],
    )


def trust_of(path: Path) -> tuple[str, bytes]:
    """The name of the certificates in file *path*, and what stands in it. OSError, or ValueError if it is too large."""
    data = path.read_bytes()
    if len(data) > MOST - 64:
        raise ValueError(f"{path} is larger than what goes into a container ({MOST - 64} bytes, fixed)")
    return hashlib.sha256(data).hexdigest(), data


# -- exits: from the container, hostile --------------------------------------------------------------------------


def exit_bytes(ended: Exit) -> bytes:
    """*ended* without its files: a head, then the claims and the output as they are."""
    output = ended.output.encode("utf-8", "surrogateescape")
    usage = ended.usage
    head = json.dumps(
        {
            "ending": ended.ending.value,
            "detail": ended.detail[:_DETAIL_CAP],
            "claims": [len(claim) for claim in ended.claims],
            "torn": ended.torn,
            "loaded": ended.loaded,
            "exit_code": ended.exit_code,
            "output": len(output),
            "times": list(ended.times),
            "wall_s": usage.wall_s,
            "cpu_s": usage.cpu_s,
            "peak": usage.peak_memory_bytes,
        }
    ).encode()
    return b"".join((len(head).to_bytes(4, "big"), head, *ended.claims, output))


def most_exit_bytes(job: Job) -> int:
    """How large the exit of *job* may be."""
    items, answer = len(job.arguments) + 1, job.limits.answer_bytes + _FRAME
    # Each item costs a number of its time and one of its length; an answer that cannot be read is kept with its head.
    return 4 * job.limits.output_bytes + min(items * answer, HELD + answer) + items * 64 + 2**18


def read_exit(data: bytes, job: Job, files: tuple[FileRef, ...]) -> Exit:
    """The exit in *data* for *job*. ProtocolError for anything but the exact form."""
    head, rest = _head(data)
    lengths = _list(head["claims"], int, len(job.arguments) + 1)
    times = _list(head["times"], float, len(job.arguments) + 1)
    if any(length < 0 for length in lengths) or not _is(head["output"], int):
        raise ProtocolError("a length that is none")
    if sum(lengths) + head["output"] != len(rest) or head["output"] < 0:
        raise ProtocolError("an exit whose parts do not add up")
    claims, start = [], 0
    for length in lengths:
        claims.append(rest[start : start + length])
        start += length
    return Exit(
        ending=_ending(head["ending"]),
        detail=text(head["detail"], _DETAIL_CAP),
        claims=tuple(claims),
        torn=_bool(head["torn"]),
        loaded=_bool(head["loaded"]),
        exit_code=_code(head["exit_code"]),
        output=rest[start:].decode("utf-8", "replace"),
        usage=Usage(_seconds(head["wall_s"]), _seconds(head["cpu_s"]), _count(head["peak"])),
        files=files,
        times=tuple(_seconds(one) for one in times),
    )


def _head(data: bytes) -> tuple[dict[str, Any], bytes]:
    length = int.from_bytes(data[:4], "big")
    if len(data) < 4 + length:
        raise ProtocolError("a torn exit")
    head = mapping(data[4 : 4 + length])
    if head.keys() != _HEAD_KEYS:
        raise ProtocolError("an exit of another form")
    return head, data[4 + length :]


@dataclass(frozen=True, slots=True)
class Left:
    """A file that a call says it left: where, below the work folder, and how large."""

    path: str
    size: int


def read_left(data: bytes, windows: bool = False) -> Left:
    """What a FILE frame says. ProtocolError for a path that leads elsewhere than below the folder (on *windows*)."""
    said = mapping(data)
    if said.keys() != {"path", "size"} or not isinstance(said["path"], str):
        raise ProtocolError("a file of another form")
    path = said["path"]
    parts = path.split("/")
    if not path.isprintable() or len(path) > _NAME_CAP or any(part in ("", ".", "..") for part in parts):
        raise ProtocolError("a file that lies elsewhere")
    if windows and any(_odd_on_windows(part) for part in parts):
        raise ProtocolError("a file that this system has no name for")
    return Left(path, _count(said["size"]))


_DEVICES = frozenset({"con", "prn", "aux", "nul", *(f"{one}{n}" for one in ("com", "lpt") for n in "0123456789¹²³")})


def _odd_on_windows(part: str) -> bool:
    stem = part.partition(".")[0].rstrip(" ").lower()
    return bool(set(part) & set('\\:*?"<>|')) or part[-1] in ". " or stem in _DEVICES


@dataclass(frozen=True, slots=True)
class Hello:
    """What the keeper inside says it found. Only ever believed where it speaks against the box."""

    version: int
    python: str
    machine: str
    profile: str
    why: str
    memory: int
    pids: int
    user: int
    networks: tuple[str, ...]
    readonly: bool
    capabilities: int
    no_new_privileges: bool


def read_hello(data: bytes) -> Hello:
    """The first frame. ProtocolError for anything but the exact form."""
    said = mapping(data)
    kinds = {one.name: one.type for one in fields(Hello)}
    if said.keys() != kinds.keys():
        raise ProtocolError("a greeting of another form")
    wanted = {"int": int, "str": str, "bool": bool}
    for name, kind in kinds.items():
        if str(kind) in wanted and type(said[name]) is not wanted[str(kind)]:
            raise ProtocolError("a greeting of another form")
        if isinstance(said[name], str):
            said[name] = text(said[name], _DETAIL_CAP)
    networks = _list(said["networks"], str, 64)
    if said["profile"] not in ("full", "landlock", "none"):
        raise ProtocolError("a profile that is none")
    return Hello(**{**said, "networks": tuple(text(one, 100) for one in networks)})


# -- parts -------------------------------------------------------------------------------------------------------


def mapping(data: bytes) -> dict[str, Any]:
    """The JSON object in *data*, no key twice. ProtocolError."""
    try:
        said = json.loads(data.decode("utf-8"), object_pairs_hook=_once, parse_constant=_no_number)
    except (ValueError, RecursionError, MemoryError):
        raise ProtocolError("something that is no JSON") from None
    if not isinstance(said, dict):
        raise ProtocolError("JSON that is no object")
    return said


def text(said: Any, cap: int) -> str:
    """*said* as text that may be shown: no control characters, not longer than *cap*. ProtocolError if it is none."""
    if not isinstance(said, str):
        raise ProtocolError("a text that is none")
    return _CONTROL.sub("�", said[:cap])


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice")
    return found


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is no number")


def _is(said: Any, kind: type) -> bool:
    return type(said) is kind or (kind is float and type(said) is int)


def _list(said: Any, kind: type, most: int) -> list[Any]:
    if not isinstance(said, list) or len(said) > most or not all(_is(one, kind) for one in said):
        raise ProtocolError("a list of another form")
    return said


def _ending(said: Any) -> Ending:
    try:
        return Ending(said)
    except ValueError:
        raise ProtocolError("an ending that is none") from None


def _bool(said: Any) -> bool:
    if not isinstance(said, bool):
        raise ProtocolError("neither yes nor no")
    return said


def _code(said: Any) -> int | None:
    if said is None or (type(said) is int and 0 <= said < 256):
        return said
    raise ProtocolError("an exit code that is none")


def _seconds(said: Any) -> float:
    if not _is(said, float) or not 0 <= said < 1e7:  # neither holds for NaN; an integer may be too large for a float
        raise ProtocolError("a time that is none")
    return float(said)


def _count(said: Any) -> int:
    if type(said) is not int or not 0 <= said < 2**53:
        raise ProtocolError("a count that is none")
    return said
