"""A person at a terminal answers for powers; nobody at a pipe does; what was allowed is not asked again."""

from __future__ import annotations

import contextlib
import json
import sqlite3

from shop import Maker, Page, Terminal, as_json, at_model, fetcher, toolwright

from outside.endpoint import Endpoint


def test_a_person_is_asked_once_for_each_power_and_every_answer_does_what_it_says(home):
    with Page() as first, Page() as second, Page() as third:
        wide = fetcher("look_wide", first.host)
        wrong = wide[1].replace("len(answer.read())", "0")
        maker = Maker(
            (wide[0], [(wrong, [first.host]), (wide[1] + f"\nOTHER = '{second.host}'\n", [first.host, second.host])]),
            fetcher("look_no", second.host),
            fetcher("send_look", first.host, "Send a payload to a page."),
            fetcher("look_always", third.host, "Say how long the payload of a third page is."),
            fetcher("size_always", third.host, "Count characters at another place."),
        )
        with Endpoint(maker) as endpoint:
            words = ["--home", str(home), *at_model(endpoint.url)]
            terminal = Terminal(home, "run", "make", "them", *words)
            screen = terminal.wait_for("Enter is no")
            assert "does     Say the length of a page." in screen
            assert f"host {first.host}  (the page is there)" in screen
            assert "is tried with look_wide('a') == 5" in screen
            assert "| import urllib.request" in screen
            assert "checks   passed syntax, shape, screen; load, examples, contract come after a yes" in screen
            assert "remark 15" in screen
            assert "remark 16" not in screen, "as many lines as the window has room for beside the choices"
            assert "16 more lines; v shows them" in screen
            assert "price unknown" in screen
            assert first.hits == 0, "nothing of it runs before the answer"
            terminal.send("what?\n")
            terminal.wait_for("'what?' is not one of y, a, v, n")
            terminal.send("v\n")
            terminal.wait_for("return 0")
            terminal.send("q")
            terminal.wait_for("Enter is no")
            terminal.send("y\n")
            terminal.wait_for("attempt 2 of 3")
            screen = terminal.wait_for("Enter is no")
            assert f"host {second.host}" in screen, "widened powers are asked for again"
            assert first.hits == 1
            terminal.send("Y\n")
            terminal.wait_for("made   look_wide@1")
            terminal.wait_for("look_no asks for powers")
            terminal.wait_for("Enter is no")
            terminal.send("n\n")
            terminal.wait_for("Why not?")
            terminal.send("It is a \x1b[31mbad\x1b[0m host.\n")
            terminal.wait_for("send_look asks for powers")
            screen = terminal.wait_for("Enter is no")
            assert "effect   writes" in screen
            terminal.send("a\n")
            terminal.wait_for("never for a tool that sends")
            terminal.send("\x04")
            terminal.wait_for("look_always asks for powers")
            screen = terminal.wait_for("Enter is no")
            assert "effect   reads" in screen, "payload is not pay"
            terminal.send("a\n")
            terminal.wait_for("made   look_always@1")
            code, screen = terminal.end()
            assert "size_always asks for powers" not in screen, "always for this host"
            assert "made   size_always@1" in screen
            assert (code, "That is all." in screen) == (0, True)
            assert "\x1b[31mbad" not in terminal.raw.decode(), "what was typed cannot colour the terminal later"
            read = endpoint.of("orchestrator")[-1].results
            assert "bad" in read[1]
            assert "The person said no" in read[2]
            hits = first.hits, second.hits
            assert second.hits == 0
            # Later runs, in other processes and without a terminal, do not ask again.
            said = toolwright(home, "call", "look_wide", '{"path": "x"}', "--home", str(home))
            assert said.stdout.strip() == "5"
            assert (first.hits, second.hits) == (hits[0] + 1, 0)


def test_without_a_terminal_it_is_denied_with_the_line_to_add_and_the_line_or_yes_allows_it(home):
    with Page() as page, Page() as other:
        maker = Maker(fetcher("look", page.host), fetcher("gaze", other.host, "Count the letters of another page."))
        with Endpoint(maker) as endpoint:
            words = ["--home", str(home), "--json", *at_model(endpoint.url)]
            done = toolwright(home, "run", "make", "it", *words, code=3)
            lines = [json.loads(line) for line in done.stdout.splitlines()]
            answers = [one for one in lines if one["type"] == "approval-answered"]
            assert [(one["yes"], one["who"]) for one in answers] == [(False, "nobody")] * 2
            assert lines[-1]["output"] == "That is all.", "the model was told, and went on without"
            assert (page.hits, other.hits) == (0, 0)
            told = endpoint.of("orchestrator")[-1].results[0]
            rule = told[told.index("[[rule]]") :]
            assert page.host in rule
            policy = home / "allowed.toml"
            policy.write_text(rule)
            done = toolwright(home, "run", "make", "it", *words, "--policy", str(policy), code=3)
            assert as_json(done)["made"] == ["look@1"]
            assert (page.hits > 0, other.hits) == (True, 0)
            done = toolwright(home, "run", "make", "it", *words, "--yes")
            assert as_json(done)["made"] == ["gaze@1"]
            answers = [json.loads(line) for line in done.stdout.splitlines() if "approval-answered" in line]
            assert [(one["yes"], one["who"]) for one in answers] == [(True, "always yes")], "no person said it"
            with contextlib.closing(sqlite3.connect(home / "home.db")) as db:
                assert ("always yes",) in db.execute("SELECT who FROM approvals WHERE name = 'gaze'").fetchall()
