"""A tool that is wanted, as a person reads it and as they change it: a ToolSpec goes in, lines and answers come out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from toolwright.cli.look import err, safe, short

if TYPE_CHECKING:
    from toolwright.app import Toolwright
    from toolwright.registry import ToolInfo
    from toolwright.tool import ToolSpec


@dataclass
class Answers:
    """What is said of a tool so far, as texts; `spec` reads them."""

    tool_name: str = ""
    description: str = ""
    input_params: str = ""
    return_type: str = ""
    example: list[str] = field(default_factory=list)
    powers: str = ""
    also: dict[str, Any] = field(default_factory=dict)
    """What no question is about: effect, deterministic, stateful, reason, and why each power is needed."""

    @classmethod
    def of(cls, spec: ToolSpec) -> Answers:
        """The answers that *spec* stands for."""
        from toolwright.briefs import example_text

        also = {
            "effect": spec.effect,
            "deterministic": spec.deterministic,
            "stateful": spec.stateful,
            "reason": spec.reason,
        }
        return cls(
            spec.name,
            spec.description,
            spec.parameters,
            spec.returns,
            [example_text(spec.name, one) for one in spec.examples],
            ", ".join([*spec.grant.words(), *(f"package {one}" for one in spec.packages)]),
            also | {"why": dict(spec.power_reasons)},
        )

    def rename(self, name: str) -> None:
        """Call it *name*, in its examples too."""
        if self.tool_name:
            self.example = [one.replace(f"{self.tool_name}(", f"{name}(") for one in self.example]
        self.tool_name = name

    def spec(self, namespace: str = "local") -> ToolSpec:
        """The ToolSpec; SpecError says what cannot be read. What nobody said yet is left open."""
        from toolwright.requests import spec_of

        asked = {
            "tool_name": self.tool_name,
            "description": self.description or "To be said.",
            "input_params": self.input_params,
            "return_type": self.return_type or "Any",
            "example": "\n".join(self.example),
            "powers": self._powers(),
            **{key: value for key, value in self.also.items() if key != "why"},
        }
        return spec_of(asked, namespace)

    def _powers(self) -> Mapping[str, Any]:
        from toolwright.asked import asked_from
        from toolwright.powers import power_words

        asked, before = asked_from(self.powers), self.also.get("why", {})
        found: dict[str, list[dict[str, str]]] = {}
        named = [*asked.grant.each(), *(("packages", one) for one in asked.packages)]
        for kind, one in named:
            words = power_words(kind, one)
            why = asked.reasons.get(words) or before.get(words, "")
            found.setdefault(kind, []).append({"name": one, "why": why})
        return found


def lines(spec: ToolSpec) -> Iterator[tuple[str, str]]:
    """*spec* for a person, as text and style."""
    from toolwright.briefs import example_text
    from toolwright.powers import why_loud

    yield f"{spec.name}({spec.parameters}) -> {spec.returns}", "bold"
    yield f"  does     {spec.description}", ""
    for one in spec.examples:
        yield f"  example  {example_text(spec.name, one)}", ""
    for word in [*spec.grant.words(), *(f"package {one}" for one in spec.packages)]:
        why = spec.power_reasons.get(word) or "no reason was given"
        yield f"  needs    {word}  ({short(why, 200)})", "yellow"
        if loud := why_loud(word):
            yield f"           {loud}", "bold red"
    if not (spec.grant or spec.packages):
        yield "  needs    no powers", "dim"
    if spec.effect != "none" or not spec.deterministic or spec.stateful:
        said = [f"effect {spec.effect}"] if spec.effect != "none" else []
        said += [] if spec.deterministic else ["equal arguments may give different values"]
        said += ["keeps state"] if spec.stateful else []
        yield f"  also     {', '.join(said)}", ""


def show(spec: ToolSpec) -> None:
    """Print *spec* where progress goes."""
    for text, style in lines(spec):
        err().print(safe(text), style=style, markup=False)


def as_json(spec: ToolSpec, alike: Sequence[ToolInfo]) -> dict[str, Any]:
    """*spec* for scripts; but for `type` and `alike` its keys are those of a spec file."""
    from toolwright.briefs import example_text
    from toolwright.powers import power_words

    named = [*spec.grant.each(), *(("packages", one) for one in spec.packages)]
    why = {one: reason for kind, one in named if (reason := spec.power_reasons.get(power_words(kind, one)))}
    powers = {**spec.grant.to_json(), "packages": list(spec.packages), **({"why": why} if why else {})}
    return {
        "type": "spec",
        "tool_name": spec.name,
        "description": spec.description,
        "input_params": spec.parameters,
        "return_type": spec.returns,
        "example": [example_text(spec.name, one) for one in spec.examples],
        "powers": powers,
        "effect": spec.effect,
        "deterministic": spec.deterministic,
        "stateful": spec.stateful,
        "alike": [str(one) for one in alike],
    }


def alike(tw: Toolwright, spec: ToolSpec) -> list[ToolInfo]:
    """The tools of the shelf that look like what *spec* asks for; not the one of its own name."""
    return [match.info for match in tw.registry.near(spec, limit=3) if match.info.name != spec.name]


def say_alike(found: Sequence[ToolInfo]) -> None:
    """Name what looks the same, before anything is paid for."""
    for one in found:
        err().print(safe(f"note   {one} looks like it: {short(one.description, 200)}"), style="yellow", markup=False)
