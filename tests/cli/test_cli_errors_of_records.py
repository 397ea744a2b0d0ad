"""Commands that read and change the record say of a wrong value what it is and what to write, and never break down."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time

import pytest
from shop import TOOLWRIGHT, environ, toolwright

from people.people_stage import Office

HUGE = "9" * 23
NOBODY = "20260101-000000-abcdef"


@pytest.fixture(scope="module")
def waiting(tmp_path_factory):
    """A home with a run that waits for the answer to question 1, a yes that stands (1), and a tool `add`."""
    home = tmp_path_factory.mktemp("waiting")
    with Office(home) as office:
        office.paused()
        office.says("grants", "add", "--host", "api.example.com")
        (home / "add.py").write_text(
            'def add(a: int) -> int:\n    """Add one.\n\n    >>> add(1)\n    2\n    """\n    return a + 1\n'
        )
        office.says("import", str(home / "add.py"))
    return home


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (f"approvals show {HUGE}", 2, f"No question has the number {HUGE}; `toolwright approvals --all` lists them."),
        ("approvals 1", 2, "Did you mean `toolwright approvals show 1`?"),
        ("audit --run nothing", 2, "'nothing' is not the id of a run; `toolwright runs` lists them."),
        ("audit --run 1999", 2, "No run has an id '1999'; `toolwright runs` lists them."),
        ("audit export --since yesterday", 2, "--since 'yesterday' is no day; write 2026-11-30, today, or 7d"),
        ("audit export --since 0001-01-01", 2, "--since '0001-01-01' is no day"),
        ("costs --since 2026-02-31", 2, "--since '2026-02-31' is no day; write 2026-11-30, today, or 7d"),
        ("costs --since today --until 2020-01-01", 2, "--until '2020-01-01' lies before --since 'today'"),
        ("runs delete --before tomorrow --yes", 2, "--before 'tomorrow' is no day; write 2026-11-30, today, or 7d"),
        ("runs delete --before 0001-01-01 --yes", 2, "--before '0001-01-01' is no day"),
        ("runs delete last", 2, "waits for a person's answer. `toolwright approvals` shows the question; --force"),
        ("policy explain add@7", 2, "add@7 is not there; add has the versions 1."),
        ("policy explain nobody@7", 2, "nobody@7 is not there; `toolwright tools` lists what there is."),
    ],
)
def test_a_wrong_value_is_named_with_what_to_write_instead(waiting, words, code, says):
    done = toolwright(waiting, *words.split(), "--home", str(waiting), code=code)
    assert says in " ".join(done.stderr.split())
    assert done.stdout == ""


@pytest.mark.parametrize("words", ["audit --limit", "runs --limit", "runs --limit 1 --offset"])
def test_more_than_there_can_be_is_all_that_there_is(waiting, words):
    toolwright(waiting, *words.split(), HUGE, "--home", str(waiting))


def test_a_run_is_named_to_the_audit_as_to_the_other_commands(waiting):
    def lines(run):
        done = toolwright(waiting, "audit", "--run", run, "--json", "--home", str(waiting))
        return {(one["what"], one["run_id"]) for one in json.loads(done.stdout)["lines"]}

    assert lines("last") == lines(lines("last").pop()[1][:12]) > set()
    assert ("asked", lines("last").pop()[1]) in lines("last")
    assert lines(NOBODY) == set(), "a run that was deleted has its lines still, so a whole id is taken as it is"


def test_the_days_of_the_three_commands_are_said_in_one_way(waiting):
    for words in ("costs --since 7d", "audit export --since today", "runs delete --yes --before 1d"):
        toolwright(waiting, *words.split(), "--home", str(waiting))


# ── where it goes ───────────────────────────────────────────────────────────────────────────────────────────────────

PRINTS = ["approvals", "grants", "costs", "audit", "audit export", "runs", "runs show last", "policy explain add"]


def ran(home, words, how):
    """The command at the end of a line of the shell."""
    line = f'{" ".join(TOOLWRIGHT)} {words} --home "{home}" {how}'
    return subprocess.run(["bash", "-c", line], capture_output=True, text=True, env=environ(home), timeout=60)


@pytest.mark.parametrize("words", [PRINTS[0], *(pytest.param(one, marks=pytest.mark.long) for one in PRINTS[1:])])
def test_a_place_that_takes_no_more_is_said_in_a_line(waiting, words):
    full = ran(waiting, words, "> /dev/full")
    assert (full.returncode, full.stderr) == (
        7,
        "toolwright: What it prints could not be written (No space left on device). Name another place for its output.\n",
    )
    closed = ran(waiting, words, ">&-")
    assert (closed.returncode, closed.stderr) == (0, "")
    left = ran(waiting, words, "| true; exit ${PIPESTATUS[0]}")
    assert left.returncode in (0, 1)
    assert left.stderr == ""


# ── a home that may only be read ────────────────────────────────────────────────────────────────────────────────────

READ_ONLY = {"runs delete last --force": 2, "grants add --host a.example": 2, "approvals reject 1": 2}


@pytest.mark.long
@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a read-only file system needs root")
def test_a_home_that_may_only_be_read_is_shown_and_its_record_is_not_changed(waiting, tmp_path):
    home = tmp_path / "home"
    shutil.copytree(waiting, home)
    lines = "; ".join(
        f'{" ".join(TOOLWRIGHT)} {words} --home "{home}" 2>&1; echo "ended {number} $?"'
        for number, words in enumerate([*READ_ONLY, *PRINTS])
    )
    command = f'mount --bind "{home}" "{home}" && mount -o remount,ro,bind "{home}" && ({lines})'
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", command], capture_output=True, text=True, env=environ(tmp_path), timeout=120
    )
    if "mount" in done.stderr or "unshare" in done.stderr:
        pytest.skip(f"this machine does not let root mount: {done.stderr.strip()}")
    assert "Traceback" not in done.stdout
    ended = [int(line.split()[2]) for line in done.stdout.splitlines() if line.startswith("ended ")]
    assert ended == [*READ_ONLY.values(), *[0] * len(PRINTS)], done.stdout
    assert done.stdout.count("cannot be written (") == done.stdout.count("--home DIR or $TOOLWRIGHT_HOME") == 3


@pytest.mark.long
def test_a_question_whose_time_is_over_is_a_no_there_too(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    with Office(home) as office:
        office.run("Look at the page.", "--pause", TOOLWRIGHT_APPROVALS_TIMEOUT_S="0.1")
    time.sleep(0.2)
    command = f'mount --bind "{home}" "{home}" && mount -o remount,ro,bind "{home}" && exec "$@"'
    words = [*TOOLWRIGHT, "approvals", "--all", "--json", "--home", str(home)]
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", command, "sh", *words],
        capture_output=True,
        text=True,
        env=environ(home),
        timeout=60,
    )
    if os.geteuid() != 0 or "mount" in done.stderr or "unshare" in done.stderr:
        pytest.skip(f"this machine does not let us mount: {done.stderr.strip()}")
    (question,) = json.loads(done.stdout)["questions"]
    assert (question["state"], question["answer"]["who"]) == ("timed-out", "nobody")
