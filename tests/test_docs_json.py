"""What the commands print with `--json` is what docs/json.md and docs/events.md say."""

import copy
import json
import shlex
from dataclasses import dataclass, field
from typing import get_args

import pytest
from jsonschema import Draft202012Validator, ValidationError

from docs_support.command_tree import all_commands, spelled, uses
from docs_support.pages import code, page
from docs_support.world import has_full_sandbox, world
from toolwright.sandbox.linux import LinuxSandbox
from toolwright.trace import EventKind

SCHEMA = json.loads(page("docs/json.md").of("json")[0].text)
KEYS = {code(row["kind"])[0]: row["keys"] for row in page("docs/events.md").table("kind")}
ADD = 'def add(a: int, b: int) -> int:\n    """Add two whole numbers."""\n    return a + b\n'
WRONG = ADD.replace("a + b", "a - b")
DOUBLE = "def double(number: int) -> int:\n    return number + number\n"
MANIFEST = {name: {"description": "Add two numbers.", "file": f"{name}.py"} for name in ("plus", "gone")}
EXAMPLE = ["--example", "add(1, 2) == 3"]
FULL = has_full_sandbox()
ONE_TASK = ["--sandbox", "landlock"] if LinuxSandbox("landlock").profile == "landlock" else []
"""Without namespaces the demo does the one task that needs no host: enough to see its lines."""


pytestmark = [pytest.mark.long, pytest.mark.xdist_group("docs json")]


@dataclass
class Printed:
    """What the commands printed, by the words that name each; filled once."""

    by_name: dict = field(default_factory=dict)
    commands: set = field(default_factory=set)

    def lines(self, name):
        return self.by_name[name]

    def last(self, name):
        return self.by_name[name][-1]

    def all(self):
        return [line for lines in self.by_name.values() for line in lines]

    def events(self):
        return [line for line in self.all() if is_event(line)]


def is_event(line):
    return line["type"] in get_args(EventKind) and {"run_id", "at"} <= set(line)


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    return built(tmp_path_factory.mktemp("json"))


