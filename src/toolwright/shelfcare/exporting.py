"""A shelf goes in, a folder comes out with one plain PEP 723 file for each tool in force."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path

from toolwright import toolfile
from toolwright.errors import NotFoundError, SpecError
from toolwright.shelfcare.verifying import sound
from toolwright.store.files import make_folder, write_over, writing
from toolwright.store.whole import Source, Whole


@dataclass(slots=True)
class Exported:
    """What became of each tool: files that were written, files that were so already, and what was left, with why."""

    written: list[tuple[str, str]] = field(default_factory=list)
    """Version and file."""
    there: list[tuple[str, str]] = field(default_factory=list)
    left: list[tuple[str, str]] = field(default_factory=list)


def export(
    source: Source, folder: Path, namespace: str, names: Collection[str], told: Callable[[str], None]
) -> Exported:
    """Write `NAME.py` into *folder* for each tool of *namespace* that is in force, or for those of *names*.

    An older file of the very tool is replaced; a file of something else is left, and so is the tool. NotFoundError,
    before anything is written, for a name that is not in force.
    """
    held = [name for space, name in source.held() if space == namespace]
    for name in names:
        if name not in held or source.whole(namespace, name).in_force is None:
            raise NotFoundError(f"No tool is named {name!r}; `toolwright tools` lists them.")
    done = Exported()
    with writing(folder):
        make_folder(folder, folder)
        for name in sorted(names or held):
            found = source.whole(namespace, name)
            if found.in_force is not None:
                told(name)
                _one(folder, found, found.in_force, done)
    return done


def _one(folder: Path, found: Whole, number: int, done: Exported) -> None:
    kept, wrong = sound(found)
    label, path = f"{found.name}@{number}", folder / f"{found.name}.py"
    if number not in kept.versions:
        done.left.append((label, next(one.why for one in wrong if one.number == number)))
        return
    data = kept.versions[number].text.encode("utf-8")
    if path.is_symlink() or (path.exists() and not path.is_file()):
        done.left.append((label, f"{path} is no plain file; move it away."))
    elif path.exists() and path.read_bytes() == data:
        done.there.append((label, path.name))
    elif path.exists() and not _is_of(path, found.name):
        done.left.append((label, f"{path} is something else; move it away, or name another folder."))
    else:
        write_over(path, data)
        done.written.append((label, path.name))


def _is_of(path: Path, name: str) -> bool:
    """Whether the file is that of a tool of that name, of whatever version."""
    try:
        return bool(toolfile.read(path.read_text("utf-8")).header.get("name") == name)
    except (SpecError, UnicodeDecodeError):
        return False
