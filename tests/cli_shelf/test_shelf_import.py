"""`import`: a hand-made registry's folder, each file through the validator, with a report; nothing of it runs here."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time

import pytest
from shop import TOOLWRIGHT, as_json, environ, hears_ctrl_c, toolwright

from toolwright import Toolwright
from toolwright.errors import UserError

MEAN = (
    'def mean(values: list[float]) -> float:\n    """Mean of some numbers."""\n    return sum(values) / len(values)\n'
)
SLUG = 'def slug(text):\n    return "-".join(text.lower().split())\n'
ADD = 'def add(a: int, b: int) -> int:\n    """Add."""\n    return a + b\n'


@pytest.fixture
def empty(tmp_path):
    with Toolwright(home=tmp_path / "empty") as tw:
        yield tw


def folder(tmp_path, files, manifest=None):
    """A hand-made registry: *files* by name, and a manifest that names each NAME.py unless another is given."""
    place = tmp_path / "registry"
    place.mkdir(exist_ok=True)
    for name, text in files.items():
        (place / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    if manifest is None:
        manifest = {name[:-3]: {"description": f"Tool {name[:-3]}.", "file": name} for name in files}
    text = manifest if isinstance(manifest, (str, bytes)) else json.dumps(manifest)
    (place / "manifest.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    return place


def left(report):
    return {one.name: one.reason for one in report.left}


def test_a_folder_is_taken_each_tool_through_the_validator(tmp_path, home):
    place = folder(tmp_path, {"mean.py": MEAN, "slug.py": SLUG})
    done = toolwright(home, "import", str(place), "--home", str(home))
    assert "took mean@1" in done.stdout
    assert "note: 'text' has no type, so any value is taken; write for example text: str" in done.stdout
    assert done.stdout.splitlines()[-1] == "took 2, left 0"
    record = as_json(toolwright(home, "show", "mean", "--json", "--home", str(home)))
    assert (record["origin"], record["description"]) == ("person", "Tool mean.")
    assert toolwright(home, "call", "slug", "--text", "A B", "--home", str(home)).stdout.strip() == '"a-b"'
    again = toolwright(home, "import", str(place), "--home", str(home))
    assert again.stdout.splitlines()[-1] == "took 0, there already 2, left 0"


def test_what_is_left_is_said_with_its_reason_and_the_rest_is_taken(tmp_path, home):
    files = {
        "mean.py": MEAN, "broken.py": "def broken(:\n", "latin.py": b'def latin():\n    return "\xe9"\n',
        "huge.py": "#" * 300_000, "stray.py": ADD, "shell.py": 'import os\n\n\ndef shell(c: str) -> int:\n    """Run."""\n    return os.system(c)\n',
    }  # fmt: skip
    (tmp_path / "outside.py").write_text(MEAN)
    manifest = {name: {"description": "x"} for name in ("mean", "broken", "latin", "huge", "shell", "link", "gone")}
    manifest |= {
        "up": {"file": "../outside.py"}, "down": {"file": "sub/../../outside.py"}, "far": {"file": str(tmp_path / "outside.py")},
        "behind": {"file": "linked/outside.py"}, "pipe": {"file": "pipe.py"}, "number": {"description": 5}, "text": "a text",
        "nothing": None, "Bad-Name": {"file": "mean.py"}, "add": {"file": "stray.py"}, "run_tool": {"file": "mean.py"},
        "packages": {"file": "mean.py", "packages": "requests"}, "other": {"file": "mean.py"},
    }  # fmt: skip
    place = folder(tmp_path, files, manifest)
    (place / "link.py").symlink_to(tmp_path / "outside.py")
    (place / "linked").symlink_to(tmp_path)
    (place / "alone.py").write_text(ADD)
    os.mkfifo(place / "pipe.py")
    done = toolwright(home, "import", str(place), "--json", "--home", str(home), code=1)
    found = as_json(done)
    assert [one["version"] for one in found["taken"]] == ["mean@1"]
    assert {one["name"]: one["reason"] for one in found["left"]} == {
        "broken": "failed", "latin": "file", "huge": "file", "shell": "failed", "link": "file", "gone": "file",
        "up": "file", "down": "file", "far": "file", "behind": "file", "pipe": "file", "number": "manifest", "text": "manifest",
        "nothing": "manifest", "Bad-Name": "unreadable", "add": "name-taken", "run_tool": "unreadable",
        "packages": "manifest", "other": "failed",
    }  # fmt: skip
    details = {one["name"]: one["detail"] for one in found["left"]}
    assert "add@1, which is another tool" in details["add"]
    assert "the source defines: mean" in details["other"]
    assert "not UTF-8 (byte 25)" in details["latin"]
    assert all(
        re.search("link|out of|inside the folder", details[one]) for one in ("link", "behind", "up", "down", "far")
    )
    assert [one["check"] for one in found["left"][0]["checks"]] == ["syntax"]
    assert found["unlisted"] == ["alone.py"]
    assert found["stopped"] is False


@pytest.mark.parametrize(
    ("manifest", "said"),
    [
        ("{", "is not JSON"),
        ("[1, 2]", "is a list"),
        ('"text"', "is 'text'"),
        (b"\xff{}", "not UTF-8"),
        ("[" * 100_000, "is not JSON"),
        (" " * (4 * 1024 * 1024 + 1), "larger than 4,096 KiB"),
    ],
    ids=["torn", "list", "text", "latin", "deep", "huge"],
)
def test_a_manifest_that_cannot_be_read_ends_it_before_anything_is_taken(tmp_path, empty, manifest, said):
    place = folder(tmp_path, {"mean.py": MEAN}, manifest)
    with pytest.raises(UserError, match=re.escape(said)) as caught:
        empty.import_folder(place)
    assert "manifest.json" in str(caught.value)
    assert empty.registry.names() == []


def test_a_name_that_stands_twice_is_not_guessed_at(tmp_path, empty):
    place = folder(tmp_path, {"mean.py": MEAN}, '{"mean": {"description": "a"}, "mean": {"description": "b"}}')
    report = empty.import_folder(place)
    assert left(report) == {"mean": "manifest"}
    assert "twice" in report.left[0].detail


def test_files_that_no_manifest_names_are_taken_when_asked(tmp_path, empty):
    place = folder(tmp_path, {"mean.py": MEAN, "slug.py": SLUG}, {"mean": {"description": "Mean."}})
    report = empty.import_folder(place)
    assert ([one.name for one in report.taken], report.unlisted) == (["mean"], ("slug.py",))
    report = empty.import_folder(place, everything=True)
    assert [(one.name, one.fresh) for one in report.taken] == [("mean", False), ("slug", True)]
    (place / "manifest.json").unlink()
    with pytest.raises(UserError, match="--all"):
        empty.import_folder(place)
    report = empty.import_folder(place, everything=True)
    assert ([one.name for one in report.taken], left(report)) == (["slug"], {"mean": "name-taken"}), "another sentence"
    with pytest.raises(UserError, match="nowhere"):
        empty.import_folder(tmp_path / "nowhere")


def test_a_taken_name_becomes_the_next_version_only_when_asked(tmp_path, tw):
    place = folder(tmp_path, {"add.py": ADD})
    assert left(tw.import_folder(place)) == {"add": "name-taken"}
    file = tw.settings.home / "tools" / "add" / "1.py"
    sound = file.read_text()
    file.write_text(sound.replace("a + b", "b + a"))
    report = tw.import_folder(place)
    assert left(report) == {"add": "edited"}
    assert "adopt" in report.left[0].detail
    file.write_text(sound)
    report = tw.import_folder(place, replacing=True)
    assert [one.version for one in report.taken] == ["add@2"]


FETCH = (
    'import urllib.request\n\n\ndef fetch(path: str) -> str:\n    """Fetch a page."""\n'
    '    with urllib.request.urlopen("https://a.example/" + path) as answer:\n        return answer.read().decode()\n'
)


def test_powers_are_named_by_manifest_or_flag_given_to_those_that_need_them_and_asked_for(tmp_path):
    asked = []

    def approve(request):
        asked.append((request.question.name, request.question.words()))
        return False

    place = folder(tmp_path, {"fetch.py": FETCH, "mean.py": MEAN})
    with Toolwright(home=tmp_path / "empty", approve=approve) as tw:
        report = tw.import_folder(place)
        assert left(report) == {"fetch": "failed"}
        assert "--host" in report.left[0].detail
        assert asked == []
        report = tw.import_folder(place, hosts=["a.example"], packages=["pandas"])
        assert (left(report), asked) == ({"fetch": "refused"}, [("fetch", ["host a.example:443"])])
        assert tw.registry.get("mean").candidate.packages == ()
        folder(tmp_path, {}, {"fetch": {"description": "Fetch.", "hosts": ["a.example"]}})
        assert left(tw.import_folder(place)) == {"fetch": "refused"}
        assert len(asked) == 2
        with pytest.raises(UserError, match="'colour'"):
            tw.import_folder(place, colour=["red"])


def test_nothing_of_the_folder_runs_in_the_host(tmp_path, empty):
    mark = tmp_path / "mark"
    bad = f'open("{mark}", "w").write("ran")\n\n\ndef bad() -> int:\n    """Bad."""\n    return 1\n'
    code = f'import json\n\n\ndef sly(n: int) -> int:\n    """Sly."""\n    open("{mark}", "w").write("ran")\n    return n\n'
    place = folder(tmp_path, {"bad.py": bad, "sly.py": code, "__init__.py": bad, "sitecustomize.py": bad})
    report = empty.import_folder(place, everything=True)
    assert set(left(report)) >= {"bad", "sitecustomize", "__init__"}
    if "sly" in empty.registry:  # nothing that was tried showed it; the box holds all the same
        assert empty.call("sly", {"n": 1}).status.value == "raised"
    assert not mark.exists()


def test_a_full_shelf_is_said_and_what_fitted_is_there(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "config.toml").write_text("max_tools = 1\n")
    with Toolwright(home=tmp_path / "empty") as tw:
        report = tw.import_folder(folder(tmp_path, {"mean.py": MEAN, "slug.py": SLUG}))
    assert ([one.version for one in report.taken], left(report)) == (["mean@1"], {"slug": "refused"})
    assert "max_tools" in report.left[0].detail


def test_ctrl_c_half_way_keeps_what_was_taken_and_the_rest_is_taken_later(tmp_path, home):
    slow = 'import time\n\n\ndef slow(n: int) -> int:\n    """Slow.\n\n    >>> slow(7301)\n    7301\n    """\n    if n == 7301:\n        time.sleep(1.5)\n    return n\n'
    place = folder(tmp_path, {"mean.py": MEAN, "slow.py": slow, "slug.py": SLUG})
    words = [*TOOLWRIGHT, "import", str(place), "--home", str(home)]
    process = subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ(home), start_new_session=True, preexec_fn=hears_ctrl_c
    )  # fmt: skip
    first = process.stdout.readline()
    assert first == "took mean@1\n"
    time.sleep(0.3)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert "Stopped" in err
    assert "took 1, left 2" in out
    again = as_json(toolwright(home, "import", str(place), "--json", "--home", str(home)))
    assert [(one["name"], one["fresh"]) for one in again["taken"]] == [("mean", False), ("slow", True), ("slug", True)]


def test_one_file_is_taken_as_registry_import_takes_it_and_options_are_for_their_kind(tmp_path, home):
    place = folder(tmp_path, {"mean.py": MEAN})
    at = ["--home", str(home)]
    assert "made mean@1" in toolwright(home, "import", str(place / "mean.py"), "-e", "mean([1, 3]) == 2", *at).stdout
    assert "--example" in toolwright(home, "import", str(place), "-e", "mean([1]) == 1", *at, code=2).stderr
    assert "--all" in toolwright(home, "import", str(place / "mean.py"), "--all", *at, code=2).stderr
    assert "nowhere" in toolwright(home, "import", "nowhere", *at, code=2).stderr


def test_loud_powers_are_said_in_the_manifest_or_offered_to_those_that_need_them(tmp_path):
    run = 'import subprocess\n\n\ndef version(text: str) -> str:\n    """Say a version."""\n    return subprocess.getoutput(text)\n'
    key = (
        'import os\nimport smtplib\n\n\ndef notify(text: str) -> bool:\n    """Tell somebody."""\n'
        '    with smtplib.SMTP("mail.example.com", 25) as client:\n'
        '        client.login("me", os.environ["SMTP_PASSWORD"])\n    return True\n'
    )
    files = {"version.py": run, "notify.py": key, "add.py": ADD}
    place = folder(tmp_path, files)
    said = {"description": "Tell.", "plain_secrets": ["SMTP_PASSWORD"], "hosts": ["tcp://mail.example.com:25"]}
    with Toolwright(home=tmp_path / "one", approve=True) as tw:
        assert left(tw.import_folder(place)) == {"version": "failed", "notify": "failed"}
        offered = {"plain_secrets": ["SMTP_PASSWORD"], "hosts": ["tcp://mail.example.com:25"], "secrets": ["OTHER_KEY"]}
        assert left(tw.import_folder(place, subprocess=True, **offered)) == {}
        powers = {name: tw.registry.get(name).candidate.grant.words() for name in ("version", "notify", "add")}
    assert powers == {
        "version": ["subprocess (loud)"],
        "notify": ["tcp mail.example.com:25 (loud)", "plain_secret SMTP_PASSWORD (loud)"],
        "add": [],
    }
    folder(tmp_path, files, {"version": {"subprocess": True}, "notify": said, "add": {"subprocess": "yes"}})
    with Toolwright(home=tmp_path / "two", approve=True) as tw:
        report = tw.import_folder(place)
    assert left(report) == {"add": "manifest"}
    assert "'subprocess' is 'yes', and not true or false" in report.left[0].detail
