"""Source and spec go in; what `syntax`, `shape` and `screen` have to say about them comes out. Nothing is run."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from dataclasses import dataclass

from toolwright import schema
from toolwright.errors import SpecError
from toolwright.masking import without_known
from toolwright.packagerules import PackageRules
from toolwright.powers import Origin
from toolwright.schema import LARGEST_SOURCE
from toolwright.screen import Names, parsed, screen
from toolwright.screen.unused import unused
from toolwright.tool import Candidate
from toolwright.validator.modulelevel import side_effects

_DEEPEST = 300
"""Levels of syntax that the walks of the later checks may meet; code that people read has some 30."""
_MOST_LINES = 12


@dataclass(frozen=True, slots=True)
class Said:
    """The result of a static check: problems (none is a pass) and notes that decide nothing."""

    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def detail(self) -> str:
        """The problems, one a line, as many as anybody reads."""
        shown = list(self.problems[:_MOST_LINES])
        if len(self.problems) > len(shown):
            shown.append(f"… and {len(self.problems) - len(shown)} more.")
        return "\n".join(shown)


def check_syntax(candidate: Candidate) -> Said:
    """Whether the source is Python that this interpreter reads, of a size and depth that it can be looked at."""
    source = candidate.source
    try:
        size = len(source.encode())
        if size > LARGEST_SOURCE:
            return Said(
                (f"The source has {size:,} bytes; at most {LARGEST_SOURCE:,} are allowed (fixed). Write less.",)
            )
        tree = parsed(source)
    except SyntaxError as error:
        line = f"line {error.lineno}: " if error.lineno else ""
        text = f": {error.text.strip()[:120]}" if error.text and error.text.strip() else ""
        return Said((f"{line}{error.msg}{text}",))
    except (MemoryError, RecursionError):
        return Said(("The source is nested too deeply to be parsed; write it in smaller expressions.",))
    except ValueError as error:
        return Said((f"The source cannot be parsed: {error}.",))
    line_too_deep = _too_deep(tree)
    if line_too_deep:
        where = f"line {line_too_deep}: "
        return Said((f"{where}nested more than {_DEEPEST} levels deep (fixed); write it in smaller expressions.",))
    return Said()


def _too_deep(tree: ast.Module) -> int:
    """The line at which the syntax is deeper than allowed, or 0."""
    waiting: list[tuple[ast.AST, int, int]] = [(tree, 0, 1)]
    while waiting:
        node, depth, line = waiting.pop()
        line = getattr(node, "lineno", line)
        if depth > _DEEPEST:
            return line
        waiting.extend((child, depth + 1, line) for child in ast.iter_child_nodes(node))
    return 0


def check_shape(candidate: Candidate, origin: Origin) -> Said:
    """Whether there is the function that the spec asks for, described, typed, and nothing runs on import.

    A person's function may leave its types to the spec; its missing docstring is a note.
    """
    name = candidate.spec.name
    tree = parsed(candidate.source)
    try:
        signature = schema.signature_of(candidate.source, name)
    except SpecError as error:
        return Said((str(error),))
    function = function_node(tree, name)
    problems: list[str] = []
    notes: list[str] = []
    if function is not None and is_generator(function):
        problems.append(f"line {signature.line}: {name!r} is a generator; collect the items and return a list.")
    lenient = problems if origin == "agent" else notes
    for missing in signature.unannotated:
        wanted = candidate.spec.returns if missing == "return" else candidate.spec.parameters
        what = "the answer has no type" if missing == "return" else f"parameter {missing!r} has no type"
        lenient.append(f"line {signature.line}: {what}; the spec says: {wanted}")
    if not signature.docstring.strip():
        lenient.append(f"line {signature.line}: {name!r} has no docstring; say in a sentence what it does.")
    problems += [f"line {signature.line}: {reason}" for reason in _mismatch(candidate, signature)]
    problems += [f"line {line}: {message}." for line, message in sorted(set(side_effects(tree, Names(tree))))]
    return Said(tuple(problems), tuple(notes))


def _mismatch(candidate: Candidate, signature: schema.Signature) -> Iterator[str]:
    spec = candidate.spec
    wrong = schema.accepts(spec.input_schema, signature.input_schema)
    if wrong:
        yield f"{wrong} The spec says: {spec.name}({spec.parameters})"
    if "return" not in signature.unannotated:
        wrong = schema.within(signature.output_schema, spec.output_schema)
        if wrong:
            yield f"the return type is {signature.returns!r}, and {wrong} The spec says: -> {spec.returns}"


def check_screen(candidate: Candidate, rules: PackageRules) -> Said:
    """What the screen finds, see `toolwright.screen`; and packages whose names look like well-known ones."""
    found = screen(
        candidate.source,
        function=candidate.spec.name,
        grant=candidate.grant,
        packages=candidate.packages,
        effect=candidate.effect,
    )
    idle = unused(candidate.source, candidate.grant, candidate.packages)
    notes = (f"Declared, and not seen in the code: {', '.join(idle)}.",) if idle else ()
    return Said((*map(str, found), *_kept_secrets(candidate), *rules.mistaken(candidate.packages)), notes)


def _kept_secrets(candidate: Candidate) -> Iterator[str]:
    """Where the value of a secret that this home keeps is written out: what is made is kept, and shown to models."""
    instead = "holds the value of a secret that is kept here; declare the secret by its name, and never write its value"
    for number, line in enumerate(candidate.source.splitlines(), 1):
        if without_known(line) != line:
            yield f"line {number} {instead}."
    spec = candidate.spec
    shown = (json.dumps([one.text, one.arguments, one.expected], default=str) for one in spec.examples)
    reasons = [*spec.power_reasons, *spec.power_reasons.values()]
    said = "\n".join([spec.description, spec.parameters, spec.returns, spec.reason, *reasons, *shown])
    if without_known(said) != said:
        yield f"what the tool says of itself {instead}."


def function_node(tree: ast.Module, name: str) -> ast.FunctionDef | None:
    """The definition of function *name* that holds: the last one at module level."""
    found = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name == name]
    return found[-1] if found else None


def is_generator(function: ast.FunctionDef) -> bool:
    """Whether the function itself yields (one nested in it may)."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, (ast.Yield, ast.YieldFrom)):
            return True
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            waiting.extend(ast.iter_child_nodes(node))
    return False


def uses_no_parameter(source: str, name: str) -> bool:
    """Whether function *name* takes parameters and its body reads none of them, by any way that can be seen."""
    function = function_node(parsed(source), name)
    if function is None:
        return False
    taken = {one.arg for one in [*function.args.args, *function.args.kwonlyargs]}
    read = {
        node.id
        for statement in function.body
        for node in ast.walk(statement)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }
    return bool(taken) and not taken & read and not read & {"locals", "vars", "inspect"}
