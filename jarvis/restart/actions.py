"""What can be done: ask for a restart, carry it through its steps, and say what became of what was in flight."""

import json
import logging
from typing import Any

from jarvis import __version__
from jarvis.kernel import fitting
from jarvis.kernel.context import Context
from jarvis.kernel.db import Tx
from jarvis.kernel.errors import Conflict, Unavailable
from jarvis.lockdown import actions as lockdown
from jarvis.queue import actions as queue
from jarvis.queue import store as tasks
from jarvis.restart import store
from jarvis.restart.store import Restart
from jarvis.system import store as system

log = logging.getLogger(__name__)

MOST_LISTED = 100
LONGEST_REASON = 300
BECAME = {"done": "delivered", "queued": "resumed", "running": "resumed", "failed": "failed", "cancelled": "failed"}


def request(ctx: Context, reason: str = "", *, takes_back: bool = False) -> Restart:
    """Ask the server to restart. Raises Conflict in a lockdown or while one is under way, Unavailable without one.

    One that takes an update back is never refused because of a lockdown.
    """
    ctx.require_admin()
    if not takes_back:
        lockdown.require_open(ctx, "a restart")
        _require_file_fits(ctx)
    if not queue.is_served(ctx):
        raise Unavailable("No server runs on this home, so nothing can restart. Start one: jarvis serve")
    told = " ".join(ctx.db.redact(reason).split())[:LONGEST_REASON]
    with ctx.db.write() as tx:
        if store.under_way(tx) is not None:
            raise Conflict("A restart is under way already.")
        in_flight = _in_flight(tx)
        found = store.insert(tx, told, __version__, json.dumps(in_flight))
        store.set_flag(tx)
        about = {"reason": told, "in_flight": in_flight, "at_most_seconds": expected_seconds(ctx, found)}
        tx.record("system.restart.start", "system", about)
        return found


def _require_file_fits(ctx: Context) -> None:
    """Raise Conflict when the file now at the archive's path could not serve: nothing would come back."""
    found = fitting.waiting(ctx.settings)
    if found is not None and found.refusal:
        raise Conflict(f"{found.sentence} Put the right one there first.")


def request_here(ctx: Context, reason: str) -> Restart:
    """As `request`, over HTTP: pages without a server behind them (--pages-only) are a conflict, not a fault."""
    try:
        return request(ctx, reason)
    except Unavailable as error:
        raise Conflict(str(error)) from None


def is_under_way(ctx: Context) -> bool:
    """Whether a restart has been asked for and is not over."""
    with ctx.db.read() as tx:
        return store.under_way(tx) is not None


def expected_seconds(ctx: Context, found: Restart) -> int:
    """How long the drain takes at most: nothing when nothing is in flight."""
    return ctx.settings.restart_drain_timeout_seconds if found.tasks() else 0


def _in_flight(tx: Tx) -> list[dict[str, Any]]:
    return [{"task_id": task.id, "name": task.name} for task in tasks.newest(tx, "running", "", MOST_LISTED)]


def begin_drain(ctx: Context) -> Restart | None:
    """Take up the restart that was asked for; None when there is none to take up."""
    with ctx.db.read() as tx:
        found = store.under_way(tx)
    if found is None or found.state != "asked":
        return None
    with ctx.db.write() as tx:
        in_flight = _in_flight(tx)
        if not store.set_state(tx, found.seq, "asked", "draining", json.dumps(in_flight)):
            return None
        tx.record("system.restart.drain", "system", {"tasks": in_flight, "seconds": _limit(ctx)})
        return store.get(tx, found.seq)


def _limit(ctx: Context) -> int:
    return ctx.settings.restart_drain_timeout_seconds


def leave(ctx: Context) -> None:
    """The drain is over; the next thing is another process."""
    with ctx.db.write() as tx:
        found = store.under_way(tx)
        if found is not None and store.set_state(tx, found.seq, found.state, "leaving", found.in_flight):
            how = "RESTART_COMMAND" if ctx.settings.restart_command else "the supervisor"
            tx.record("system.restart.exec", "system", {"by": how, "version": __version__})


def conclude(ctx: Context, is_ready: bool, why: str = "") -> Restart | None:
    """The new server says how it came up, and what became of each task; None when no restart was asked for."""
    with ctx.db.write() as tx:
        found = store.under_way(tx)
        if found is None:
            return None
        outcome = [_became(tx, task) for task in json.loads(found.in_flight)]
        state = "complete" if is_ready else "failed"
        store.finish(tx, found.seq, state, json.dumps(outcome), None if is_ready else why)
        ended = store.get(tx, found.seq)
        about = {"seconds": ended.seconds, "tasks": outcome, "from": found.version, "to": __version__}
        tx.record(f"system.restart.{state}", "system", about | ({} if is_ready else {"error": why}))
    log.log(logging.INFO if is_ready else logging.ERROR, "the restart is %s%s", state, f": {why}" if why else "")
    return ended


def _became(tx: Tx, task: dict[str, Any]) -> dict[str, Any]:
    found = tasks.find(tx, task["task_id"])
    return task | {"became": BECAME.get(found.state, "failed") if found else "failed"}


def call_off(ctx: Context, why: str) -> None:
    """It cannot be done: take the flag down and say so."""
    with ctx.db.write() as tx:
        system.clear_restarting(tx)
    conclude(ctx, False, why)


def last(ctx: Context) -> Restart | None:
    """The newest restart, under way or over."""
    with ctx.db.read() as tx:
        found = store.newest(tx, 1)
    return found[0] if found else None


def sentence(found: Restart) -> str:
    """What happens, or happened, in one line."""
    told = [" ".join((task["name"], task.get("became", ""))).strip() for task in found.tasks()]
    listed = f"{', '.join(told)}." if told else "nothing."
    if found.state == "complete":
        return f"Restarted in {found.seconds or 0:.1f} s. In flight before: {listed}"
    if found.state == "failed":
        return f"The restart failed: {found.error}"
    return f"Restarting. In flight: {listed}"
