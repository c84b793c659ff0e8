"""Schedules of the cast, ticks and what they leave behind."""

from collections.abc import Callable
from typing import Any

import pytest

from jarvis.kernel.context import Context
from jarvis.kernel.registry import TaskHandler, TaskRun
from jarvis.schedules import accounts, actions, store
from jarvis.schedules.actions import dispatching
from jarvis.schedules.store import Schedule, books
from jarvis.schedules.store.books import Dispatch
from tests.conftest import StillClock

PROMPT = {"kind": "prompt", "text": "How full is the disk?"}
SWEEP = "jarvis.tasks.tests.sweep"


def _sweep(ctx: Context, run: TaskRun) -> dict[str, Any]:
    return {"swept": run.payload}


class Bench:
    """Alice's schedules on a clock that is moved by hand."""

    def __init__(self, ctx: Context, alice: Context, clock: StillClock) -> None:
        self.ctx, self.alice, self.clock = ctx, alice, clock

    def make(self, cron_expr: str = "@every:60", *, by: Context | None = None, **more: Any) -> Schedule:
        return actions.create(by or self.alice, {"cron_expr": cron_expr, "payload": PROMPT, **more})

    def tick(self, seconds: float = 0) -> dict[str, int]:
        """Move the clock, make a pass, and say what it did, without the noughts."""
        self.clock.step(seconds)
        return {name: count for name, count in dispatching.tick(self.ctx).as_json().items() if count}

    def finish_work(self) -> None:
        """Everything that was handed over is done."""
        with self.ctx.db.write() as tx:
            tx.run(
                "UPDATE tasks SET state = 'done', epoch = NULL, finished_at = :now WHERE finished_at IS NULL",
                now=tx.now,
            )

    def get(self, schedule: Schedule) -> Schedule:
        with self.ctx.db.read() as tx:
            return store.get(tx, schedule.id)

    def history(self, schedule: Schedule) -> list[Dispatch]:
        """Oldest first."""
        with self.ctx.db.read() as tx:
            return books.newest(tx, schedule.id, 10_000)[::-1]

    def outcomes(self, schedule: Schedule) -> list[tuple[str, int]]:
        return [(dispatch.outcome, dispatch.count) for dispatch in self.history(schedule)]

    def check_balance(self, schedule: Schedule) -> accounts.Balance:
        """The totals, the rows and the rule agree, each counted by itself."""
        balance = accounts.balance(self.ctx.acting(actor="x", user_id=None, username="", role="admin"), schedule.id)
        current = self.get(schedule)
        rows: dict[str, int] = {}
        for dispatch in self.history(schedule):
            if not dispatch.is_by_hand and dispatch.era == current.era:
                rows[dispatch.outcome] = rows.get(dispatch.outcome, 0) + dispatch.count
        assert {name: count for name, count in balance.outcomes.items() if count} == rows
        assert balance.off_by == 0
        assert balance.named is not None
        return balance

    def set_state(self, **flags: Any) -> None:
        """Flags of system_state, such as restarting=1."""
        with self.ctx.db.write() as tx:
            for name, value in flags.items():
                assert name in ("restarting", "lockdown", "lockdown_reason")
                tx.run(f"UPDATE system_state SET {name} = :value", value=value)

    def damage(self, schedule: Schedule, **values: Any) -> None:
        """Write nonsense into a row, as no input can."""
        with self.ctx.db.write() as tx:
            for name, value in values.items():
                assert name in store.COLUMNS
                tx.run(f"UPDATE schedules SET {name} = :value WHERE id = :id", value=value, id=schedule.id)


@pytest.fixture
def bench(ctx: Context, as_user: Callable[[str], Context], clock: StillClock) -> Bench:
    ctx.registry.add(TaskHandler(SWEEP, _sweep, "Sweeps.", is_runnable_by_hand=True))
    return Bench(ctx, as_user("alice"), clock)
