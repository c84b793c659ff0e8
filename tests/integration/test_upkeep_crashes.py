"""Killed at random points, the queue and maintenance lose nothing, double nothing and leave nothing running.

`make test` kills a seeded sample; JARVIS_PROOF=1 kills hundreds of times.
"""

import itertools
import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from jarvis.kernel import events
from jarvis.maintenance import commands
from jarvis.maintenance import store as maintenance
from jarvis.queue import actions, epochs, store
from jarvis.queue.services import Runner
from tests.integration import upkeep_worker as worker

KILLS = 400 if os.environ.get("JARVIS_PROOF") == "1" else 15
SEED = 20261123
ROOT = Path(__file__).parents[2]


@pytest.fixture
def place(home: Path) -> Path:
    for name in ("effects", "work"):
        (home / name).mkdir()
    return home


def acknowledged(place: Path) -> list[int]:
    path = place / "acknowledged"
    lines = path.read_text().split("\n")[:-1] if path.exists() else []  # the last may be half a line
    return [int(line) for line in lines]


def live_and_die(place: Path, seconds: float) -> None:
    """Start the worker, let it work for a while once it does, and kill it."""
    before = acknowledged(place)
    first = (max(before) + 2 if before else 0) + 1000
    command = [sys.executable, "-m", "tests.integration.upkeep_worker", str(place), str(first)]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    try:
        waiting, deadline = threading.Event(), time.monotonic() + 30
        while len(acknowledged(place)) == len(before) and time.monotonic() < deadline:
            assert process.poll() is None, "the worker died by itself"
            waiting.wait(0.005)
        waiting.wait(seconds)
    finally:
        process.kill()
        process.wait()


def finish(place: Path) -> "worker.Context":
    """Recover and do everything that is left, in this process."""
    ctx = worker.make_context(place)
    actions.take_back(ctx)
    epoch = epochs.begin(ctx, "server")
    runner = Runner(ctx, epoch)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        claimed = actions.claim(ctx, epoch.number, lambda name: 50)
        for task in claimed:
            runner.run(task)
        with ctx.db.read() as tx:
            due = store.next_run_at(tx)
        if not claimed and due is None:
            break
        ctx.db.wake.wait(ctx.db.wake.count, 0 if claimed else 0.05)
    epoch.close()
    return ctx


def test_nothing_acknowledged_is_lost_and_no_effect_is_doubled(place: Path) -> None:
    chance = random.Random(SEED)
    for _ in range(KILLS):
        live_and_die(place, chance.uniform(0, 0.4))
    ctx = finish(place)
    try:
        _check_tasks(ctx, place)
        _check_maintenance(ctx, place)
        with ctx.db.read() as tx:
            assert events.verify(tx).problems == ()
    finally:
        ctx.db.close()


def _check_tasks(ctx: "worker.Context", place: Path) -> None:
    told = acknowledged(place)
    with ctx.db.read() as tx:
        counts = store.counts(tx, store.STATES)
        done = {task.payload: task for task in store.newest(tx, "done", "", 10**6)}
    assert counts["queued"] == counts["running"] == 0
    assert len(told) == len(set(told)) > KILLS
    effects = {int(path.name) for path in (place / "effects").iterdir() if not path.name.startswith(".")}
    order = [int(line) for line in (place / "order").read_text().split()] if (place / "order").exists() else []
    for n in told:
        assert f'{{"n": {n}}}' in done, f"task {n} was acknowledged and is not done"
        assert n in (order if n % 10 == 9 else effects)
    assert [n for n, following in itertools.pairwise(order) if n > following] == [], "a group lost its order"
    again = [task for task in done.values() if task.runs > 1]
    assert len(again) < len(done), "recovery is the exception"


def _check_maintenance(ctx: "worker.Context", place: Path) -> None:
    with ctx.db.read() as tx:
        runs = maintenance.newest(tx, 10_000)
        steps = {run.id: maintenance.steps(tx, run.seq) for run in runs}
        tasks = [t for t in store.newest(tx, "", "jarvis.tasks.maintenance.run", 10_000) if t.runs]
    assert runs, "maintenance never ran"
    assert {run.state for run in runs} <= {"failed", "interrupted"}, "its last command always fails"
    assert len(runs) == len(tasks), "a run for each task that began, no more"
    marks = (place / "work" / "runs").read_text().count("run\n") if (place / "work" / "runs").exists() else 0
    begun = sum(bool(found) and found[0].started_at is not None for found in steps.values())
    assert marks <= begun, "a command ran twice"
    for run in runs:
        for step in steps[run.id]:
            assert step.state not in ("running", "waiting")
            assert commands.marked(f"{run.id}.{step.position}") == [], "something outlived its run"
