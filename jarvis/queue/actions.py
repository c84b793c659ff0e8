"""What can be done with tasks: enqueue, cancel, retry, and what becomes of an attempt."""

import contextlib
import json
import logging
import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from jarvis.kernel.clock import SECOND
from jarvis.kernel.context import Context
from jarvis.kernel.errors import Conflict, JarvisError, NotFound, RateLimited
from jarvis.kernel.registry import TaskHandler
from jarvis.queue import attempts, epochs, store, working
from jarvis.queue.store import Task
from jarvis.queue.working import Ending

log = logging.getLogger(__name__)

FIRST_DELAY_SECONDS, LONGEST_DELAY_SECONDS = 2, 3600
LONGEST_RESULT = 256 * 1024
MOST_PROMOTED = 1000
KEEP_DAYS = {"done": 7, "cancelled": 30, "failed": 90}
MOST_PRUNED = 500
LOOK_SECONDS = 1.0
"""How long to wait for word of another process before looking: a server that was killed sends none."""
BY_HAND = 100
"""Priority of what somebody waits for."""

Batch = Callable[[str], int]
"""How many tasks of a name may be claimed at once, because they are known to be quick."""


def enqueue(
    ctx: Context,
    handler: TaskHandler | str,
    payload: dict[str, Any],
    *,
    run_at: int | None = None,
    priority: int = 0,
    unique_key: str | None = None,
    group_key: str | None = None,
) -> Task:
    """Store a task in the caller's transaction; it runs after the commit.

    With a `unique_key` that a queued or running task has, that one is returned instead.
    Tasks of one `group_key` run one after the other, in order.
    """
    known = ctx.registry.tasks[handler] if isinstance(handler, str) else handler
    with ctx.db.write() as tx:
        active = store.find_active(tx, unique_key) if unique_key is not None else None
        return active or store.insert(
            tx,
            ctx.ids.new("tsk"),
            known.name,
            payload,
            run_at=tx.now if run_at is None else run_at,
            max_attempts=known.max_attempts,
            priority=priority,
            unique_key=unique_key,
            group_key=group_key,
            user_id=ctx.user_id,
        )


def claim(ctx: Context, epoch: int, batch: Batch = lambda name: 1) -> list[Task]:
    """Take the next task that may run now, and with it as many like it as `batch` allows."""
    with ctx.db.read() as tx:
        due = store.next_run_at(tx)
        is_idle = (due is None or due > tx.now) and store.head(tx, _names_kept_back(ctx, tx)) is None
        if is_idle or store.is_restarting(tx):
            return []
    with ctx.db.write() as tx:
        if store.is_restarting(tx):
            return []
        store.promote(tx, MOST_PROMOTED)
        first = store.head(tx, _names_kept_back(ctx, tx))
        if first is None:
            return []
        return store.claim_head(tx, first, epoch, max(1, min(batch(first.name), _room(ctx, tx, first.name))))


def claim_one(ctx: Context, task_id: str, epoch: int) -> Task | None:
    """Take this very task, whatever waits before it; None when its turn, name or group does not allow it.

    Raises Conflict while a lockdown holds it.
    """
    with ctx.db.write() as tx:
        task = store.get(tx, task_id)
        if task.name in held(ctx, tx):
            raise Conflict(f"Jarvis is locked down, so {task.name} ({task.id}) waits until somebody unlocks.")
        return store.claim(tx, task_id, epoch) if _room(ctx, tx, task.name) > 0 else None


def _names_kept_back(ctx: Context, tx: Any) -> list[str]:
    return [*held(ctx, tx), *(name for name in store.running_by_name(tx) if _room(ctx, tx, name) <= 0)]


def held(ctx: Context, tx: Any) -> list[str]:
    """Names of tasks that wait because Jarvis is locked down."""
    if not store.is_locked(tx):
        return []
    return [handler.name for handler in ctx.registry.tasks.values() if not handler.runs_in_lockdown]


def _room(ctx: Context, tx: Any, name: str) -> int:
    handler = ctx.registry.tasks.get(name)
    if handler is None or handler.concurrency == 0:
        return store.LAST
    return handler.concurrency - store.running_by_name(tx).get(name, 0)


def settle(ctx: Context, endings: Sequence[Ending]) -> None:
    """Record how attempts ended, together; one that is no longer ours changes nothing."""
    with ctx.db.write():
        for ending in endings:
            _settle(ending)


def _settle(ending: Ending) -> None:
    if ending.error is None:
        _complete(ending)
    else:
        _fail(ending, ending.error)


