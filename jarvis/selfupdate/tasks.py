"""The durable tasks of self-update, by their public names."""

from typing import Any

from jarvis.kernel.context import Context
from jarvis.kernel.registry import TaskHandler, TaskRun
from jarvis.selfupdate.actions import applying, drills, proposing, testing, validating


def _propose(ctx: Context, task: TaskRun) -> dict[str, Any]:
    wish = task.payload
    made = proposing.propose(ctx, wish["patch"], wish["rationale"], wish["evidence"])
    return {"id": made.id, "trace_id": made.trace_id, "state": made.state}


def _validate(ctx: Context, task: TaskRun) -> dict[str, Any]:
    done = validating.validate(ctx, task.payload["id"])
    return {"id": done.id, "state": done.state, "error": done.error}


def _test(ctx: Context, task: TaskRun) -> dict[str, Any]:
    is_uncaged = task.payload.get("is_uncaged") is True
    wish = testing.Wish(task.payload["id"], is_uncaged, task.is_cancelled, task.progress)
    done = testing.test(ctx, wish)
    return {"id": done.id, "state": done.state, "error": done.error}


def _test_gave_up(ctx: Context, payload: dict[str, Any], error: str) -> None:
    testing.give_up(ctx, payload["id"], error)


def _test_cancelled(ctx: Context, payload: dict[str, Any]) -> None:
    testing.note_cancelled(ctx, payload["id"])


def _apply(ctx: Context, task: TaskRun) -> dict[str, Any]:
    done = applying.apply(ctx, task.payload["id"])
    return {"id": done.id, "state": done.state, "error": done.error}


def _rollback(ctx: Context, task: TaskRun) -> dict[str, Any]:
    done = applying.take_back(ctx, task.payload["id"])
    return {"id": done.id, "state": done.state}


TASKS = (
    TaskHandler(proposing.TASK, _propose, "Proposes an update.", max_attempts=1),
    TaskHandler(validating.TASK, _validate, "Checks a proposed update against what runs.", max_attempts=3),
    TaskHandler(
        testing.TASK,
        _test,
        "Builds a validated update and tries it in a cage.",
        max_attempts=2,
        concurrency=1,
        gave_up=_test_gave_up,
        cancelled=_test_cancelled,
    ),
    TaskHandler(applying.APPLY, _apply, "Puts an approved update in place.", max_attempts=3, concurrency=1),
    TaskHandler(
        applying.ROLLBACK,
        _rollback,
        "Puts the archive from before an update back.",
        max_attempts=3,
        concurrency=1,
        runs_in_lockdown=True,  # the way back is never barred
    ),
    TaskHandler(
        drills.TASK,
        drills.hold,
        "Tries a harmless and a broken update on a copy, and the way back from both.",
        max_attempts=1,
        concurrency=1,
        is_runnable_by_hand=True,
    ),
)
