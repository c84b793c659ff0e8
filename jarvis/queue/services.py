"""The threads that run tasks: one at a time looks for work, the others work or wait their turn."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from jarvis.kernel.clock import SECOND
from jarvis.kernel.context import Context
from jarvis.kernel.service import Loop
from jarvis.queue import actions, attempts, epochs, store, working
from jarvis.queue.epochs import Epoch
from jarvis.queue.store import Task
from jarvis.queue.working import Ending

log = logging.getLogger(__name__)

IDLE_SECONDS = 5.0
DRAINING_SECONDS = 0.5
TAKE_BACK_SECONDS = 30.0
PRUNE_SECONDS = 600.0
STALE_HAND_SECONDS = 1.0
GATHER_SECONDS = 0.004
"""While quick tasks keep coming, so long passes between two writes that claim or settle them."""
PATIENCE_SECONDS = 0.1


class Pace:
    """How long tasks of each name take here; quick ones are claimed several at once."""

    QUICK_SECONDS, BATCH_SECONDS, MOST = 0.01, 0.1, 64

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    def batch(self, name: str) -> int:
        """How many of a name to claim: about a tenth of a second of work, one of what may be slow."""
        seconds = self._seconds.get(name, self.QUICK_SECONDS)
        if seconds >= self.QUICK_SECONDS:
            return 1
        return max(1, min(self.MOST, int(self.BATCH_SECONDS / max(seconds, 1e-6))))

    def observe(self, name: str, seconds: float) -> None:
        known = self._seconds.get(name, seconds)
        self._seconds[name] = seconds if seconds > known else known * 0.8 + seconds * 0.2


@dataclass
class Runner:
    """Claims tasks under one epoch and runs them; `workers` threads share it.

    Claims and endings of quick tasks share a write each. No attempt is claimed, and none is
    done, before that is on disk; a crash in between runs it again, as every handler allows.
    """

    ctx: Context
    epoch: Epoch
    wait_quiet: Callable[[float], object] = lambda _: None
    """Waits, up to so many seconds, until nobody is waiting for an answer: people come before work."""
    is_stopping: threading.Event = field(default_factory=threading.Event)
    in_flight: dict[str, Task] = field(default_factory=dict)
    """What is claimed and not settled: begun, or about to be."""
    _turn: threading.Lock = field(default_factory=threading.Lock)
    _idle: threading.Condition = field(default_factory=threading.Condition)
    _ended: list[Ending] = field(default_factory=list)
    _hand: deque[Task] = field(default_factory=deque)
    _dealt_at: float = 0.0
    _dealt: str = ""
    _settled_at: float = 0.0
    _pace: Pace = field(default_factory=Pace)

    def __post_init__(self) -> None:
        attempts.listen()

    def loops(self, workers: int) -> list[Loop]:
        """One loop per worker thread, and those that settle, take back from dead runners, and forget."""
        found = [Loop(f"tasks-{n + 1}", self.step, 0.0, stale_after_seconds=3600) for n in range(workers)]
        return [
            *found,
            Loop("tasks-settle", self.settle, 0.0),
            Loop("tasks-recovery", self._recover, TAKE_BACK_SECONDS),
            Loop("tasks-retention", lambda: actions.prune(self.ctx) > 0, PRUNE_SECONDS),
        ]

    def step(self) -> bool:
        """Wait for a task and run it; False when none came."""
        if self.is_stopping.is_set():
            self._drop_hand()
            self.ctx.db.wake.wait(self.ctx.db.wake.count, DRAINING_SECONDS)
            return False
        with self._turn:
            task = self._hand.popleft() if self._hand else self._next()
        if task is not None:
            self._end(self._attempt(task))
        return task is not None

    def _next(self) -> Task | None:
        if self.is_stopping.is_set():  # it was our turn only because the one before us left
            return None
        self._gather()
        self.wait_quiet(PATIENCE_SECONDS)
        seen = self.ctx.db.wake.count  # before looking, so that nothing slips in between
        claimed = actions.claim(self.ctx, self.epoch.number, self._pace.batch)
        if not claimed:
            self.ctx.db.wake.wait(seen, self._pause())
            self._nudge()  # a drain may have begun
            return None
        with self._idle:
            self.in_flight.update((task.id, task) for task in claimed)
        self._hand.extend(claimed[1:])
        self._dealt_at, self._dealt = time.monotonic(), claimed[0].name
        return claimed[0]

    def _nudge(self) -> None:
        """Let those who wait for something to end look again."""
        with self._idle:
            self._idle.notify_all()

    def _gather(self) -> None:
        """Let a stream of quick tasks gather, so that they share a write; one alone never waits."""
        left = GATHER_SECONDS - (time.monotonic() - self._dealt_at)
        if left > 0 and self._pace.batch(self._dealt) > 1:
            self.is_stopping.wait(left)

    def _pause(self) -> float:
        with self.ctx.db.read() as tx:
            due = store.next_run_at(tx)
            now = tx.now
        return IDLE_SECONDS if due is None else min(IDLE_SECONDS, max(0.0, (due - now) / SECOND))

    def _drop_hand(self) -> None:
        """Give back what was claimed and nobody has begun."""
        with self._turn:
            dropped = list(self._hand)
            self._hand.clear()
        if dropped:
            actions.give_back_unbegun(self.ctx, dropped)
            self._forget(dropped)
        self._nudge()

    def _forget(self, tasks: list[Task]) -> None:
        with self._idle:
            for task in tasks:
                self.in_flight.pop(task.id, None)
            self._idle.notify_all()

    def _recover(self) -> bool:
        for task in actions.take_back(self.ctx):
            log.warning("task %s (%s) was taken back from a runner that died", task.id, task.name)
        epochs.sweep(self.ctx)
        return False

    def wait_idle(self, seconds: float) -> bool:
        """Wait until nothing is in flight; False when the time ran out first."""
        with self._idle:
            return self._idle.wait_for(lambda: not self.in_flight, seconds)

    def run(self, task: Task) -> None:
        """One claimed attempt from begin to end; its result or error is on disk when this returns."""
        self.in_flight[task.id] = task
        ending = self._attempt(task)
        actions.settle(self.ctx, [ending])
        self._forget([task])
        if isinstance(ending.error, KeyboardInterrupt):
            raise ending.error

    def _end(self, ending: Ending) -> None:
        with self._idle:
            self._ended.append(ending)
            self._idle.notify_all()

    def settle(self) -> bool:
        """Wait for attempts to end and record them all in one write; meanwhile others end."""
        with self._idle:
            longest = STALE_HAND_SECONDS if self._hand else IDLE_SECONDS
            self._idle.wait_for(lambda: self._ended or self.is_stopping.is_set(), longest)
        self.is_stopping.wait(max(0.0, GATHER_SECONDS - (time.monotonic() - self._settled_at)))
        with self._idle:
            ended, self._ended = self._ended, []
        if not ended:
            self._rest()
            return False
        try:
            actions.settle(self.ctx, ended)
        except BaseException:
            with self._idle:
                self._ended = ended + self._ended  # they did end: tried again when the loop is
            raise
        self._settled_at = time.monotonic()
        self._forget([ending.task for ending in ended])
        return True

    def _rest(self) -> None:
        if self.is_stopping.is_set():
            self.ctx.db.wake.wait(self.ctx.db.wake.count, DRAINING_SECONDS)
        elif self._hand and time.monotonic() - self._dealt_at > STALE_HAND_SECONDS:
            self._drop_hand()  # every worker is at something long: let priorities decide anew

    def _attempt(self, task: Task) -> Ending:
        started = time.perf_counter()
        ending = working.attempt(self.ctx, task, actions.set_progress)
        self._pace.observe(task.name, time.perf_counter() - started)
        return ending