def _complete(ending: Ending) -> None:
    task, text = ending.task, None
    if ending.result is not None:
        text = json.dumps(ending.result, ensure_ascii=False)
        if len(text) > LONGEST_RESULT:
            text = json.dumps({"truncated": True, "characters": len(text)})
    with ending.ctx.db.write() as tx:
        if ending.result is None and store.is_cancel_asked(tx, task.id):
            _end_cancelled(ending, None)
        elif store.finish(tx, task, "done", result=text):
            store.insert_attempt(tx, task, "done", None, ending.log)


def _fail(ending: Ending, error: BaseException) -> None:
    """Tried again later, or ended with an event."""
    ctx, task = ending.ctx, ending.task
    message = working.told(ctx, error)
    with ctx.db.write() as tx:
        if store.is_cancel_asked(tx, task.id) or isinstance(error, KeyboardInterrupt):
            _end_cancelled(ending, message)
        elif task.attempts < task.max_attempts and is_worth_retrying(error):
            if store.put_back(tx, task, tx.now + delay_seconds(task.attempts, error) * SECOND, message):
                store.insert_attempt(tx, task, "failed", message, ending.log)
        else:
            _give_up(ending, message, "failed")


def _end_cancelled(ending: Ending, error: str | None) -> None:
    with ending.ctx.db.write() as tx:
        if store.finish(tx, ending.task, "cancelled", error=error):
            store.insert_attempt(tx, ending.task, "cancelled", error, ending.log)
            _tell_cancelled(ending.ctx, ending.task)


def _give_up(ending: Ending, error: str, outcome: str) -> None:
    ctx, task = ending.ctx, ending.task
    with ctx.db.write() as tx:
        if not store.finish(tx, task, "failed", error=error):
            return
        store.insert_attempt(tx, task, outcome, error, ending.log)
        tx.record("task.failed", f"task/{task.id}", {"name": task.name, "attempts": task.attempts, "error": error})
        handler = ctx.registry.tasks.get(task.name)
        if handler is not None and handler.gave_up is not None:
            hook = handler.gave_up
            _tell(ctx, task, lambda: hook(ctx, store.payload_of(task), error))


def _tell_cancelled(ctx: Context, task: Task) -> None:
    handler = ctx.registry.tasks.get(task.name)
    if handler is not None and handler.cancelled is not None:
        hook = handler.cancelled
        _tell(ctx, task, lambda: hook(ctx, store.payload_of(task)))


def _tell(ctx: Context, task: Task, hook: Callable[[], None]) -> None:
    """Call a feature's hook in a savepoint: one that fails must not keep the task from ending."""
    try:
        with ctx.db.write():
            hook()
    except Exception:
        log.exception("what follows the end of task %s (%s) failed", task.id, task.name)


def is_worth_retrying(error: BaseException) -> bool:
    """A refusal stays one; what nobody expected, and what is busy or down, may pass."""
    return not isinstance(error, JarvisError) or isinstance(error, RateLimited) or error.status >= 500


def delay_seconds(attempts: int, error: BaseException) -> int:
    """Doubling, capped, spread by up to a half so that a crowd does not come back at once."""
    asked = error.retry_after_seconds if isinstance(error, JarvisError) else None
    backoff = min(FIRST_DELAY_SECONDS * 2 ** (attempts - 1), LONGEST_DELAY_SECONDS)
    return max(asked or 0, int(backoff * random.uniform(1, 1.5)))  # noqa: S311 — spread, not secrecy


def give_back(ctx: Context, task: Task) -> bool:
    """Return an unfinished attempt to the queue, as if it had not begun: we are restarting."""
    with ctx.db.write() as tx:
        if not store.put_back(tx, task, tx.now, None, uncounted=True):
            return False
        store.insert_attempt(tx, task, "given_back", None, "")
        return True


def give_back_unbegun(ctx: Context, tasks: Iterable[Task]) -> None:
    """Return claimed tasks that nobody has begun; they leave no attempt behind."""
    with ctx.db.write() as tx:
        for task in tasks:
            store.put_back(tx, task, task.run_at, task.error, uncounted=True)


def take_back(ctx: Context) -> list[Task]:
    """Queue again what dead runners held; what has used up its attempts that way is failed."""
    with ctx.db.read() as tx:
        dead = [number for number in store.running_epochs(tx) if not epochs.is_alive(ctx, number)]
    taken = []
    for number in dead:
        with ctx.db.write() as tx:
            for task in store.running_under(tx, number):
                taken.append(task)
                _recover(ctx, task)
    return taken


