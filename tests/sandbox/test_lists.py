"""Each item of a list ends as it would by itself, whatever those before it used up; and a list has bounds of its own."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from test_executor import executor, tool
from toolwright import Toolwright
from toolwright.call import Call, Status
from toolwright.powers import Limits
from toolwright.sandbox import Ending, Job
from toolwright.sandbox.linux import LinuxSandbox

TOOL = '''{before}
def work(n: int) -> {returns}:
    """Do the work of number n."""
{body}
'''


class Counting:
    """A box that notes what each job asked for and got."""

    def __init__(self, box):
        self.box, self.jobs, self.ends = box, [], []

    def run(self, job, **more):
        self.jobs.append(len(job.arguments))
        self.ends.append(self.box.run(job, **more))
        return self.ends[-1]

    def __getattr__(self, name):
        return getattr(self.box, name)


@pytest.fixture(scope="module", params=["full", "landlock"])
def box(request):
    made = LinuxSandbox(request.param)
    if made.profile == "none":
        pytest.skip(f"this machine gives no {request.param} box")
    yield made
    made.close()


@pytest.fixture
def counting(box):
    return Counting(box)


@pytest.fixture
def door(box, tmp_path, monkeypatch):
    """The front door, with a tool `work` of that body; and the box behind it."""
    monkeypatch.chdir(tmp_path)
    opened = []

    def made(body, returns="int", before="", **settings):
        for name, value in settings.items():
            monkeypatch.setenv(f"TOOLWRIGHT_LIMITS_{name.upper()}", str(value))
        text = "".join(f"    {line}\n" for line in body.splitlines())
        (tmp_path / "work.py").write_text(TOOL.format(body=text, returns=returns, before=before))
        seen = Counting(box)
        tw = Toolwright(home=tmp_path / "home", sandbox=seen)
        opened.append(tw)
        brought = tw.import_file(tmp_path / "work.py")
        assert brought.version is not None, brought
        seen.jobs.clear()
        seen.ends.clear()
        return tw, seen

    yield made
    for one in opened:
        one.close()


def numbers(count):
    return [Call("work", {"n": n}) for n in range(count)]


SMALL = Limits(output_bytes=30_000, files_bytes=2 * 10**6, memory_bytes=64 * 2**20)
GREEDY = {
    "output": ("print('x' * 3000)\nreturn n", "import sys"),
    "folder": ("open(f'{n}', 'w').write('x' * 100_000)\nreturn n", ""),
    "one file": ("open('log', 'a').write('x' * 100_000)\nreturn n", ""),
    "memory": ("KEPT.append(bytes([1]) * 3 * 2**20)\nreturn n", "KEPT = []"),
    "descriptors": ("KEPT.append(open('log', 'a'))\nreturn n", "KEPT = []"),
    "threads": ("threading.Thread(target=GATE.wait, daemon=True).start()\nreturn n", "import threading\nGATE = threading.Event()"),
    "in other words": (
        "try:\n    KEPT.append(open('log', 'a'))\nexcept OSError:\n    raise ValueError('no log') from None\nreturn n",
        "KEPT = []",
    ),
    "in no words": ("KEPT.append(open('log', 'a'))\nimport colorsys, wave, this\nreturn n", "KEPT = []"),
}  # fmt: skip


MANY_ITEMS = {"descriptors": 400, "in other words": 400, "in no words": 400}


@pytest.mark.parametrize("what", GREEDY)
def test_no_item_pays_for_those_before_it(counting, what):
    body, before = GREEDY[what]
    got = executor(box=counting).map(tool(body, before=before), numbers(MANY_ITEMS.get(what, 120)), limits=SMALL)
    assert {(one.status, one.reason, one.detail) for one in got} == {(Status.OK, "", "")}
    assert [one.value for one in got] == list(range(len(got)))
    assert len(counting.jobs) < 40, "each guest served as many as it could"
    assert len(counting.jobs) > 1 or counting.profile == "landlock", "else nothing was used up"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("if n % 7 == 3: open('big', 'w').write('x' * 9_000_000)\nreturn n", None),
        ("if n % 7 == 3: print('x' * 90_000)\nreturn n", "output"),
        ("if n % 7 == 3: print('x' * 35_000)\nreturn n", "output"),  # it fits the pipe: the guest goes on at once
        ("if n % 7 == 3: KEPT.append(bytes([1]) * 2**27)\nreturn n", "memory"),
        ("if n % 7 == 3: raise OSError(28, 'No space left on device')\nreturn n", "OSError"),
    ],
)
def test_what_an_item_breaks_by_itself_is_its_own_and_costs_no_other(counting, body, reason):
    got = executor(box=counting).map(tool(body, before="KEPT = []"), numbers(20), limits=SMALL)
    assert [one.status is not Status.OK for one in got] == [n % 7 == 3 for n in range(20)], got
    assert {one.reason for one in got if not one.ok} <= ({reason} if reason else {"OSError", "files"})


def test_much_output_behind_little_is_read_to_its_end(counting):
    """What an item printed is read with its answer; the guest whose pipe is full then is not forgotten."""
    body = "print('x' * (300_000 if n % 3 == 2 else 10))\nreturn n"
    got = executor(box=counting).map(tool(body), numbers(30), limits=Limits(output_bytes=10**7))
    assert [one.value for one in got] == list(range(30)), [one.detail for one in got if not one.ok]
    assert len(counting.jobs) == 1


def test_a_tool_that_always_fails_so_runs_few_times_more_than_it_has_items(counting, tmp_path):
    body = "raise OSError(28, 'No space left on device')"
    got = executor(box=counting).map(tool(body), numbers(60), limits=SMALL)
    assert {one.status for one in got} == {Status.RAISED}
    assert sum(len(one.claims) for one in counting.ends) < 60 * 4


def test_what_raises_for_its_own_reasons_still_shares_a_guest(counting):
    got = executor(box=counting).map(tool("raise ValueError(f'no {n}')"), numbers(50))
    assert {one.status for one in got} == {Status.RAISED}
    assert counting.jobs == [50]


def test_files_of_a_list_are_those_that_each_item_would_have_left(door):
    tw, _ = door("open(f'{n}.txt', 'a').write('x' * 60_000)\nopen('log', 'a').write(f'{n} ')\nreturn n",
                    files_bytes=10**6)  # fmt: skip
    got = tw.map("work", [{"n": n} for n in range(60)], out="out")
    assert {(one.status, one.detail) for one in got} == {(Status.OK, "")}
    names = {file.path.rpartition("/")[2]: file.size for one in got for file in one.files}
    assert names == {f"{n}.txt": 60_000 for n in range(60)} | {"log": len(" ".join(map(str, range(60)))) + 1}
    log = next(file.path for one in got for file in one.files if file.path.endswith("log"))
    assert Path(log).read_text().split() == [str(n) for n in range(60)], "no item has left anything twice"


MANY = "for k in range(n):\n    open(f'{n}-{k}', 'w').write('x')\nreturn n"


@pytest.mark.long
def test_more_files_than_a_call_may_leave_are_said_and_none_is_lost_in_silence(door):
    tw, _ = door(MANY)
    got = tw.call("work", {"n": 300}, out="out")
    assert (got.status, got.reason) == (Status.KILLED, "files"), got
    assert "256 files" in got.detail
    assert "limits.files_count" in got.detail
    few = tw.call("work", {"n": 200}, out="few")
    assert (few.status, len(few.files)) == (Status.OK, 200)


def test_more_bytes_than_a_call_may_leave_are_said(door):
    body = "for k in range(n):\n    open(f'{k}', 'w').write('x' * 10**6)\nreturn n"
    tw, _ = door(body)
    got = tw.call("work", {"n": 17}, out="out")
    assert not got.ok, got
    assert "limits.files_bytes" in got.detail or "No space left" in got.detail
    assert tw.call("work", {"n": 15}, out="fits").ok


def test_a_list_may_leave_more_files_than_one_call(door):
    tw, _ = door(MANY, files_count=20)
    got = tw.map("work", [{"n": 8}, {"n": 9}, {"n": 30}, {"n": 7}, {"n": 10}], out="out")
    assert [one.status.value for one in got] == ["ok", "ok", "killed", "ok", "ok"]
    assert "limits.files_count" in got[2].detail
    left = {file.path.rpartition("/")[2] for one in got for file in one.files}
    assert {f"{n}-{k}" for n in (7, 8, 9, 10) for k in range(n)} <= left


def test_the_answers_of_a_list_are_bounded_and_what_is_beyond_is_said(door):
    tw, _ = door("return 'x' * n", returns="str", list_bytes=3_500_000)
    got = tw.map("work", [{"n": 10**6}] * 6 + [{"n": 1}])
    assert [one.status.value for one in got] == ["ok"] * 3 + ["denied"] * 4
    assert {one.reason for one in got[3:]} == {"limits"}
    assert "3500000" in got[3].detail
    assert "limits.list_bytes" in got[3].detail
    assert tw.call("work", {"n": 10**6}).ok
    assert tw.registry.find("work") is not None


def test_answers_wait_in_this_process_in_small_numbers_and_none_is_lost(counting):
    got = executor(box=counting).map(tool("return 'x' * 1_000_000", returns="str"), numbers(40))
    assert {one.status for one in got} == {Status.OK}
    assert [len(one.value) for one in got] == [10**6] * 40
    assert max(sum(map(len, one.claims)) for one in counting.ends) < 18 * 2**20


def test_one_long_answer_is_no_lists_business(counting):
    limits = Limits(list_bytes=1000)
    got = executor(box=counting).map(tool("return 'x' * 5000", returns="str"), numbers(1), limits=limits)
    assert got[0].ok
    got = executor(box=counting).map(tool("return 'x' * 5000", returns="str"), numbers(2), limits=limits)
    assert [one.status for one in got] == [Status.OK, Status.DENIED]


def test_a_box_that_is_asked_itself_says_that_answers_were_too_many(box):
    job = Job("def work(n):\n    return 'x' * 1_000_000\n", "work", tuple({"n": n} for n in range(20)))
    ended = box.run(job)
    assert ended.ending is Ending.OUTPUT
    assert 16 <= len(ended.claims) < 20


class Page(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = b"x" * int(self.path[1:])
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@pytest.fixture
def page():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


FETCH = """
for _ in range(n):
    urllib.request.urlopen(f'http://127.0.0.1:{port}/{size}', timeout=9).read()
return n
"""


@pytest.mark.parametrize(("cap", "size"), [({"max_requests": 3}, 1), ({"max_bytes": 14_000}, 3000)])
def test_each_item_has_the_requests_and_bytes_of_a_call(page, monkeypatch, cap, size):
    from toolwright.sandbox import egress

    box = LinuxSandbox("full")
    if box.profile != "full":
        pytest.skip("host grants need a box with a network namespace")
    for name, value in cap.items():
        monkeypatch.setitem(egress.Egress.__init__.__kwdefaults__, name, value)
    allow = f'[[rule]]\naction = "allow"\nhosts = ["127.0.0.1:{page}"]\n'
    fetch = tool(FETCH, "n: int, port: int, size: int", before="import urllib.request",
                 powers={"hosts": [f"127.0.0.1:{page}"]})  # fmt: skip
    calls = [Call("work", {"n": n, "port": page, "size": size}) for n in (3, 3, 9, 3, 2, 3)]
    counting = Counting(box)
    got = executor(allow, box=counting).map(fetch, calls)
    box.close()
    assert [one.ok for one in got] == [True, True, False, True, True, True], got
    assert counting.jobs[0] == 6
