"""Frames, jobs and exits: what goes in comes out, and bytes that nobody meant are refused in one way."""

import json
import os
import pathlib
import random
import socket
import sysconfig
import threading
from dataclasses import replace

import pytest

from toolwright.call import Usage
from toolwright.powers import Grant, Limits
from toolwright.sandbox import Ending, Exit, InputFile, Job, plan
from toolwright.sandbox.container import wire
from toolwright.sandbox.container.frames import FROM_CONTAINER, Kind, ProtocolError, frames, pack
from toolwright.sandbox.container.lanes import WINDOW, Lane
from toolwright.sandbox.container.refusals import refusal

JOB = Job(
    "def f(a):\n    return a\n",
    "f",
    ({"a": 1}, {"a": "\u2028 ü"}),
    grant=Grant(hosts=("api.example.com", "tcp://db.example.com:5432"), plain_secrets=("KEY",), subprocess=True),
    limits=Limits(wall_s=2),
    secrets={"KEY": "value", "OTHER": "never sent"},
    empty_folders=("/x",),
    tenant="t",
)
EXIT = Exit(
    Ending.OUTPUT,
    "It said too much.",
    (b'{"item":0,"ok":true,"value":1}', b"\x00\xff torn"),
    torn=True,
    loaded=True,
    exit_code=None,
    output="ü\n",
    usage=Usage(1.5, 0.5, 1000),
    times=(0.25, 0.5),
)


def read_all(data, allowed=FROM_CONTAINER, step=7):
    parts = [data[start : start + step] for start in range(0, len(data), step)]
    parts.append(b"")
    return list(frames(lambda _: parts.pop(0), allowed))


def test_frames_come_out_as_they_went_in_however_they_are_cut():
    sent = [(Kind.PART, 5, b"abc"), (Kind.EXIT, 2**32 - 1, b""), (Kind.DATA, 0, bytes(1000))]
    data = b"".join(pack(*frame) for frame in sent)
    for step in (1, 7, 9, 10_000):
        assert read_all(data, step=step) == sent


def test_a_frame_of_the_wrong_side_too_large_or_cut_off_is_refused():
    for data in (pack(Kind.JOB, 1, b"{}"), b"\x7f" + pack(Kind.PART, 1)[1:], pack(Kind.PART, 1, b"abc")[:-1], b"x"):
        with pytest.raises(ProtocolError):
            read_all(data)
    with pytest.raises(ProtocolError):
        pack(Kind.PART, 1, bytes(2**20 + 1))


def test_a_job_comes_out_as_it_went_in_but_for_what_stays_on_the_host(tmp_path):
    job = replace(JOB, files=(InputFile("a/b", tmp_path / "x", True),))
    said = json.loads(wire.job_bytes(job, packages="", trust="", collect=False))
    assert "never sent" not in json.dumps(said)
    inside = wire.job_of(said, "/in")
    assert inside == replace(
        job,
        secrets={"KEY": "value"},
        files=(InputFile("a/b", pathlib.Path("/in/0"), True),),
        arguments=inside.arguments,
    )
    assert [dict(one) for one in inside.arguments] == [dict(one) for one in JOB.arguments]


def test_an_exit_comes_out_as_it_went_in():
    assert wire.read_exit(wire.exit_bytes(EXIT), JOB, ()) == EXIT


def test_ten_thousand_spoiled_exits_and_greetings_are_refused_or_read_but_nothing_else():
    chance = random.Random(20261129)
    whole = wire.exit_bytes(EXIT)
    refused = 0
    for _ in range(10_000):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            where = chance.randrange(len(data))
            data[where : where + chance.randint(0, 3)] = chance.randbytes(chance.randint(0, 3))
        try:
            found = wire.read_exit(bytes(data), JOB, ())
        except ProtocolError:
            refused += 1
        else:
            assert len(found.claims) <= 3
            found.detail.encode()
        with pytest.raises(ProtocolError):
            wire.read_hello(bytes(data[4:]))
    assert refused > 5000


