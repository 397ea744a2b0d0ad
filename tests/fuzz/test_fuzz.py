"""Each reader of hostile bytes against 10,000 inputs and a second reader; each promise is broken once to see it heard.

A million inputs each: `python -m benchmarks fuzz --inputs 1000000`.
"""

import collections
import importlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.fuzz import command
from benchmarks.fuzz.target import input_of
from benchmarks.fuzz.targets import NAMES, target
from toolwright import reach
from toolwright.sandbox import claims, keeper
from toolwright.sandbox.container import wire
from toolwright.sandbox.egress import http, placing, redacting, tls_name

ROOT = Path(__file__).parent.parent.parent
SEED = 20261129

REACHED = {
    "claims": {"value", "error", "refused"},
    "http": {"bare", "counted", "chunked", "tunnel", "refused", "refused body", "refused host"},
    "answer": {"answer", "refused", "waits"},
    "tls": {"heard 1", "heard 2", "refused", "refused late", "waits"},
    "hosts": {"host", "any", "tcp", "bound header", "bound query", "refused"},
    "keeper": {"all", "torn", "half", "long", "too few", "not loaded", "more than asked, torn"},
    "places": {"filled", "bare", "tunnel", "refused"},
    "clean": {"answer", "answer, cleaned", "refused", "waits"},
    "stream": {"exit", "exit, 1 files", "refused", "no exit"},
}


@pytest.mark.parametrize("count", [2_000, pytest.param(10_000, marks=pytest.mark.long)])
@pytest.mark.parametrize("name", NAMES)
def test_thousands_of_inputs_break_no_promise(name, count):
    one, labels = target(name), collections.Counter()
    for number in range(count):
        data = input_of(one, SEED, number)
        label, wrong = command.verdict(one, data)
        assert not wrong, f"python -m benchmarks fuzz --target {name}: seed {SEED}, number {number}: {data!r}"
        labels[label] += 1
    assert {label for label, times in labels.items() if times > count // 1000} >= REACHED[name]


@pytest.mark.parametrize("name", NAMES)
def test_known_attacks_break_no_promise(name):
    for data in target(name).corpus:
        target(name).check(data)


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_nothing_made_of_its_own_words_breaks_a_promise(name, data):
    words = st.one_of(st.sampled_from(tuple(target(name).tokens)), st.binary(max_size=3))
    begun = data.draw(st.sampled_from((b"", *target(name).corpus)))
    at = data.draw(st.integers(0, len(begun)))
    target(name).check(begun[:at] + b"".join(data.draw(st.lists(words, max_size=12))) + begun[at:])


def first_of(headers, wanted):
    return next((value for name, value in headers if name.lower() == wanted), None)


class Careless(http.Counted):
    """Lets everything through."""

    def __call__(self, data):
        return data


class Forgetful(tls_name.NamedTunnel):
    """Looks at the first greeting only."""

    def _greets_again(self):
        return False


DEFECTS = {
    "a key stands twice": ("claims", claims, "_DECODER", json.JSONDecoder()),
    "what is nested without end": ("claims", claims, "_too_deep", lambda said: False),
    "a type of any text": ("claims", claims, "_KIND", re.compile("(?s).*")),
    "two lengths": ("http", http, "_once", first_of),
    "a second request behind the body": ("http", http, "Counted", Careless),
    "headers of this hop": ("http", http, "_HOP_BY_HOP", frozenset()),
    "values with line breaks": ("http", http, "_VALUE", re.compile(rb"(?s).*")),
    "a size with a sign": ("http", http, "_CHUNK_SIZE", re.compile(rb".{1,9}")),
    "this hop's headers in an answer": ("answer", http, "_HOP_BY_HOP", frozenset()),
    "a second greeting": ("tls", "benchmarks.fuzz.tls", "NamedTunnel", Forgetful),
    "a name that is an address": ("hosts", reach, "_is_host_name", bool),
    "an answer without a cap": ("keeper", keeper, "_ENVELOPE", 10**9),
    "a torn channel that is believed": ("keeper", keeper.Keeper, "_tear", lambda self: None),
    "a value in any header": (
        "places",
        placing.Placing,
        "_in_header",
        lambda self, n, v, p, s: v.replace(b"secret://KEY", b"val-of-key-1"),
    ),
    "a value at the end of a piece": ("clean", redacting.Redactor, "_pass", lambda self, data, last: self.whole(data)),
    "a path that leads out": ("stream", wire, "read_left", lambda data, windows: wire.Left(**json.loads(data))),
    "an exit of another form": ("stream", wire, "_seconds", float),
    "a suffix that is no label": ("hosts", "benchmarks.fuzz.hosts", "host_within", lambda a, b: a.endswith(b[2:])),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_reader_with_a_hole_is_found_out(defect, monkeypatch):
    name, module, attribute, instead = DEFECTS[defect]
    module = importlib.import_module(module) if isinstance(module, str) else module
    monkeypatch.setattr(module, attribute, instead)
    one = target(name)
    for number in range(10_000):
        if command.verdict(one, input_of(one, SEED, number))[1]:
            return
    pytest.fail(f"10,000 inputs did not show: {defect}")


def test_an_input_depends_on_its_number_alone():
    for name in NAMES:
        words = f"from benchmarks.fuzz.target import *; from benchmarks.fuzz.targets import *; print(input_of(target({name!r}), 5, 77).hex())"
        printed = subprocess.run([sys.executable, "-c", words], cwd=ROOT, capture_output=True, text=True, check=True)
        assert printed.stdout.strip() == input_of(target(name), 5, 77).hex()


def test_a_hunt_is_told_kept_and_taken_up_again(tmp_path, capsys):
    state = tmp_path / "state.json"
    assert command.main(["--target", "hosts", "--inputs", "300", "--seed", "7", "--state", str(state), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["targets"]["hosts"]["inputs"] == 300
    assert json.loads(state.read_text()) == {"seed": 7, "done": {"hosts": 300}}
    assert command.main(["--target", "hosts", "--inputs", "450", "--state", str(state), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["seed"], said["targets"]["hosts"]["inputs"]) == (7, 450)
    assert sum(said["targets"]["hosts"]["labels"].values()) == 150


def test_what_breaks_a_promise_is_made_smaller_printed_and_can_be_checked_again(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(claims, "_DECODER", json.JSONDecoder())
    crashes = tmp_path / "crashes"
    words = ["--target", "claims", "--inputs", "4000", "--seed", str(SEED), "--jobs", "1", "--crashes", str(crashes)]
    assert command.main(words) == 1
    printed = capsys.readouterr().out
    assert "BROKEN Broken: two readers of one claim agree" in printed
    kept = sorted(crashes.iterdir())
    assert f"--target claims --input {kept[0]}" in printed
    assert len(kept[0].read_bytes()) < 100
    again = ["--target", "claims", "--input", str(kept[0])]
    assert command.main(again) == 1
    monkeypatch.undo()
    assert command.main(again) == 0


class Endless:
    """Something that never comes back from some inputs."""

    name, tokens, corpus = "endless", (), ()

    def make(self, chance):
        return chance.randbytes(1)

    def check(self, data):
        while data[:1] > b"\x80":
            pass
        return "read"


def test_an_input_that_never_comes_back_is_ended_and_told(monkeypatch):
    monkeypatch.setattr(command, "_HANG_S", 0.02)
    monkeypatch.setattr(command, "target", lambda name: Endless())
    block = command.hunt("endless", SEED, 0, 20)
    assert block.labels["broken"] > 0 < block.labels["read"]
    assert all("more than 0.02 s" in crash["wrong"] for crash in block.crashes)
