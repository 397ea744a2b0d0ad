"""What a box does with honest jobs, in both profiles: values, files, limits, batches, loading, cancelling."""

import os
import subprocess
import sys
import threading
import time

import pytest

from toolwright.powers import Grant, Limits
from toolwright.sandbox import Ending, InputFile, Job, claims, files
from toolwright.sandbox.linux import LinuxSandbox


@pytest.fixture(scope="module", params=["full", "landlock"])
def box(request):
    made = LinuxSandbox(request.param)
    if made.profile == "none":
        pytest.skip(f"this machine gives no {request.param} box")
    return made


def job(body, *arguments, function="tool", **more):
    return Job(body, function, arguments or ({},), **more)


def values(ended):
    found = [claims.parse(raw, item) for item, raw in enumerate(ended.claims)]
    return [one.value if one is not None and one.ok else one for one in found]


def test_arguments_are_decoded_by_their_hints_and_the_answer_is_encoded(box):
    source = (
        "from datetime import date, timedelta\nfrom decimal import Decimal\n"
        "def tool(day: date, price: Decimal, tags: set[str]) -> dict[str, object]:\n"
        "    return {'next': day + timedelta(days=1), 'twice': price * 2, 'tags': tags, 'n': float('nan')}\n"
    )
    ended = box.run(job(source, {"day": "2026-02-28", "price": "1.10", "tags": ["b", "a"]}))
    (value,) = values(ended)
    assert ended.ending is Ending.EXITED
    assert value.pop("n") != value.get("n")
    assert value == {"next": "2026-03-01", "twice": "2.20", "tags": ["a", "b"]}


def test_positional_only_and_async_functions_are_called(box):
    source = "async def tool(a: int, /, b: int = 2) -> int:\n    return a * 10 + b\n"
    assert values(box.run(job(source, {"a": 1}, {"a": 1, "b": 5}))) == [12, 15]


@pytest.mark.parametrize(
    ("body", "error", "line"),
    [
        ("def tool():\n    raise ValueError('no such day')\n", "ValueError", 2),
        ("def tool():\n    raise SystemExit(0)\n", "SystemExit", 2),
        ("def tool():\n    raise KeyboardInterrupt\n", "KeyboardInterrupt", 2),
        ("def tool():\n    return tool()\n", "RecursionError", 2),
        ("def tool():\n    return bytearray(2**40)\n", "MemoryError", 2),
        ("def tool():\n    return object()\n", claims.BAD_VALUE, 0),
        ("def tool():\n    return 10 ** 5000\n", claims.BAD_VALUE, 0),
        ("def tool(a: int):\n    return a\n", "TypeError", 0),
    ],
)
def test_what_a_tool_raises_is_an_error_with_its_line(box, body, error, line):
    ended = box.run(job(body))
    claim = claims.parse(ended.claims[0], 0)
    assert (ended.ending, claim.ok, claim.error_type, claim.line) == (Ending.EXITED, False, error, line)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("def tool(:\n", "SyntaxError"),
        ("import no_such_module\n", "ModuleNotFoundError"),
        ("def other():\n    return 1\n", "defines no function 'tool'"),
        ("1 / 0\n", "(line 1)"),
        ("raise SystemExit\n", "SystemExit"),
    ],
)
def test_a_source_that_does_not_load_says_why(box, body, said):
    ended = box.run(job(body))
    assert (ended.loaded, ended.claims) == (False, ())
    assert said in ended.detail


def test_a_job_without_items_only_loads(box):
    ended = box.run(Job("def tool():\n    return 1\n", "tool", ()))
    assert (ended.ending, ended.loaded, ended.claims, ended.torn) == (Ending.EXITED, True, (), False)


def test_a_batch_keeps_the_answers_before_the_item_that_crashed(box):
    source = "import os\ndef tool(n: int) -> int:\n    if n == 3:\n        os._exit(7)\n    return n\n"
    ended = box.run(job(source, *({"n": n} for n in range(5))))
    assert values(ended) == [0, 1, 2]
    assert (ended.ending, ended.exit_code, ended.torn) == (Ending.EXITED, 7, False)


def test_a_batch_keeps_the_answers_before_the_item_that_hung_and_each_item_has_its_own_time(box):
    source = "import time\ndef tool(n: int) -> int:\n    time.sleep(60 if n == 4 else 0.6)\n    return n\n"
    ended = box.run(job(source, *({"n": n} for n in range(6)), limits=Limits(wall_s=2.0, cpu_s=2.0)))
    assert values(ended) == [0, 1, 2, 3]
    assert ended.ending is Ending.TIMEOUT
    assert "limits.wall_s" in ended.detail


