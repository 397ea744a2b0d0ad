"""Requests that nobody thought of, made from the door's own document: no answer is a 5xx, none is undocumented."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys

import pytest
from door import Writer

from outside.endpoint import Endpoint

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(importlib.util.find_spec("schemathesis") is None, reason="schemathesis is not installed"),
]
CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
    "ignored_auth",
    "use_after_free",
    "ensure_resource_availability",
]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", ["1", "2"])
def test_no_request_of_a_fuzzer_is_a_fault_of_the_server(served, seed):
    with Endpoint(Writer()) as endpoint:
        door = served(model=endpoint.url, serve_requests_per_minute="1000000", serve_receive_s="60")
        words = ["run", f"{door.url}/openapi.json", "--seed", seed, "--max-examples", "25", "--no-color"]
        words += ["-H", f"Authorization: Bearer {door.tokens['all']}", "--request-timeout", "60"]
        done = subprocess.run(
            [sys.executable, "-m", "schemathesis.cli", *words, "--checks", ",".join(CHECKS)],
            capture_output=True,
            text=True,
            env=dict(os.environ),
            cwd=door.home,
            timeout=800,
        )
        assert done.returncode == 0, done.stdout[-8000:] + done.stderr
        assert door.get("/v1/tools").status == 200
        door.stop()
        door.stop()
        code, said = door.close()
        assert code == 0
        assert "could not be answered" not in said, said
