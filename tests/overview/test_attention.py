"""What wants a person, and that it no longer does once it is done."""

import pytest

from jarvis.backups import store as backups
from jarvis.bugs import actions as bugs
from jarvis.kernel.registry import TaskHandler
from jarvis.lockdown import actions as lockdown
from jarvis.overview.attention import wanted
from jarvis.queue import actions as queue
from jarvis.queue import store as tasks


@pytest.fixture
def ada(as_user):
    return as_user("ada")


def words(ctx):
    return [(one.word, one.what) for one in wanted(ctx)]


def test_a_new_home_wants_nobody(ada):
    assert words(ada) == []


def test_a_lockdown_comes_first(ada, ctx):
    bugs.file(ada, "Broken", priority="high")
    lockdown.lock(ada, "a drill")
    first = wanted(ada)[0]
    assert (first.word, first.href) == ("Locked", "/admin/lockdown")
    assert "a drill" in first.detail


def test_a_failed_task_wants_a_person_until_it_is_retried(ctx, ada):
    ctx.registry.add(TaskHandler("jarvis.tasks.test.fails", lambda ctx, run: None, "Fails."))
    task = queue.enqueue(ctx, "jarvis.tasks.test.fails", {})
    with ctx.db.write() as tx:
        tx.run("UPDATE tasks SET state = 'failed', error = 'no route', finished_at = :now WHERE id = :id",
               now=tx.now, id=task.id)  # fmt: skip
    (found,) = wanted(ada)
    assert (found.word, found.what, found.detail) == ("Failed", "test.fails", "no route")
    assert found.href == f"/admin/tasks/{task.id}"
    queue.retry(ada, task.id)
    assert wanted(ada) == []


def test_urgent_bugs_stand_by_how_urgent(ada):
    for priority in ("low", "high", "critical"):
        bugs.file(ada, priority, priority=priority)
    assert words(ada) == [("Critical", "critical"), ("High", "high")]


def test_what_doctor_finds_leads_to_its_page(ctx, ada):
    with ctx.db.write() as tx:
        made = backups.insert(tx, ctx.ids.new("bkp"), "test", size=1, database_bytes=1, sha256="0", head=(0, ""))
        backups.set_verified(tx, made.id, "Its file is gone.")
    found = next(one for one in wanted(ada) if "Its file is gone." in one.what)
    assert (found.kind, found.word, found.href) == ("danger", "Doctor", "/admin/backups")


def test_tasks_by_the_hour_count_each_ended_task_once(ctx):
    queue.enqueue(ctx, "jarvis.tasks.backups.snapshot", {})
    with ctx.db.write() as tx:
        tx.run("UPDATE tasks SET state = 'done', finished_at = :now", now=tx.now)
        found = tasks.outcomes_by_hour(tx, tx.now - 1)
        assert [(one.state, one.count) for one in found] == [("done", 1)]
        assert tasks.outcomes_by_hour(tx, tx.now) == []


def test_a_drill_that_failed_wants_a_person_until_one_passes(ctx, ada):
    def drilled(problem):
        with ctx.db.write() as tx:
            backups.insert_drill(
                tx, ctx.ids.new("bkp"), "bkp_1", version="1", problem=problem, events=1, row_count=1,
                restore_ms=1, ready_ms=1, total_ms=1,
            )  # fmt: skip

    drilled("Three events are missing.")
    assert any("Three events are missing." in one.what for one in wanted(ada))
    drilled(None)
    assert not any("Three events are missing." in one.what for one in wanted(ada))
