"""Sets of packages, from the real index and small ones on loopback: locked, built once, never half, wheels only."""

import hashlib
import os
import re
import signal
import subprocess
import sys
import threading
import time

import pytest

from package_index import Index, sdist, started, wheel
from toolwright.errors import FaultError, SpecError
from toolwright.sandbox.packages import Environments
from toolwright.sandbox.pip_settings import read_pip_settings, uv_settings

BUILDER = """
import sys
from pathlib import Path
from toolwright.sandbox.packages import Environments
sets = Environments(Path(sys.argv[1]), on_progress=lambda sentence: print(sentence, flush=True))
print(sets.path(sys.argv[2:]))
"""


@pytest.fixture
def index(monkeypatch):
    """A function that starts an Index and makes it the only one that pip's settings know."""
    with started(monkeypatch) as start:
        yield start


def imported(folder, code):
    command = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.append({str(folder)!r}); {code}"]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()


def build_apart(cache, lock):
    command = [sys.executable, "-c", BUILDER, str(cache), *lock]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def leftovers(cache):
    return [path.name for path in cache.glob("*.building")]


# -- the index of this machine -----------------------------------------------------------------------------------------


def test_a_package_of_the_real_index_is_locked_built_and_importable(tmp_path):
    said = []
    sets = Environments(tmp_path, on_progress=said.append)
    (line,) = lock = sets.lock(["six"])
    assert re.fullmatch(r"six==[0-9.]+( --hash=sha256:[0-9a-f]{64})+", line)
    folder = sets.path(lock)
    assert imported(folder, "import six; print(six.__version__)") == line.split()[0].removeprefix("six==")
    assert {path.name.split("-")[0] for path in folder.glob("*.dist-info")} == {"six"}
    assert said == ["finding versions of six", f"building a set of packages: {line.split()[0]}"]
    assert leftovers(tmp_path) == []


def test_what_a_package_needs_is_in_the_lock_and_nothing_else(tmp_path):
    lock = Environments(tmp_path).lock(["anyio", "IDNA"])
    names = {line.split("==")[0] for line in lock}
    assert {"anyio", "idna"} <= names <= {"anyio", "idna", "sniffio", "typing-extensions", "exceptiongroup"}
    assert list(lock) == sorted(lock)


def test_an_unknown_package_is_named(tmp_path):
    with pytest.raises(SpecError, match="There is no package 'toolwright-has-no-such-package'"):
        Environments(tmp_path).lock(["six", "toolwright-has-no-such-package"])


def test_an_unknown_version_is_told(tmp_path):
    with pytest.raises(SpecError, match=r"six==99\.99"):
        Environments(tmp_path).lock(["six==99.99"])


# -- what is asked for -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-r /etc/passwd",
        "--index-url=http://evil.invalid/simple",
        "-e .",
        ".",
        "./six",
        "/tmp/six",
        "six.whl/..",
        "six @ http://evil.invalid/six.whl",
        "six@file:///tmp/six.whl",
        "git+https://evil.invalid/six",
        "https://evil.invalid/six-1.0-py3-none-any.whl",
        "six; os_name == 'posix'",
        "six\n--index-url http://evil.invalid",
        "six # comment",
        "six \\",
        "${HOME}",
        "six==${HOME}",
        "sіx",
        "six\0",
        "six==1.0 --hash=sha256:" + "0" * 64,
    ],
)
def test_only_a_name_with_versions_is_a_package(tmp_path, text):
    with pytest.raises(SpecError, match="cannot be used"):
        Environments(tmp_path).lock([text])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "line",
    [
        "six==1.0",
        "six==1.0 --hash=md5:0",
        "six @ http://evil.invalid/six.whl --hash=sha256:" + "0" * 64,
        "six==1.0 --hash=sha256:" + "0" * 64 + "\n-r /etc/passwd",
        "six>=1.0 --hash=sha256:" + "0" * 64,
    ],
)
def test_only_exact_versions_with_hashes_are_built(tmp_path, line):
    with pytest.raises(SpecError, match="is not a locked package"):
        Environments(tmp_path).path([line])
    assert list(tmp_path.iterdir()) == []


def test_names_and_versions_are_asked_in_one_spelling(tmp_path, index):
    pages = index(wheel("some_tool", "1.5"), wheel("some_tool", "2.0"))
    pages.page = lambda name: Index.page(pages, name.replace("-", "_"))
    sets = Environments(tmp_path)
    (line,) = sets.lock(["Some_Tool >= 1.0, < 2"])
    assert line.startswith("some-tool==1.5 ")
    assert sets.lock(["some.tool>=1.0,<2"]) == (line,)


