"""A file that a person hands in is that file: no tool puts another in its place."""

import os
import pathlib
import shutil
import tempfile
import threading
import time

import pytest

from toolwright.powers import Grant
from toolwright.sandbox import Ending, InputFile, Job, claims
from toolwright.sandbox.linux import LinuxSandbox
from toolwright.validator.borrowed import standing_in
from toolwright.workspace import Workspace

SECRET = "planted-secret-4713"


@pytest.fixture(scope="module", params=["full", "landlock"])
def box(request):
    made = LinuxSandbox(request.param)
    if made.profile == "none":
        pytest.skip(f"this machine gives no {request.param} box")
    return made


@pytest.fixture
def place():
    """A folder `data` with `in.csv`, which may be written to, and a folder `private`, which may not."""
    top = pathlib.Path(tempfile.mkdtemp(prefix="inputs-", dir=os.path.realpath(tempfile.gettempdir())))
    for folder in (top, top / "data", top / "private"):
        folder.mkdir(exist_ok=True)
        folder.chmod(0o777)
    (top / "data" / "in.csv").write_text("a,b")
    (top / "private" / "key").write_text(SECRET)
    yield top
    shutil.rmtree(top)


def call(box, body, given, **grant):
    source = f"import os\ndef tool():\n    {body}\n"
    ended = box.run(Job(source, "tool", ({},), grant=Grant(**grant), files=given))
    claim = claims.parse(ended.claims[0], 0) if ended.claims else None
    return ended, claim.value if claim is not None and claim.ok else None


def swap(place):
    file = place / "data" / "in.csv"
    return f"os.unlink('{file}'); os.symlink('{place}/private/key', '{file}')"


def test_a_link_that_a_tool_puts_in_its_place_is_not_handed_to_the_next_call(box, place):
    space = Workspace(place / "run", [place / "data" / "in.csv"])
    ended, _ = call(box, swap(place), space.inputs(), writes=(str(place / "data"),))
    assert ended.ending is Ending.EXITED, ended
    assert (place / "data" / "in.csv").is_symlink()
    ended, value = call(box, "return open('in.csv').read()", space.inputs())
    assert (ended.ending, value) == (Ending.DENIED, None)
    assert "in.csv cannot be handed in" in ended.detail
    resumed = Workspace(place / "run", space.given, settled=True)
    assert call(box, "return open('in.csv').read()", resumed.inputs())[1] is None


def test_a_folder_on_the_way_that_a_tool_replaces_is_not_followed_either(box, place):
    (place / "data" / "sub").mkdir(mode=0o777)
    (place / "data" / "sub" / "key").write_text("a,b")
    (place / "data" / "sub").chmod(0o777)
    given = (InputFile("key", place / "data" / "sub" / "key", readonly=True),)
    assert call(box, "return open('key').read()", given)[1] == "a,b"
    sub = place / "data" / "sub"
    body = f"os.rename('{sub}', '{sub}-old'); os.symlink('{place}/private', '{sub}')"
    call(box, body, (), writes=(str(place / "data"),))
    assert sub.is_symlink()
    assert call(box, "return open('key').read()", given)[0].ending is Ending.DENIED


@pytest.mark.long
def test_a_link_that_comes_and_goes_while_the_box_is_built_is_not_read(box, place):
    file, old = place / "data" / "in.csv", place / "data" / "old"
    given = (InputFile("in.csv", file, readonly=True),)
    over = threading.Event()

    def flip():
        while not over.is_set():
            os.rename(file, old)
            os.symlink(place / "private" / "key", file)
            time.sleep(0.003)
            os.unlink(file)
            os.rename(old, file)
            time.sleep(0.003)

    flipping = threading.Thread(target=flip)
    flipping.start()
    try:
        got = [call(box, "return open('in.csv').read()", given)[1] for _ in range(60)]
    finally:
        over.set()
        flipping.join()
    assert set(got) <= {"a,b", None}


def test_a_tool_that_removes_its_own_input_still_gets_its_answer(box, place):
    given = (InputFile("in.csv", place / "data" / "in.csv", readonly=True),)
    body = f"import time; os.unlink('{place}/data/in.csv'); time.sleep(0.3); return 7"
    ended, value = call(box, body, given, writes=(str(place / "data"),))
    assert (ended.ending, value) == (Ending.EXITED, 7)


def test_a_persons_own_link_stands_for_the_file_it_leads_to_at_the_start(box, place):
    (place / "latest").symlink_to("data/in.csv")
    space = Workspace(place / "run", [place / "latest"])
    assert call(box, "return open('latest').read()", space.inputs())[1] == "a,b"
    (place / "latest").unlink()
    resumed = Workspace(place / "run", space.given, settled=True)
    assert resumed.given_names == ("latest",)
    assert call(box, "return open('latest').read()", resumed.inputs())[1] == "a,b"


def test_a_temporary_folder_or_home_behind_a_link_is_no_hindrance(box, place, monkeypatch):
    (place / "way").symlink_to("data")
    monkeypatch.setattr(tempfile, "tempdir", str(place / "way"))
    with standing_in(None, ["missing.csv"]) as files:
        assert call(box, "return open('missing.csv').read()", files.inputs())[1] == ""
    space = Workspace(place / "way" / "run")
    folder = space.collect_into()
    ended = box.run(Job("def tool():\n    open('left', 'w').write('x')\n", "tool", ({},)), collect=folder)
    space.take(ended.files, folder)
    assert call(box, "return open('left').read()", space.inputs())[1] == "x"
