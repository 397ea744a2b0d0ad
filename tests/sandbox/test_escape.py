"""The escape suite: each attack is held by the box, whoever keeps it, and succeeds without a wall; the suite can fail."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from toolwright.escape import campaign
from toolwright.escape.attack import Family, got_secret, says
from toolwright.escape.campaign import Verdict
from toolwright.escape.families import every_attack
from toolwright.escape.nowall import NoWall
from toolwright.escape.suite import test_the_box_holds  # noqa: F401 - run here; without a wall in the long matrix
from toolwright.powers import Grant
from toolwright.sandbox import Ending, Exit
from toolwright.sandbox.linux import LinuxSandbox

pytestmark = pytest.mark.xdist_group("escape")

SOURCES = pathlib.Path(__file__).parent.parent.parent / "src"
SYSTEM_PYTHON = "/usr/bin/python3"
NOBODY = 65534
BELOW_ROOT = os.path.realpath(sys.executable).startswith("/root/")
NOT_BELOW = pytest.mark.skip("the interpreter that runs the tests does not lie below /root, and no other is looked for")
KEEPERS = [
    pytest.param(None, sys.executable, id="this user, this interpreter"),
    *([] if BELOW_ROOT else [pytest.param(None, "", id="root, an interpreter below /root", marks=NOT_BELOW)]),
    pytest.param(None, SYSTEM_PYTHON, id="this user, the system's interpreter"),
    pytest.param(NOBODY, SYSTEM_PYTHON, id="an ordinary user, the system's interpreter"),
]
attack = Family("samples")


def test_there_are_many_distinct_attacks():
    attacks = every_attack()
    assert len(attacks) >= 120
    assert len({one.family for one in attacks}) >= 12
    assert len({one.source + one.before + one.beside + one.after for one in attacks}) == len(attacks)
    assert all(one.gain for one in attacks)


@pytest.mark.long
def test_a_box_that_does_not_hold_is_found_out(monkeypatch):
    quick = [one for one in every_attack() if one.family in ("secrets", "files", "processes") and not one.stage]
    with campaign.Campaign({"box": in_no_wall}) as started:
        found = {one.attack.name: one.verdict for one in started.all(quick)}
    assert {name: verdict for name, verdict in found.items() if verdict is not Verdict.ESCAPED} == {
        one.name: Verdict.HELD for one in quick if one.kernel and found[one.name] is Verdict.HELD
    }


def in_no_wall(tried):
    with NoWall(tried.bare_s) as box:
        return campaign.walled(box, tried)


@pytest.fixture(scope="module")
def box():
    made = LinuxSandbox()
    yield made
    made.close()


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ("return look(it['secret'])", "NameError"),
        ("return loot(lambda: look(it['secret']))", "NameError"),
        ("return (", "did not load"),
    ],
)
def test_an_attack_that_could_not_try_proves_nothing(box, body, why):
    broken = attack("broken", body, got_secret, gain="nothing")
    in_box, bare = campaign.walled(box, broken), campaign.bare(broken)
    assert (in_box.verdict, bare.verdict) == (Verdict.BROKEN, Verdict.BROKEN)
    assert why in in_box.detail


def test_an_attack_that_fails_without_a_wall_proves_nothing():
    assert campaign.bare(attack("tame", "return 1", got_secret, gain="nothing")).verdict is Verdict.BROKEN


def test_an_attack_that_the_kernel_refuses_is_counted_apart():
    refused = attack("refused", "return loot(lambda: syscall(100000))", says("went"), gain="x", kernel="everybody")
    assert campaign.bare(refused).verdict is Verdict.REFUSED


@pytest.mark.parametrize(("why_not", "says"), [("", "denied: nothing runs here"), ("no wall to be had", "no wall to")])
def test_a_box_that_runs_nothing_does_not_pass(why_not, says):
    found = campaign.walled(Closed(why_not), attack("closed", "return 1", got_secret, gain="x"))
    assert found.verdict is Verdict.BROKEN
    assert says in found.detail


@pytest.mark.parametrize("why_not", ["not that", ""])
def test_a_box_that_refuses_a_grant_is_not_held_against_it(why_not):
    granted = attack("granted", "return 1", got_secret, gain="x", grant=lambda world: Grant(reads=("/srv",)))
    assert campaign.walled(Closed(why_not), granted).verdict is Verdict.NOT_HELD


def test_a_box_that_raises_does_not_hide_what_came_of_other_attacks():
    found = campaign.walled(None, attack("raising", "return 1", got_secret, gain="x"))
    assert (found.verdict, "AttributeError" in found.detail) == (Verdict.BROKEN, True)


class Closed:
    """A box whose guests never start."""

    def __init__(self, why_not):
        self._why_not = why_not

    def why_not(self, grant):
        return self._why_not

    def run(self, job, *, collect=None, cancel=None):
        return Exit(Ending.DENIED, "nothing runs here")


def test_a_guest_beside_an_attack_is_there_from_before_its_start_to_after_its_end(box):
    both = attack("both", "return [time.monotonic(), 1]", says("never"), gain="x", beside="return stay(it, 'there')")
    assert campaign.walled(box, both).verdict is Verdict.HELD
    gone = attack("gone", "return 1", says("never"), gain="x", beside="return 1")
    assert campaign.walled(box, gone).verdict is Verdict.BROKEN


def test_anybody_can_run_the_suite_against_a_box_of_their_own(tmp_path):
    (tmp_path / "my_box.py").write_text("from toolwright.escape.nowall import NoWall as MyBox\n")
    words = ["-p", "toolwright.escape.plugin", "--pyargs", "toolwright.escape.suite", "--box=my_box:MyBox"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *words, "-q", "-p", "no:cacheprovider", "-k", "everybody"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stdout
    assert "1 failed, 1 passed" in done.stdout
    assert "would have gained: reads a file of the host" in done.stdout
    assert re.search(r"1 attacks? in 1 famil\w+, 0 held by the box, 1 shown to succeed .* 1 ESCAPED\.", done.stdout)


@pytest.mark.parametrize("address", ["my_box", ":Box", "my_box:"])
def test_an_address_that_is_none_says_what_one_looks_like(address):
    from toolwright.escape.boxes import make_box

    with pytest.raises(ValueError, match=re.escape(f"{address!r} must be module:factory")):
        make_box(address, "")


@pytest.mark.long
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("profile", ["full", "landlock"])
@pytest.mark.parametrize(("user", "interpreter"), KEEPERS)
def test_all_attacks_are_held_whoever_keeps_the_box(user, interpreter, profile, open_copy):
    if user is not None and os.geteuid() != 0:
        pytest.skip("only root can become another user")
    if not os.path.exists(interpreter):
        pytest.skip(f"there is no {interpreter}")
    bare = ["--bare"] if profile == "full" else []  # without a wall there are no profiles
    done = subprocess.run(
        [interpreter, "-B", "-m", "toolwright.escape", "--json", "--profile", profile, *bare],
        env={"PYTHONPATH": str(open_copy), "PATH": "/usr/bin:/bin"},
        cwd="/",
        user=user,
        group=user,
        extra_groups=[] if user is not None else None,
        capture_output=True,
        text=True,
    )
    *lines, counted = [json.loads(line) for line in done.stdout.splitlines()] or [done.stderr]
    assert [line for line in lines if line[2] in (Verdict.ESCAPED, Verdict.BROKEN)] == []
    assert len(lines) == len(every_attack()) * (1 + len(bare)), done.stderr
    assert done.returncode == 0, done.stderr
    print(f"{profile}, {'root' if os.geteuid() == 0 and user is None else 'an ordinary user'}: {counted}")


@pytest.fixture(scope="module")
def open_copy():
    """The sources where every user can read them."""
    folder = pathlib.Path("/tmp") / f"toolwright-open-copy-{os.getpid()}"
    shutil.copytree(SOURCES, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    yield folder
    shutil.rmtree(folder)