def test_no_packages_are_an_empty_lock_without_any_index(tmp_path, index):
    pages = index()
    assert Environments(tmp_path).lock([]) == ()
    assert pages.asked == []


# -- built once, never half --------------------------------------------------------------------------------------------


def test_a_set_that_was_built_needs_no_index(tmp_path, index, monkeypatch):
    index(wheel("okpkg"))
    lock = Environments(tmp_path).lock(["okpkg"])
    folder = Environments(tmp_path).path(lock)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    said = []
    assert Environments(tmp_path, on_progress=said.append).path(list(reversed(lock))) == folder
    assert said == []


def test_versions_that_were_seen_before_are_found_without_an_index(tmp_path, index):
    pages = index(wheel("okpkg"))
    lock = Environments(tmp_path).lock(["okpkg"])
    pages.status = 503
    assert Environments(tmp_path).lock(["okpkg"]) == lock


def test_a_built_set_is_read_only(tmp_path, index):
    index(wheel("okpkg"))
    sets = Environments(tmp_path)
    folder = sets.path(sets.lock(["okpkg"]))
    modes = {path.stat().st_mode & 0o222 for path in [folder.parent, folder, *folder.rglob("*")]}
    assert modes == {0}
    assert all(path.stat().st_mode & 0o444 == 0o444 for path in folder.rglob("*"))
    if os.getuid() != 0:
        with pytest.raises(PermissionError):
            (folder / "okpkg.py").write_text("")
    assert list(folder.glob("__pycache__/okpkg.*.pyc"))


def test_processes_that_race_build_a_set_once(tmp_path, index):
    pages = index(wheel("okpkg"))
    lock = Environments(tmp_path).lock(["okpkg"])
    pages.gate.clear()
    pages.fetched.clear()
    racers = [build_apart(tmp_path, lock) for _ in range(3)]
    assert pages.waiting.wait(20)
    time.sleep(0.5)
    pages.gate.set()
    outputs = [racer.communicate(timeout=60)[0].splitlines() for racer in racers]
    assert len({lines[-1] for lines in outputs}) == 1
    assert sum("building a set" in line for lines in outputs for line in lines) == 1
    assert sum("waiting for another process" in line for lines in outputs for line in lines) == 2
    assert leftovers(tmp_path) == []


