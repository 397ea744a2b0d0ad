"""Whether a container holds what its flags say: looked at from inside, and tried by going beyond; told as layers."""

from __future__ import annotations

import functools
import os
import re
import secrets
import shlex
import tempfile
from collections.abc import Callable
from pathlib import Path

from toolwright.errors import FaultError
from toolwright.sandbox import Job, Layer
from toolwright.sandbox.container import shape as shapes
from toolwright.sandbox.container.engine import LABEL, Engine, label, said
from toolwright.sandbox.container.shape import Shape
from toolwright.sandbox.container.wire import Hello
from toolwright.sandbox.root import certificates

_TAG = re.compile(r"cpython-(?P<version>\d+)\w*-(?P<machine>x86_64|aarch64)-linux-gnu")
_TRIAL_BYTES = 64 * 2**20
_HOARD = (
    "print('began',flush=True)\nb=[]\nfor _ in range(16): b.append(bytearray(16*2**20)); b[-1][::4096]=b'x'*4096\n"
    "print('had it all')"
)
_CROWD = (
    "import os,sys,time\nprint('began',flush=True)\nn=0\n"
    "for _ in range(60):\n try: p=os.fork()\n except OSError: break\n"
    " if p==0: time.sleep(2); os._exit(0)\n n+=1\nprint('had it all' if n>=60 else 'stopped')"
)
_LIMITS_CURE = "run the engine as root or under cgroup v2 with delegation, or use the linux box (sandbox.box)"
_IGNORED = (
    "Containers of {engine} ignore their {what} on this machine{why}, so generated tools do not run in them. "
    f"{_LIMITS_CURE.capitalize()}."
)
_ENGINE_CURE = "set another engine (sandbox.engine) or runtime (sandbox.runtime), or use the linux box (sandbox.box)"


def trust(job: Job) -> Path | None:
    """The certificates that the guest of *job* is to trust. SettingsError, FaultError."""
    if not job.grant.http_hosts:
        return None
    if job.authority is not None and job.grant.bindings:
        from toolwright.sandbox.egress.authority import bundle

        return bundle(job.authority)
    path = certificates()
    return Path(path) if path else None


def why_not(hello: Hello, shape: Shape, engine: Engine, image: str, runtime: str | None) -> str:
    """Why the container that said *hello* is no wall, or ''. What cannot be seen from inside is tried."""
    name = Path(engine.command).name
    wrong = _network(hello) or _rights(hello)
    if wrong:
        return f"A container of {name} has {wrong}, which it was told not to have. {_ENGINE_CURE.capitalize()}."
    for what, seen, wanted in (
        ("memory limit", hello.memory, shapes.memory_bytes(shape)),
        ("limit of processes", hello.pids, shapes.processes(shape)),
    ):
        if seen > wanted or (seen == 0 and (tried := _tried(what, engine, image, runtime)) != ""):
            why = f" ({tried})" if seen == 0 else " (it is not set inside)"
            return _IGNORED.format(engine=name, what=what, why=why)
    return ""


def _network(hello: Hello) -> str:
    """What network the container that said *hello* has, or ''."""
    return f"a network ({', '.join(hello.networks)})" if hello.networks else ""


def _rights(hello: Hello) -> str:
    """What rights the container that said *hello* has kept, or ''."""
    kept = {
        "user 0": hello.user == 0,
        f"capabilities (0x{hello.capabilities:x})": hello.capabilities,
        "a way to new privileges": not hello.no_new_privileges,
        "a root that it may write to": not hello.readonly,
    }
    found = [words for words, there in kept.items() if there]
    return f"rights: {', '.join(found)}" if found else ""


