"""A tool and a request for another one go in; whether the tool gives what the request's examples show comes out."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from toolwright.batching import Workspace
from toolwright.executor import Executor
from toolwright.search import pairing
from toolwright.tool import Example, ToolSpec, ToolVersion
from toolwright.validator.trials import Trial, examples


def meets(
    executor: Executor,
    version: ToolVersion,
    spec: ToolSpec,
    cancel: threading.Event | None = None,
    files: Workspace | None = None,
) -> bool | None:
    """Whether *version* answers the examples of *spec* as they show; None where that cannot be told.

    Only a tool without powers, state and chance is tried: a call of it changes nothing, and says what the next would.
    """
    own = version.spec
    telling = [one for one in spec.examples if one.has_expected]
    if not telling or version.candidate.grant or own.stateful or not own.deterministic:
        return None
    names = pairing(spec.input_schema, own.input_schema)
    if names is None:
        return None
    asked = tuple(replace(one, arguments=_renamed(one, names)) for one in telling)
    candidate = replace(version.candidate, spec=replace(own, examples=asked))
    return examples(Trial(executor, candidate, cancel, version.origin, files), _never).passed


def _renamed(example: Example, names: Mapping[str, str]) -> dict[str, Any]:
    return {names[name]: value for name, value in example.arguments.items()}


def _never(_: str) -> bool:
    return False
