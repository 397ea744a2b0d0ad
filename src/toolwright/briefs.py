"""A spec, code or checks go in, the text that generator and examiner read about them comes out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from toolwright.powers import ALLOWED_PACKAGES
from toolwright.tool import Example, Json, ToolSpec, Verdict

_LONGEST_CODE = 60_000
_LONGEST_DETAIL = 4_000
_LONGEST_EARLIER = 500


def spec_text(spec: ToolSpec) -> str:
    """What the tool has to be, without powers: name, signature, purpose, examples, schemas."""
    lines = [
        f"Tool: {spec.name}",
        f"Signature: def {spec.name}({spec.parameters}) -> {spec.returns}:",
        f"What it does: {spec.description}",
    ]
    if spec.reason:
        lines.append(f"Why it is asked for: {spec.reason}")
    if not spec.deterministic:
        lines.append("Equal arguments may give different values (time, chance or the world outside).")
    if spec.stateful:
        lines.append("It may keep state between calls, in its work folder.")
    if spec.examples:
        lines += ["Examples:", *(f"- {example_text(spec.name, one)}" for one in spec.examples)]
    lines += [f"Input schema: {as_json(spec.input_schema)}", f"Output schema: {as_json(spec.output_schema)}"]
    return "\n".join(lines)


def powers_text(spec: ToolSpec) -> str:
    """Which powers and packages were asked for, and why; what may be used without asking."""
    lines = [f"- {word}{_because(spec.power_reasons, word)}" for word in spec.grant.words()]
    powers = "\n".join(["Powers asked for:", *lines]) if lines else "Powers asked for: none (no network, no secrets)."
    extra = [f"{one}{_because(spec.power_reasons, f'package {one}')}" for one in spec.packages]
    packages = ", ".join([*(one for one in ALLOWED_PACKAGES if one not in spec.packages), *extra])
    return f"{powers}\nPackages allowed beside the standard library: {packages}."


def _because(reasons: Mapping[str, str], word: str) -> str:
    return f" ({reasons[word]})" if reasons.get(word) else ""


def example_text(name: str, example: Example) -> str:
    """An example as it was written, or spelled from its values."""
    if example.text:
        return example.text
    arguments = ", ".join(f"{key}={as_json(value)}" for key, value in example.arguments.items())
    value = f" == {as_json(example.expected)}" if example.has_expected else ""
    return f"{name}({arguments}){value}"


def tries_text(tries: Sequence[Verdict]) -> str:
    """What a repair is shown: earlier attempts in short, the last one's code with line numbers, its failed checks.

    Only `detail` of a check is shown, never its `secret_detail`.
    """
    last, number = tries[-1], len(tries)
    earlier = [f"- attempt {at} failed {_failed(one, _LONGEST_EARLIER)}" for at, one in enumerate(tries[:-1], 1)]
    parts = ["\n".join(["What was tried before:", *earlier])] if earlier else []
    source = last.candidate.source
    if source:
        parts.append(f"The code of attempt {number}:\n\n{numbered(source)}")
    if last.candidate.notes:
        parts.append(f"Noted about it: {shortened(last.candidate.notes, _LONGEST_EARLIER)}")
    parts.append(f"Attempt {number} failed {_failed(last, _LONGEST_DETAIL)}")
    return "\n\n".join(parts)


def _failed(verdict: Verdict, longest: int) -> str:
    failed = [check for check in verdict.checks if check.passed is False]
    return "; ".join(f"{check.name}: {shortened(check.detail, longest)}" for check in failed) or "without a reason"


def numbered(source: str) -> str:
    """*source* with a line number before each line; of a very long one the head."""
    lines = shortened(source, _LONGEST_CODE).rstrip("\n").split("\n")
    return "\n".join(f"{number:>4} | {line}" for number, line in enumerate(lines, 1))


def shortened(text: str, longest: int) -> str:
    """*text*, or its head and tail with what was left out between them."""
    if len(text) <= longest:
        return text
    tail = longest // 4
    return f"{text[: longest - tail]}\n… {len(text) - longest:,} characters left out …\n{text[-tail:]}"


def as_json(value: Json) -> str:
    """*value* on one line as a model reads it."""
    return json.dumps(value, ensure_ascii=False, default=str)
