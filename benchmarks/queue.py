"""No-op tasks end to end: enqueued, claimed, run and recorded, beside Huey's SqliteHuey in the same run."""

import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

F = TypeVar("F")

TASKS = 3000
WORKERS = 4
ROUNDS = 5
ENQUEUED_AT_ONCE = 1


def ours(tasks: int = TASKS, at_once: int = ENQUEUED_AT_ONCE) -> float:
    """Tasks per second; each is on disk (synchronous=FULL) when enqueued, claimed, and done."""
    from jarvis import app
    from jarvis.kernel import config, migrate
    from jarvis.kernel.clock import system_clock
    from jarvis.kernel.registry import Registry, TaskHandler
    from jarvis.kernel.service import Services
    from jarvis.queue import actions, epochs, store
    from jarvis.queue.services import Runner

    with tempfile.TemporaryDirectory() as folder:
        settings = config.load({"JARVIS_HOME": folder}, None, Path(folder))
        migrate.migrate(settings.app_db, system_clock)
        registry = Registry()
        registry.add(TaskHandler("jarvis.tasks.bench.nothing", lambda ctx, run: {"ok": True}, "Does nothing."))
        ctx = app.make_context(settings, system_clock, registry)
        epoch = epochs.begin(ctx, "server")
        runner = Runner(ctx, epoch)
        services = Services(runner.loops(WORKERS), on_stop=ctx.db.wake.raise_flag)
        services.start()
        began = time.perf_counter()
        for start in range(0, tasks, at_once):
            with ctx.db.write():
                for n in range(start, min(start + at_once, tasks)):
                    actions.enqueue(ctx, "jarvis.tasks.bench.nothing", {"n": n})
        seen = -1
        while _done(ctx, store) < tasks:
            seen = ctx.db.wake.wait(seen, 1.0)
        took = time.perf_counter() - began
        runner.is_stopping.set()
        services.close(5)
        epoch.close()
        ctx.db.close()
    return tasks / took


def _done(ctx: object, store: object) -> int:
    with ctx.db.read() as tx:  # type: ignore[attr-defined]
        found: int = store.counts(tx, ("done",))["done"]  # type: ignore[attr-defined]
        return found


def huey(tasks: int = TASKS) -> float:
    """Tasks per second of SqliteHuey as it comes (synchronous=OFF), with as many worker threads and results kept."""
    from huey import SqliteHuey

    with tempfile.TemporaryDirectory() as folder:
        instance = SqliteHuey(filename=str(Path(folder) / "huey.db"))
        left = threading.Semaphore(0)

        @instance.task()
        def nothing(n: int) -> dict[str, bool]:
            left.release()
            return {"ok": True}

        consumer = instance.create_consumer(workers=WORKERS, periodic=False, initial_delay=0.001, max_delay=0.01)
        consumer.start()
        began = time.perf_counter()
        for n in range(tasks):
            nothing(n)
        for _ in range(tasks):
            left.acquire()
        took = time.perf_counter() - began
        consumer.stop(graceful=True)
    return tasks / took


def figures(figure: Callable[[str, str, str, str, str], F]) -> list[F]:
    """One row: the median of pairs measured in turn, each in a process of its own."""
    pairs = [(_apart("ours"), _apart("huey")) for _ in range(ROUNDS)]
    mine, theirs = (statistics.median(side) for side in zip(*pairs, strict=True))
    ratio = statistics.median(a / b for a, b in pairs)
    return [figure("no-op tasks end to end", f"{mine:.0f} /s", f"SqliteHuey: {theirs:.0f} /s", f"{ratio:.2f}", "≥ 1")]


def _apart(which: str) -> float:
    root = Path(__file__).resolve().parent.parent
    command = [sys.executable, "-m", "benchmarks.queue", which]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root)
    return float(ran.stdout)


if __name__ == "__main__":
    print(ours() if sys.argv[1] == "ours" else huey())