def test_threads_that_race_build_a_set_once(tmp_path, index):
    index(wheel("okpkg"))
    said = []
    sets = Environments(tmp_path, on_progress=said.append)
    lock = sets.lock(["okpkg"])
    threads = [threading.Thread(target=sets.path, args=(lock,)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum("building a set" in line for line in said) == 1


def test_a_build_killed_half_way_leaves_no_set_and_the_next_build_is_whole(tmp_path, index):
    pages = index(wheel("okpkg"), wheel("other"))
    sets = Environments(tmp_path)
    lock = sets.lock(["okpkg"])
    pages.gate.clear()
    killed = build_apart(tmp_path, lock)
    assert pages.waiting.wait(20)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert len(leftovers(tmp_path)) == 1
    assert not list(tmp_path.glob("*/site-packages/okpkg.py"))
    # The uv of the killed process is still at it: nobody may build beneath it.
    following = build_apart(tmp_path, lock)
    assert following.stdout.readline() == "waiting for another process that builds the same packages\n"
    pages.gate.set()
    *_, folder = following.communicate(timeout=60)[0].splitlines()
    assert imported(folder, "import okpkg; print(okpkg.VERSION)") == "1.0"
    assert leftovers(tmp_path) == []


def test_what_a_killed_build_left_is_swept_by_the_build_of_another_set(tmp_path, index):
    index(wheel("okpkg"))
    stale = tmp_path / ("0" * 64 + ".building")
    (stale / "site-packages").mkdir(parents=True)
    (stale / "site-packages" / "half.py").touch()
    (stale / "site-packages").chmod(0o555)
    sets = Environments(tmp_path)
    sets.path(sets.lock(["okpkg"]))
    assert leftovers(tmp_path) == []


def test_a_cancelled_build_ends_at_once_with_its_process(tmp_path, index):
    pages = index(wheel("okpkg"))
    sets = Environments(tmp_path)
    lock = sets.lock(["okpkg"])
    pages.gate.clear()
    cancel = threading.Event()
    threading.Thread(target=lambda: pages.waiting.wait(20) and cancel.set()).start()
    begin = time.monotonic()
    with pytest.raises(FaultError, match="cancelled"):
        sets.path(lock, cancel=cancel)
    assert time.monotonic() - begin < 5
    assert leftovers(tmp_path) == []
    assert uv_processes(tmp_path) == []


def test_a_build_that_takes_too_long_is_ended_and_told(tmp_path, index):
    pages = index(wheel("okpkg"))
    lock = Environments(tmp_path).lock(["okpkg"])
    pages.gate.clear()
    with pytest.raises(FaultError, match=r"took longer than 0\.5 s"):
        Environments(tmp_path, build_timeout=0.5).path(lock)
    assert leftovers(tmp_path) == []
    assert uv_processes(tmp_path) == []


def uv_processes(folder):
    """Processes that have *folder* in their command line."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                line = file.read()
        except OSError:
            continue
        if os.fsencode(folder) in line and line.startswith(b"/") and b"/uv\0" in line:
            found.append(pid)
    return found


# -- what is refused ---------------------------------------------------------------------------------------------------


def test_a_package_without_a_wheel_is_refused_and_its_build_script_never_runs(tmp_path, index):
    marker = tmp_path / "build script ran"
    name, data = sdist("sdonly", marker)
    index((name, data), wheel("needs_it", requires=["sdonly"]))
    sets = Environments(tmp_path / "sets")
    with pytest.raises(SpecError, match=r"sdonly cannot be had as wheels.*Choose a version or another package"):
        sets.lock(["sdonly"])
    with pytest.raises(SpecError, match="sdonly"):
        sets.path([f"sdonly==1.0 --hash=sha256:{hashlib.sha256(data).hexdigest()}"])
    assert not marker.exists()
    assert leftovers(tmp_path / "sets") == []


def test_a_wheel_for_another_platform_is_refused(tmp_path, index):
    index(wheel("winonly", tag="cp311-cp311-win_amd64"))
    with pytest.raises(SpecError, match="winonly cannot be had as wheels"):
        Environments(tmp_path).lock(["winonly"])


def test_a_package_that_needs_a_url_is_refused(tmp_path, index):
    pages = index(wheel("okpkg"))
    pages.files.update([wheel("needsurl", requires=[f"okpkg @ {pages.url}/../files/okpkg-1.0-py3-none-any.whl"])])
    with pytest.raises(SpecError, match="needsurl"):
        Environments(tmp_path).lock(["needsurl"])


def test_a_wheel_whose_content_changed_is_not_installed(tmp_path, index):
    pages = index(wheel("okpkg"))
    sets = Environments(tmp_path)
    lock = sets.lock(["okpkg"])
    name, data = wheel("okpkg")
    pages.files[name] = data + b" "
    with pytest.raises((FaultError, SpecError), match="okpkg"):
        Environments(tmp_path / "fresh").path(lock)
    assert not list((tmp_path / "fresh").glob("*/site-packages"))


@pytest.mark.parametrize("status", [401, 403, 500, 503])
def test_trouble_with_the_index_is_a_fault_and_not_the_tools(tmp_path, index, status):
    pages = index(wheel("okpkg"))
    pages.status = status
    with pytest.raises(FaultError, match="pip config list"):
        Environments(tmp_path).lock(["okpkg"])


def test_an_index_that_does_not_answer_is_a_fault(tmp_path, index, monkeypatch):
    index()
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(FaultError, match="okpkg could not be fetched"):
        Environments(tmp_path).lock(["okpkg"])


def test_a_cache_that_cannot_be_written_is_a_fault(tmp_path, index):
    index(wheel("okpkg"))
    lock = Environments(tmp_path / "sets").lock(["okpkg"])
    (tmp_path / "file").touch()
    with pytest.raises(FaultError, match="could not be written"):
        Environments(tmp_path / "file").path(lock)


# -- the person's settings ---------------------------------------------------------------------------------------------


def test_index_find_links_and_constraint_of_a_pip_config_file_hold(tmp_path, index, monkeypatch):
    pages = index(wheel("okpkg", "1.0"), wheel("okpkg", "2.0"))
    monkeypatch.delenv("PIP_INDEX_URL")
    links = tmp_path / "links"
    links.mkdir()
    name, data = wheel("linked")
    (links / name).write_bytes(data)
    (tmp_path / "constraints.txt").write_text("okpkg<2\n")
    config = f"[global]\nindex-url = {pages.url}\nfind_links =\n    {links}\n[install]\nconstraint = constraints.txt\n"
    (tmp_path / "pip.conf").write_text(config)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "pip.conf"))
    monkeypatch.chdir(tmp_path)
    sets = Environments(tmp_path / "sets")
    assert [line.split()[0] for line in sets.lock(["okpkg", "linked"])] == ["linked==1.0", "okpkg==1.0"]
    assert imported(sets.path(sets.lock(["linked", "okpkg"])), "import linked, okpkg; print(okpkg.VERSION)") == "1.0"


def test_an_extra_index_is_asked_too(tmp_path, index, monkeypatch):
    first, second = index(wheel("okpkg")), Index(wheel("other"))
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", second.url)
    names = [line.split("==")[0] for line in Environments(tmp_path).lock(["okpkg", "other"])]
    second.server.shutdown()
    second.server.server_close()
    assert names == ["okpkg", "other"]
    assert "okpkg" in first.asked


def test_uvs_own_index_setting_goes_before_pips(tmp_path, index, monkeypatch):
    pages = index(wheel("okpkg"))
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("UV_DEFAULT_INDEX", pages.url)
    assert Environments(tmp_path).lock(["okpkg"])


def test_no_index_and_find_links_alone_are_enough(tmp_path, index, monkeypatch):
    pages = index()
    name, data = wheel("linked")
    (tmp_path / name).write_bytes(data)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    sets = Environments(tmp_path / "sets")
    assert sets.path(sets.lock(["linked"])).is_dir()
    assert pages.asked == []


def test_uv_sees_what_it_needs_and_no_other_variable(tmp_path):
    known = {
        "HOME": str(tmp_path),
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_CERT": "/certs/own.pem",
        "PIP_CLIENT_CERT": "/certs/me.pem",
        "PIP_TRUSTED_HOST": "a.example b.example:8080",
        "PIP_TIMEOUT": "7",
        "PIP_PROXY": "http://proxy:3128",
        "SSL_CERT_FILE": "/certs/other.pem",
        "UV_INDEX_OWN_PASSWORD": "kept",
        "UV_BREAK_SYSTEM_PACKAGES": "1",
        "UV_PYTHON_DOWNLOADS": "automatic",
        "PYTHONPATH": "/evil",
        "OPENAI_API_KEY": "secret",
    }
    seen = uv_settings(known).environment
    assert seen["SSL_CERT_FILE"] == "/certs/own.pem"
    assert seen["SSL_CLIENT_CERT"] == "/certs/me.pem"
    assert seen["UV_INSECURE_HOST"] == "a.example b.example:8080"
    assert seen["UV_HTTP_TIMEOUT"] == "7"
    assert seen["HTTPS_PROXY"] == "http://proxy:3128"
    assert seen["UV_INDEX_OWN_PASSWORD"] == "kept"
    assert seen["UV_PYTHON_DOWNLOADS"] == "never"
    assert not {"PYTHONPATH", "OPENAI_API_KEY", "UV_BREAK_SYSTEM_PACKAGES", "PIP_CERT"} & set(seen)


def test_pips_files_are_read_as_pip_reads_them(tmp_path):
    """The same options as `pip config list` prints, for files of every level and for variables."""
    home, shared, own = tmp_path / "home", tmp_path / "shared", tmp_path / "own.conf"
    (home / ".config/pip").mkdir(parents=True)
    (home / ".pip").mkdir()
    (shared / "pip").mkdir(parents=True)
    (shared / "pip/pip.conf").write_text("[global]\ntimeout = 1\nretries = 1\nindex-url = http://shared.invalid\n")
    (home / ".pip/pip.conf").write_text("[global]\nretries = 2\ncert = /old\n")
    (home / ".config/pip/pip.conf").write_text("[global]\ncert = /new\n[install]\nretries=3\n[list]\nformat=json\n")
    own.write_text("[global]\nextra_index_url =\n    http://a.invalid\n    http://b.invalid\n")
    base = {"HOME": str(home), "XDG_CONFIG_DIRS": str(shared), "PATH": os.defpath}
    for more in ({}, {"PIP_CONFIG_FILE": str(own)}, {"PIP_CONFIG_FILE": os.devnull}, {"PIP_RETRIES": "4"}):
        environment = base | more
        command = [sys.executable, "-m", "pip", "config", "list"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        if done.returncode:
            pytest.skip(f"no pip here: {done.stderr.strip()[:80]}")
        assert dict(read_pip_settings(environment).options) == as_options(done.stdout), more


def as_options(listing):
    found = {}
    for wanted in ("global", "install", ":env:"):
        for name, value in re.findall(r"(?m)^([^=]+?)='(.*)'$", listing):
            section, _, option = name.rpartition(".")
            if section == wanted and option != "config-file":
                found[option] = value.encode().decode("unicode_escape")
    return found
