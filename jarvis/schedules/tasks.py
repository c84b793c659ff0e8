"""The scheduler's durable task: the same pass the loop makes, run by hand."""

from typing import Any

from jarvis.kernel.context import Context
from jarvis.kernel.registry import TaskHandler, TaskRun
from jarvis.schedules.actions import dispatching


def _tick(ctx: Context, run: TaskRun) -> dict[str, Any]:
    return dispatching.tick(ctx).as_json()


TASKS = (
    TaskHandler(
        "jarvis.tasks.scheduler.scheduler_tick",
        _tick,
        "Gives every due instant of every schedule its outcome.",
        is_runnable_by_hand=True,
        runs_in_lockdown=True,  # to refuse each instant, and say so
    ),
)
