"""Long output on a terminal goes through a pager; nothing else does."""

import shutil

import pytest
import shelf_stock
from shop import Terminal, toolwright

from toolwright import Toolwright

LONG = (
    'def long_one(n: int) -> int:\n    """Give it back."""\n'
    + "".join(f"    # line {i}\n" for i in range(90))
    + "    return n\n"
)


@pytest.fixture(scope="module")
def _with_a_long_one(tmp_path_factory):
    home = tmp_path_factory.mktemp("long-shelf")
    with Toolwright(home=home) as tw:
        shelf_stock.by_agent(tw, "long_one", LONG)
    return home


@pytest.fixture
def long_home(_with_a_long_one, tmp_path):
    shutil.copytree(_with_a_long_one, tmp_path / "home")
    return tmp_path / "home"


def pager(home, script="cat > seen.txt; echo PAGED"):
    """A pager that notes what it was given."""
    path = home / "pager.sh"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return f"{path} --some 'argument with spaces'"


def test_what_is_longer_than_the_screen_goes_through_the_pager_with_its_colours(long_home):
    terminal = Terminal(long_home, "show", "long_one", "--home", str(long_home), PAGER=pager(long_home))
    code, screen = terminal.end()
    assert (code, screen.strip()) == (0, "PAGED")
    seen = (long_home / "seen.txt").read_text()
    assert "# line 89" in seen
    assert "\x1b[" in seen


def test_a_short_page_a_pipe_and_no_pager_are_never_paged(long_home):
    at = ["--home", str(long_home)]
    own = {"PAGER": pager(long_home)}
    for words in (["tools", *at], ["show", "long_one", "--no-pager", *at]):
        code, screen = Terminal(long_home, *words, **own).end()
        assert (code, "PAGED" in screen, "long_one" in screen) == (0, False, True)
    assert "# line 89" in toolwright(long_home, "show", "long_one", *at, **own).stdout
    assert not (long_home / "seen.txt").exists()


def test_a_reader_that_quits_early_is_no_error(long_home):
    with Toolwright(home=long_home) as tw:  # more than a pipe holds
        tw.edit("long_one", LONG + "\n".join(f"# {'x' * 900}" for _ in range(90)) + "\n")
    code, screen = Terminal(long_home, "show", "long_one", "--home", str(long_home), PAGER="head -n 1").end()
    assert code == 0
    assert "line 89" not in screen


@pytest.mark.parametrize(
    ("said", "words"),
    [("nonesuch-pager", "'nonesuch-pager' cannot be started"), ("less 'x", "cannot be read"), ("cat", "")],
)
def test_without_a_pager_that_works_everything_is_printed(long_home, said, words):
    code, screen = Terminal(long_home, "show", "long_one", "--home", str(long_home), PAGER=said).end()
    assert code == 0
    assert "# line 89" in screen
    assert words in screen


def test_a_terminal_that_can_nothing_is_not_paged(long_home):
    code, screen = Terminal(long_home, "show", "long_one", "--home", str(long_home), PAGER="true", TERM="dumb").end()
    assert code == 0
    assert "# line 89" in screen


def test_ctrl_c_in_the_pager_is_the_pagers(long_home):
    script = "trap 'echo HEARD; exit 0' INT; cat > seen.txt; echo READY; while :; do sleep 0.05; done"
    terminal = Terminal(long_home, "show", "long_one", "--home", str(long_home), PAGER=pager(long_home, script))
    terminal.wait_for("READY")
    terminal.send("\x03")
    terminal.wait_for("HEARD")
    code, screen = terminal.end()
    assert code == 0
    assert "stopped" not in screen
