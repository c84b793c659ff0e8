"""A failure becomes a bug once, is counted, resolves after three green runs, and comes back with its rate."""

import json

import pytest

from jarvis.bugs import actions as bug_actions
from jarvis.bugs import store as bugs
from jarvis.kernel import programs
from jarvis.maintenance import telling
from jarvis.maintenance.output import Ends


@pytest.fixture
def check(configured, perform, workdir):
    """Run `check`, which fails with what stands in `says` or passes when there is no such file."""
    ctx = configured("if [ -e says ]; then cat says; exit 1; fi; echo fine")

    def run(says=None):
        (workdir / "says").unlink(missing_ok=True)
        if says is not None:
            (workdir / "says").write_text(says)
        return perform(ctx)

    return run


def all_bugs(ctx):
    with ctx.db.read() as tx:
        return bugs.newest(tx, bugs.Filter(), 50)


def test_the_same_failure_is_one_bug_however_its_numbers_vary(ctx, check):
    check("Error: disk 41 is full after 0.2 s at 0xdeadbeef, see /tmp/tmpab12/x.log\n")
    check("Error: disk 42 is full after 9.7 s at 0x7f, see /tmp/tmpzz99/y.log\n")
    (bug,) = all_bugs(ctx)
    assert bug.occurrences == 2
    assert bug.title.endswith("fails: Error: disk 41 is full after 0.2 s at 0xdeadbeef, see /tmp/tmpab12/x.log")


def test_another_failure_of_the_command_is_another_bug(ctx, check):
    check("Error: disk is full\n")
    check("Error: no route to host\n")
    assert len(all_bugs(ctx)) == 2
    first = all_bugs(ctx)[1]
    assert (first.occurrences, first.runs, first.green_runs) == (1, 2, 0), "a run it was not seen in"


def test_the_bug_keeps_command_exit_code_and_the_telling_lines(ctx, check):
    lines = [f"collecting {n}" for n in range(50)] + ["E   assert 1438 == -2", *(f"at {n}" for n in range(50))]
    check("\n".join(lines) + "\n")
    evidence = all_bugs(ctx)[0].evidence_of()
    assert evidence["exit_code"] == 1
    assert evidence["lines"] == ["E   assert 1438 == -2"]
    assert evidence["first"][0] == "collecting 0"
    assert evidence["last"][-1] == "at 49"
    assert evidence["command"].startswith("if [ -e says ]")
    assert evidence["run_id"].startswith("run_")


def test_three_green_runs_in_a_row_resolve_it(ctx, check, events):
    check("Error: x\n")
    for _ in range(2):
        check()
    assert all_bugs(ctx)[0].status == "open"
    check()
    assert all_bugs(ctx)[0].status == "resolved"
    assert events("bug.") == ["bug.created", "bug.updated"]


def test_it_reopens_with_its_rate(ctx, check, events):
    for says in ("Error: x\n", None, None, None, None, "Error: x\n", None, None, "Error: x\n"):
        check(says)
    (bug,) = all_bugs(ctx)
    assert (bug.status, bug.has_recurred, bug.rate) == ("open", 1, "3 of 9 runs")
    assert bug.green_runs == 0
    with ctx.db.read() as tx:
        last = tx.one(str, "SELECT data FROM events WHERE type = 'bug.recurred' ORDER BY seq DESC LIMIT 1")
    assert json.loads(last)["rate"] == "3 of 9 runs"


def test_one_that_somebody_closed_reopens_too(ctx, check, as_user):
    check("Error: x\n")
    bug_actions.close(as_user("ada"), all_bugs(ctx)[0].id)
    check("Error: x\n")
    assert all_bugs(ctx)[0].status == "open"


def test_a_command_that_does_not_end_is_a_bug_of_its_own(ctx, configured, perform, monkeypatch):

    monkeypatch.setattr(programs, "GRACE_SECONDS", 0.1)
    hanging = configured("echo begun; sleep 600", maintenance_timeout_seconds=1)
    _, steps = perform(hanging)
    assert steps[0].state == "timed_out"
    assert all_bugs(ctx)[0].title == "echo begun; sleep 600 does not end in time"


def test_no_bug_is_filed_when_that_is_set(ctx, configured, perform):
    perform(configured("exit 1", maintenance_create_bugs=False))
    assert all_bugs(ctx) == []


def test_only_admins_see_what_maintenance_found(ctx, check, as_user):
    check("Error: x\n")
    with ctx.db.read() as tx:
        assert bugs.newest(tx, bug_actions.wanted(as_user("alice"), {}), 9) == []
        assert len(bugs.newest(tx, bug_actions.wanted(as_user("ada"), {}), 9)) == 1


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("2026-11-23T02:44:51.120Z failed", "2026-11-24 03:00:00 failed"),
        ("bug_01M82Y1YM085Q8WN821YPK214Y missing", "bug_01M82Y1YM085Q8WN821YPK214Z missing"),
        ("object at 0x7f3a1b", "object at 0xdead"),
        ("commit 8e41c07 broke it", "commit 1a2b3c4d5e6f broke it"),
        ("took 38.20s, 611 passed", "took 41.9s, 598 passed"),
        ("/tmp/pytest-of-root/pytest-12/a failed", "/tmp/other/x failed"),
        ("id 6f1ed002-ab59-4a3c-8f0e-000000000001", "id 00000000-ab59-4a3c-8f0e-6f1ed0020001"),
    ],
)
def test_what_varies_is_not_part_of_a_failure(a, b):
    assert telling.normal(a) == telling.normal(b)


def test_names_and_words_are_part_of_it():
    assert telling.normal("FAILED tests/test_a.py::test_x") != telling.normal("FAILED tests/test_b.py::test_x")


def test_a_report_of_no_failures_tells_nothing():
    assert telling.telling(["0 errors", "12 passed, 0 failed", "Error: real", "done"]) == ["Error: real"]


def test_without_anything_loud_the_last_lines_tell():
    assert telling.telling(["one", "two", "", "three", "four", ""]) == ["two", "three", "four"]
    assert telling.telling(["one", "two", "three", "four", ""]) == ["two", "three", "four"]


def test_an_excerpt_says_how_much_is_left_out():
    text = "\n".join(str(n) for n in range(100)) + "\n"
    kept = telling.excerpt(Ends(text, "", len(text), 100), [])
    assert len(kept["first"]) + kept["left_out"] + len(kept["last"]) == 100
