"""A version and the text of its file go in; the files of an Agent Skill come out, by path.

The format is that of https://agentskills.io/specification.
"""

from __future__ import annotations

import json

from toolwright.exporting import facts
from toolwright.exporting.script import script
from toolwright.exporting.texts import text_of
from toolwright.tool import ToolVersion

_LONGEST_DESCRIPTION = 1024
_LONGEST_COMPATIBILITY = 500


def skill_name(version: ToolVersion) -> str:
    """`reverse-words`: the skill's name, and that of its folder."""
    return version.name.strip("_").replace("_", "-")


def skill(version: ToolVersion, text: str) -> dict[str, bytes]:
    """`SKILL.md`, the script, its tests, and where it comes from."""
    name = version.name
    texts = {
        "SKILL.md": _front(version) + _body(version),
        f"scripts/{name}.py": script(version, text),
        f"tests/test_{name}.py": _header(text) + text_of("cases"),
    }
    return {path: one.encode("utf-8") for path, one in texts.items()} | {
        "tests/cases.json": facts.as_bytes(facts.cases(version, [f"../scripts/{name}.py"])),
        "provenance.json": facts.as_bytes(facts.provenance(version)),
    }


def _header(text: str) -> str:
    """Python range and packages as the tool's own file names them, so that `uv run` of the tests brings the same."""
    lines = text.split("\n")
    end = next(at for at, line in enumerate(lines) if line == "#" or line.startswith("# [tool"))
    return "\n".join([*lines[:end], "# ///", "", ""])


def _front(version: ToolVersion) -> str:
    grant, pins = version.candidate.grant, facts.pins(version)
    needs = [f"Python {version.candidate.python}"]
    needs += [f"the packages {', '.join(pins)} (`uv run` fetches them)"] if pins else []
    needs += [f"network access to {', '.join(grant.hosts)}"] if grant.hosts else []
    needs += [f"the environment variables {', '.join(grant.secret_names)} (secrets)"] if grant.secret_names else []
    needs += [f"reading {', '.join(grant.reads)}"] if grant.reads else []
    needs += [f"writing {', '.join(grant.writes)}"] if grant.writes else []
    needs += ["other programs"] if grant.subprocess else []
    said = {
        "name": skill_name(version),
        "description": _described(version),
        "compatibility": _cut(f"Requires {', '.join(needs)}", _LONGEST_COMPATIBILITY),
    }
    more = {
        "toolwright-tool": str(version),
        "toolwright-digest": version.digest,
        "toolwright-origin": version.origin,
        "toolwright-effect": version.effect,
        "toolwright-powers": ", ".join(facts.powers(version)) or "none",
    }
    # A JSON string is a YAML one, and no text in it can end it.
    lines = [f"{key}: {_quoted(value)}" for key, value in said.items()]
    lines += ["metadata:", *(f"  {key}: {_quoted(value)}" for key, value in more.items())]
    return "\n".join(["---", *lines, "---", "", ""])


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=not text.isprintable())


def _described(version: ToolVersion) -> str:
    """What it does and when to use it; without angle brackets, for which those who read skills take no tags."""
    plain = version.description.replace("<", "‹").replace(">", "›")
    when = f" Use it when just that is wanted: it takes {_names(version)} and answers in JSON."
    return (
        _cut(plain, _LONGEST_DESCRIPTION - len(when)) + when if len(when) < 300 else _cut(plain, _LONGEST_DESCRIPTION)
    )


def _names(version: ToolVersion) -> str:
    return ", ".join(facts.names(version)) or "no arguments"


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"


def _body(version: ToolVersion) -> str:
    name = version.name
    run = "uv run" if facts.pins(version) else "python"
    examples = [f"- `{one.text}`" for one in version.spec.examples if one.text and "`" not in one.text]
    lines = [
        f"# {name}",
        "",
        version.description,
        "",
        "## How to call it",
        "",
        "Arguments are one JSON object, the answer is JSON on standard output. With exit code 1 it is an object with",
        "`error`; with 2 the arguments were wrong. `--help` lists its flags.",
        "",
        "```bash",
        f"{run} scripts/{name}.py {facts.arguments(version)}",
        "```",
        "",
        f"`{facts.signature(version)}`",
        "",
        *(["Examples:", "", *examples, ""] if examples else []),
        "Arguments, as JSON Schema:",
        "",
        "```json",
        json.dumps(dict(version.input_schema), ensure_ascii=False),
        "```",
        "",
        "Answer:",
        "",
        "```json",
        json.dumps(dict(version.output_schema), ensure_ascii=False),
        "```",
        "",
        "## What it may do",
        "",
        *facts.granted(version),
        "",
        facts.OUTSIDE,
        "",
        "Where Toolwright is installed, `toolwright import DIR` takes this folder on the shelf, and",
        f"`toolwright call {name}` runs it inside the sandbox.",
        "",
        "## Tests",
        "",
        "```bash",
        f"{run} tests/test_{name}.py",
        "```",
        "",
        *facts.made(version),
        "",
    ]
    return "\n".join(lines)