def test_a_crash_in_native_code_is_a_signal(box):
    ended = box.run(job("import ctypes\ndef tool():\n    ctypes.string_at(0)\n"))
    assert ended.ending is Ending.SIGNALLED
    assert "11" in ended.detail


def test_cpu_time_is_limited_apart_from_wall_time(box):
    source = "def tool():\n    while True:\n        pass\n"
    ended = box.run(job(source, limits=Limits(wall_s=30, cpu_s=0.4)))
    assert ended.ending is Ending.TIMEOUT
    assert "limits.cpu_s" in ended.detail
    assert 0.4 <= ended.usage.cpu_s < 1.5


def test_output_is_captured_and_capped(box):
    ended = box.run(job("def tool():\n    print('hello')\n    return 1\n"))
    assert ended.output == "hello\n"
    ended = box.run(job("def tool():\n    print('x' * 5000)\n", limits=Limits(output_bytes=1000)))
    assert (ended.ending, len(ended.output)) == (Ending.OUTPUT, 1000)


def test_an_answer_over_its_cap_ends_the_guest(box):
    ended = box.run(job("def tool():\n    return 'x' * 5000\n", limits=Limits(answer_bytes=1000)))
    assert (ended.ending, ended.claims) == (Ending.OUTPUT, ())


def test_cancelling_takes_effect_at_once(box):
    cancel = threading.Event()
    threading.Timer(0.3, cancel.set).start()
    started = time.monotonic()
    ended = box.run(job("import time\ndef tool():\n    time.sleep(60)\n"), cancel=cancel)
    assert ended.ending is Ending.CANCELLED
    assert time.monotonic() - started < 5


def test_files_go_in_and_come_out(box, tmp_path):
    given, carried, out = tmp_path / "given.csv", tmp_path / "carried.txt", tmp_path / "out"
    given.write_text("a,b")
    carried.write_text("old")
    source = (
        "import os\nfrom pathlib import Path\ndef tool():\n"
        "    text = Path('in/given.csv').read_text() + Path('carried.txt').read_text()\n"
        "    try:\n        Path('in/given.csv').write_text('spoilt')\n    except OSError:\n        pass\n"
        "    Path('carried.txt').write_text('new')\n"
        "    os.makedirs('a/b')\n    Path('a/b/c.txt').write_text('left')\n"
        "    Path(os.environ['TMPDIR'], 'top.txt').write_text('top')\n    return text\n"
    )
    handed = (InputFile("in/given.csv", given, readonly=True), InputFile("carried.txt", carried))
    ended = box.run(job(source, files=handed), collect=out)
    assert values(ended) == ["a,bold"]
    assert [file.path for file in ended.files] == ["a/b/c.txt", "carried.txt", "top.txt"]
    assert (out / "carried.txt").read_text() == "new"
    assert given.read_text() == "a,b"
    assert not (out / "in").exists()


