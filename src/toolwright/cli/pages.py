"""Lines or Rich renderables go in; they are printed, through a pager where a terminal's screen cannot hold them."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TypeVar

import click

from toolwright.cli.look import err, out, safe

if TYPE_CHECKING:
    from rich.console import RenderableType

Command = TypeVar("Command", bound=Callable[..., Any])

_NO_PAGER = ("", "cat")
_LESS = "FRX"
"""Quit if it fits, pass colours, leave the text on the screen: what `less` does unless `$LESS` says otherwise."""


def pager_option(command: Command) -> Command:
    """`--no-pager`; the keyword `pager` is what `paged` takes."""
    option = click.option("--no-pager", "pager", is_flag=True, flag_value=False, default=True, help="Never page.")
    return option(command)


def paged(*shown: RenderableType, pager: bool = True) -> None:
    """Print each of *shown* on standard output: text as it stands (made `safe` by the caller), renderables by Rich.

    What is longer than the screen goes through `$PAGER` (else `less`, else `more`), only on a terminal and only where
    *pager* is True. A reader that quits early is no error.
    """
    console = out()
    if not (pager and console.is_terminal and sys.stdin.isatty()) or console.is_dumb_terminal:
        for one in shown:
            console.print(one, markup=False)
        return
    with console.capture() as captured:
        for one in shown:
            console.print(one, markup=False)
    text = captured.get()
    command = _pager() if text.count("\n") >= console.height else []
    if not command or not _through(command, text):
        sys.stdout.write(text)
        sys.stdout.flush()


def _pager() -> list[str]:
    """The pager's words; none where there is none or nobody wants one."""
    said = os.environ.get("PAGER")
    if said is None:
        found = next(filter(None, map(shutil.which, ("less", "more"))), None)
        return [found] if found else []
    if said.strip() in _NO_PAGER:
        return []
    try:
        return shlex.split(said)
    except ValueError as error:
        err().print(f"$PAGER {safe(said)!r} cannot be read: {error}.", style="yellow", markup=False)
        return []


def _through(command: list[str], text: str) -> bool:
    """Whether *command* showed *text*; it is told why not."""
    environment = {**os.environ, "LESS": os.environ.get("LESS", _LESS), "LV": os.environ.get("LV", "-c")}
    try:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, env=environment)
    except OSError as error:
        why = f"The pager {safe(command[0])!r} cannot be started: {error.strerror}. Set $PAGER, or say --no-pager."
        err().print(why, style="yellow", markup=False)
        return False
    try:
        with keyboard_left_to_child():
            assert process.stdin is not None
            with suppress(BrokenPipeError):  # the reader quit: it has seen enough
                process.stdin.write(text.encode("utf-8", "backslashreplace"))
            with suppress(BrokenPipeError):
                process.stdin.close()
            process.wait()
    except KeyboardInterrupt:  # SIGTERM and SIGHUP come as this, too
        process.terminate()
        process.wait()
        raise
    return True


@contextmanager
def keyboard_left_to_child() -> Iterator[None]:
    """Within, Ctrl-C is for the program that has the terminal (a pager, an editor) and not for us."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
