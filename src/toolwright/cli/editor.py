"""A file goes to the person's editor; the text that the person left in it comes out, or an error that says why not."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

from toolwright.cli.look import on_terminal
from toolwright.cli.pages import keyboard_left_to_child
from toolwright.errors import UserError

_FALLBACKS = ("sensible-editor", "nano", "vim", "vi")


def editor_words() -> list[str]:
    """The words of the editor's command: `$VISUAL`, `$EDITOR`, or one that is there. UserError if there is none."""
    for variable in ("VISUAL", "EDITOR"):
        said = os.environ.get(variable, "").strip()
        if not said:
            continue
        try:
            words = shlex.split(said)
        except ValueError as error:
            raise UserError(f"${variable} is {said!r}, which cannot be read: {error}. Mend its quotes.") from None
        if shutil.which(words[0]) is None:
            raise UserError(f"${variable} is {said!r}, and there is no program {words[0]!r}. Name one that is there.")
        return words
    found = next((one for one in map(shutil.which, _FALLBACKS) if one), None) if on_terminal() else None
    if found is None:
        raise UserError("There is no editor to open: set $VISUAL or $EDITOR, or give the new text with --file FILE.")
    return [found]


def edited_in(words: list[str], path: Path, before: str) -> str:
    """The text in *path* after the editor has ended; it was *before*.

    UserError when that cannot be taken; what was written there is left in its file.
    """
    kept = f"Your text is kept in {path}."
    try:
        process = subprocess.Popen([*words, str(path)])
    except OSError as error:
        raise UserError(f"The editor {words[0]!r} cannot be started: {error.strerror}. {kept}") from error
    with keyboard_left_to_child():
        code = process.wait()
    if code:
        how = f"ended with exit code {code}" if code > 0 else f"was ended by signal {-code}"
        raise UserError(f"The editor {words[0]!r} {how}: nothing was taken. {_left(path, before)}")
    try:
        text = path.read_text("utf-8")
    except FileNotFoundError:
        raise UserError(f"{path} was removed in the editor: nothing was taken, and the tool is as it was.") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 any more (byte {error.start}): nothing was taken. {kept}") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}: nothing was taken.") from error
    if not text.strip():
        path.unlink(missing_ok=True)
        raise UserError("The text is empty: nothing was taken, and the tool is as it was.")
    return text


def _left(path: Path, before: str) -> str:
    """What became of the text; one that was never changed is not kept."""
    with suppress(OSError):
        if path.read_bytes() != before.encode():
            return f"Your text is kept in {path}."
        path.unlink()
    return "The tool is as it was."
