"""A grant is a place: no link that a tool leaves, no detour in its spelling, and no code of the host is part of it."""

import contextlib
import os
import pathlib
import shutil
import sysconfig
import tempfile
import threading
import time

import pytest

import toolwright
from toolwright.powers import Grant, Limits
from toolwright.sandbox import Ending, Job, claims, plan
from toolwright.sandbox.linux import LinuxSandbox

SECRET = "planted-secret-4712"


@pytest.fixture(scope="module", params=["full", "landlock"])
def box(request):
    made = LinuxSandbox(request.param)
    if made.profile == "none":
        pytest.skip(f"this machine gives no {request.param} box")
    return made


@pytest.fixture
def place():
    """A folder `data` that is granted, with `data/sub` in it, and a folder `private` that is not."""
    top = pathlib.Path(tempfile.mkdtemp(prefix="grants-", dir=os.path.realpath(tempfile.gettempdir())))
    for folder in (top, top / "data", top / "data" / "sub", top / "private"):
        folder.mkdir(exist_ok=True)
        folder.chmod(0o777)  # also for a guest with an id of its own that no mount maps to ours
    (top / "data" / "sub" / "key").write_text("harmless")
    (top / "private" / "key").write_text(SECRET)
    yield top
    shutil.rmtree(top)


def call(box, body, **grant):
    ended = box.run(Job(f"import os\ndef tool():\n    {body}\n", "tool", ({},), grant=Grant(**grant)))
    claim = claims.parse(ended.claims[0], 0) if ended.claims else None
    return ended, claim.value if claim is not None and claim.ok else None


def swap(place):
    """What one tool does to a folder that another has been granted: put a link in its place."""
    data = place / "data"
    return f"os.rename('{data}/sub', '{data}/old'); os.symlink('{place}/private', '{data}/sub')"


def test_a_link_that_one_tool_left_opens_nothing_to_another_that_reads_there(box, place):
    call(box, swap(place), writes=(str(place / "data"),))
    assert (place / "data" / "sub").is_symlink()
    ended, value = call(box, f"return open('{place}/data/sub/key').read()", reads=(str(place / "data" / "sub"),))
    assert (ended.ending, value) == (Ending.DENIED, None)
    assert "its own path" in ended.detail


def test_a_link_that_one_tool_left_leads_no_other_tool_to_write_outside(box, place):
    call(box, swap(place), writes=(str(place / "data"),))
    ended, _ = call(box, f"open('{place}/data/sub/new', 'w').write('x')", writes=(str(place / "data" / "sub"),))
    assert ended.ending is Ending.DENIED
    assert os.listdir(place / "private") == ["key"]


def test_a_tool_does_not_widen_its_own_grant_with_a_link(box, place):
    grant = {"writes": (str(place / "data"),), "reads": (str(place / "data" / "sub"),)}
    call(box, swap(place), **grant)
    _, value = call(box, f"return open('{place}/data/sub/key').read()", **grant)
    assert value is None


@pytest.mark.long
def test_a_link_that_comes_and_goes_while_the_box_is_built_opens_nothing(box, place):
    sub, old = place / "data" / "sub", place / "data" / "old"
    over = threading.Event()

    def flip():
        while not over.is_set():
            os.rename(sub, old)
            os.symlink(place / "private", sub)
            time.sleep(0.003)
            os.unlink(sub)
            os.rename(old, sub)
            time.sleep(0.003)

    flipping = threading.Thread(target=flip)
    flipping.start()
    try:
        got = [call(box, f"return open('{sub}/key').read()", reads=(str(sub),))[1] for _ in range(60)]
    finally:
        over.set()
        flipping.join()
    assert set(got) <= {"harmless", None}


def test_a_link_inside_a_granted_folder_leads_nowhere(box, place):
    os.symlink(place / "private" / "key", place / "data" / "link")
    os.symlink("../private", place / "data" / "folder")
    (place / "private" / "key").chmod(0o666)
    body = (
        "found = []\n    for path in ('link', 'folder/key', '../private/key'):\n        try:\n"
        f"            found.append(open('{place}/data/' + path).read())\n        except OSError:\n            pass\n"
        f"        try:\n            open('{place}/data/' + path, 'w').write('x')\n        except OSError:\n"
        "            pass\n    return [one for one in found if one != 'x']"
    )
    _, value = call(box, body, writes=(str(place / "data"),))
    assert value == []
    assert (place / "private" / "key").read_text() == SECRET


