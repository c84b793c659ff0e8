"""A home whose maintenance does what a test says, and somebody to run it."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from jarvis.kernel.context import Context
from jarvis.maintenance import actions, store
from jarvis.maintenance.store import Run, Step
from jarvis.queue import actions as queue
from jarvis.queue import epochs
from jarvis.queue.services import Runner


@pytest.fixture
def workdir(tmp_path: Path) -> Path:
    place = tmp_path / "work"
    place.mkdir()
    return place


@pytest.fixture
def configured(ctx: Context, workdir: Path) -> Callable[..., Context]:
    """The context with these commands and settings."""

    def configure(*commands: str, **settings: object) -> Context:
        found = {"maintenance_workdir": str(workdir), "maintenance_timeout_seconds": 20, **settings}
        changed = dataclasses.replace(ctx.settings, maintenance_commands=tuple(commands), **found)
        return dataclasses.replace(ctx, settings=changed)

    return configure


@pytest.fixture
def perform() -> Callable[[Context], tuple[Run, list[Step]]]:
    """Ask for a run and do it here; the run and its commands as they are on disk."""

    def run(ctx: Context) -> tuple[Run, list[Step]]:
        task = actions.ask(ctx.traced())
        epoch = epochs.begin(ctx, "server")
        try:
            claimed = queue.claim_one(ctx, task.id, epoch.number)
            assert claimed is not None
            Runner(ctx, epoch).run(claimed)
        finally:
            epoch.close()
        return newest(ctx)

    return run


def newest(ctx: Context) -> tuple[Run, list[Step]]:
    with ctx.db.read() as tx:
        (found,) = store.newest(tx, 1)
        return found, store.steps(tx, found.seq)
