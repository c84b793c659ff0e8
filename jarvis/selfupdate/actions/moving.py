"""From one state to the next: the only way there, with its history, its event and its files."""

from typing import Any

from jarvis.kernel.context import Context
from jarvis.kernel.db import Tx
from jarvis.kernel.errors import Conflict
from jarvis.queue import actions as queue
from jarvis.queue import store as tasks
from jarvis.selfupdate import artefacts, states, store
from jarvis.selfupdate.store import Update

LONGEST_DETAIL = 2000


def task_key(update: Update) -> str:
    """The unique key of whatever task works on an update: one at a time."""
    return f"selfupdate/{update.id}"


def require(step: str, update: Update) -> None:
    """Raise Conflict, naming the step that is next, when this one is out of order."""
    if not states.may(step, update.state):
        raise Conflict(states.refusal(step, update.state))


def move(ctx: Context, tx: Tx, update: Update, after: str, detail: str, *, event: str = "", **about: Any) -> Update:
    """Go on to a state in the caller's write, with its event; `about` is added to the event's data.

    Raises Conflict when somebody else moved it meanwhile. Call `artefacts.write` once the write is committed.
    """
    if not states.is_legal(update.state, after):
        raise ValueError(f"{update.state} is not followed by {after}")
    told = ctx.db.redact(detail)[:LONGEST_DETAIL]
    if not store.move(tx, update.id, update.state, after, told):
        now = store.get(tx, update.id)
        raise Conflict(f"The update is {now.state.replace('_', ' ')} by now: somebody else was quicker.")
    tell(tx, update, after, told, event=event, **about)
    return store.get(tx, update.id)


def tell(tx: Tx, update: Update, state: str, detail: str, *, event: str = "", **about: Any) -> None:
    """Record that a state was reached, as its own event or the one named."""
    data = {"update_id": update.id, "title": update.title, "state": state, "ok": state not in states.FAILURES}
    tx.record(event or states.EVENTS[state], f"update/{update.id}", {**data, "detail": detail, **about})


def close(ctx: Context, update: Update, after: str, detail: str, *, error: str | None = None) -> Update:
    """Move in a write of its own and bring the files up to date."""
    with ctx.db.write() as tx:
        moved = move(ctx, tx, update, after, detail)
        store.set_error(tx, update.id, error)
        moved = store.get(tx, moved.id)
    artefacts.write(ctx, update.id)
    return moved


def stop(ctx: Context, reference: str) -> None:
    """Stop the task that works on an update, if one does."""
    ctx.require_admin()
    with ctx.db.write() as tx:
        task = tasks.find_active(tx, task_key(store.get(tx, reference)))
        if task is None:
            raise Conflict("Nothing is being done with it now.")
        queue.cancel(ctx, task.id)


def reject(ctx: Context, reference: str, why: str) -> Update:
    """A person says no; there is no way back."""
    ctx.require_admin()
    artefacts.require_place(ctx)
    with ctx.db.write() as tx:
        update = store.get(tx, reference)
        require("reject", update)
        moved = move(ctx, tx, update, states.REJECTED, why or "rejected by hand")
        store.set_error(tx, update.id, None)
    artefacts.write(ctx, update.id)
    return moved
