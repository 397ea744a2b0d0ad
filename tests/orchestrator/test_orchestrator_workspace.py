"""The files of a run: handed in, carried from call to call, handed out."""

import hashlib
import os
import shutil
import subprocess

import pytest

from toolwright.call import FileRef
from toolwright.errors import SettingsError
from toolwright.workspace import MAX_FILES, Workspace


def leave(space, **files):
    """What a box does: collect files into the folder it was given, and hand over references."""
    folder = space.collect_into()
    refs = []
    for name, text in files.items():
        path = name.replace("__", "/") + ".txt"
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
        refs.append(FileRef(path, len(text), hashlib.sha256(text.encode()).hexdigest()))
    space.take(tuple(refs), folder)
    return folder


def test_a_file_that_a_call_left_is_there_for_the_next(tmp_path):
    space = Workspace(tmp_path / "run")
    folder = leave(space, a="one", sub__b="two")
    assert [(one.path, one.host_path.read_text(), one.readonly) for one in space.inputs()] == [
        ("a.txt", "one", False),
        ("sub/b.txt", "two", False),
    ]
    assert not folder.exists()
    assert [one.path for one in Workspace(tmp_path / "run").inputs()] == ["a.txt", "sub/b.txt"]


def test_a_later_file_replaces_an_earlier_one_of_its_name(tmp_path):
    space = Workspace(tmp_path / "run")
    leave(space, a="one")
    leave(space, a="two")
    assert [one.host_path.read_text() for one in space.inputs()] == ["two"]


def test_a_folder_and_a_file_of_one_name_follow_each_other(tmp_path):
    space = Workspace(tmp_path / "run")
    folder = space.collect_into()
    (folder / "x").write_text("file")
    space.take((FileRef("x", 4, ""),), folder)
    folder = space.collect_into()
    (folder / "x").mkdir()
    (folder / "x" / "y").write_text("inner")
    space.take((FileRef("x/y", 5, ""),), folder)
    assert space.paths() == ["x/y"]
    folder = space.collect_into()
    (folder / "x").write_text("file again")
    space.take((FileRef("x", 10, ""),), folder)
    assert space.paths() == ["x"]


def test_a_handed_in_file_is_read_only_and_never_replaced(tmp_path):
    (tmp_path / "in.txt").write_text("mine")
    space = Workspace(tmp_path / "run", [tmp_path / "in.txt"])
    folder = space.collect_into()
    (folder / "in.txt").write_text("theirs")
    space.take((FileRef("in.txt", 6, ""),), folder)
    assert [(one.path, one.readonly, one.host_path.read_text()) for one in space.inputs()] == [("in.txt", True, "mine")]
    assert (tmp_path / "in.txt").read_text() == "mine"
    assert space.hand_out(tmp_path / "out") == ()


def test_links_and_ways_out_are_not_taken(tmp_path):
    (tmp_path / "secret").write_text("secret")
    space = Workspace(tmp_path / "run")
    folder = space.collect_into()
    (folder / "link").symlink_to(tmp_path / "secret")
    os.mkfifo(folder / "pipe")
    space.take((FileRef("link", 6, ""), FileRef("pipe", 0, ""), FileRef("../../../secret", 6, "")), folder)
    assert space.paths() == []
    assert (tmp_path / "secret").read_text() == "secret"


def test_files_are_handed_out_and_nothing_is_written_over(tmp_path):
    space = Workspace(tmp_path / "run")
    leave(space, a="new", sub__b="two")
    out = tmp_path / "out"
    out.mkdir()
    (out / "a.txt").write_text("old")
    given = space.hand_out(out)
    assert [one.path for one in given] == [str(out / "a (2).txt"), str(out / "sub" / "b.txt")]
    assert (out / "a.txt").read_text() == "old"
    assert (out / "a (2).txt").read_text() == "new"
    assert given[0].sha256 == hashlib.sha256(b"new").hexdigest()
    assert space.hand_out(out) == given, "handing out again finds its own copies"


