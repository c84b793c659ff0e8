"""The durable task by which a schedule asks its question."""

from typing import Any

from jarvis.chat import actions, store
from jarvis.kernel.context import Context
from jarvis.kernel.db import Tx
from jarvis.kernel.errors import NotFound
from jarvis.kernel.registry import TaskHandler, TaskRun
from jarvis.schedules import actions as schedules
from jarvis.schedules import store as schedules_store


def _post_prompt(ctx: Context, run: TaskRun) -> dict[str, Any]:
    """Post the prompt as the schedule's owner, once for each dispatch however often this runs."""
    dispatch_id, text = run.payload["dispatch_id"], run.payload["text"]
    with ctx.db.write() as tx:
        thread_id = _thread(ctx, tx, run.payload["schedule_id"], dispatch_id, run.payload["title"])
        posted = actions.post(ctx, thread_id, text, client_id=dispatch_id)
    return {"thread_id": thread_id, "message_id": posted.message.id, "answer_task_id": posted.task_id}


def _thread(ctx: Context, tx: Tx, schedule_id: str, dispatch_id: str, title: str) -> str:
    """The schedule's conversation; when that is gone or closed, a new one that it keeps."""
    schedule = schedules_store.find(tx, schedule_id)
    if schedule is None:
        raise NotFound("The schedule was removed before its question could be asked.")
    thread = store.find(tx, schedule.thread_id) if schedule.thread_id else None
    is_usable = thread is not None and thread.user_id == ctx.user_id
    if thread is not None and is_usable and store.find_by_client(tx, thread.id, dispatch_id) is not None:
        return thread.id
    if thread is not None and is_usable and thread.status == "open":
        return thread.id
    opened = actions.open_thread(ctx, title)
    schedules.adopt_thread(ctx, schedule_id, opened.id)
    return opened.id


TASKS = (
    TaskHandler(
        schedules_store.POST_PROMPT, _post_prompt, "Asks what a schedule is to ask, as its owner.", max_attempts=3
    ),
)
