"""The report ticks what ran for this release and passed, and nothing else."""

import json

import pytest

from jarvis import __version__
from jarvis.backups import actions as backups
from jarvis.backups.actions import drills
from jarvis.evidence import actions, cli, points, store
from jarvis.evidence.report import Point, Report
from jarvis.kernel.errors import Denied, Invalid, NotFound, Unavailable
from jarvis.lockdown import actions as lockdown
from tests import commandline

WHOLE = '<testsuites><testsuite tests="9"><testcase name="a"/><testcase name="b"/></testsuite></testsuites>'
BROKEN = '<testsuite failures="0"><testcase name="a"><failure>no</failure></testcase><testcase name="b"/></testsuite>'
SKIPPED = '<testsuite><testcase name="a"><skipped/></testcase></testsuite>'
FIGURES = {"seconds": 3600.0, "asked_seconds": 3600, "samples": 3601, "ready": 3601, "milliseconds": {"median": 2.0}}


@pytest.fixture
def ada(as_user):
    return as_user("ada").traced()


@pytest.fixture
def results(tmp_path, clock):
    """results(text) → a file of test results, as old as the clock."""

    def make(text):
        import os

        path = tmp_path / "results.xml"
        path.write_text(text)
        os.utime(path, (clock.now // 10**6, clock.now // 10**6))
        return path

    return make


def states(ctx, tests=None):
    return {point.name: point.state for point in points.gather(ctx, tests).points}


def soaked(ctx, version=__version__, problem=None, **figures):
    with ctx.db.write() as tx:
        store.insert(tx, ctx.ids.new("sok"), version, "http://127.0.0.1:8000", problem, FIGURES | figures)


def rehearsed(ctx, **changes):
    report = {
        "ok": True, "at": "2026-11-23T02:46:00Z", "seconds": 3.0, "version": __version__, "tried": {"tool": 40},
        "leaks": [], "attempts": [],
    }  # fmt: skip
    lockdown.keep_rehearsal(ctx, report | changes)


def test_on_a_fresh_home_nothing_has_passed_but_what_is_looked_at_now(ada):
    report = points.gather(ada, None)
    found = {point.name: point.state for point in report.points}
    assert {name for name, state in found.items() if state == "passed"} <= {"doctor", "record"}
    assert {found[name] for name in ("tests", "soak", "backup", "restore-drill", "rollback-drill")} == {"not run"}
    assert found["lockdown-rehearsal"] == "not run"
    assert not report.is_ok


def test_what_ran_and_passed_is_ticked(ada, results):
    soaked(ada)
    rehearsed(ada)
    made = backups.snapshot(ada, "for the release")
    drills.keep(ada, made, __version__, drills.Found(None, 5, 50, 200, 900, 1500))
    report = points.gather(ada, results(WHOLE))
    ticked = {point.name for point in report.points if point.state == "passed"}
    assert ticked >= {"tests", "soak", "backup", "restore-drill", "lockdown-rehearsal", "record"}
    assert report.subject["events"]["head_seq"] > 0


def rolled_back(ctx, version=__version__, **changes):
    with ctx.db.write() as tx:
        tx.record("system.start", "system", {"version": version})
        tx.record("self_update.drill", "system", {"ok": True, "seconds": 30.0, "problem": None} | changes)


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "passed"),
        ({"ok": False, "problem": "the broken one stayed"}, "failed"),
        ({"ok": None}, "failed"),
        ({"version": "0.0.1"}, "not run"),
    ],
)
def test_a_rollback_drill_counts_by_what_the_record_says_of_it(ada, changes, state):
    rolled_back(ada, **changes)
    assert states(ada)["rollback-drill"] == state


