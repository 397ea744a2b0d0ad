"""Tables of the docs that mirror code say what the code says."""

import inspect
import re
from dataclasses import fields
from pathlib import Path
from typing import get_args

import pytest

from docs_support.command_tree import all_commands, spelled
from docs_support.pages import code, page
from docs_support.reasons import reasons
from toolwright import Toolwright, errors, orchestrator, powers, settings
from toolwright.ceilings import CEILINGS, reached
from toolwright.cli import COMMANDS, cli
from toolwright.cli.call import EXIT as _EXIT
from toolwright.cli.run import EXIT_CODES
from toolwright.configfile import LEFT_OPEN
from toolwright.deeds import DeedWord
from toolwright.policyfile import RULE_KEYS
from toolwright.powers import STRICT_LIMITS, Grant, Limits
from toolwright.requests import FIXED
from toolwright.settings import ENV_PREFIX, KEYS, RoleModel, Settings
from toolwright.trace import EventKind
from toolwright.workbench import MAX_MATCHING

UNITS = {"KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "MB": 10**6, "GB": 10**9}
DEFAULTS = Settings(home=Path("/nowhere"))
ROWS = page("docs/settings.md").table("setting")
# Their default is another setting's, or what can be had: the code says None.
FOLLOWING = {"model", "base_url", "generator.model", "generator.base_url", "examiner.model", "examiner.base_url"}


def quantity(words):
    """The number that `256 MiB`, `15 with a host` or `false` begins with."""
    if words in ("true", "false"):
        return words == "true"
    number, _, rest = words.partition(" ")
    return float(number) * UNITS.get(rest.split(" ")[0], 1)


def default_of(key):
    found = DEFAULTS
    for name in key.split("."):
        found = getattr(found, name)
    return found


def test_every_setting_is_in_the_table_in_its_order():
    assert [code(row["setting"])[0] for row in ROWS] == list(KEYS)


@pytest.mark.parametrize("row", ROWS, ids=[code(row["setting"])[0] for row in ROWS])
def test_a_setting_has_the_default_and_the_variable_that_the_table_says(row):
    key = code(row["setting"])[0]
    assert code(row["environment"]) == [ENV_PREFIX + key.upper().replace(".", "_")]
    said = row["default"]
    if key in FOLLOWING:
        assert DEFAULTS.orchestrator == DEFAULTS.generator == DEFAULTS.examiner == RoleModel()
    elif key == "context_tokens":
        assert (DEFAULTS.context_tokens, said) == (None, "what the server reports, or 128,000")
    elif key in ("sandbox.engine", "sandbox.image", "sandbox.runtime", "signer", "approvals.timeout_s") or (
        key.startswith(("store_", "embeddings", "budget.", "keep.")) and key in LEFT_OPEN
    ):
        assert (default_of(key), said) == (None, LEFT_OPEN[key])
    elif key in ("limits.sandboxes", "limits.calls_per_minute"):
        assert (getattr(DEFAULTS, key.removeprefix("limits.")), said) == (None, LEFT_OPEN[key])
    elif key in ("untrusted", "serve.hosts"):
        assert (said, default_of(key)) == ("none", ())
    elif key.startswith("tools."):
        assert (said, getattr(DEFAULTS, key.removeprefix("tools."))) == ("none", ())
    elif key == "policy":
        assert code(said) == ["policy.toml"]
    elif key == "limits.profile":
        assert (code(said), DEFAULTS.limits) == (["default"], Limits())
    elif code(said):
        assert code(said) == [default_of(key)]
    else:
        plain, _, wider = said.partition("; ")
        assert quantity(plain) == default_of(key)
        if wider:
            widened = DEFAULTS.limits.widened(Grant(("a.example",)), ()) if "host" in wider else None
            widened = widened or DEFAULTS.limits.widened(Grant(), ("pandas",))
            assert quantity(wider) == getattr(widened, key.removeprefix("limits."))


def test_strict_limits_are_what_the_table_says():
    said = next(row["meaning"] for row in ROWS if code(row["setting"]) == ["limits.profile"])
    assert said == "`strict`: 64 MiB, half a core, 5 s, no network"
    assert STRICT_LIMITS.memory_bytes == 64 * 2**20
    assert (STRICT_LIMITS.cpu_share, STRICT_LIMITS.wall_s) == (0.5, 5.0)


@pytest.mark.parametrize(("profile", "refused"), [("strict", True), ("default", False)])
def test_strict_limits_allow_no_network_whatever_was_granted(tmp_path, profile, refused):
    source = 'import urllib.request\n\n\ndef look() -> str:\n    """Look at a page."""\n'
    source += (
        '    with urllib.request.urlopen("https://a.example/") as answer:\n        return answer.read().decode()\n'
    )
    own = settings.load(tmp_path, {"limits.profile": profile})
    with Toolwright(settings=own, approve=True) as tw:
        pending = tw.validate("look", source, hosts=["a.example"]).pending
    said = (pending.status.value, pending.reason) if pending else None
    assert (said == ("denied", "limits")) is refused


def test_every_limit_can_be_set_or_is_fixed_on_purpose():
    settable = {key.removeprefix("limits.") for key in KEYS if key.startswith("limits.")} - {"profile"}
    assert {one.name for one in fields(Limits)} - settable <= {"cpu_share", "network"}


def test_every_command_is_in_the_table():
    rows = [name for row in page("docs/commands.md").table("command") for name in code(row["command"])]
    assert {name.split()[0] for name in rows if name.split()[0] in COMMANDS} == set(COMMANDS)


@pytest.mark.parametrize("name", [name for name in all_commands() if " " in name])
def test_every_subcommand_is_in_the_table(name):
    group, _, own = name.partition(" ")
    cells = [code(row["command"]) for row in page("docs/commands.md").table("command")]
    words = {
        word for spans in cells if spans and spans[0].split()[0] == group for span in spans for word in span.split()
    }
    assert own in words


OPTIONS = {name: spelled(command) for name, command in all_commands().items()}


def test_every_command_takes_json_but_those_that_the_page_names():
    assert "Every command takes `--json` but `scripted` and `completion`." in page("docs/commands.md").text
    assert {name for name, options in OPTIONS.items() if "--json" not in options} == {"scripted", "completion"}


@pytest.mark.parametrize("name", ["run", "chat", "make"])
def test_a_command_that_drives_a_model_takes_the_promised_options(name):
    promised = {"--model", "--base-url", "--surface", "--max-new-tools", "--yes", "--policy", "--home", "--json"}
    assert OPTIONS[name] >= promised


def test_exit_codes_are_those_of_the_table():
    rows = page("docs/commands.md").table("code")
    said = {int(row["code"]) for row in rows}
    tree = [one for one in vars(errors).values() if inspect.isclass(one) and issubclass(one, errors.ToolwrightError)]
    used = {one.exit_code for one in tree} | set(EXIT_CODES.values()) | set(_EXIT.values()) | {0, 130}
    assert said == used
    meaning = {int(row["code"]): row["meaning"] for row in rows}
    for error, word in [
        (errors.UserError, "wrong"),
        (errors.RefusedError, "refused"),
        (errors.ModelError, "model"),
        (errors.SandboxError, "sandbox"),
        (errors.FaultError, "fault"),
    ]:
        assert word in meaning[error.exit_code]
    assert "incomplete" in meaning[EXIT_CODES["incomplete"]]
    assert "Ctrl-C" in meaning[EXIT_CODES["cancelled"]]


def test_help_says_the_exit_codes_too():
    for row in page("docs/commands.md").table("code"):
        assert re.search(rf"\b{row['code']} \w", cli.help or "")


def test_every_kind_of_event_is_in_the_table():
    rows = page("docs/events.md").table("kind")
    assert [code(row["kind"])[0] for row in rows] == list(get_args(EventKind))


def test_every_word_of_the_audit_is_in_the_table():
    rows = page("docs/record.md").table("word")
    assert {word for row in rows for word in code(row["word"])} == set(get_args(DeedWord))


def test_every_reason_of_a_refusal_or_a_question_is_in_the_table():
    rows = page("docs/guardrails.md").table("what stops it")
    assert {word for row in rows for word in code(row["`reason`"])} == reasons()


def test_every_limit_is_shown_as_it_is_met():
    shown = page("docs/guardrails.md").text
    assert not [name for name in CEILINGS if reached(name, 77).partition("77 ")[2].partition("(")[0] not in shown]


def test_every_key_of_a_rule_is_in_the_table():
    rows = page("docs/policy.md").table("key")
    assert {name for row in rows for name in code(row["key"])} == set(RULE_KEYS)


def test_the_powers_are_those_of_a_grant():
    rows = page("docs/policy.md").table("power")
    assert [row["power"] for row in rows] == [re.sub("(?<!s)s$", "", one.name) for one in fields(Grant)]
    assert code(page("docs/policy.md").text.partition("Packages off the allowed list (")[2].partition(")")[0]) == list(
        powers.ALLOWED_PACKAGES
    )


def test_the_fixed_tools_are_those_that_the_page_lists():
    rows = page("docs/orchestrator.md").table("tool")
    assert [code(row["tool"])[0] for row in rows] == [one if isinstance(one, str) else one.name for one in FIXED]


def test_limits_of_a_run_are_what_the_page_says():
    text = page("docs/orchestrator.md").text
    own = orchestrator.Options()
    assert f"the limit on steps ({own.max_steps}) or wall time ({own.wall_s:g} s" in text
    assert (own.max_new_tools, own.max_tools, MAX_MATCHING) == (5, 50, 8)
    assert "five new tools in a run (`max_new_tools`), fifty on the shelf (`max_tools`)" in text
    assert "up to eight tools of the shelf" in text


def test_the_python_page_lists_what_is_there():
    shown = page("docs/python.md").text
    names = re.search(r"`Toolwright\(model=None, \*, ([^)]*)\)`", shown)
    assert names is not None
    parameters = list(inspect.signature(Toolwright).parameters)
    assert ["model", *names[1].split(", ")] == parameters
    for row in page("docs/python.md").table("call"):
        for span in code(row["call"]):
            for name in re.findall(r"\btw\.(\w+)", span):
                assert hasattr(Toolwright, name), span
