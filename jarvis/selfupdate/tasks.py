"""The durable tasks of self-update, by their public names."""

from typing import Any

from jarvis.kernel.context import Context
from jarvis.kernel.registry import TaskHandler, TaskRun
from jarvis.selfupdate.actions import proposing


def _propose(ctx: Context, task: TaskRun) -> dict[str, Any]:
    wish = task.payload
    made = proposing.propose(ctx, wish["patch"], wish["rationale"], wish["evidence"])
    return {"id": made.id, "trace_id": made.trace_id, "state": made.state}


TASKS = (TaskHandler(proposing.TASK, _propose, "Proposes an update.", max_attempts=1),)