def test_only_regular_files_are_collected_and_no_link_is_followed(box, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("secret")
    source = (
        "import os\ndef tool(secret: str) -> int:\n    os.symlink(secret, 'link')\n    os.symlink('/etc', 'folder')\n"
        "    os.symlink('..', 'up')\n    open('good', 'w').write('good')\n    os.mkdir('sub')\n"
        "    os.symlink('/', 'sub/root')\n"
        "    for index in range(2000):\n"
        "        os.makedirs('d/' + '/'.join('x' * 2 for _ in range(index % 40)), exist_ok=True)\n"
        "    return 1\n"
    )
    ended = box.run(job(source, {"secret": str(secret)}, limits=Limits(files_count=2000)), collect=tmp_path / "out")
    assert ended.loaded
    assert [file.path for file in ended.files] in (["good"], [])
    kept = [path.name for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert kept == ["good"]


def test_files_over_the_cap_are_refused_inside_or_end_the_guest(box, tmp_path):
    source = (
        "def tool():\n    with open('big', 'wb') as file:\n"
        "        for _ in range(40):\n            file.write(bytes(10**6))\n"
    )
    ended = box.run(job(source, limits=Limits(files_bytes=3 * 10**6)), collect=tmp_path / "out")
    claim = claims.parse(ended.claims[0], 0) if ended.claims else None
    assert ended.ending is Ending.FILES or (claim is not None and claim.error_type == "OSError")
    assert sum(file.size for file in ended.files) <= 3 * 10**6


def test_files_carried_from_call_to_call_may_be_larger_than_what_one_call_may_leave(box, tmp_path):
    carried = tmp_path / "carried.bin"
    carried.write_bytes(bytes(3 * 10**6))
    source = (
        "import os\ndef tool() -> int:\n    open('more', 'wb').write(bytes(500))\n    return os.path.getsize('c/b')\n"
    )
    handed = (InputFile("c/b", carried),)
    ended = box.run(job(source, files=handed, limits=Limits(files_bytes=10**6)), collect=tmp_path / "out")
    assert values(ended) == [3 * 10**6], ended
    assert [(file.path, file.size) for file in ended.files] == [("c/b", 3 * 10**6), ("more", 500)]


def test_a_deep_nest_of_folders_is_cleared_away(tmp_path):
    top = tmp_path / "top"
    top.mkdir()
    nest = (
        "import os, sys\nos.chdir(sys.argv[1])\nfor n in range(600):\n    open('file', 'w').close()\n"
        "    os.mkdir('beside', 0)\n    os.mkdir('x' * 200)\n    os.chdir('x' * 200)\n"
    )
    subprocess.run([sys.executable, "-c", nest, str(top)], check=True)
    files.remove(str(top))
    assert not top.exists()


def test_the_hosts_own_temporary_folder_can_be_granted(box, tmp_path):
    (tmp_path / "in.txt").write_text("there")
    for folder in (tmp_path, *tmp_path.parents):
        if os.access(folder, os.W_OK) and folder.stat().st_uid == os.geteuid():
            folder.chmod(folder.stat().st_mode | 0o055)
    (tmp_path / "in.txt").chmod(0o644)
    source = (
        "import os\ndef tool(path: str) -> str:\n    open('out.txt', 'w').write('x')\n"
        "    return open(path).read() + open(os.path.join(os.environ['TMPDIR'], 'out.txt')).read()\n"
    )
    given = {"path": str(tmp_path / "in.txt")}
    ended = box.run(job(source, given, grant=Grant(reads=("/tmp",))), collect=tmp_path / "out")
    assert values(ended) == ["therex"]
    assert [file.path for file in ended.files] == ["out.txt"]


def test_guests_see_nothing_of_each_other(box):
    source = (
        "import os, random\ndef tool():\n    before = os.listdir('.')\n    open('left', 'w').write('x')\n"
        "    return [before, random.random(), hash('text')]\n"
    )
    first, second = (values(box.run(job(source)))[0] for _ in range(2))
    assert first[0] == second[0] == []
    assert first[1] != second[1]


def test_secrets_become_variables_of_their_guest_only(box, monkeypatch):
    monkeypatch.setenv("OTHER", "hidden")
    source = "import os\ndef tool():\n    return [os.environ.get('KEY'), os.environ.get('OTHER')]\n"
    grant = Grant(plain_secrets=("KEY",))
    ended = box.run(job(source, grant=grant, secrets={"KEY": "opens", "OTHER": "not granted"}))
    assert values(ended) == [["opens", None]]


def test_granted_folders_are_read_and_written_at_their_own_paths(box, tmp_path):
    reads, writes = tmp_path / "reads", tmp_path / "writes"
    reads.mkdir()
    writes.mkdir()
    (reads / "in.txt").write_text("content")
    (tmp_path / "beside.txt").write_text("not granted")
    if os.geteuid() == 0 and box.profile == "landlock":
        # Without mounts, a guest with an id of its own gets where anybody gets.
        for folder in (tmp_path, *tmp_path.parents):
            if folder.stat().st_mode & 0o005 != 0o005:
                folder.chmod(0o755)
        writes.chmod(0o777)
    source = (
        "from pathlib import Path\ndef tool(reads: str, writes: str) -> list[str]:\n"
        "    said = [Path(reads, 'in.txt').read_text()]\n"
        "    Path(writes, 'out.txt').write_text('written')\n"
        "    try:\n        said.append((Path(reads).parent / 'beside.txt').read_text())\n"
        "    except OSError:\n        pass\n"
        "    for path in (Path(reads, 'new.txt'), Path(reads, '../beside.txt'), Path(writes, '../new.txt')):\n"
        "        try:\n            path.write_text('x')\n"
        "        except OSError:\n            pass\n"
        "    return said\n"
    )
    grant = Grant(reads=(str(reads),), writes=(str(writes),))
    ended = box.run(job(source, {"reads": str(reads), "writes": str(writes)}, grant=grant))
    assert values(ended) == [["content"]], ended
    assert (writes / "out.txt").read_text() == "written"
    assert (writes / "out.txt").stat().st_uid == os.geteuid() or box.profile == "landlock"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["beside.txt", "reads", "writes"]
    assert (tmp_path / "beside.txt").read_text() == "not granted"
    assert [path.name for path in reads.iterdir()] == ["in.txt"]


def test_a_folder_that_was_not_granted_can_stand_there_empty(tmp_path):
    box = LinuxSandbox()
    if box.profile != "full":
        pytest.skip("only a box with a root of its own can have folders of its own")
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "in.txt").write_text("not granted")
    source = (
        "import os\ndef tool(paths: list[str]) -> list[list[str]]:\n    found = []\n    for path in paths:\n"
        "        before = os.listdir(path)\n        open(os.path.join(path, 'new.txt'), 'w').write('x')\n"
        "        found.append(before + os.listdir(path))\n    return found\n"
    )
    paths = [str(tmp_path / "real"), "/srv/none/such"]
    asked = (*paths, "/", "/proc", "/usr/lib", "/dev/null")
    ended = box.run(job(source, {"paths": paths}, empty_folders=asked), collect=tmp_path / "out")
    assert values(ended) == [[["new.txt"], ["new.txt"]]], ended
    assert ended.files == ()
    assert [path.name for path in (tmp_path / "real").iterdir()] == ["in.txt"]


def test_empty_folders_hold_no_more_together_than_the_work_folder_may():
    box = LinuxSandbox()
    if box.profile != "full":
        pytest.skip("only a box with a root of its own can have folders of its own")
    source = (
        "def tool(paths: list[str]) -> int:\n    written = 0\n    for path in paths:\n"
        "        with open(path + '/x', 'wb', buffering=0) as file:\n            try:\n                while True:\n"
        "                    written += file.write(bytes(2**16))\n            except OSError:\n                pass\n"
        "    return written\n"
    )
    paths = [f"/srv/none/{number}" for number in range(5)] + ["/tmp/below/it"]
    limits = Limits(files_bytes=8 * 2**20)
    ended = box.run(job(source, {"paths": paths}, limits=limits, empty_folders=tuple(paths)))
    box.close()
    assert ended.claims, ended
    [written] = values(ended)
    assert 8 * 2**20 <= written <= 10 * 2**20


@pytest.mark.parametrize("path", ["/", "/proc/self", "/sys", "/no/such/folder"])
def test_a_path_that_no_box_can_hold_is_refused_in_words(box, path):
    ended = box.run(job("def tool():\n    return 1\n", grant=Grant(reads=(path,))))
    assert ended.ending is Ending.DENIED
    assert path in ended.detail


def test_many_boxes_at_once(box):
    results = []

    def one(number):
        ended = box.run(job("def tool(n: int) -> int:\n    return n * n\n", {"n": number}))
        results.append((number, values(ended)))

    threads = [threading.Thread(target=one, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [(number, [number * number]) for number in range(8)]


def test_a_package_folder_is_importable_and_read_only(box, tmp_path):
    folder = tmp_path / "packages"
    (folder / "pack").mkdir(parents=True)
    (folder / "pack" / "__init__.py").write_text("VALUE = 42\n")
    source = (
        "import pack\ndef tool():\n    try:\n        open(pack.__file__, 'a').write('#')\n    except OSError:\n"
        "        return pack.VALUE\n    return 'written'\n"
    )
    if os.geteuid() == 0:
        for one in (folder, folder / "pack"):
            one.chmod(0o755)
    assert values(box.run(job(source, environment=folder))) == [42]


_IN_STOCK = ("httpx", "pandas", "pydantic", "requests")


@pytest.mark.parametrize(
    ("beside", "ahead"), [((), list(_IN_STOCK)), (("anyio",), list(_IN_STOCK)), (("anyio", "nobody-knows"), [])]
)
def test_known_packages_of_an_environment_are_imported_ahead_of_the_call_where_nothing_unknown_is_beside_them(
    box, tmp_path, beside, ahead
):
    """Stand-ins: what each of them is, is no matter to who imports it."""
    folder = tmp_path / "packages"
    for name in (*_IN_STOCK, *beside):
        package = folder / name.replace("-", "_")
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(f"NAME = {name!r}\n")
        (folder / f"{package.name}-1.0.dist-info").mkdir()
    source = (
        f"import sys\nAHEAD = [name for name in {_IN_STOCK!r} if name in sys.modules]\n"
        "import httpx, pandas, pydantic, requests\n"
        "def tool():\n    return AHEAD, [httpx.NAME, pandas.NAME, pydantic.NAME, requests.NAME]\n"
    )
    assert values(box.run(job(source, environment=folder))) == [[ahead, list(_IN_STOCK)]]
