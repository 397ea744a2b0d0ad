"""Every attack is contained in both profiles, whoever keeps the box, with whichever interpreter; bare, it succeeds."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest
from attack_matrix import boxed, verdict
from attack_world import World
from attacks import ATTACKS

from toolwright.sandbox.linux import LinuxSandbox

HERE = pathlib.Path(__file__).parent
SOURCES = HERE.parent.parent / "src"
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
BY_NAME = [attack for attack in ATTACKS if attack.demands]


@pytest.fixture(scope="module")
def world():
    with World() as planted:
        yield planted


@pytest.fixture(scope="module", params=["full", "landlock"])
def box(request):
    made = LinuxSandbox(request.param)
    if made.profile == "none":
        pytest.skip(f"this machine gives no {request.param} box: {made.why_not_at_all}")
    return made


@pytest.mark.xdist_group("attacks")
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_is_contained(attack, box, world):
    assert verdict(attack, boxed(box, world, attack)) == ""


@pytest.mark.xdist_group("attacks")
@pytest.mark.parametrize("attack", BY_NAME, ids=lambda attack: attack.name)
def test_the_same_attack_succeeds_without_the_wall(attack, world):
    seen = world.bare(attack, sys.executable)
    assert attack.proof(seen), seen


@pytest.mark.long
@pytest.mark.parametrize("attack", [one for one in ATTACKS if not one.demands], ids=lambda attack: attack.name)
def test_the_other_attacks_succeed_without_the_wall(attack, world):
    if not attack.without_wall:
        pytest.skip("nothing to show: it needs what a bare process here does not have")
    seen = world.bare(attack, sys.executable)
    assert attack.proof(seen), seen


@pytest.mark.long
@pytest.mark.parametrize("profile", ["full", "landlock"])
@pytest.mark.parametrize(("user", "interpreter"), KEEPERS)
def test_all_attacks_are_contained_whoever_keeps_the_box(user, interpreter, profile, open_copy):
    if user is not None and os.geteuid() != 0:
        pytest.skip("only root can become another user")
    if not os.path.exists(interpreter):
        pytest.skip(f"there is no {interpreter}")
    done = subprocess.run(
        [interpreter, "-B", str(open_copy / "sandbox" / "attack_matrix.py"), profile],
        env={"PYTHONPATH": f"{open_copy / 'src'}:{open_copy / 'sandbox'}", "PATH": "/usr/bin:/bin"},
        cwd="/",
        user=user,
        group=user,
        extra_groups=[] if user is not None else None,
        capture_output=True,
        text=True,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) == len(ATTACKS), done.stderr
    assert [line for line in lines if line[1]] == []


@pytest.fixture(scope="module")
def open_copy():
    """The sources where every user can read them."""
    folder = pathlib.Path("/tmp") / f"toolwright-open-copy-{os.getpid()}"
    shutil.copytree(SOURCES, folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(HERE, folder / "sandbox", ignore=shutil.ignore_patterns("__pycache__"))
    for path in [folder, *folder.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
    yield folder
    shutil.rmtree(folder)
