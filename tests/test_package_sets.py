"""Built sets of packages go when nobody needs, holds or used them for long, and never under somebody's hands."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from toolwright import Toolwright
from toolwright.sandbox.packages import Environments, _key
from toolwright.sandbox.packagesets import DAY_S, package_sets, sweep

ONE, TWO = (f"{name}==1.0 --hash=sha256:{'0' * 64}" for name in ("one", "two"))


def built(cache: Path, *lines: str, days: float = 40) -> Path:
    """A set as it stands when it was built, so many days ago."""
    home = cache / _key(tuple(sorted(lines)))
    (home / "site-packages").mkdir(parents=True)
    (home / "site-packages" / "one.py").write_text("x = 1\n")
    (home / "requirements.txt").write_text("".join(line + "\n" for line in lines))
    for folder in (home / "site-packages", home):
        os.chmod(folder, 0o555)
    aged(home, days)
    return home


def aged(path: Path, days: float) -> None:
    past = time.time() - days * DAY_S
    os.utime(path, (past, past))
    if (mark := path.with_name(path.name + ".used")).exists():
        os.utime(mark, (past, past))


def test_a_set_goes_that_nobody_needs_holds_or_used_for_long(tmp_path):
    old, new, needed = built(tmp_path, ONE), built(tmp_path, TWO, days=3), built(tmp_path, ONE, TWO)
    sets = Environments(tmp_path, needed=lambda: [(TWO, ONE)])
    assert [one.packages for one in sets.collect(30)] == [("one==1.0",)]
    assert [folder.exists() for folder in (old, new, needed)] == [False, True, True]
    assert [one.key for one in sets.sets()] == [needed.name, new.name]
    assert sets.collect(2)[0].size > 0
    assert sets.collect(0) == []
    assert Environments(tmp_path).collect(0)[0].key == needed.name, "without a shelf nothing is needed"


def test_a_set_stays_while_somebody_holds_it_and_counts_as_used_by_that(tmp_path):
    home = built(tmp_path, ONE)
    holder, other = Environments(tmp_path), Environments(tmp_path)
    assert holder.path([ONE]) == home / "site-packages"
    assert other.collect(30) == [], "it was used just now"
    aged(home, 40)
    assert other.collect(0) == [], "it is in use"
    holder.close()
    aged(home, 40)
    assert [one.key for one in other.collect(30)] == [home.name]


USER = """
import sys
from pathlib import Path
from toolwright.sandbox.packages import Environments
sets = Environments(Path(sys.argv[1]))
print(sets.path(sys.argv[2:]), flush=True)
sys.stdin.read()
"""


def test_a_set_that_another_process_uses_stays_until_that_ends_even_by_a_kill(tmp_path):
    home = built(tmp_path, ONE)
    process = subprocess.Popen(
        [sys.executable, "-c", USER, str(tmp_path), ONE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline().strip() == str(home / "site-packages")
    aged(home, 40)
    sets = Environments(tmp_path)
    assert sets.collect(0) == []
    process.kill()
    process.wait()
    assert [one.key for one in sets.collect(0)] == [home.name]


def test_building_a_set_removes_old_ones_and_says_so(tmp_path, monkeypatch):
    old = built(tmp_path, ONE)
    heard: list[str] = []
    sets = Environments(tmp_path, on_progress=heard.append, unused_days=30, needed=list)
    monkeypatch.setattr(Environments, "_build", lambda self, building, lines, cancel, held: building.mkdir())
    sets.path([TWO])
    assert not old.exists()
    assert any("removed 1 sets of packages unused for 30 days" in one for one in heard)


def test_where_nobody_can_say_what_is_needed_nothing_goes(tmp_path):
    built(tmp_path, ONE)

    def unreadable():
        raise OSError("the shelf cannot be read")

    with pytest.raises(Exception, match="shelf cannot be read"):
        Environments(tmp_path, needed=unreadable).collect(0)
    assert len(package_sets(tmp_path)) == 1


def test_what_a_killed_collector_left_is_swept(tmp_path):
    home = built(tmp_path, ONE)
    home.rename(tmp_path / f"{home.name}.old")
    sweep(tmp_path)
    assert package_sets(tmp_path) == []
    assert not (tmp_path / f"{home.name}.old").exists()


def test_the_home_prunes_its_own_by_its_setting(tmp_path):
    built(tmp_path / "home" / "environments", ONE)
    (tmp_path / "home" / "config.toml").write_text("packages_days = 50\n")
    with Toolwright(home=tmp_path / "home") as tw:
        assert tw.prune_packages() == []
        assert tw.registry.locks() == []
        assert [one.packages for one in tw.prune_packages(unused_days=30)] == [("one==1.0",)]
