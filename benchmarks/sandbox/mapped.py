"""Many arguments for one tool through the executor, which holds arguments and answers against their schemas."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.sandbox.calls import SOURCE, WrongAnswerError
from toolwright.call import Call
from toolwright.executor import Executor
from toolwright.policy import Policy
from toolwright.sandbox import Sandbox
from toolwright.sandbox.packages import Environments
from toolwright.schema import tool_spec
from toolwright.store.home import Home
from toolwright.tool import Candidate
from toolwright.wiring import HomeSecrets


@contextlib.contextmanager
def mapping(box: Sandbox) -> Iterator[Callable[[int], None]]:
    """A way to call the trivial tool as often as it is told, with other arguments each time, as one list."""
    with tempfile.TemporaryDirectory() as name, contextlib.closing(Home.open(Path(name))) as home:
        packages = Environments(Path(name) / "packages")
        executor = Executor(box, Policy(), home.approvals, packages, HomeSecrets(home))
        spec = tool_spec(tool_name="add", description="Add.", input_params="a: int, b: int", return_type="int")
        tool = Candidate(spec, SOURCE)

        def mapped(items: int) -> None:
            outcomes = executor.map(tool, [Call("add", {"a": number, "b": 2}) for number in range(items)])
            wrong = next((one for at, one in enumerate(outcomes) if not one.ok or one.value != at + 2), None)
            if wrong is not None:
                raise WrongAnswerError(f"an item of a list ended as {wrong.status}: {wrong.value!r} {wrong.detail}")

        yield mapped
