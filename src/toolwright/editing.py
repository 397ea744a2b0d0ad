"""A version and a person's new source go in; the Candidate that may follow it comes out."""

from __future__ import annotations

import ast
import doctest
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from toolwright import schema, scriptblock, toolfile
from toolwright.errors import NotFoundError, SpecError
from toolwright.langchaintools import Plain, of_langchain
from toolwright.powers import POWER_LISTS
from toolwright.schema import Signature
from toolwright.tool import Candidate, Example, ToolSpec, ToolVersion


def edited_candidate(before: ToolVersion, source: str, asked: Mapping[str, Any]) -> Candidate:
    """*source* as a candidate that follows *before* (of `Registry.as_recorded`), with *before*'s powers.

    Schemas and sentence stay unless *source* changes its signature or its docstring, or *asked* (keywords of
    `validate`) says otherwise. Powers in *asked* are added; an `example` there stands for all earlier ones. An earlier
    example goes when *source* drops it from its docstring or takes other arguments. SpecError.
    """
    old = before.spec
    try:
        new = schema.signature_of(source, old.name)
    except SpecError:
        new = _of(old)  # the validator says better what is wrong with the source, against the spec it had
    head = _of(old) if _stays(old, new) else new
    docs = _docstring(before.candidate.source, old.name)
    said = old.description if summary(docs) != old.description else summary(new.docstring) or old.description
    spec = schema.tool_spec(
        tool_name=old.name,
        description=asked.get("description") or said,
        input_params=asked.get("input_params") or head,
        return_type=asked.get("return_type") or head,
        example=asked.get("example") or doctests(new.docstring, old.name),
        powers=_powers(before.candidate, asked),
        reason=old.reason,
        effect=asked.get("effect") or old.effect,
        deterministic=asked.get("deterministic", old.deterministic),
        stateful=asked.get("stateful", old.stateful),
        namespace=old.namespace,
    )
    kept = () if asked.get("example") else _kept(old, spec, docs)
    spec = replace(spec, examples=(*kept, *spec.examples), power_reasons=dict(old.power_reasons))
    return Candidate(spec, source, packages=spec.packages, grant=spec.grant, parent=before.candidate.parent)


def _of(spec: ToolSpec) -> Signature:
    return Signature(spec.name, spec.parameters, spec.returns, spec.input_schema, spec.output_schema, "", (), 0)


def _stays(old: ToolSpec, new: Signature) -> bool:
    """Whether a function with the head *new* is still what *old* describes; what it leaves untyped is as it was."""
    if new.unannotated:
        return set(new.input_schema["properties"]) == set(old.input_schema["properties"])
    same = schema.same_schema
    return same(old.input_schema, new.input_schema) and same(old.output_schema, new.output_schema)


def _powers(candidate: Candidate, asked: Mapping[str, Any]) -> dict[str, Any]:
    """What it has and what is added; a secret that is bound now is no plain value any more."""
    grant = candidate.grant
    bound = {str(one).partition("@")[0] for one in asked.get("secrets") or ()}
    lists: dict[str, Any] = {kind: list(getattr(grant, kind)) for kind in POWER_LISTS}
    lists["plain_secrets"] = [one for one in grant.plain_secrets if one not in bound]
    lists["packages"] = list(candidate.packages)
    return {kind: [*had, *(asked.get(kind) or ())] for kind, had in lists.items()} | {
        "subprocess": grant.subprocess or asked.get("subprocess", False)
    }


def _kept(old: ToolSpec, new: ToolSpec, docs: str) -> tuple[Example, ...]:
    """The examples of *old* that *new* can still meet and does not show itself."""
    from_docs = doctests(docs, old.name).splitlines()
    shown = {one.text for one in new.examples}
    return tuple(
        one
        for one in old.examples
        if one.text not in shown
        and one.text not in from_docs
        and not schema.fits(dict(one.arguments), new.input_schema)
        and not (one.has_expected and schema.fits(one.expected, new.output_schema))
    )


def _docstring(source: str, name: str) -> str:
    try:
        return schema.signature_of(source, name).docstring
    except SpecError:
        return ""


def body_of(text: str) -> str:
    """The function's own source: of a tool's file the part between header and footer, of any other all of it.

    But for a PEP 723 block: the tool's own file will have one, and may have no second.
    """
    try:
        return toolfile.read(text).source
    except (SpecError, NotFoundError):
        return scriptblock.without_block(text)


def declared(text: str) -> dict[str, Any]:
    """What the header of a tool file says of it, as keywords of `validate`; of any other text the packages it asks for.

    It names powers and packages as a manifest would: they are still asked for.
    """
    try:
        header = toolfile.read(text).header
    except (SpecError, NotFoundError):
        return {"packages": packages} if (packages := scriptblock.packages_of(text)) else {}
    powers = header.get("powers", {})
    said = dict(powers) if isinstance(powers, Mapping) else {}
    said |= {"description": header.get("description"), "effect": header.get("effect")}
    said["packages"] = header.get("dependencies")
    return {key: value for key, value in said.items() if key in _DECLARED and isinstance(value, _DECLARED[key])}


_DECLARED: Mapping[str, type] = {
    "description": str,
    "effect": str,
    "subprocess": bool,
    "packages": list,
} | dict.fromkeys(POWER_LISTS, list)


def langchain_in(text: str, file: Path, named: str | None) -> Plain | None:
    """The LangChain tool that is meant in the *text* of *file*, as `of_langchain`, with what its header declares.

    Lines are told as the file counts them.
    """
    try:
        body = toolfile.read(text).source
    except (SpecError, NotFoundError):
        body = scriptblock.blanked(text)
    found = of_langchain(body, file, named)
    return found and replace(found, said={**declared(text), **found.said})


def summary(docstring: str) -> str:
    """The first paragraph of *docstring* on one line; '' if there is none."""
    return " ".join(docstring.strip().partition("\n\n")[0].split())


def doctests(docstring: str, name: str) -> str:
    """The docstring's `>>> name(…)` lines with their values, as examples, one a line."""
    try:
        found = doctest.DocTestParser().get_examples(docstring)
    except ValueError:
        return ""
    lines = []
    for one in found:
        call, value = one.source.strip(), one.want.strip()
        if call.startswith(f"{name}(") and "\n" not in call and _is_literal(value):
            lines.append(f"{call} == {value}")
    return "\n".join(lines)


def _is_literal(text: str) -> bool:
    try:
        ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return False
    return True