def built(place):
    found = Printed()
    with world(place) as here:

        def do(name, *words, exit_code=0, said=""):
            done = here.toolwright(*words, "--json", said=said)
            assert done.returncode == exit_code, f"{words}\n{done.stdout}\n{done.stderr}"
            found.by_name[name] = [json.loads(line) for line in done.stdout.splitlines()]
            found.commands |= {use.name for use in uses(shlex.join(["toolwright", *words]))}

        (here.folder / "add.py").write_text(ADD)
        (here.folder / "wrong.py").write_text(WRONG)
        (here.folder / "double.py").write_text(DOUBLE)
        (here.folder / "own.py").write_text(ADD.replace("add", "plus"))
        (here.folder / "old").mkdir()
        (here.folder / "old" / "manifest.json").write_text(json.dumps(MANIFEST))
        (here.folder / "old" / "plus.py").write_text(ADD.replace("add", "plus"))
        (here.folder / "old" / "other.py").write_text("")
        do("demo", "demo", "--home", str(place / "demo"), *ONE_TASK, exit_code=0)
        do("run", "run", "How many vowels are there?")
        do("run again", "run", "How many vowels are there?", "--untrusted-file", "add.py")
        do("run incomplete", "run", "Give up.", exit_code=3)
        do("run asks", "run", "Fetch from somewhere.", exit_code=3)
        do("run pauses", "run", "Say what runs Linux.", "--pause", exit_code=8)
        do("approvals", "approvals")
        number = str(found.last("run pauses")["question"])
        do("approvals show", "approvals", "show", number)
        do("approvals approve", "approvals", "approve", number, "--until", "7d")
        do("approvals reject", "approvals", "reject", number, "--why", "too late", exit_code=4)
        do("grants", "grants")
        do("grants add", "grants", "add", "--host", "api.example.com", "--until", "7d")
        do("grants revoke", "grants", "revoke", str(found.last("grants add")["id"]))
        do("tokens add", "tokens", "add", "laptop", "--scope", "read")
        do("tokens", "tokens")
        do("tokens revoke", "tokens", "revoke", "laptop")
        # What it prints when it serves is held to the page beside its clients: tests/web.
        do("serve", "serve", "--http", "nowhere", exit_code=2)
        do("run capped", "run", "How many vowels are there?", "--max-cost", "0", exit_code=3)
        do("costs", "costs")
        do("costs by tool", "costs", "--by", "tool")
        do("costs recomputed", "costs", "--recompute")
        do("chat", "chat", said="How many vowels are there?\n")
        do("tools", "tools")
        do("show", "show", "count_vowels")
        do("show own", "show", "plus", "--tools", "own:plus")
        do("tools own", "tools", "--tools", "own:plus")
        do("call own", "call", "plus", '{"a": 1, "b": 2}', "--tools", "own:plus")
        do("search", "search", "vowels", "of", "a", "text")
        do("call", "call", "count_vowels", '{"text": "aye"}')
        do("call map", "call", "count_vowels", "--map", "-", said='[{"text": "aye"}, {"text": "nay"}]')
        do("call bad", "call", "count_vowels", '{"text": 1}', exit_code=2)
        spec = ["-d", "Double a whole number.", "-p", "number: int", "-r", "int", "-e", "double(2) == 4"]
        do("make", "make", "double", *spec)
        do("make words", "make", "count the words of a text")
        do("make failed", "make", "hopeless", *spec[:-1], "hopeless(2) == 4", exit_code=1)
        do("check", "check", "add.py", *EXAMPLE)
        do("check failed", "check", "wrong.py", "--name", "add", *EXAMPLE, exit_code=1)
        do("runs", "runs")
        do("runs show", "runs", "show", found.last("run")["run_id"])
        do("audit", "audit", "--limit", "3")
        do("audit verify", "audit", "verify")
        do("audit export", "audit", "export")
        do("runs delete", "runs", "delete", "--before", "2020-01-01", "--yes")
        do("runs prune", "runs", "prune")
        do("registry import", "registry", "import", "add.py", *EXAMPLE)
        do("registry retire", "registry", "retire", "add")
        do("registry restore", "registry", "restore", "add")
        do("provenance", "show", "count_vowels", "--provenance")
        do("registry keys", "registry", "keys")
        do("registry keys rotate", "registry", "keys", "--rotate")
        do("registry promote", "registry", "promote")
        do("registry yank", "registry", "yank", "count_vowels")
        do("registry restore yanked", "registry", "restore", "count_vowels", "1")
        do("registry revoke", "registry", "revoke", "--digest", "0" * 64, "--why", "leaks")
        do("registry rebuild", "registry", "rebuild")
        file = here.home / "tools" / "add" / "1.py"
        file.write_text(file.read_text().replace("return a + b", "return b + a"))
        do("edited", "show", "add", exit_code=2)
        do("registry adopt", "registry", "adopt", "add")
        (here.folder / ".toolwright").mkdir()
        do("registry trust", "registry", "trust")
        # What they print where there is a shared shelf is held to the page beside the servers: tests/registry.
        do("registry init", "registry", "init", exit_code=2)
        # The first version of add was edited by hand above, and stays behind.
        do("registry verify", "registry", "verify", exit_code=1)
        do("registry gc", "registry", "gc")
        do("registry backup", "registry", "backup", "kept.tar", exit_code=1)
        do("registry restore backup", "registry", "restore", "--from", "kept.tar", "--home", "another")
        do("registry copy", "registry", "copy", "another", "third")
        do("registry export", "registry", "export", "files")
        do("export", "export", "count_vowels", "--as", "skill", "-o", "skills")
        do("registry join", "registry", "join", "s3://my-bucket/x?table=toolwright", "--trust", "5f0c", exit_code=2)
        do("edit", "edit", "double", "--file", "double.py")
        do("mcp", "mcp", "--no-token", exit_code=2)
        do("mcp promote", "mcp", "promote", "double")
        do("mcp demote", "mcp", "demote", "double")
        do("mcp catalogue", "mcp", "catalogue")
        do("prune", "prune", "--unused-days", "0")
        do("prune packages", "prune", "--packages")
        do("retire", "retire", "double")
        do("restore", "restore", "double@1")
        do("import", "import", "old", exit_code=1)
        do("check several", "check", "add.py", "double.py", exit_code=1)
        do("config", "config", "list")
        do("config set", "config", "set", "max_steps", "9")
        do("config get", "config", "get", "max_steps")
        do("config unset", "config", "unset", "max_steps")
        do("config path", "config", "path")
        do("policy explain", "policy", "explain", "double", "--host", "a.example")
        do("secrets set", "secrets", "set", "KEY", said="a-value\n")
        do("secrets", "secrets", "list")
        do("secrets remove", "secrets", "remove", "KEY")
        do("doctor", "doctor")
        do("unknown tool", "show", "nobody", exit_code=2)
        do("unknown run", "runs", "show", "20260101-000000-abcdef", exit_code=2)
        do("no task", "run", exit_code=2)
        do("dead model", "run", "A question that the script does not know.", exit_code=5)
    return found


