"""What can be done with maintenance: ask for a run, refuse one, begin and end it, and what its failures become."""

import logging
import os
import shutil
from pathlib import Path
from typing import Any

from jarvis.bugs import actions as bugs
from jarvis.kernel.clock import SECOND, rfc3339
from jarvis.kernel.context import Context
from jarvis.kernel.db import Tx
from jarvis.kernel.errors import Conflict
from jarvis.maintenance import commands, store, telling
from jarvis.maintenance.output import Ends
from jarvis.maintenance.store import Run, Step
from jarvis.queue import actions as queue
from jarvis.queue import store as tasks
from jarvis.queue.store import Task
from jarvis.system import store as system

log = logging.getLogger(__name__)

TASK = "jarvis.tasks.maintenance.run"
KEY = "maintenance"
"""One run at a time: the unique key of its task."""
NOT_CONFIGURED = "No maintenance commands are configured: set MAINTENANCE_COMMANDS."
KEEP_DAYS, KEEP_RUNS, MOST_PRUNED = 90, 1000, 50
FEW = 20
"""Runs of one wish stand among so many of the newest: beside the one at work only refusals are recorded."""


def workdir(ctx: Context) -> Path:
    """Where commands run."""
    settings = ctx.settings
    return Path(settings.maintenance_workdir).expanduser() if settings.maintenance_workdir else settings.workspace


def refusal(ctx: Context) -> str:
    """Why no run may begin now, or ""."""
    with ctx.db.read() as tx:
        state = system.state(tx)
    if state.lockdown:
        return f"Locked down: {state.lockdown_reason or 'no reason was given'}"
    return "Restarting: running work is being finished." if state.restarting else ""


def ask(ctx: Context, *, priority: int = 0) -> Task:
    """Enqueue a run. Raises Conflict when none is configured, none may begin, or one is on its way already."""
    if not ctx.settings.maintenance_commands:
        raise Conflict(NOT_CONFIGURED)
    reason = refusal(ctx)
    if reason:
        refuse(ctx, "asked", reason)
        raise Conflict(f"{reason.rstrip('.')}. The run was refused, and that is recorded.")
    with ctx.db.write():
        task = queue.enqueue(ctx, TASK, {"cause": "asked"}, unique_key=KEY, priority=priority)
        if task.trace_id != ctx.trace_id:
            raise Conflict(
                f"A run is {'at work' if task.state == 'running' else 'waiting for its turn'} already ({task.id})."
            )
        return task


def waiting(tx: Tx) -> Task | None:
    """The run that has been asked for and has not begun."""
    task = tasks.find_active(tx, KEY)
    return task if task is not None and task.state == "queued" else None


def stop(ctx: Context, run_id: str) -> Run:
    """Ask a run to stop; everything it started is ended. Raises Conflict when it is not running."""
    with ctx.db.write() as tx:
        run = store.get(tx, run_id)
        if not run.is_running or run.task_id is None:
            raise Conflict(f"The run is {run.state} already.")
        queue.cancel(ctx, run.task_id)
        return run


def dispatch(ctx: Context) -> Task | None:
    """The interval has passed: enqueue a run, or record why not. One instant is never done twice."""
    with ctx.db.write() as tx:
        store.set_dispatched(tx)
        reason = refusal(ctx)
        if not reason:
            task = queue.enqueue(ctx, TASK, {"cause": "interval"}, unique_key=KEY)
            if task.trace_id == ctx.trace_id:
                return task
            reason = "The run before is not over yet."
        refuse(ctx, "interval", reason)
        return None


def refuse(ctx: Context, cause: str, reason: str, task_id: str | None = None) -> Run:
    """Record a run that did not begin; the same refusal again only counts."""
    with ctx.db.write() as tx:
        known = store.repeat_refused(tx, cause, reason) if task_id is None else None
        if known is not None:
            return known
        place = str(workdir(ctx))
        run = store.insert(
            tx, ctx.ids.new("run"), cause=cause, task_id=task_id, state="refused", workdir=place, reason=reason
        )
        tx.record(
            "maintenance.run.refused", f"maintenance/{run.id}", {"run_id": run.id, "cause": cause, "reason": reason}
        )
        return run


