"""Raw TCP and other programs once more, kept by an ordinary user: namespaces and limits count otherwise for root."""

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).parent
SOURCES = HERE.parent.parent / "src"
FILES = ("test_tcp_grant.py", "test_subprocess_grant.py")
NOBODY = 65534
PYTHON = f"/usr/bin/python3.{sys.version_info.minor}"
"""One of this very version, that everybody may start: it borrows the packages of the one that runs this."""


@pytest.mark.long
@pytest.mark.parametrize("name", FILES)
def test_an_ordinary_user_keeps_the_same_boxes(name, lent_packages):
    if os.geteuid() != 0:
        pytest.skip("it is an ordinary user who runs these tests already")
    if not os.path.exists(PYTHON):
        pytest.skip(f"there is no {PYTHON}")
    folder = pathlib.Path("/tmp") / f"toolwright-ordinary-{os.getpid()}"
    try:
        shutil.copytree(SOURCES, folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
        (folder / "tests").mkdir()
        shutil.copy(HERE / name, folder / "tests")
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)
        done = subprocess.run(
            [PYTHON, "-B", "-m", "pytest", "-q", "-c", "/dev/null", "-p", "no:cacheprovider", "-p", "no:xdist",
             "--rootdir", str(folder), "--basetemp", f"{folder}-temp", f"{folder}/tests/{name}"],
            env={"PYTHONPATH": f"{folder / 'src'}:{lent_packages}", "PATH": "/usr/bin:/bin"},
            cwd="/",
            user=NOBODY,
            group=NOBODY,
            extra_groups=[],
            capture_output=True,
            text=True,
        )  # fmt: skip
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(f"{folder}-temp", ignore_errors=True)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
    assert " passed" in done.stdout
