"""What waits for a person too long expires."""

from typing import Any

from jarvis.kernel.context import Context
from jarvis.kernel.registry import TaskHandler, TaskRun
from jarvis.policy.actions import approvals


def _expire(ctx: Context, run: TaskRun) -> dict[str, Any]:
    return {"expired": approvals.expire(ctx, run.payload["approval_id"])}


TASKS = (TaskHandler(approvals.EXPIRE, _expire, "Ends an approval that nobody decided on.", runs_in_lockdown=True),)
