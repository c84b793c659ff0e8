"""The durable task behind every reply."""

from typing import Any

from jarvis.agent.actions import step
from jarvis.agent.router import choose
from jarvis.chat import actions as chat
from jarvis.kernel.context import Context
from jarvis.kernel.registry import TaskHandler, TaskRun


def _run(ctx: Context, run: TaskRun) -> dict[str, Any]:
    chat.take_over(ctx, run.payload["reply_id"], run.id)
    provider = choose(ctx)
    return step.answer(ctx, run.payload["reply_id"], provider, run.is_cancelled)


def _gave_up(ctx: Context, payload: dict[str, Any], error: str) -> None:
    chat.give_up(ctx, payload["reply_id"], error)


def _cancelled(ctx: Context, payload: dict[str, Any]) -> None:
    chat.let_go(ctx, payload["reply_id"])


TASKS = (
    TaskHandler(
        chat.STEP,
        _run,
        "Answers one message.",
        max_attempts=3,
        runs_in_lockdown=True,  # reading goes on; the policy denies the tools that do more
        gave_up=_gave_up,
        cancelled=_cancelled,
    ),
)
