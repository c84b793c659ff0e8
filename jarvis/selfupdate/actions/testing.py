"""Testing: an update is built and run in a cage, step by step, and what was seen is its report."""

import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jarvis import __version__
from jarvis.archive import launch
from jarvis.archive.container import Archive
from jarvis.kernel import sandbox, scrub
from jarvis.kernel.clock import rfc3339
from jarvis.kernel.context import Context
from jarvis.kernel.db import forbid_inside_write
from jarvis.kernel.errors import Conflict, Denied, Unavailable
from jarvis.kernel.snapshot import snapshot
from jarvis.lockdown import actions as lockdown
from jarvis.queue import actions as queue
from jarvis.queue.store import Task
from jarvis.selfupdate import artefacts, source, states, store
from jarvis.selfupdate.actions import moving
from jarvis.selfupdate.caged import Caged, Cancelled
from jarvis.selfupdate.canary import Patience
from jarvis.selfupdate.proving import Plan, Proof, Step
from jarvis.selfupdate.store import Update

TASK = "jarvis.tasks.selfupdate.self_update_test"
PREFIX = "candidate-"
WATCH_SECONDS = 6.0
"""A canary that is ready must stay so: what crashes after five seconds is found out."""
STALE_SECONDS = 3600
SPARE_BYTES = 200 << 20
VALIDATED = ("git apply --check", "Paths", "Limits", "Replay", "Evidence")
NO_ARCHIVE = (
    "Testing builds the candidate with the archive that runs, and this is a checkout. Build one and serve it:"
    " make build, then python3 jarvis.pyz serve (or run this command with python3 jarvis.pyz)."
)
NO_CAGE = (
    "No cage works on this host (neither bubblewrap nor Landlock), so the candidate would run with all the rights of"
    " Jarvis before anybody approved it. Install bubblewrap, or say that you want it so: --without-sandbox."
)
CANCELLED = "The test was cancelled."


def ask(ctx: Context, reference: str, *, is_uncaged: bool = False) -> Task:
    """Have a worker test it. Raises Conflict out of order, Unavailable without an archive or a cage."""
    ctx.require_admin()
    lockdown.require_open(ctx, "testing an update")
    artefacts.require_place(ctx)
    with ctx.db.read() as tx:
        update = store.get(tx, reference)
    moving.require("test", update)
    require_archive()
    if not is_uncaged:
        kind()
    payload = {"id": update.id, "is_uncaged": is_uncaged}
    joined = ctx.joined(update.trace_id, "")
    return queue.enqueue(joined, TASK, payload, unique_key=moving.task_key(update), priority=queue.BY_HAND)


def require_archive() -> Archive:
    """The archive this process runs from; raises Unavailable in a checkout."""
    held = launch.archive()
    if held is None:
        raise Unavailable(NO_ARCHIVE)
    return held


def kind() -> str:
    """The best cage of this host; raises Unavailable without any."""
    found = sandbox.kinds()
    if not found:
        raise Unavailable(NO_CAGE)
    return found[0]


@dataclass(frozen=True, slots=True)
class Wish:
    """What a task was told, and how it is heard."""

    id: str
    is_uncaged: bool
    is_cancelled: Callable[[], bool]
    progress: Callable[[str], None]


def test(ctx: Context, wish: Wish, patience: Patience | None = None) -> Update:
    """Build and try an update; it is tested or test_failed when this returns, unchanged when cancelled."""
    forbid_inside_write("testing an update")
    lockdown.require_open(ctx, "testing an update")
    with ctx.db.read() as tx:
        update = store.get(tx, wish.id)
    moving.require("test", update)
    if wish.is_uncaged and not ctx.is_admin:
        raise Denied("Only an admin may have a candidate run without a cage.")
    ctx = ctx.joined(update.trace_id, "")
    running = require_archive()
    cage = kind() if not wish.is_uncaged else (sandbox.kinds() or ("none",))[0]
    limit = patience or Patience(ctx.settings.selfupdate_readyz_timeout_seconds, WATCH_SECONDS)
    began, clock = ctx.clock(), time.perf_counter()
    with _place(ctx) as place:
        plan = _plan(ctx, update, running, place, limit)
        proof = Proof(plan, Caged(cage, place, wish.is_cancelled), _Teller(ctx, update, wish.progress))
        try:
            ok = proof.run()
        except Cancelled:
            plan.target.unlink(missing_ok=True)
            note_cancelled(ctx, update.id)
            return update
    report = _report(ctx, update, proof, cage, began, time.perf_counter() - clock)
    return _settle(ctx, update, proof, report, ok=ok)


