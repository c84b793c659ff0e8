"""The durable tasks that keep bugs and issues in step."""

from typing import Any

from jarvis.github import handlers
from jarvis.github.actions import issues
from jarvis.github.client import GitHubRetry
from jarvis.kernel.context import Context
from jarvis.kernel.registry import TaskHandler, TaskRun


def _sync(ctx: Context, task: TaskRun) -> dict[str, Any]:
    bug_id = issues.require_bug(task.payload.get("bug_id"))
    try:
        return issues.sync(ctx, bug_id)
    except GitHubRetry as error:
        issues.note_trouble(ctx, bug_id, str(error), is_final=False)
        raise


def _take(ctx: Context, task: TaskRun) -> dict[str, Any]:
    bug_id = issues.require_bug(task.payload.get("bug_id"))
    return issues.take_delivered(ctx, bug_id, task.payload.get("issue"), str(task.payload.get("sender") or "unknown"))


def _gave_up(ctx: Context, payload: dict[str, Any], error: str) -> None:
    if isinstance(payload.get("bug_id"), str):
        issues.note_trouble(ctx, payload["bug_id"], error, is_final=True)


TASKS = (
    TaskHandler(
        handlers.SYNC,
        _sync,
        "Makes the GitHub issue of a bug as the bug is.",
        max_attempts=20,
        concurrency=1,  # GitHub asks that requests are made one after the other
        gave_up=_gave_up,
    ),
    TaskHandler(
        handlers.TAKE,
        _take,
        "Takes over what was changed in a GitHub issue.",
        max_attempts=20,
        concurrency=1,  # in a burst the answers to GitHub come first: measured
        gave_up=_gave_up,
    ),
)