def begin(ctx: Context, cause: str, task_id: str) -> Run:
    """A run begins, with its commands written down first."""
    place = workdir(ctx)
    texts = [ctx.db.redact(command) for command in ctx.settings.maintenance_commands]
    revision = _revision(place)
    with ctx.db.write() as tx:
        for earlier in store.running(tx):  # of this very task, given back by a restart: no other runs beside us
            end(ctx, earlier.id, "interrupted", "Jarvis was restarted.")
        run = store.insert(
            tx,
            ctx.ids.new("run"),
            cause=cause,
            task_id=task_id,
            state="running",
            workdir=str(place),
            revision=revision,
            commands=texts,
        )
        about = {"run_id": run.id, "cause": cause, "workdir": str(place), "commit": run.revision, "commands": texts}
        tx.record("maintenance.run.start", f"maintenance/{run.id}", about)
        return run


def _revision(place: Path) -> tuple[str, str] | None:
    """The commit checked out there and its title; None where there is no repository to read."""
    from jarvis.repository import actions as repository  # a fifth of a second, and most commands never need it

    return repository.newest_commit(place)


def settle_lost(ctx: Context, state: str = "interrupted", reason: str = "The process that ran it ended.") -> None:
    """End runs whose task is at work no more, with whatever is left of their commands."""
    with ctx.db.read() as tx:
        lost = [(run, store.steps(tx, run.seq)) for run in store.running(tx) if not _is_at_work(tx, run)]
    for run, steps in lost:
        for step in steps:
            if step.state == "running":
                commands.end_marked(mark(run, step.position), step.process or "")
        end(ctx, run.id, state, reason)


def note_unbegun(ctx: Context, cause: str, reason: str) -> None:
    """Keep a run whose process ended before its first command: what was asked for does not vanish."""
    with ctx.db.write() as tx:
        if any(run.trace_id == ctx.trace_id for run in store.newest(tx, FEW)):
            return
        place = str(workdir(ctx))
        run = store.insert(
            tx, ctx.ids.new("run"), cause=cause, task_id=None, state="interrupted", workdir=place, reason=reason
        )
        tx.record("maintenance.run.end", f"maintenance/{run.id}", _about_end(run, []))


def _is_at_work(tx: Tx, run: Run) -> bool:
    task = tasks.find(tx, run.task_id) if run.task_id else None
    return task is not None and task.state == "running"


def mark(run: Run, position: int) -> str:
    """What stands in the environment of everything a command starts."""
    return f"{run.id}.{position}"


def folder(ctx: Context, run_id: str) -> Path:
    """Where a run's output is kept."""
    return ctx.settings.jarvis_home / "runs" / run_id


def make_folder(ctx: Context, run_id: str) -> Path:
    place = folder(ctx, run_id)
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    return place


def output_path(ctx: Context, run_id: str, position: int) -> Path:
    return folder(ctx, run_id) / f"{position}.log"


def begin_step(ctx: Context, run: Run, position: int) -> None:
    with ctx.db.write() as tx:
        store.start_step(tx, run.seq, position)


def note_process(ctx: Context, run: Run, position: int, process: str) -> None:
    """Remember by which sign a command's process can be found again."""
    with ctx.db.write() as tx:
        store.set_process(tx, run.seq, position, process)


def end_step(ctx: Context, run: Run, position: int, outcome: commands.Outcome, ends: Ends) -> Step:
    """Record how a command ended; a failure becomes a bug, a success counts for its bugs."""
    state, error = _judge(outcome, ctx.settings.maintenance_timeout_seconds)
    lines = telling.telling(ends.lines()) if state in ("failed", "timed_out") else []
    kept = telling.excerpt(ends, lines)
    with ctx.db.write() as tx:
        store.finish_step(
            tx,
            run.seq,
            position,
            state=state,
            exit_code=outcome.exit_code,
            killed=outcome.killed,
            error=error,
            excerpt=kept,
        )
        step = store.steps(tx, run.seq)[position - 1]
        _count_for_bugs(ctx, run, step, kept)
        return store.steps(tx, run.seq)[position - 1]


def _judge(outcome: commands.Outcome, timeout_seconds: int) -> tuple[str, str | None]:
    left = f" {outcome.left} processes could not be ended." if outcome.left else ""
    match outcome.reason:
        case "timeout":
            return "timed_out", f"It was ended after {timeout_seconds} s.{left}"
        case "stop":
            return "cancelled", f"It was stopped.{left}"
        case "lost":
            return "failed", "The process that watched it was killed, so its end is not known."
    if outcome.exit_code == 0:
        return "passed", left.strip() or None
    return "failed", left.strip() or None