def test_a_link_in_the_way_is_not_written_through(tmp_path):
    space = Workspace(tmp_path / "run")
    leave(space, a="new")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.txt").symlink_to(tmp_path / "elsewhere")
    assert space.hand_out(tmp_path / "out")[0].path == str(tmp_path / "out" / "a (2).txt")
    assert not (tmp_path / "elsewhere").exists()


def test_what_is_over_the_cap_is_left_out_and_said(tmp_path):
    space = Workspace(tmp_path / "run")
    folder = space.collect_into()
    refs = [FileRef(f"{number}", 1, "") for number in range(MAX_FILES + 1)]
    for ref in refs:
        (folder / ref.path).write_text("x")
    space.take(tuple(refs), folder)
    assert len(space.paths()) == MAX_FILES
    (said,) = space.left_out
    assert said.startswith(f"{MAX_FILES} was not kept: The limit of {MAX_FILES} files that one run carries was reached")


def test_what_git_would_run_commands_of_is_left_out_and_said(tmp_path):
    space = Workspace(tmp_path / "run")
    names = [".git/config", "a/.GIT/hooks/x", ".git", "sub/HEAD", "sub/config", "git~1/config", ".git ./config"]
    kept = [".gitignore", ".github/ci.yml", "config", "HEAD.txt", "sub/objects/x"]
    leave_as(space, *names[:2], *names[3:], *kept)
    assert space.paths() == sorted(kept)
    assert [line.partition(" was not kept: git runs")[0] for line in space.left_out] == sorted([*names[:2], *names[3:]])
    leave_as(space, ".git", "HEAD")
    assert space.paths() == sorted(kept)


def leave_as(space, *paths):
    """What a box does with files of any name."""
    folder = space.collect_into()
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text("x")
    space.take(tuple(FileRef(path, 1, hashlib.sha256(b"x").hexdigest()) for path in sorted(paths)), folder)


def test_a_folder_with_what_is_kept_is_no_repository(tmp_path):
    """The same by git itself: what a tool left runs nothing, and it would, had it been copied as it was."""
    if shutil.which("git") is None:
        pytest.skip("there is no git")
    ran = tmp_path / "ran"
    config = f'[core]\n\trepositoryformatversion = 0\n\tworktree = .\n\tfsmonitor = "touch {ran}; false"\n'
    texts = {"HEAD": "ref: refs/heads/main\n", "config": config, "objects/x": "x", "refs/x": "x"}
    as_it_was, space = tmp_path / "as-it-was", Workspace(tmp_path / "run")
    landed = space.collect_into()
    for top in (as_it_was, landed):
        for name, text in texts.items():
            (top / name).parent.mkdir(parents=True, exist_ok=True)
            (top / name).write_text(text)
    space.take(tuple(FileRef(name, len(text), "") for name, text in texts.items()), landed)
    space.hand_out(tmp_path / "out")
    subprocess.run(["git", "status"], cwd=tmp_path / "out", capture_output=True)
    assert not ran.exists()
    subprocess.run(["git", "status"], cwd=as_it_was, capture_output=True)
    assert ran.exists()


def test_a_file_that_is_not_there_is_refused_at_once(tmp_path):
    with pytest.raises(SettingsError, match="no such file"):
        Workspace(tmp_path / "run", [tmp_path / "nothing.csv"])
    (tmp_path / "x").mkdir()
    for folder in (tmp_path, tmp_path / "x"):
        (folder / "same.csv").write_text("")
    with pytest.raises(SettingsError, match="two files of the name"):
        Workspace(tmp_path / "run", [tmp_path / "same.csv", tmp_path / "x" / "same.csv"])


def test_what_a_kill_left_of_a_call_goes_with_the_next_one_or_the_end(tmp_path):
    for end in (lambda space: space.begin("2/0"), lambda space: space.hand_out(tmp_path / "out")):
        folder = Workspace(tmp_path / "run").collect_into()
        (folder / "half.txt").write_text("hal")
        space = Workspace(tmp_path / "run")
        end(space)
        assert not folder.exists()
        leave(space, a="one")
        assert space.paths() == ["a.txt"]
