"""What becomes of attempts: results, retries, giving up, and the log that is kept."""

import json
import logging

import pytest

from jarvis.kernel.clock import SECOND
from jarvis.kernel.registry import TaskHandler
from jarvis.queue import actions, store, working
from tests.queue.conftest import BUSY, REFUSED


def attempts_of(ctx, task):
    with ctx.db.read() as tx:
        return store.attempts(tx, store.get(tx, task.id).seq)


def test_a_result_is_kept(ctx, kitchen, run_all, look):
    task = actions.enqueue(ctx, kitchen.add("answer", lambda ctx, run: {"answer": 42}), {})
    run_all()
    assert look(task).state == "done"
    assert json.loads(look(task).result) == {"answer": 42}
    assert [a.outcome for a in attempts_of(ctx, task)] == ["done"]


def test_a_fault_is_retried_later_and_later(ctx, kitchen, clock, run_all, look):
    task = actions.enqueue(ctx, kitchen.failing("broken", RuntimeError("odd")), {})
    waits = []
    while look(task).state == "queued":
        run_all()
        waits.append((look(task).run_at - clock()) / SECOND)
        clock.step(7200)
    assert look(task).state == "failed"
    assert [a.outcome for a in attempts_of(ctx, task)] == ["failed"] * 5
    for n, wait in enumerate(waits[:-1]):
        assert 2 * 2**n <= wait <= 3 * 2**n, "doubling, spread by at most a half"


def test_a_refusal_is_final(ctx, kitchen, run_all, look, events):
    task = actions.enqueue(ctx, kitchen.failing("refused", REFUSED), {})
    run_all()
    assert look(task).state == "failed"
    assert kitchen.gave_up == ["No."]
    assert events("task.") == ["task.failed"]


def test_retry_after_is_honoured(ctx, kitchen, clock, run_all, look):
    task = actions.enqueue(ctx, kitchen.failing("busy", BUSY), {})
    run_all()
    assert look(task).run_at >= clock() + 90 * SECOND


def test_a_hook_that_fails_does_not_keep_the_task_from_ending(ctx, kitchen, run_all, look):
    def hook(ctx, payload, error):
        with ctx.db.write() as tx:
            tx.run("UPDATE system_state SET lockdown_reason = 'half done'")
        raise ValueError("the hook is broken")

    def fail(ctx, run):
        raise REFUSED

    ctx.registry.add(TaskHandler("jarvis.tasks.test.hooked", fail, "", gave_up=hook))
    task = actions.enqueue(ctx, "jarvis.tasks.test.hooked", {})
    run_all()
    assert look(task).state == "failed"
    with ctx.db.read() as tx:
        assert tx.one(str, "SELECT coalesce(lockdown_reason, '') FROM system_state") == ""


def test_an_ending_that_is_no_longer_ours_changes_nothing(ctx, kitchen, epoch, look):
    name = kitchen.add("nothing")
    task = actions.enqueue(ctx, name, {})
    (old,) = actions.claim(ctx, epoch.number)
    actions.give_back(ctx, old)
    (new,) = actions.claim(ctx, epoch.number)
    assert (old.attempts, old.runs, new.attempts, new.runs) == (1, 1, 1, 2)
    actions.settle(ctx, [working.Ending(ctx, old, {"from": "the past"})])
    assert look(task).state == "running"
    actions.settle(ctx, [working.Ending(ctx, new, {"from": "now"})])
    assert json.loads(look(task).result) == {"from": "now"}


def test_one_bad_ending_does_not_undo_the_others(ctx, kitchen, epoch, look):
    name = kitchen.add("nothing")
    tasks = [actions.enqueue(ctx, name, {"n": n}) for n in range(3)]
    held = actions.claim(ctx, epoch.number, lambda name: 9)
    actions.settle(ctx, [working.Ending(ctx, t, error=REFUSED if n == 1 else None) for n, t in enumerate(held)])
    assert [look(task).state for task in tasks] == ["done", "failed", "done"]


def test_what_is_logged_is_kept_with_the_attempt_and_no_secret(ctx, kitchen, run_all):
    def talk(ctx, run):
        logging.getLogger("jarvis.test").warning("reading with token ghp_%s", "a" * 36)
        run.progress("half way")
        raise RuntimeError("then it broke")

    task = actions.enqueue(ctx, kitchen.add("talk", talk, max_attempts=1), {})
    run_all()
    (attempt,) = attempts_of(ctx, task)
    assert "WARNING reading with token «redacted»" in attempt.log
    assert "PROGRESS half way" in attempt.log
    assert "TRACE RuntimeError: then it broke" in attempt.log


def test_the_log_is_bounded_with_both_ends(ctx, kitchen, run_all):
    def chatter(ctx, run):
        for n in range(5000):
            run.progress(f"step {n}")

    task = actions.enqueue(ctx, kitchen.add("chatter", chatter), {})
    run_all()
    (attempt,) = attempts_of(ctx, task)
    lines = attempt.log.splitlines()
    assert len(lines) == 201
    assert lines[0].endswith("step 0")
    assert "4,800 lines left out" in lines[60]
    assert lines[-1].endswith("step 4999")


def test_progress_is_shown_while_it_runs(ctx, kitchen, run_all, look):
    seen = []

    def work(ctx, run):
        run.progress("3 of 7")
        seen.append(look(run.id).progress)

    actions.enqueue(ctx, kitchen.add("work", work), {})
    run_all()
    assert seen == ["3 of 7"]


@pytest.mark.filterwarnings("ignore")
def test_a_handler_that_exits_does_not_take_its_worker_away(ctx, kitchen, run_all, look):
    task = actions.enqueue(ctx, kitchen.failing("leaver", SystemExit(3), max_attempts=1), {})
    run_all()
    assert look(task).state == "failed"
    assert "SystemExit" in look(task).error


def test_an_interrupt_at_the_keyboard_cancels(ctx, kitchen, runner, look):
    task = actions.enqueue(ctx, kitchen.failing("stopped", KeyboardInterrupt()), {})
    with pytest.raises(KeyboardInterrupt):
        runner.run(actions.claim_one(ctx, task.id, runner.epoch.number))
    assert look(task).state == "cancelled"
    assert kitchen.cancelled == [None]


def test_a_result_beyond_the_limit_says_how_long_it_was(ctx, kitchen, run_all, look):
    task = actions.enqueue(ctx, kitchen.add("big", lambda ctx, run: {"x": "y" * 300_000}), {})
    run_all()
    assert json.loads(look(task).result)["truncated"] is True


def test_a_task_this_release_does_not_know_is_tried_again_and_then_failed(ctx, kitchen, clock, run_all, look):
    task = actions.enqueue(ctx, kitchen.add("gone"), {})
    del ctx.registry.tasks[task.name]
    run_all()
    assert look(task).state == "queued"
    assert "knows no task" in look(task).error