@contextmanager
def _place(ctx: Context) -> Iterator[Path]:
    """A private directory with a scrubbed copy of the database, gone afterwards."""
    home = ctx.settings.jarvis_home
    for left in home.glob(f"{PREFIX}*"):
        if time.time() - left.lstat().st_mtime > STALE_SECONDS:
            shutil.rmtree(left, ignore_errors=True)
    needed = 4 * ctx.settings.app_db.stat().st_size + SPARE_BYTES
    if shutil.disk_usage(home).free < needed:
        raise Unavailable(f"Testing needs {needed // 2**20} MB free in {home}.")
    place = Path(tempfile.mkdtemp(prefix=PREFIX, dir=home))
    try:
        snapshot(ctx.settings.app_db, place / "jarvis.db")
        scrub.scrub(place / "jarvis.db")
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _plan(ctx: Context, update: Update, running: Archive, place: Path, patience: Patience) -> Plan:
    with source.opened(ctx) as repo:
        baseline = repo.baseline()
        if baseline.tree != update.base or update.tree is None:
            raise Conflict("What runs here has changed since it was validated. Reject it and propose it again.")
        patched = repo.source(update.tree)
    target = artefacts.folder(ctx, update) / artefacts.CANDIDATE
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    tests = tuple(update.evidence_of()["tests"])
    return Plan(patched, running, place, target, tests, patience, __version__)


class _Teller:
    """Keeps the steps made so far with the update, so that whoever looks sees them as they come."""

    def __init__(self, ctx: Context, update: Update, progress: Callable[[str], None]) -> None:
        self._ctx, self._update, self._progress = ctx, update, progress
        self._kept = {name: check for name, check in update.checks_of().items() if name in VALIDATED}

    def __call__(self, steps: list[Step], doing: str) -> None:
        self._progress(doing)
        checks = checks_with(self._kept, steps, self._ctx.db.redact)
        with self._ctx.db.write() as tx:
            store.set_checks(tx, self._update.id, checks)


def checks_with(
    kept: dict[str, dict[str, Any]], steps: list[Step], redact: Callable[[str], str]
) -> dict[str, dict[str, Any]]:
    """The checks of validating, and after them each step."""
    found = dict(kept)
    for step in steps:
        told = {"ok": step.ok, "detail": redact(step.detail), "seconds": round(step.seconds, 3)}
        found[step.name] = {**told, "order": 100 + len(found)}
    return found


def _report(ctx: Context, update: Update, proof: Proof, cage: str, began: int, seconds: float) -> dict[str, Any]:
    built = proof.built
    steps = [step.as_json() for step in proof.steps]
    for step in steps:
        step["detail"], step["saw"] = ctx.db.redact(step["detail"]), [ctx.db.redact(line) for line in step["saw"]]
    return {
        "ok": all(step.ok for step in proof.steps),
        "id": update.id,
        "trace_id": update.trace_id,
        "patch_sha256": update.patch_sha256,
        "base": update.base,
        "tree": update.tree,
        "baseline": {"version": __version__, "sha256": proof.plan.running.sha256()},
        "candidate": {"version": built.version, "sha256": built.sha256, "bytes": len(built.data)} if built else None,
        "sandbox": cage,
        "began_at": rfc3339(began),
        "seconds": round(seconds, 2),
        "steps": steps,
    }


def _settle(ctx: Context, update: Update, proof: Proof, report: dict[str, Any], *, ok: bool) -> Update:
    text = json.dumps(report, ensure_ascii=False, indent=2) + "\n"
    failed = next((step for step in report["steps"] if not step["ok"]), None)
    told = f"{len(report['steps'])} steps in {report['seconds']:.1f} s"
    why = f"{failed['name']}: {failed['detail']}" if failed else ""
    if not ok:
        proof.plan.target.unlink(missing_ok=True)
    with ctx.db.write() as tx:
        store.set_report(tx, update.id, text, hashlib.sha256(text.encode()).hexdigest())
        if proof.built is not None:
            built = proof.built
            store.set_candidate(tx, update.id, version=built.version, sha256=built.sha256, size=len(built.data))
        store.set_error(tx, update.id, why or None)
        after = states.TESTED if ok else states.TEST_FAILED
        about = {"seconds": report["seconds"], "sandbox": report["sandbox"]}
        moved = moving.move(ctx, tx, update, after, why or told, **about)
        moved = store.get(tx, update.id)
    artefacts.write(ctx, update.id)
    return moved


def note_cancelled(ctx: Context, update_id: str) -> None:
    """Say that a test was stopped: the update is as it was before."""
    with ctx.db.write() as tx:
        store.set_error(tx, update_id, CANCELLED)


def give_up(ctx: Context, update_id: str, error: str) -> None:
    """A test that could not be carried out ends as failed, with the reason."""
    with ctx.db.write() as tx:
        update = store.find(tx, update_id)
        if update is None or not states.may("test", update.state):
            return
        joined = ctx.joined(update.trace_id, "")
        with joined.db.write() as inner:
            store.set_error(inner, update.id, error)
            moving.move(joined, inner, update, states.TEST_FAILED, f"it could not be carried out: {error}")
