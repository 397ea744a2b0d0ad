"""A version in force and a form go in; a script, a wheel, a skill or an MCP server stands where it was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from toolwright import toolfile
from toolwright.errors import RefusedError, UserError
from toolwright.exporting import facts
from toolwright.exporting.placing import place_file, place_folder
from toolwright.exporting.script import script
from toolwright.exporting.server import folder_name, server
from toolwright.exporting.skill import skill, skill_name
from toolwright.exporting.wheel import packed, parts, wheel_name
from toolwright.masking import without_known
from toolwright.registry import Registry
from toolwright.tool import ToolVersion

Form = Literal["script", "package", "skill", "mcp"]
FORMS: tuple[Form, ...] = get_args(Form)


@dataclass(frozen=True, slots=True)
class ToolExport:
    """What was exported and where it stands; `fresh` is False where the very same stood there before."""

    version: ToolVersion
    form: Form
    path: Path
    files: tuple[str, ...]
    """Of a folder or a wheel: what is in it."""
    fresh: bool

    @property
    def powers(self) -> list[str]:
        """What it was granted in the sandbox, as lines for people; outside nothing holds it to that."""
        return facts.powers(self.version)


def export(
    registry: Registry, home: Path, name: str, form: str, *, number: int | None, out: Path | None, force: bool
) -> ToolExport:
    """Write the tool *name*, in force or *number*, as *form*, to *out*: the place itself, or a folder that holds it.

    Without *out* it is put into the current folder. UserError for what is no form, for a person's own function, and
    where something else stands already; what the shelf would not run (edited, revoked, signed by nobody) is not given
    out either. RefusedError for a tool that holds a secret that is known here.
    """
    if form not in FORMS:
        raise UserError(f"{form!r} is no form of a tool; those are {', '.join(FORMS)}.")
    kind: Form = next(one for one in FORMS if one == form)
    if registry.own and (own := registry.own.get(name)):
        raise UserError(f"{name} is your own tool ({own.source}): its code stands there, and not on the shelf.")
    version = registry.get(name, number)
    if version.state == "validated":
        raise UserError(f"{version} waits to be promoted (`toolwright registry promote`): it is not exported.")
    if version.state not in ("active", "yanked"):
        why = next((one.why for one in reversed(registry.changes(name, version.number)) if one.why), "")
        raise RefusedError(f"{version} was {version.state} ({why}): it is not exported.", version.state)
    text = _text_of(registry, version)
    place = _place(version, kind, Path(out or ".").expanduser())
    if kind == "script":
        made = {place.name: script(version, text).encode("utf-8")}
    elif kind == "package":
        made = parts(version, text)
    elif kind == "skill":
        made = skill(version, text)
    else:
        made = server(version, text, place, home)
    for path, data in made.items():
        _refuse_secrets(version, path, data)
    if kind in ("skill", "mcp"):
        fresh = place_folder(place, made, force=force)
    else:
        fresh = place_file(place, packed(version, made) if kind == "package" else made[place.name], force=force)
    return ToolExport(version, kind, place, () if kind == "script" else tuple(made), fresh)


def _text_of(registry: Registry, version: ToolVersion) -> str:
    """The text of its file, which the shelf has just checked; checked once more, since it was read a second time."""
    text, _ = registry.edited(version.name, version.number)
    parts_ = toolfile.read(text)
    if parts_.source != version.candidate.source or parts_.digest != version.digest:
        raise UserError(f"{version} was changed while it was read; try again.")
    return text


def _place(version: ToolVersion, form: Form, out: Path) -> Path:
    """The file or folder that is meant: *out* itself where it is named so, else one in the folder *out*."""
    if form == "script":
        own, itself = f"{version.name}.py", out.suffix == ".py" and not out.is_dir()
    elif form == "package":
        own, itself = wheel_name(version), out.suffix == ".whl"
        if itself and out.name != own:
            raise UserError(f"{out.name}: a wheel's name says what is in it, and this one is {own}. Name a folder.")
    else:
        own = skill_name(version) if form == "skill" else folder_name(version)
        itself = out.name == own
    if not itself and out.exists() and not out.is_dir():
        raise UserError(f"{out} is no folder; {own} would be put into it.")
    return (out if itself else out / own).absolute()


def _refuse_secrets(version: ToolVersion, path: str, data: bytes) -> None:
    text = data.decode("utf-8")
    if without_known(text) != text:
        raise RefusedError(
            f"{version} holds the value of a secret that is kept here (it would stand in {path}): it is not exported. "
            f"Take the value out (`toolwright edit {version.name}`), and let the tool be granted the secret instead.",
            "secret",
        )
