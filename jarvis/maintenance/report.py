"""How maintenance stands: the same facts for the status, the API, the command and the page."""

from dataclasses import dataclass
from typing import Any

from jarvis.kernel.clock import SECOND, rfc3339
from jarvis.kernel.context import Context
from jarvis.kernel.registry import Refusals, Refused, StatusPart
from jarvis.maintenance import actions, store
from jarvis.maintenance.store import Run, Step

MOST_LOOKED_AT = 50
CAUSES = {"interval": "due by its interval", "asked": "asked for"}


@dataclass(frozen=True, slots=True)
class Standing:
    """What is set, what runs, how the last run went, and what is next."""

    is_enabled: bool
    interval_seconds: int
    commands: tuple[str, ...]
    workdir: str
    running: Run | None
    last: Run | None
    next_due_at: int | None
    beat_at: int | None
    is_fresh: bool
    """Whether the last run is as recent as the interval promises; true where none is promised."""

    @property
    def state(self) -> str:
        if self.running:
            return "running"
        return self.last.state if self.last else "never run"

    def as_json(self) -> dict[str, Any]:
        return {
            "enabled": self.is_enabled,
            "interval_seconds": self.interval_seconds,
            "commands": list(self.commands),
            "workdir": self.workdir,
            "state": self.state,
            "running": self.running.as_json() if self.running else None,
            "last_run": self.last.as_json() if self.last else None,
            "next_due_at": rfc3339(self.next_due_at) if self.next_due_at is not None else None,
            "heartbeat_at": rfc3339(self.beat_at) if self.beat_at is not None else None,
            "fresh": self.is_fresh,
        }


def standing(ctx: Context) -> Standing:
    """How maintenance stands now."""
    settings = ctx.settings
    every = settings.maintenance_interval_seconds * SECOND
    with ctx.db.read() as tx:
        memory, running, ended = store.memory(tx), store.running(tx), store.last_ended(tx)
        next_due_at, now = actions.next_due_at(ctx, tx), tx.now
    last = ended[0] if ended else None
    is_recent = last is not None and now - last.started_at <= 2 * every + settings.maintenance_timeout_seconds * SECOND
    return Standing(
        settings.maintenance_enabled,
        settings.maintenance_interval_seconds,
        tuple(ctx.db.redact(command) for command in settings.maintenance_commands),
        str(actions.workdir(ctx)),
        running[0] if running else None,
        last,
        next_due_at,
        memory.beat_at,
        next_due_at is None or bool(running) or is_recent,
    )


def with_runs(ctx: Context, limit: int = 10) -> dict[str, Any]:
    """The standing with the newest runs and their commands."""
    with ctx.db.read() as tx:
        runs = [(run, store.steps(tx, run.seq)) for run in store.newest(tx, limit)]
    return standing(ctx).as_json() | {"runs": [whole(run, steps) for run, steps in runs]}


def whole(run: Run, steps: list[Step]) -> dict[str, Any]:
    """A run with its commands."""
    return run.as_json() | {"commands": [step.as_json() for step in steps]}


def sentence(found: Standing) -> str:
    """Is it all right? In one sentence."""
    if found.running:
        return f"A run is at work since {rfc3339(found.running.started_at)}."
    if not found.commands:
        return "No maintenance commands are configured."
    said = {
        "passed": "The last run passed",
        "failed": f"The last run failed: {found.last.reason if found.last else ''}",
        "cancelled": "The last run was cancelled",
        "interrupted": "The last run was interrupted",
    }.get(found.state, "No run has ended yet")
    at = f" at {rfc3339(found.last.started_at)}" if found.last else ""
    late = "" if found.is_fresh else "; the next is overdue"
    return f"{said.rstrip('.')}{at}{late}."


STATUS = (StatusPart("maintenance", lambda ctx: standing(ctx).as_json()),)


def refused(ctx: Context, since: int) -> list[Refused]:
    """Runs that a lockdown has refused since then."""
    with ctx.db.read() as tx:
        runs = store.newest(tx, MOST_LOOKED_AT)
    return [
        Refused("Maintenance", "A run", CAUSES[run.cause], run.actor, run.finished_at or run.started_at, run.repeats)
        for run in runs
        if run.state == "refused" and run.started_at >= since and (run.reason or "").startswith("Locked down")
    ]


REFUSED = (Refusals("maintenance", refused),)
