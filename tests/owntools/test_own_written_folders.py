"""A module that a generated tool may have written is not imported, whoever names it."""

import contextlib
import time

from cli.shop import toolwright
from toolwright.policy import Approval
from toolwright.powers import Grant
from toolwright.store.home import Home

MODULE = '''
open("it_ran", "w").close()


def look_up(customer: str) -> float:
    """Look up what a customer owes."""
    return 1.5
'''


def refused(tmp_path, *more):
    done = toolwright(
        tmp_path, "tools", "--home", str(tmp_path / "home"), "--tools", "reports/billing.py:look_up", *more, code=2
    )
    assert "reports, where a generated tool may write" in done.stderr
    assert "another folder" in done.stderr
    assert not (tmp_path / "it_ran").exists()


def place(tmp_path):
    folder = tmp_path / "reports"
    folder.mkdir()
    (folder / "billing.py").write_text(MODULE)
    return folder


def test_a_folder_that_policy_lets_tools_write_to_holds_no_own_tools(tmp_path):
    folder = place(tmp_path)
    home = tmp_path / "home"
    home.mkdir()
    (home / "policy.toml").write_text(f'[[rule]]\naction = "ask"\nwrites = ["{folder}"]\n')
    refused(tmp_path)
    (home / "policy.toml").write_text(f'[[rule]]\naction = "deny"\nwrites = ["{folder}"]\n')
    done = toolwright(tmp_path, "tools", "--home", str(home), "--tools", "reports/billing.py:look_up")
    assert done.stdout.startswith("look_up  host")


def test_a_folder_that_a_person_let_a_tool_write_to_holds_no_own_tools(tmp_path):
    folder = place(tmp_path)
    with contextlib.closing(Home.open(tmp_path / "home")) as home:
        grant = Grant(writes=(str(folder),))
        home.approvals.record(Approval("local", "keep", grant, (), "writes", "agent", "d" * 64, "person", time.time()))
    refused(tmp_path)
    config = 'tools.functions = ["reports/billing.py:look_up"]\n'
    (tmp_path / "home" / "config.toml").write_text(config)
    done = toolwright(tmp_path, "tools", "--home", str(tmp_path / "home"), code=2)
    assert "where a generated tool may write" in done.stderr
