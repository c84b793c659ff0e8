"""A worker to be killed: runs tasks and maintenance on a home until it is, and says nothing."""

import dataclasses
import os
import random
import sys
import threading
from pathlib import Path

from jarvis import app
from jarvis.kernel import config
from jarvis.kernel.clock import system_clock
from jarvis.kernel.context import Context
from jarvis.kernel.errors import Unavailable
from jarvis.kernel.registry import TaskHandler, TaskRun
from jarvis.kernel.service import Services
from jarvis.maintenance import actions as maintenance
from jarvis.queue import actions, epochs
from jarvis.queue.services import Runner

KEYED, GROUPED, FLAKY = "jarvis.tasks.proof.keyed", "jarvis.tasks.proof.grouped", "jarvis.tasks.proof.flaky"
MARK = "echo run >> runs"
COMMANDS = (MARK, "(setsid sleep 612 &); seq 1 2000", "sleep 0.05; exit 3")


def make_context(home: Path) -> Context:
    """The home with handlers whose effects can be counted outside of it."""
    settings = config.load({"JARVIS_HOME": str(home)}, None, home)
    settings = dataclasses.replace(settings, maintenance_commands=COMMANDS, maintenance_workdir=str(home / "work"))
    registry = app.make_registry()
    effects = home / "effects"

    def keyed(ctx: Context, run: TaskRun) -> dict[str, object]:
        """An outside effect with a key: looked for before it is made."""
        target = effects / str(run.payload["n"])
        if target.exists():
            return {"again": True}
        draft = effects / f".{run.payload['n']}.{os.getpid()}"
        draft.write_text(str(os.getpid()))
        try:
            os.link(draft, target)
        except FileExistsError:
            return {"again": True}
        finally:
            draft.unlink()
        return {"again": False}

    def grouped(ctx: Context, run: TaskRun) -> None:
        with (home / "order").open("a") as file:
            file.write(f"{run.payload['n']}\n")

    def flaky(ctx: Context, run: TaskRun) -> None:
        if run.attempt <= 3 and random.random() < 0.3:  # not for ever: each failure doubles the wait
            raise Unavailable("not now", retry_after_seconds=0)
        keyed(ctx, run)

    for name, handler in ((KEYED, keyed), (GROUPED, grouped), (FLAKY, flaky)):
        registry.add(TaskHandler(name, handler, "Only for the proof.", max_attempts=10_000))
    return app.make_context(settings, system_clock, registry)


def enqueue(ctx: Context, n: int) -> str:
    """Task number n, acknowledged when this returns."""
    if n % 10 == 9:
        return actions.enqueue(ctx, GROUPED, {"n": n}, group_key="g").id
    return actions.enqueue(ctx, FLAKY if n % 10 == 4 else KEYED, {"n": n}, priority=n % 3).id


def main(home: Path, first: int) -> None:
    ctx = make_context(home)
    actions.take_back(ctx)
    runner = Runner(ctx, epochs.begin(ctx, "server"))
    Services(runner.loops(3), on_stop=ctx.db.wake.raise_flag).start()
    acknowledged = (home / "acknowledged").open("a")
    n, pause = first, threading.Event()
    while True:
        enqueue(ctx, n)
        acknowledged.write(f"{n}\n")
        acknowledged.flush()
        n += 1
        if n % 40 == 0:
            try:
                maintenance.ask(ctx.traced())
            except Exception:  # one is at work already
                pause.wait(0.01)
        pause.wait(0.002)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
