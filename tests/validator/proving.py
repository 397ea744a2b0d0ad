"""`prove(source, …)`: a spec from what a model would say, held against source on the real road."""

from __future__ import annotations

import contextlib
import os
import textwrap
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from toolwright.executor import Executor
from toolwright.policy import Approval, Policy, Question
from toolwright.powers import Limits, Origin
from toolwright.sandbox.linux import LinuxSandbox
from toolwright.schema import tool_spec
from toolwright.tool import Candidate, Contract, Verdict
from toolwright.validator import Validator


class Answers:
    """What a person answered, in memory."""

    def __init__(self) -> None:
        self.given: list[Approval] = []

    def covering(self, question: Question) -> Approval | None:
        return next((one for one in self.given if one.covers(question)), None)

    def say_yes(self, candidate: Candidate, origin: Origin = "agent") -> None:
        one = candidate.question(origin)
        self.given.append(
            Approval(one.namespace, one.name, one.grant, one.packages, one.effect, one.origin, one.digest)
        )


class NoSecrets:
    def get(self, name: str) -> str | None:
        return None


class NoPackages:
    """Environments of a machine that has no packages at all."""

    def lock(self, packages: Sequence[str], *, cancel: threading.Event | None = None) -> tuple[str, ...]:
        from toolwright.errors import FaultError, SpecError

        if "unreachable" in packages:
            raise FaultError("The package index does not answer.")
        raise SpecError(f"There is no package {packages[0]!r}.")

    def path(self, lock: Sequence[str], *, cancel: threading.Event | None = None) -> Path:
        raise AssertionError("nothing was locked")


class Bench:
    """An executor and a validator over it."""

    def __init__(self, policy: Policy | None = None, limits: Limits | None = None) -> None:
        self.answers = Answers()
        self.executor = Executor(LinuxSandbox(), policy or Policy(), self.answers, NoPackages(), NoSecrets(), limits)
        self.validator = Validator(self.executor)

    def candidate(self, source: str, **said: Any) -> Candidate:
        body = textwrap.dedent(source).strip() + "\n"
        asked: dict[str, Any] = {
            "tool_name": "f",
            "description": "Work a value out.",
            "input_params": "x: int",
            "return_type": "int",
            "example": "",
        }
        spec = tool_spec(**{**asked, **said})
        return Candidate(spec, body, packages=spec.packages, grant=spec.grant)

    def prove(self, source: str, *, contract: dict[str, Any] | None = None, **said: Any) -> Verdict:
        candidate = self.candidate(source, **said)
        return self.verdict(candidate, **(contract or {}))

    def verdict(self, candidate: Candidate, **contract: Any) -> Verdict:
        return self.validator.validate(candidate, Contract(candidate.spec, **contract))


def failing(verdict: Verdict) -> tuple[str, str]:
    """Name and detail of the check that failed; ('', '') if none did."""
    failed = verdict.failed
    return (failed.name, failed.detail) if failed else ("", "")


def can_open_a_way_out() -> bool:
    """Whether host grants can be held on this machine."""
    return LinuxSandbox().profile == "full" and os.name == "posix"


@contextlib.contextmanager
def rate_server(body: bytes = b"3.71") -> Iterator[tuple[str, list[str]]]:
    """A server on loopback: its address, and the paths that were asked for so far."""
    asked: list[str] = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
