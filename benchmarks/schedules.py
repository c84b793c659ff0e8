"""The scheduler's figures: a crowd due at once, an idle pass, and a year to catch up with."""

import json
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.__main__ import Figure

SCHEDULES = 10_000
MINUTE, YEAR = 60_000_000, 365 * 86_400_000_000
BEGAN = 1_795_401_960_000_000
RULES = ("* * * * *", "*/1 0-23 * * *", "@every:60", "0-59 * * * *")
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata")
ROUNDS = 3


class HandClock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = BEGAN

    def __call__(self) -> int:
        return self.now


@contextmanager
def home() -> Iterator[tuple[Any, HandClock]]:
    """A context on a fresh home, and its clock."""
    from jarvis import app
    from jarvis.kernel import config, migrate

    with tempfile.TemporaryDirectory() as folder:
        clock = HandClock()
        settings = config.load({"JARVIS_HOME": folder}, None, Path(folder))
        migrate.migrate(settings.app_db, clock)
        ctx = app.make_context(settings, clock, app.make_registry())
        yield ctx, clock
        ctx.db.close()


def fill(ctx: Any, count: int) -> None:
    """Schedules of four kinds in four zones, each due within the minute."""
    from jarvis.schedules import store
    from jarvis.users.store import CLI_USER_ID

    with ctx.db.write() as tx:
        for n in range(count):
            payload = json.dumps({"kind": "prompt", "text": f"How is number {n}?"})
            values = {"name": f"Schedule {n}", "cron_expr": RULES[n % 4], "timezone": ZONES[n // 4 % 4]}
            values |= {"payload": payload, "thread_id": None, "catchup": "all", "overlap": "skip"}
            values |= {"max_catchup": 10, "grace_seconds": 3600}
            at = tx.now + MINUTE
            store.insert(tx, ctx.ids.new("sch"), CLI_USER_ID, values, anchor_at=at, next_due_at=at)


def crowd() -> tuple[float, float, float]:
    """Seconds for 10,000 due at once, for an idle pass over them, and for as many bare commits' worth of rows."""
    from jarvis.schedules.actions import dispatching

    with home() as (ctx, clock):
        fill(ctx, SCHEDULES)
        clock.now += MINUTE + 1
        began = time.perf_counter()
        done = dispatching.tick(ctx).as_json()
        busy = time.perf_counter() - began
        assert done["dispatched"] == SCHEDULES, done
        idle = []
        for _ in range(50):
            began = time.perf_counter()
            dispatching.tick(ctx)
            idle.append(time.perf_counter() - began)
        return busy, statistics.median(idle), _inserts(ctx)


def _inserts(ctx: Any) -> float:
    """The yardstick: the same number of task rows enqueued in writes of the same size, and nothing else."""
    from jarvis.queue import actions as queue
    from jarvis.schedules.actions import dispatching
    from jarvis.schedules.store import POST_PROMPT

    began = time.perf_counter()
    for start in range(0, SCHEDULES, dispatching.BATCH):
        with ctx.db.write():
            for n in range(start, min(start + dispatching.BATCH, SCHEDULES)):
                queue.enqueue(ctx, POST_PROMPT, {"n": n})
    return time.perf_counter() - began


def year() -> tuple[float, float, float]:
    """Seconds to catch up with a year of minutes, the longest write within it, and cronsim's walk over the same."""
    from cronsim import CronSim

    from jarvis.kernel.clock import to_datetime
    from jarvis.schedules.actions import dispatching

    with home() as (ctx, clock):
        fill(ctx, 1)
        clock.now += YEAR
        writes: list[float] = []
        began = time.perf_counter()
        with timed_writes(writes):
            dispatching.tick(ctx)
        took = time.perf_counter() - began
    began = time.perf_counter()
    walk, end = CronSim("* * * * *", to_datetime(BEGAN)), to_datetime(BEGAN + YEAR)
    while next(walk) < end:
        pass
    return took, max(writes), time.perf_counter() - began


@contextmanager
def timed_writes(found: list[float]) -> Iterator[None]:
    """Note how long each write transaction is held."""
    from jarvis.kernel.db import Database

    original = Database._transaction

    def timed(self: Database, held: Any) -> Any:
        began = time.perf_counter()
        changed = yield from original(self, held)
        found.append(time.perf_counter() - began)
        return changed

    Database._transaction = timed  # type: ignore[method-assign]
    try:
        yield
    finally:
        Database._transaction = original  # type: ignore[method-assign]


def figures() -> Iterator[Figure]:
    """The scheduler's rows of the table, each the best of a few rounds: the rest is the machine's other work."""
    crowds = [crowd() for _ in range(ROUNDS)]
    busy, idle, inserts = (min(column) for column in zip(*crowds, strict=True))
    yield Figure(
        "10,000 due schedules in one pass", f"{busy:.2f} s", f"as many tasks enqueued alone: {inserts:.2f} s",
        f"{busy / inserts:.2f}", "≤ 2 s",
    )  # fmt: skip
    yield Figure("idle pass over 10,000 schedules", f"{idle * 1000:.2f} ms", "–", "–", "≤ 5 ms")
    took, longest, walk = min(year() for _ in range(ROUNDS))
    yield Figure(
        "a year of a minutely schedule caught up", f"{took * 1000:.0f} ms, longest write {longest * 1000:.0f} ms",
        f"cronsim walking it: {walk:.2f} s", f"{took / walk:.3f}", "≤ 3 s, no write > 100 ms",
    )  # fmt: skip