def validate(line, kind=None):
    kind = kind or ("event" if is_event(line) and line["type"] != "result" else line["type"])
    assert kind in SCHEMA["$defs"], f"docs/json.md has no {kind!r}: {line}"
    Draft202012Validator({**SCHEMA, "$ref": f"#/$defs/{kind}"}).validate(line)


EXPECTED = {
    "demo": "pass",
    "run": "result",
    "run again": "result",
    "run incomplete": "result",
    "run asks": "result",
    "run pauses": "result",
    "approvals": "questions",
    "approvals show": "question",
    "approvals approve": "question",
    "approvals reject": "error",
    "grants": "grants",
    "grants add": "grant",
    "grants revoke": "grant",
    "tokens add": "token",
    "tokens": "tokens",
    "tokens revoke": "token",
    "serve": "error",
    "run capped": "result",
    "costs": "costs",
    "costs by tool": "costs",
    "costs recomputed": "costs-recomputed",
    "dead model": "result",
    "chat": "result",
    "tools": "tools",
    "show": "tool",
    "show own": "tool",
    "tools own": "tools",
    "call own": "outcome",
    "search": "tools",
    "call": "outcome",
    "call bad": "outcome",
    "make": "made",
    "make words": "made",
    "make failed": "made",
    "check": "verdict",
    "check failed": "verdict",
    "runs": "runs",
    "runs show": "run",
    "audit": "audit",
    "audit verify": "audit-verified",
    "audit export": "audit-head",
    "runs delete": "runs-deleted",
    "runs prune": "runs-pruned",
    "registry import": "made",
    "registry adopt": "made",
    "registry retire": "registry",
    "registry restore": "registry",
    "provenance": "provenance",
    "registry keys": "keys",
    "registry keys rotate": "keys",
    "registry promote": "registry",
    "registry yank": "registry",
    "registry restore yanked": "registry",
    "registry revoke": "registry",
    "registry rebuild": "registry",
    "registry trust": "registry",
    "edit": "made",
    "prune": "pruned",
    "prune packages": "packages-pruned",
    "call map": "mapped",
    "retire": "retired",
    "restore": "registry",
    "import": "imported",
    "check several": "verdicts",
    "config": "config",
    "config set": "setting",
    "config get": "setting",
    "config unset": "setting",
    "config path": "config-path",
    "policy explain": "decision",
    "secrets set": "secret",
    "secrets": "secrets",
    "secrets remove": "secret",
    "doctor": "doctor",
    "mcp": "error",
    "mcp promote": "catalogue",
    "mcp demote": "catalogue",
    "mcp catalogue": "catalogue",
    "registry init": "error",
    "registry verify": "verified",
    "registry gc": "collected",
    "registry backup": "backup",
    "registry restore backup": "copied",
    "registry copy": "copied",
    "registry export": "exported",
    "export": "export",
    "registry join": "error",
    "edited": "error",
    "unknown tool": "error",
    "unknown run": "error",
    "no task": "error",
}