def _recover(ctx: Context, task: Task) -> None:
    lost = "The process that ran it ended."
    ending = Ending(ctx.joined(task.trace_id, task.parent_id), task)
    with ctx.db.write() as tx:
        if task.is_cancel_asked:
            _end_cancelled(ending, lost)
        elif task.attempts < task.max_attempts:
            store.put_back(tx, task, tx.now, lost)
            store.insert_attempt(tx, task, "lost", lost, "")
        else:
            error = "Every attempt ended with the process that ran it." if task.max_attempts > 1 else lost
            _give_up(ending, error, "lost")


def cancel(ctx: Context, task_id: str) -> Task:
    """Stop a task: at once when it waits, as soon as it looks when it runs."""
    with ctx.db.write() as tx:
        task = store.get(tx, task_id)
        is_over = store.cancel_queued(tx, task_id)
        if not is_over and not store.ask_cancel(tx, task_id):
            raise Conflict(f"The task is {task.state} already.")
        tx.record("task.cancelled", f"task/{task_id}", {"name": task.name, "was": task.state})
        if is_over:
            _tell_cancelled(ctx, task)
        return store.get(tx, task_id)


def retry(ctx: Context, task_id: str) -> Task:
    """Run a failed or cancelled task again from the start."""
    with ctx.db.write() as tx:
        task = store.get(tx, task_id)
        active = store.find_active(tx, task.unique_key) if task.unique_key is not None else None
        if active is not None and active.id != task_id:
            raise Conflict(f"Another task does the same already: {active.id} is {active.state}.")
        if not store.retry(tx, task_id):
            raise Conflict(f"The task is {task.state}; only failed and cancelled ones are retried.")
        tx.record("task.retried", f"task/{task_id}", {"name": task.name})
        return store.get(tx, task_id)


def retry_each(ctx: Context, task_ids: Iterable[str]) -> tuple[list[Task], list[str]]:
    """Retry a selection: those that were, and why each of the others was not."""
    done, refused = [], []
    with ctx.db.write():
        for task_id in dict.fromkeys(task_ids):
            try:
                done.append(retry(ctx, task_id))
            except (Conflict, NotFound) as error:
                refused.append(f"{task_id}: {error}")
    return done, refused


def set_progress(ctx: Context, task: Task, progress: str) -> None:
    """Say how far a running task is."""
    with ctx.db.write() as tx:
        store.set_progress(tx, task, ctx.db.redact(progress)[:500])


def run_here(ctx: Context, task: Task) -> Task:
    """Do a queued task in this process, or wait for the server that took it first; the task as it is afterwards.

    Raises Conflict when it may not run now, and KeyboardInterrupt when it was interrupted, recorded as cancelled.
    """
    attempts.listen()
    take_back(ctx)  # a dead process may hold what stands in the way
    with contextlib.closing(epochs.begin(ctx, "cli")) as epoch:
        claimed = claim_one(ctx, task.id, epoch.number)
        if claimed is None:
            return _tried_elsewhere(ctx, task)
        ending = working.attempt(ctx, claimed, set_progress)
        settle(ctx, [ending])
    if isinstance(ending.error, KeyboardInterrupt):
        raise ending.error
    with ctx.db.read() as tx:
        return store.get(tx, task.id)


def _tried_elsewhere(ctx: Context, task: Task) -> Task:
    """The task once the server, woken by the very commit that stored it, has done with this attempt."""
    with contextlib.closing(ctx.db.wake.listen(ctx.settings.jarvis_home / "run")):
        while True:
            seen = ctx.db.wake.count
            with ctx.db.read() as tx:
                now = store.get(tx, task.id)
            if now.state == "queued" and now.attempts == task.attempts:
                where = f"this one ({task.id}) waits for its turn or a server."
                raise Conflict(f"{task.name} is at work already, so {where}")
            if now.state != "running":
                return now
            ctx.db.wake.wait(seen, LOOK_SECONDS)


def is_served(ctx: Context) -> bool:
    """Whether a server on this home runs tasks."""
    alive = [number for number in epochs.numbers(ctx) if epochs.is_alive(ctx, number)]
    with ctx.db.read() as tx:
        return any(store.epoch_kind(tx, number) == "server" for number in alive)


def prune(ctx: Context) -> int:
    """Forget some of the tasks that ended long ago; returns how many, 0 when none is left to forget."""
    gone = 0
    for state, days in KEEP_DAYS.items():
        with ctx.db.write() as tx:
            gone += store.delete_ended(tx, state, tx.now - days * 86_400 * SECOND, MOST_PRUNED)
    return gone