def _tried(what: str, engine: Engine, image: str, runtime: str | None) -> str:
    """'' if a container that goes beyond a small limit is stopped, else what was seen. FaultError if none starts."""
    memory = what == "memory limit"
    name = f"toolwright-trial-{secrets.token_hex(6)}"
    flags = ["--name", name, "--label", f"{LABEL}={label()}"]
    flags += ["--rm", "--network=none", "--read-only", "--cap-drop=ALL", "--user", "1000:1000"]
    flags += ["--security-opt=no-new-privileges", "--ulimit", "nofile=1024:1024", "--ulimit", "nproc=8192:8192"]
    flags += ["--memory", str(_TRIAL_BYTES), "--memory-swap", str(_TRIAL_BYTES)] if memory else ["--pids-limit", "32"]
    if runtime:
        flags.append(f"--runtime={runtime}")
    code = _HOARD if memory else _CROWD
    try:
        # Podman's monitor leaves a file `oom` where it was started.
        with tempfile.TemporaryDirectory() as folder:
            words = [*flags, "--entrypoint", "", image, "python3", "-I", "-S", "-c", code]
            done = engine.run("run", *words, seconds=60, folder=folder)
    except FaultError:
        engine.remove(name)
        raise
    if "had it all" in done.stdout:
        return "it was exceeded"
    # Not by the exit code: some engines have forgotten it by then.
    if "began" not in done.stdout:
        raise FaultError(f"A container that was to exceed its {what} did not start: {said(done)}. Try again.")
    return ""


def unfit(environment: Path, hello: Hello) -> str:
    """Why the packages in *environment* cannot be loaded by the interpreter that said *hello*, or ''."""
    wanted = "".join(hello.python.split(".")[:2])
    for tag in _tags(environment):
        found = _TAG.fullmatch(tag)
        if found is None or found["version"] != wanted or found["machine"] != hello.machine:
            return (
                f"The tool's packages were built for another interpreter ({tag}) than the container's, Python "
                f"{hello.python} on {hello.machine}. Set sandbox.image to one with the Python that Toolwright runs on."
            )
    return ""


@functools.lru_cache(maxsize=64)
def _tags(environment: Path) -> frozenset[str]:
    """The interpreters that compiled modules in *environment* are for; those for any are left out."""
    names = (name for _, _, files in os.walk(environment) for name in files)
    found = (re.search(r"\.(cpython-\d+\w*-[\w-]+)\.so$|\.(\w+-win\w+)\.pyd$", name) for name in names)
    return frozenset(one[1] or one[2] for one in found if one is not None)


def layers(
    engine: Engine | None,
    image: str,
    runtime: str | None,
    hello: Hello | None,
    why: str,
    say: Callable[[str], None] | None,
) -> tuple[Layer, ...]:
    """A Layer for each thing that holds a container; *why* says what was wrong with the one that was started."""
    from toolwright.sandbox import proxytrial

    hear = say or (lambda _: None)
    if engine is None:
        return (Layer("container engine", False, why, "install podman or docker, or set sandbox.engine"),)
    name = Path(engine.command).name
    found = [Layer("container engine", True, f"{name} at {engine.command}", tested=True)]
    if hello is None:
        cure = _start_cure(engine, image, runtime)
        return (*found, Layer("box container", False, why, cure, "a call in a container"))
    if not why:
        for what, attack in (("memory limit", "four times its memory"), ("limit of processes", "60 forks under 32")):
            hear(f"container: {what}")
            found.append(_limit(what, attack, engine, image, runtime))
    for what, attack, wrong, fine in (
        ("network", "a look at its interfaces", _network(hello), "none but its own loopback"),
        ("rights", "a look", _rights(hello), f"user {hello.user}, no capabilities, root read-only"),
    ):
        said_of = f"broken: it has {wrong}" if wrong else fine
        found.append(Layer(f"container {what}", not wrong, said_of, _ENGINE_CURE if wrong else "", attack))
    hear("the way out")
    found.append(proxytrial.layer())
    seen = why or f"a call was made in it; `{hello.profile}` around each guest within, Python {hello.python}"
    found.append(Layer("box container", not why, seen, _ENGINE_CURE if why else "", "a call"))
    return tuple(found)


def _start_cure(engine: Engine, image: str, runtime: str | None) -> str:
    """What tells more than we know where no container has started."""
    words = [engine.command, "run", "--rm", *([f"--runtime={runtime}"] if runtime else []), image, "python3", "-V"]
    return f"toolwright doctor --pull; if the image is there, see what this says: {shlex.join(words)}"


def _limit(what: str, attack: str, engine: Engine, image: str, runtime: str | None) -> Layer:
    try:
        seen = _tried(what, engine, image, runtime)
    except FaultError as error:
        return Layer(f"container {what}", False, f"could not be tried: {error}", "try again", attack, tested=False)
    if seen:
        return Layer(f"container {what}", False, f"broken: {seen}", _LIMITS_CURE, attack)
    return Layer(f"container {what}", True, "tried: it holds", "", attack)