@pytest.mark.long
def test_every_line_is_as_the_page_says(printed):
    assert set(printed.by_name) == set(EXPECTED)
    for name, kind in EXPECTED.items():
        assert printed.last(name)["type"] == kind, name
        for line in printed.lines(name):
            validate(line)


def test_every_command_that_takes_json_is_among_them(printed):
    assert {name for name, command in all_commands().items() if "--json" in spelled(command)} <= printed.commands


def test_one_object_is_printed_where_the_page_says_one(printed):
    many = {
        "call map",
        "demo",
        "run",
        "run again",
        "run incomplete",
        "run asks",
        "run capped",
        "run pauses",
        "dead model",
        "chat",
        "make",
        "make words",
        "make failed",
        "audit export",
    }
    for name in set(EXPECTED) - many:
        assert len(printed.lines(name)) == 1, name


def test_every_schema_of_the_page_is_met_by_something(printed):
    parts = {"serving", "info", "check", "not-copied", "keyid", "cost-row", "audit-line", "asked", "yes"}
    parts |= {"mcp-server"}  # a server prints it and goes on: tests/mcpdoor holds it against the page
    assert {line["type"] for line in printed.all() if not is_event(line)} | {"result", "event"} | parts == set(
        SCHEMA["$defs"]
    )


def test_the_schemas_refuse_what_lacks_a_key(printed):
    for name, kind in EXPECTED.items():
        for key in SCHEMA["$defs"][kind]["required"]:
            torn = copy.deepcopy(printed.last(name))
            del torn[key]
            with pytest.raises(ValidationError):
                validate(torn, kind)


def test_the_demo_makes_in_its_first_pass_and_reuses_in_its_second(printed):
    first, second = (line for line in printed.lines("demo") if line["type"] == "pass")
    assert first["made"] == (1 if ONE_TASK or not FULL else 5)
    assert second["made"] == 0
    assert second["reused"] >= first["made"]


def test_made_and_reused_say_name_and_version(printed):
    assert printed.last("run")["made"] == ["count_vowels@1"]
    assert printed.last("run again")["reused"] == ["count_vowels@1"]
    assert printed.last("make")["made"] == "double@1"
    assert printed.last("registry adopt")["made"] == "add@2"


def test_events_have_exactly_the_keys_of_the_table(printed):
    seen = set()
    for event in printed.events():
        if event["type"] == "result":
            continue
        seen.add(event["type"])
        given = set(event) - {"type", "run_id", "at"}
        assert given == keys_of(event["type"]), event
    # Pieces of text come while streaming only and are never printed; the result is the last line itself; a model is
    # waited for only where a server of this machine loads it.
    unseen = {"text-delta", "result", "warning", "waiting"} | (
        set() if FULL else {"approval-asked", "approval-answered"}
    )
    assert seen >= set(KEYS) - unseen


def keys_of(kind):
    # What stands in brackets explains, and holds no key.
    cell = KEYS[kind]
    while "(" in cell:
        head, _, tail = cell.partition("(")
        cell = head + tail.partition(")")[2]
    return set(code(cell))


def test_runs_show_has_the_events_that_were_printed(printed):
    kept = [event["kind"] for event in printed.last("runs show")["events"]]
    run = [line["type"] for line in printed.lines("run")]
    assert kept == run


def test_an_error_says_its_exit_code(printed):
    for name, kind in EXPECTED.items():
        if kind == "error":
            assert printed.last(name)["exit_code"] == (4 if name == "approvals reject" else 2)
