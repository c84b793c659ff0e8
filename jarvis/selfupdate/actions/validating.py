"""Validating: does the patch apply to exactly what runs, does it do what was said, and nothing that is forbidden?"""

import time
from dataclasses import dataclass, field
from typing import Any

from jarvis.kernel.context import Context
from jarvis.kernel.errors import Conflict, Unavailable
from jarvis.lockdown import actions as lockdown
from jarvis.patch.contained import apply_contained
from jarvis.patch.engine import Applied
from jarvis.patch.refusal import PatchRefused, Why
from jarvis.queue import actions as queue
from jarvis.queue.store import Task
from jarvis.selfupdate import artefacts, protected, source, states, store
from jarvis.selfupdate.actions import moving
from jarvis.selfupdate.source import Baseline, SourceRepository
from jarvis.selfupdate.store import Update

TASK = "jarvis.tasks.selfupdate.self_update_validate"
GIT, PATHS, LIMITS, REPLAY, EVIDENCE = "git apply --check", "Paths", "Limits", "Replay", "Evidence"
WHICH = {Why.DANGER: PATHS, Why.LIMIT: LIMITS}
"""The check a refusal belongs to, where it is not git's own."""
MOST_NAMED = 5


@dataclass(slots=True)
class Findings:
    """What validating found, check by check."""

    checks: dict[str, dict[str, Any]] = field(default_factory=dict)
    files: list[dict[str, Any]] = field(default_factory=list)
    why: list[str] = field(default_factory=list)
    tree: str | None = None

    def add(self, name: str, ok: bool, detail: str, seconds: float) -> None:
        self.checks[name] = {"ok": ok, "detail": detail, "seconds": round(seconds, 4), "order": len(self.checks)}

    @property
    def refusal(self) -> str:
        """The first check that says no, in its words; "" when none does."""
        bad = [f"{name}: {check['detail']}" for name, check in self.checks.items() if not check["ok"]]
        return bad[0] if bad else ""


def validate(ctx: Context, reference: str) -> Update:
    """Check a proposal against what runs; it is validated or rejected when this returns."""
    ctx.require_admin()
    lockdown.require_open(ctx, "validating an update")
    artefacts.require_place(ctx)
    with ctx.db.read() as tx:
        update = store.get(tx, reference)
        patch = store.patch_of(tx, update.id)
    moving.require("validate", update)
    with source.opened(ctx) as repo:
        baseline = repo.baseline()
        found, applied = examine(repo, baseline, patch, update)
        if applied is not None and not found.refusal:
            repo.keep(applied.new_objects)
    return _settle(ctx.joined(update.trace_id, ""), update, baseline, found)


def examine(
    repo: SourceRepository, baseline: Baseline, patch: bytes, update: Update
) -> tuple[Findings, Applied | None]:
    """Every check of a patch against a baseline; writes nothing."""
    found = Findings()
    began = time.perf_counter()
    try:
        applied = _apply(repo, baseline, patch)
    except PatchRefused as refused:
        _refused(found, refused, time.perf_counter() - began)
        return found, None
    tree = applied.tree_id.decode()
    notes = "".join(f"; {note}" for note in applied.notes[:MOST_NAMED])
    found.add(GIT, True, f"applies as git would, tree {tree[:12]}{notes}", time.perf_counter() - began)
    found.tree, found.files = tree, [file.as_json() for file in applied.files]
    _replay(found, repo, baseline, patch)
    found.why = protected.why(found.files)
    found.add(PATHS, True, "; ".join(found.why) or "nothing protected is touched", 0.0)
    _compare_with_evidence(found, update)
    return found, applied


def _apply(repo: SourceRepository, baseline: Baseline, patch: bytes) -> Applied:
    try:
        return apply_contained(patch, baseline.tree.encode(), repo.objects_place)
    except OSError as error:
        raise Unavailable(f"The patch could not be tried: {error}") from error


def _refused(found: Findings, refused: PatchRefused, seconds: float) -> None:
    own = WHICH.get(refused.why)
    found.add(GIT, False, f"not decided, refused before: {refused}" if own else str(refused), seconds)
    if own:
        found.add(own, False, str(refused), 0.0)


def _replay(found: Findings, repo: SourceRepository, baseline: Baseline, patch: bytes) -> None:
    """From the recorded baseline once more: the same tree, and not the one it began with."""
    began = time.perf_counter()
    again = _apply(repo, baseline, patch).tree_id.decode()
    is_same, is_change = again == found.tree, again != baseline.tree
    told = f"the same tree twice, from {baseline.tree[:12]}" if is_same else f"another tree the second time: {again}"
    found.add(REPLAY, is_same and is_change, told if is_change else "it changes nothing", time.perf_counter() - began)


def _compare_with_evidence(found: Findings, update: Update) -> None:
    """Nothing may be touched that was not said."""
    meant = update.evidence_of()["files"]
    touched = sorted({path for file in found.files for path in (file["path"], file["old_path"]) if path})
    unsaid = [path for path in touched if not any(covers(one, path) for one in meant)]
    named = ", ".join(unsaid[:MOST_NAMED])
    more = f" and {len(unsaid) - MOST_NAMED} more" if len(unsaid) > MOST_NAMED else ""
    told = f"it also touches {named}{more}, which the evidence does not name" if unsaid else "touches what was said"
    found.add(EVIDENCE, not unsaid, told, 0.0)


def covers(meant: str, path: str) -> bool:
    """Whether a place such as a.py, a.py:4-9 or folder/ names a path."""
    plain = meant.strip().removeprefix("./")
    return path.startswith(plain) if plain.endswith("/") else plain.partition(":")[0] == path


def _settle(ctx: Context, update: Update, baseline: Baseline, found: Findings) -> Update:
    refusal = found.refusal
    after = states.REJECTED if refusal else states.VALIDATED
    seconds = sum(check["seconds"] for check in found.checks.values())
    told = refusal or f"applies as git would, tree {(found.tree or '')[:12]}, {seconds * 1000:.0f} ms"
    with ctx.db.write() as tx:
        if store.get(tx, update.id).state != update.state:
            raise Conflict("Somebody else validated it at the same moment.")
        store.set_result(
            tx,
            update.id,
            base=baseline.tree,
            base_version=baseline.version,
            tree=None if refusal else found.tree,
            files=found.files,
            protected_why=found.why,
        )
        store.set_checks(tx, update.id, found.checks)
        store.set_error(tx, update.id, refusal or None)
        moved = moving.move(ctx, tx, update, after, told, tree=found.tree, base=baseline.tree)
    artefacts.write(ctx, update.id)
    return moved


def ask(ctx: Context, reference: str) -> Task:
    """Have a worker validate it."""
    ctx.require_admin()
    with ctx.db.read() as tx:
        update = store.get(tx, reference)
    moving.require("validate", update)
    return queue.enqueue(ctx, TASK, {"id": update.id}, unique_key=moving.task_key(update))
