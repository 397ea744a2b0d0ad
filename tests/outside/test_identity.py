"""The digest, worked out by somebody who has read the contract and none of our code."""

from __future__ import annotations

import hashlib
import json
import tomllib

import rfc8785

from toolwright import Toolwright

SOURCE = 'def add_up(a: int, b: int = 2) -> int:\n    """Add two numbers."""\n    return a + b\n'
DIGEST = "049e9cf1c222259e07fee64f0aee3dfd1e3a573975ca3b297970f393731f1fed"
"""Of this source: approvals and pins of people hold to it, so it may never change."""


def test_a_tools_digest_is_that_of_its_canonical_fields(tmp_path):
    (tmp_path / "add_up.py").write_text(SOURCE, "utf-8")
    with Toolwright(home=tmp_path / "home") as tw:
        version = tw.import_file(tmp_path / "add_up.py").version
    assert version is not None
    text = (tmp_path / "home/tools/add_up/1.py").read_text("utf-8")
    head = text[text.index("# /// script") : text.index("# ///\n", 20)].splitlines()[1:]
    table = tomllib.loads("\n".join(line.removeprefix("#").removeprefix(" ") for line in head))
    own = table["tool"]["toolwright"]
    assert SOURCE in text
    fields = {
        "name": own["name"],
        "description": own["description"],
        "source": SOURCE,
        "input_schema": json.loads(own["input_schema"]),
        "output_schema": json.loads(own["output_schema"]),
        "powers": own["powers"],
        "packages": own["lock"],
        "python": table["requires-python"],
    }
    digest = hashlib.sha256(rfc8785.dumps(fields)).hexdigest()
    assert digest == own["digest"] == version.digest == DIGEST