def _count_for_bugs(ctx: Context, run: Run, step: Step, kept: dict[str, Any]) -> None:
    """File, count or resolve; never for what somebody stopped."""
    source = telling.source(step.command)
    system_ctx = ctx.acting(actor=ctx.actor, user_id=None, username="", role="admin")
    if step.state == "passed":
        bugs.record_success(system_ctx, source)
    elif step.state in ("failed", "timed_out") and ctx.settings.maintenance_create_bugs:
        how = "timeout" if step.state == "timed_out" else ""
        print_ = telling.fingerprint(step.command, how, kept["telling"])
        evidence = evidence_of(run, step, kept)
        bug = bugs.record_failure(system_ctx, print_, title_of(step, kept), evidence, source=source)
        with ctx.db.write() as tx:
            store.set_bug(tx, run.seq, step.position, bug.id)


def title_of(step: Step, kept: dict[str, Any]) -> str:
    """What a bug about this failure is called: the command, and the last thing it said about it."""
    told = kept["telling"][-1].strip() if kept["telling"] and step.state != "timed_out" else ""
    how = "does not end in time" if step.state == "timed_out" else f"fails{f': {told}' if told else ''}"
    return f"{step.command[:80]} {how}"


def evidence_of(run: Run, step: Step, kept: dict[str, Any]) -> dict[str, Any]:
    return {
        "run_id": run.id,
        "command": step.command,
        "exit_code": step.exit_code,
        "state": step.state,
        "seconds": round(step.seconds or 0.0, 3),
        "killed": step.killed,
        "workdir": run.workdir,
        "commit": run.revision,
        "commit_title": run.revision_title,
        "lines": kept["telling"],
        "first": kept["first"],
        "left_out": kept["left_out"],
        "last": kept["last"],
        "position": step.position,
    }


def end(ctx: Context, run_id: str, state: str, reason: str | None = None) -> Run:
    """A run is over. When it has ended already, that end stands."""
    with ctx.db.write() as tx:
        if store.finish(tx, run_id, state, reason):
            run = store.get(tx, run_id)
            tx.record("maintenance.run.end", f"maintenance/{run_id}", _about_end(run, store.steps(tx, run.seq)))
        return store.get(tx, run_id)


def _about_end(run: Run, steps: list[Step]) -> dict[str, Any]:
    bad = [step for step in steps if step.state in ("failed", "timed_out")]
    first = bad[0] if bad else None
    return {
        "run_id": run.id,
        "outcome": run.state,
        "ok": run.state == "passed",
        "seconds": run.seconds,
        "reason": run.reason,
        "failed": len(bad),
        "command": first.command if first else None,
        "exit_code": first.exit_code if first else None,
        "commands": [
            {"command": s.command, "state": s.state, "exit_code": s.exit_code, "seconds": s.seconds, "bug_id": s.bug_id}
            for s in steps
        ],
    }


def due_at(last: int | None, every: int, now: int) -> int:
    """When the next is due: at once when there was none, and never later than one interval from now.

    The last time may lie in the future of a clock that was set back, or be from a longer interval.
    """
    return now if last is None else min(last + every, now + every)


def next_due_at(ctx: Context, tx: Tx) -> int | None:
    """When the interval runs the commands next; None when it never does."""
    settings = ctx.settings
    every = settings.maintenance_interval_seconds * SECOND
    if not (settings.maintenance_enabled and every > 0 and settings.maintenance_commands):
        return None
    return due_at(store.memory(tx).dispatched_at, every, tx.now)


def beat(ctx: Context) -> None:
    """Say that maintenance is looked after, and how it stands."""
    with ctx.db.write() as tx:
        store.set_beat(tx)
        last = store.last_ended(tx)
        settings = ctx.settings
        about = {
            "interval_seconds": settings.maintenance_interval_seconds,
            "commands": len(settings.maintenance_commands),
            "running": bool(store.running(tx)),
            "last_run": {"run_id": last[0].id, "state": last[0].state, "at": rfc3339(last[0].started_at)}
            if last
            else None,
        }
        tx.record("maintenance.heartbeat", "maintenance", about)


def prune(ctx: Context) -> int:
    """Forget runs of long ago with their output; returns how many."""
    with ctx.db.write() as tx:
        gone = store.delete_before(tx, tx.now - KEEP_DAYS * 86_400 * SECOND, MOST_PRUNED)
        gone += store.delete_beyond(tx, KEEP_RUNS, MOST_PRUNED)
    for run_id in gone:
        shutil.rmtree(folder(ctx, run_id), ignore_errors=True)
    return len(gone)


def environment(ctx: Context, run: Run, position: int) -> dict[str, str]:
    return commands.environment(ctx.settings, os.environ, mark(run, position))