def test_random_bytes_are_no_frames():
    chance = random.Random(1)
    for _ in range(2000):
        data = chance.randbytes(chance.randint(1, 60))
        try:
            read_all(data)
        except ProtocolError:
            continue
        raise AssertionError(f"{data!r} was read")


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "1",
        '{"a":1,"a":1}',
        "{",
        '{"a":NaN}',
        "[" * 100_000,
        '{"a":' * 100_000,
        "\xff",
        '{"a":' + "9" * 5000 + "}",
    ],
)
def test_json_that_is_no_plain_object_is_refused(text):
    with pytest.raises(ProtocolError):
        wire.mapping(text.encode("latin-1"))


def test_names_that_windows_reads_otherwise_are_refused_there():
    for path in ("a\\b", "c:x", "aux", "Nul.txt", "com1", "a.", "a ", "x*"):
        data = json.dumps({"path": f"d/{path}", "size": 0}).encode()
        with pytest.raises(ProtocolError):
            wire.read_left(data, windows=True)
        assert wire.read_left(data).path == f"d/{path}"


def test_folders_that_the_container_has_itself_are_refused_and_links_and_what_is_not_there(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path)
    for path in ("/", "/proc", "/usr/lib", "/etc", "/var", "/opt/packages", f"{tmp_path}/none", f"{tmp_path}/link"):
        assert path in refusal(Job("", "", (), Grant(reads=(path,))))
    assert refusal(Job("", "", (), Grant(reads=(str(tmp_path),)))) == ""
    code = str(pathlib.Path(wire.__file__).parents[2])
    assert "what runs outside" in refusal(Job("", "", (), Grant(writes=(os.path.dirname(code),))))
    (tmp_path / "a:b").mkdir()
    assert "Rename" in refusal(Job("", "", (), Grant(reads=(f"{tmp_path}/a:b",))))


def test_a_file_that_was_swapped_for_a_link_is_not_handed_in(tmp_path):
    (tmp_path / "real").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert "link" in refusal(Job("", "", (), files=(InputFile("a", tmp_path / "link"),)))
    assert refusal(Job("", "", (), files=(InputFile("a", tmp_path / "real"),))) == ""
    assert "below the work folder" in refusal(Job("", "", (), files=(InputFile("../a", tmp_path / "real"),)))


@pytest.mark.parametrize("name", ["stdlib", "purelib", "scripts"])
def test_both_boxes_refuse_in_the_same_words_what_would_change_the_code_of_this_process(name, tmp_path):
    job = Job("", "", (), Grant(writes=(os.path.realpath(sysconfig.get_paths()[name]),)))
    assert "can change" in plan.refusal(job, "full")
    if not refusal(job).startswith(f"path {job.grant.writes[0]} cannot be granted: the container has its own"):
        assert refusal(job) == plan.refusal(job, "full")
    job = Job("", "", (), files=(InputFile("a", tmp_path / "gone"),))
    assert "not there any more" in refusal(job)
    assert refusal(job) == plan.refusal(job, "full")


def test_a_connection_holds_no_more_than_its_window_for_a_socket_that_nobody_reads():
    ours, theirs = socket.socketpair()
    sent = []
    lane = Lane(1, ours, lambda kind, number, data: sent.append(kind), lambda number: None)
    with theirs:
        lane.start()
        with pytest.raises(ProtocolError):
            [lane.frame(Kind.DATA, bytes(WINDOW // 4)) for _ in range(100)]
        with pytest.raises(ProtocolError):
            lane.frame(Kind.ACK, (1).to_bytes(4, "big"))
        with pytest.raises(ProtocolError):
            lane.frame(Kind.ACK, b"1")
        lane.drop()


def test_bytes_pass_a_connection_both_ways_to_their_end():
    outer, ours = socket.socketpair()
    inner, theirs = socket.socketpair()
    lanes = {}
    lanes["host"] = Lane(7, ours, lambda kind, _, data: lanes["inside"].frame(kind, data), lambda number: None)
    lanes["inside"] = Lane(7, theirs, lambda kind, _, data: lanes["host"].frame(kind, data), lambda number: None)
    for lane in lanes.values():
        lane.start()
    sent = random.Random(3).randbytes(3 * WINDOW)
    with outer, inner:
        for one, other in ((outer, inner), (inner, outer)):
            got = bytearray()
            writer = threading.Thread(target=lambda one=one: (one.sendall(sent), one.shutdown(socket.SHUT_WR)))
            writer.start()
            while part := other.recv(65536):
                got += part
            writer.join()
            assert bytes(got) == sent
