"""What a run began to use it goes on with: a version that another took the place of, until somebody withdraws it."""

import json
import shutil
import signal
import sqlite3
from contextlib import closing

import pytest
from orchestrator_stage import CONVERT, CONVERT_ASKED, Heard, calls, says
from test_orchestrator_resume import DIES

LISTED, UNLISTED = "Convert an amount by a rate.", "Hello there."
ARGUMENTS = {"amount": 2, "rate": 3}
DOUBLED = CONVERT.replace("amount * rate", "amount * rate * 2")
CALL = {
    "native": ("convert", ARGUMENTS),
    "fixed": ("run_tool", {"name": "convert", "arguments": ARGUMENTS}),
    "list": ("run_tool", {"name": "convert", "arguments": [ARGUMENTS]}),
}
SURFACES = pytest.mark.parametrize("surface", ["native", "fixed"])


class Meanwhile(Heard):
    """A sink by which something is done while a run is under way: after each event of *kind* the next of *deeds*."""

    def __init__(self, kind, *deeds):
        super().__init__()
        self.kind, self.deeds = kind, list(deeds)

    def emit(self, event):
        super().emit(event)
        if event.kind == self.kind and self.deeds:
            self.deeds.pop(0)()


class Home:
    """A home with convert@1, and a model that makes these calls, one list of them a step."""

    def __init__(self, stage, *steps):
        self.scene = stage(*(calls(*step, step=number, text="So.") for number, step in enumerate(steps)), says("Done."))
        with self.scene.open() as tw:
            self.bring(tw, CONVERT)

    def bring(self, tw, source):
        """What a person brings, whatever stood there before."""
        if "convert" in tw.registry:
            done = tw.edit("convert", source)
        else:
            path = self.scene.home.parent / "brought.py"
            path.write_text(source)
            done = tw.import_file(path)
        assert done.version is not None, done.reason
        return str(done.version)

    def do(self, surface, task=LISTED, **more):
        return self.scene.do(task, given={"surface": surface}, **more)

    def meanwhile(self, kind, *deeds):
        """What another process of the same home does during the run: *deeds* get its Toolwright."""

        def one(deed):
            def done():
                with self.scene.open() as tw:
                    deed(tw)

            return done

        self.scene.heard = Meanwhile(kind, *map(one, deeds))


@pytest.mark.parametrize("task", [LISTED, UNLISTED])
@pytest.mark.parametrize("surface", ["native", "fixed", "list"])
def test_a_newer_version_takes_no_place_in_a_run_that_uses_the_one_before(stage, surface, task):
    call = CALL[surface]
    home = Home(stage, [call], [("search_tools", {"query": LISTED}), call])
    home.meanwhile("outcome", lambda tw: home.bring(tw, DOUBLED))
    surface = "fixed" if surface == "list" else surface
    result = home.do(surface, task)
    assert (result.status, result.reused) == ("complete", ("convert@1",)), result.reason
    values = [text for text in home.scene.results() if "description" not in text]
    assert [float(text.split(":")[-1].strip(' }]"')) for text in values] == [6.0, 6.0]
    home.scene.server.reset()
    later = home.do(surface, task)
    assert later.reused == ("convert@2",)
    assert "12.0" in home.scene.results()[0]


def revoke(tw):
    tw.registry.revoke("convert", 1, why="leaks")


def retire(tw):
    tw.registry.retire("convert")


def yank(tw):
    tw.registry.yank("convert", 1)


@SURFACES
@pytest.mark.parametrize(("withdraw", "ends"), [(revoke, "revoked"), (retire, "retired"), (yank, "")])
def test_a_run_goes_on_until_its_version_is_withdrawn(stage, surface, withdraw, ends):
    home = Home(stage, [CALL[surface]], [CALL[surface]], [CALL[surface]])
    home.meanwhile("outcome", lambda tw: home.bring(tw, DOUBLED), withdraw)
    home.do(surface)
    first, second, third = home.scene.results()
    assert (first, second) == ("6.0", "6.0")
    if ends:
        assert third.startswith("convert gave no value (denied)"), third
        assert ends in third
    else:
        assert third == "6.0"


@SURFACES
def test_another_tool_under_the_number_that_was_pinned_is_refused_until_the_model_was_told_of_it(stage, surface):
    call = CALL[surface]
    home = Home(stage, [call], [("request_new_tool", CONVERT_ASKED)], [call])

    def another(tw):
        # Never called so far: its number is free again once its files are gone.
        shutil.rmtree(home.scene.home / "tools/convert")
        tw.registry.rebuild()
        assert home.bring(tw, DOUBLED) == "convert@1"

    home.meanwhile("text", another)
    result = home.do(surface)
    refused, told, value = home.scene.results()
    assert "is another tool than this run began with" in refused
    assert "is already there" in told
    assert (value, result.status) == ("12.0", "complete")


@SURFACES
@pytest.mark.parametrize("at", ["tool/1/0.pinned", "tool/2/0.started"])
def test_a_resume_goes_on_with_the_version_that_the_run_began_with(stage, surface, at):
    home = Home(stage, [CALL[surface]], [CALL[surface]])
    run_id = killed(home, surface, at)
    with home.scene.open() as tw:
        assert home.bring(tw, DOUBLED) == "convert@2"
    result = home.scene.do(resume=run_id)
    assert (result.status, result.reused) == ("complete", ("convert@1",)), result.reason
    assert home.scene.results() == ["6.0", "6.0"]


def killed(home, surface, at):
    code = DIES.replace("Convert and save.", UNLISTED)
    done = home.scene.elsewhere(code, at, "after", TOOLWRIGHT_SURFACE=surface)
    assert done.returncode == -signal.SIGKILL, done.stderr
    with home.scene.open() as tw:
        (run,) = tw.runs()
    return run.id


def test_a_run_of_an_earlier_release_that_pinned_nothing_goes_on(stage):
    home = Home(stage, [CALL["native"]], [CALL["native"]])
    run_id = killed(home, "native", "tool/2/0.started")
    with closing(sqlite3.connect(home.scene.home / "home.db")) as db, db:
        db.execute("DELETE FROM journal WHERE position LIKE '%.pinned'")
        for row, data in db.execute("SELECT rowid, data FROM journal WHERE role = 'tool'").fetchall():
            record = json.loads(data)
            if "notes" in record:
                del record["notes"]["pinned"]
                db.execute("UPDATE journal SET data = ? WHERE rowid = ?", (json.dumps(record).encode(), row))
    result = home.scene.do(resume=run_id)
    assert (result.status, home.scene.results()) == ("complete", ["6.0", "6.0"]), result.reason