def test_a_grant_has_at_most_64_folders_of_whatever_kind(box, place):
    paths = tuple(str(place / str(number)) for number in range(64))
    for path in paths:
        os.mkdir(path)
    _, value = call(box, f"return sum(map(os.path.isdir, {paths}))", reads=paths[:32], writes=paths[32:])
    assert value == 64
    more = str(place / "data")
    for reads, writes, empty in ((paths, (more,), ()), ((more,), paths, ()), (paths[:32], paths[32:], ("/srv/none",))):
        grant = Grant(reads=reads, writes=writes)
        ended = box.run(Job("def tool():\n    return 1\n", "tool", ({},), grant=grant, empty_folders=empty))
        assert (ended.ending, ended.claims) == (Ending.DENIED, ())
        assert "65 folders cannot be granted to one tool; at most 64 can" in ended.detail


@pytest.mark.parametrize("path", ["/./proc", "/.", "/proc/.", "/./sys", "/./dev/shm"])
def test_a_detour_leads_to_nothing_that_is_refused_by_its_plain_name(box, path):
    with contextlib.suppress(ValueError):
        ended, _ = call(box, "return 1", reads=(path,))
        assert ended.ending is Ending.DENIED


def test_no_grant_lets_a_tool_change_the_code_outside_of_its_box(box):
    code = pathlib.Path(toolwright.__file__).parent
    inside = pathlib.Path(sysconfig.get_paths()["purelib"])
    for path in (code, code / "sandbox", code.parent, inside, pathlib.Path(os.path.realpath(os.__file__)).parent):
        ended, _ = call(box, "return 1", writes=(os.path.realpath(path),))
        assert (ended.ending, "for writing" in ended.detail) == (Ending.DENIED, True), path


def test_set_id_bits_pipes_devices_and_links_out_of_a_read_grant_cannot_be_made(box, place):
    readable, writable = place / "data" / "sub", place / "private"
    body = f"""
    import stat
    made = []
    def attempt(name, act):
        try:
            act()
            made.append(name)
        except OSError:
            pass
    attempt('suid', lambda: os.close(os.open('{writable}/suid', os.O_CREAT | os.O_WRONLY, 0o4755)))
    attempt('pipe', lambda: os.mkfifo('{writable}/pipe'))
    attempt('device', lambda: os.mknod('{writable}/device', 0o600 | stat.S_IFCHR, os.makedev(1, 3)))
    attempt('link', lambda: os.link('{readable}/key', '{writable}/hard'))
    attempt('rename', lambda: os.rename('{readable}/key', '{writable}/moved'))
    open('{writable}/plain', 'w').close()
    try:
        os.chmod('{writable}/plain', 0o6777)
    except OSError:
        pass
    return made
    """
    _, value = call(box, body, reads=(str(readable),), writes=(str(writable),))
    assert value == []
    assert (writable / "plain").stat().st_mode & 0o6000 == 0


def test_no_grant_opens_the_work_folders_of_other_guests():
    box = LinuxSandbox("landlock")  # with a root of their own, guests have none on the host
    if box.profile == "none":
        pytest.skip("this machine has no Landlock")
    base = plan.base()
    for grant in ({"reads": (base,)}, {"writes": (base,)}, {"reads": (f"{base}/{plan.PRIVATE}x",)}):
        os.makedirs(f"{base}/{plan.PRIVATE}x", exist_ok=True)
        ended, value = call(box, f"return os.listdir('{base}')", **grant)
        assert (ended.ending, value) == (Ending.DENIED, None)
        assert "work folders of other tools" in ended.detail
    os.rmdir(f"{base}/{plan.PRIVATE}x")


def test_what_may_be_written_to_does_not_grow_for_ever(box):
    base = pathlib.Path(tempfile.mkdtemp(dir="/tmp"))  # not below a folder that only we may enter
    base.chmod(0o777)
    source = (
        "import time\ndef tool(path: str):\n    for number in range(100):\n"
        "        with open(f'{path}/{number}', 'wb') as file:\n            file.write(bytes(2**20))\n"
        "        time.sleep(0.02)\n"
    )
    limits = Limits(written_bytes=5 * 2**20)
    try:
        ended = box.run(Job(source, "tool", ({"path": str(base)},), grant=Grant(writes=(str(base),)), limits=limits))
        assert ended.ending is Ending.FILES
        assert "limits.written_bytes" in ended.detail
        assert len(list(base.iterdir())) < 50
    finally:
        shutil.rmtree(base)
