"""A fresh unlock code, as a task that can be scheduled."""

from typing import Any

from jarvis.kernel.context import Context
from jarvis.kernel.registry import TaskHandler, TaskRun
from jarvis.lockdown import actions

ROTATE = "jarvis.tasks.system.rotate_unlock_code"


def _rotate(ctx: Context, run: TaskRun) -> dict[str, Any]:
    actions.rotate(ctx)
    code = actions.standing(ctx).as_json()["code"]
    return {"path": str(ctx.settings.admin_unlock_code_path), "code": code}


TASKS = (
    TaskHandler(
        ROTATE, _rotate, "Writes a fresh unlock code on the host.", is_runnable_by_hand=True, runs_in_lockdown=True
    ),
)
