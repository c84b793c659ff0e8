"""One attempt at a task, from begin to end: on whose behalf, what it may ask and say, and how it ended."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from jarvis.kernel import log as kernel_log
from jarvis.kernel.context import Context
from jarvis.kernel.errors import JarvisError, Unavailable
from jarvis.kernel.registry import TaskRun
from jarvis.queue import attempts, store
from jarvis.queue.store import Task
from jarvis.users import store as users

log = logging.getLogger(__name__)

LONGEST_ERROR = 2000
PROGRESS_SECONDS = 0.5
LOOK_SECONDS = 2.0
"""A process that nobody tells of commits looks by itself this often."""

Tell = Callable[[Context, Task, str], None]
"""Shows how far a running task is."""


@dataclass(frozen=True, slots=True)
class Ending:
    """What became of one attempt: a result, or an error; and what was logged meanwhile."""

    ctx: Context
    """On whose behalf, and where in the trace, it ran."""
    task: Task
    result: dict[str, object] | None = None
    error: BaseException | None = None
    log: str = ""


def attempt(base: Context, task: Task, tell: Tell) -> Ending:
    """Run a claimed task's handler; whatever it does, there is an ending."""
    ctx = _context(base, task)
    said = attempts.AttemptLog(ctx.clock)
    marks = kernel_log.trace.set(task.trace_id), attempts.current.set(said)
    result: dict[str, object] | None = None
    error: BaseException | None = None
    try:
        result = _handle(ctx, task, Watch(ctx, task, said, tell))
    except BaseException as raised:  # SystemExit too: a handler must not take its worker away
        error = raised
        said.explain(raised)
        log.warning("task %s (%s), attempt %d: %s", task.id, task.name, task.attempts, told(ctx, raised))
    finally:
        kernel_log.trace.reset(marks[0])
        attempts.current.reset(marks[1])
    return Ending(ctx, task, result, error, ctx.db.redact(said.text()))


def told(ctx: Context, error: BaseException) -> str:
    """An error in words, without secrets, short enough to keep."""
    if isinstance(error, KeyboardInterrupt):
        return "Interrupted at the keyboard."
    message = str(error) if isinstance(error, JarvisError) else f"{type(error).__name__}: {error}"
    return ctx.db.redact(message)[:LONGEST_ERROR]


def _handle(ctx: Context, task: Task, watch: "Watch") -> dict[str, object] | None:
    handler = ctx.registry.tasks.get(task.name)
    if handler is None:
        raise Unavailable(f"This release knows no task {task.name}.")
    run = TaskRun(task.id, task.attempts, store.payload_of(task), watch.is_cancelled, watch.progress)
    return handler.run(ctx, run)


def _context(base: Context, task: Task) -> Context:
    user = None
    if task.user_id:
        with base.db.read() as tx:
            user = users.find(tx, task.user_id)
    return base.acting(
        actor=task.actor,
        user_id=user.id if user else None,
        username=user.username if user else "",
        role=user.role if user and not user.is_disabled else "",
    ).joined(task.trace_id, task.parent_id)


class Watch:
    """What a running handler may ask and say; cheap enough to ask often."""

    def __init__(self, ctx: Context, task: Task, said: attempts.AttemptLog, tell: Tell) -> None:
        self._ctx, self._task, self._said, self._show = ctx, task, said, tell
        self._seen = -1
        self._looked_at = 0.0
        self._asked = False
        self._told_at = -PROGRESS_SECONDS
        self._untold = ""

    def is_cancelled(self) -> bool:
        count, now = self._ctx.db.wake.count, time.monotonic()
        is_due = count != self._seen or now - self._looked_at > LOOK_SECONDS
        if is_due and not self._asked:  # something was committed since: it may be the wish
            self._seen, self._looked_at = count, now
            with self._ctx.db.read() as tx:
                self._asked = store.is_cancel_asked(tx, self._task.id)
        self._tell()
        return self._asked

    def progress(self, text: str) -> None:
        """Kept in the attempt's log; shown with the task at most twice a second, the last one in the end."""
        self._said.add("PROGRESS", text)
        self._untold = text
        self._tell()

    def _tell(self) -> None:
        if self._untold and time.monotonic() - self._told_at >= PROGRESS_SECONDS:
            text, self._untold, self._told_at = self._untold, "", time.monotonic()
            self._show(self._ctx, self._task, text)