def test_what_failed_is_not(ada, results):
    soaked(ada, problem="It was not ready 3 of 3601 times.")
    rehearsed(ada, leaks=[{"kind": "tool", "name": "x", "what": "y"}], ok=False)
    made = backups.snapshot(ada, "for the release")
    drills.keep(ada, made, __version__, drills.Found("Something is missing."))
    found = states(ada, results(BROKEN))
    assert {found[name] for name in ("tests", "soak", "restore-drill", "lockdown-rehearsal")} == {"failed"}


def test_evidence_of_another_release_is_none_of_this(ada):
    soaked(ada, version="0.0.1")
    rehearsed(ada, version="0.0.1")
    drills.keep(ada, backups.snapshot(ada, "x"), "0.0.1", drills.Found(None))
    found = states(ada)
    assert {found[name] for name in ("soak", "restore-drill", "lockdown-rehearsal")} == {"not run"}


def test_evidence_grows_old(ada, clock, results):
    soaked(ada)
    tests = results(WHOLE)
    clock.step(15 * 86_400)
    found = states(ada, tests)
    assert found["soak"] == found["tests"] == "out of date"


def test_a_soak_of_a_minute_is_no_soak(ada):
    soaked(ada, seconds=60.0, asked_seconds=60)
    assert states(ada)["soak"] == "not run"


def test_tests_that_were_all_skipped_did_not_run(ada, results):
    assert states(ada, results(SKIPPED))["tests"] == "not run"


def test_results_are_counted_and_not_believed(results):
    assert points.read_results(results(BROKEN))[0] == {"tests": 2, "failures": 1, "errors": 0, "skipped": 0}


@pytest.mark.parametrize("text", ["no xml", "<a><b></a>", '<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>'])
def test_results_that_are_none_are_refused(results, text):
    with pytest.raises(Invalid):
        points.read_results(results(text))


def test_results_that_are_missing_are_said_to_be(tmp_path):
    with pytest.raises(NotFound):
        points.read_results(tmp_path / "nothing.xml")


def test_the_report_is_written_whole_twice_and_recorded(ada, tmp_path, events):
    report = points.gather(ada, None)
    data, text = actions.write(ada, report, tmp_path / "out")
    assert json.loads(data.read_text()) == json.loads(report.as_text())
    assert data.stat().st_mode & 0o777 == 0o600
    assert f"# Evidence for Jarvis {__version__}" in text.read_text()
    assert "- [ ] **Readiness soak**: not run. No server was watched yet." in text.read_text()
    assert "To mend: `jarvis backup drill`" in text.read_text()
    assert events() == ["evidence.report"]


def test_where_it_cannot_be_written_that_is_said(ada, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="cannot be written"):
        actions.write(ada, points.gather(ada, None), tmp_path / "file" / "in")


def test_a_report_without_points_has_not_passed():
    assert not Report("1", 0, "x", {}, ()).is_ok


def test_what_points_say_cannot_break_out_of_the_page():
    point = Point("x", "X", "failed", "a | b\n# <script> `c`", "jarvis x", 0, {"a|b": "c\nd", "restarts": {}})
    page = Report("1", 0, "x|y", {"name": "a\nb"}, (point,)).as_markdown()
    assert "<script>" not in page
    assert "a \\| b # &lt;script> 'c'" in page
    assert "| X | a\\|b | c d |" in page
    assert "| X | restarts | none |" in page


def test_only_admins_gather(as_user):
    with pytest.raises(Denied):
        points.gather(as_user("alice"), None)


def test_the_command_exits_1_while_a_point_is_open(ada, clock, tmp_path):
    ctx = commandline.as_cli(ada)
    start = commandline.Start(ctx, ctx.settings, clock)
    ran = commandline.run(cli, f"evidence report --output {tmp_path}", start, is_json=True)
    assert ran.code == 1
    assert ran.json["ok"] is False
    assert all(path.startswith(str(tmp_path)) for path in ran.json["files"])
    plain = commandline.run(cli, f"evidence report --output {tmp_path}", start)
    assert "Rollback drill" in plain.out
    assert "points are open." in plain.out
