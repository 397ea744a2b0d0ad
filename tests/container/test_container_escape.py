"""The escape suite against the box in real containers, with each wall within."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.long, pytest.mark.xdist_group("container"), pytest.mark.timeout(1800)]


@pytest.mark.parametrize("engine", ["podman", "docker"])
@pytest.mark.parametrize("inner", ["full", "landlock"])
def test_every_attack_is_contained(engine, inner, request):
    at = request.getfixturevalue(engine)
    if engine == "docker" and inner == "full":
        pytest.skip("Docker's filter of system calls lets no container of the usual kind make namespaces")
    words = [sys.executable, "-m", "toolwright.escape", "--box", "engine_box:make", "--profile", inner, "--json"]
    done = subprocess.run(
        words,
        env=os.environ
        | {
            "TOOLWRIGHT_TEST_ENGINE": f"{at.engine} {at.image} {at.runtime or ''}",
            "PYTHONPATH": str(pathlib.Path(__file__).parent),
        },
        capture_output=True,
        text=True,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    assert len(lines) > 120, done.stderr[-2000:]
    assert done.returncode == 0, done.stdout[-4000:]
    assert at.names() == []
