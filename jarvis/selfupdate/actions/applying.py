"""Bringing an approved update live, and asking for the way back: what is checked, kept and put in place, in order."""

import logging
from pathlib import Path

from jarvis.archive import launch, swap
from jarvis.archive.container import Archive
from jarvis.backups import actions as backups
from jarvis.kernel import fitting
from jarvis.kernel.context import Context
from jarvis.kernel.db import forbid_inside_write
from jarvis.kernel.errors import Conflict, JarvisError, TryAgain, Unavailable
from jarvis.lockdown import actions as lockdown
from jarvis.queue import actions as queue
from jarvis.queue.store import Task
from jarvis.restart import actions as restarts
from jarvis.selfupdate import artefacts, health, states, store
from jarvis.selfupdate.actions import approving, moving
from jarvis.selfupdate.store import Update

log = logging.getLogger(__name__)

APPLY = "jarvis.tasks.selfupdate.self_update_apply"
ROLLBACK = "jarvis.tasks.selfupdate.self_update_rollback"
ADMIN = "admin"
NO_ARCHIVE = "This Jarvis runs from a checkout, so there is no archive to replace. Serve jarvis.pyz instead."


def ask_apply(ctx: Context, reference: str) -> Task:
    """Have the server apply an approved update. Raises Conflict out of order or locked down, Unavailable."""
    ctx.require_admin()
    lockdown.require_open(ctx, "applying an update")
    update = approving.require_good(ctx, reference)
    _require_server(ctx)
    return _enqueue(ctx, APPLY, update)


def ask_rollback(ctx: Context, reference: str) -> Task:
    """Have the server take an update back; a lockdown is no obstacle. Raises Conflict when nothing can be taken."""
    ctx.require_admin()
    with ctx.db.read() as tx:
        update = store.get(tx, reference)
    moving.require("rollback", update)
    _require_server(ctx)
    return _enqueue(ctx, ROLLBACK, update)


def ask_apply_here(ctx: Context, reference: str) -> Task:
    """As `ask_apply`, over HTTP: pages without a server behind them (--pages-only) are a conflict, not a fault."""
    try:
        return ask_apply(ctx, reference)
    except Unavailable as error:
        raise Conflict(str(error)) from None


def ask_rollback_here(ctx: Context, reference: str) -> Task:
    """As `ask_rollback`, over HTTP."""
    try:
        return ask_rollback(ctx, reference)
    except Unavailable as error:
        raise Conflict(str(error)) from None


def _enqueue(ctx: Context, name: str, update: Update) -> Task:
    joined = ctx.joined(update.trace_id, "")
    key = moving.task_key(update)
    return queue.enqueue(joined, name, {"id": update.id}, unique_key=key, priority=queue.BY_HAND)


def _require_server(ctx: Context) -> None:
    if not queue.is_served(ctx):
        raise Unavailable("No server runs on this home, and only a server replaces itself. Start it: jarvis serve")


def candidate_of(ctx: Context, update: Update) -> Path:
    """The archive that was built and tested."""
    return artefacts.folder(ctx, update) / artefacts.CANDIDATE


def apply(ctx: Context, update_id: str) -> Update:
    """Put the candidate in this archive's place and ask for the restart into its trial. Run by the server.

    Anything that speaks against it ends apply_failed, and what serves has not changed. Run again after a crash it does
    nothing: what the crash left is settled at the start.
    """
    forbid_inside_write("applying an update")
    ctx.require_admin()
    with ctx.db.read() as tx:
        update = store.get(tx, update_id)
    if update.state in (states.APPLIED, states.VERIFIED, states.ROLLED_BACK, states.APPLY_FAILED):
        return update
    lockdown.require_open(ctx, "applying an update")
    update = approving.require_good(ctx, update_id)
    if restarts.is_under_way(ctx):
        raise TryAgain("A restart is under way; the update is applied after it.")
    held = launch.archive()
    why = NO_ARCHIVE if held is None else _objection(ctx, held, update)
    if held is None or why:
        return moving.close(ctx, update, states.APPLY_FAILED, why, error=why)
    try:
        marker = _prepare(ctx, held, update)
        swap.install(held.path, held.fd, str(candidate_of(ctx, update)), marker)
    except (OSError, swap.SwapRefused, JarvisError) as error:
        why = f"nothing was changed: {error}"
        log.error("update %s cannot be applied: %s", update.id, error)
        _forget(held, update)
        return moving.close(ctx, update, states.APPLY_FAILED, why, error=why)
    return _go_live(ctx, held, update, marker)


def _objection(ctx: Context, held: Archive, update: Update) -> str:
    """Why it cannot be applied here and now, before anything is written; or ""."""
    path = candidate_of(ctx, update)
    other = swap.read_marker(held.path)
    if other is not None and other.state in (swap.TRIAL, swap.BACK):
        return f"another update is on its way (trace {other.trace_id})"
    if update.candidate_sha256 is None or swap.sha256_of(str(path)) != update.candidate_sha256:
        return f"{path} is not the archive that was tested; test it again"
    candidate = fitting.read(path)
    if isinstance(candidate, str):
        return candidate
    no_way_back = fitting.why_no_way_back(candidate)
    if no_way_back:
        return f"it could not be taken back: {no_way_back}"
    return swap.why_not(held.path, held.sha256(), path.stat().st_size)


def _prepare(ctx: Context, held: Archive, update: Update) -> swap.Marker:
    """The backup, and how well everything is: what the trial is measured against."""
    settings, new = ctx.settings, update.candidate_sha256 or ""
    saved = backups.snapshot(ctx, f"before update {update.id}")
    found = health.take(ctx)
    with ctx.db.write() as tx:
        store.put_trial(tx, update.id, old=held.sha256(), new=new, backup_id=saved.id, health=found.as_json())
        limit = settings.selfupdate_readyz_timeout_seconds
        deadline = tx.now // 1_000_000 + limit
    more = {"seconds": str(limit), "tries": str(settings.selfupdate_readyz_attempts), "deadline": str(deadline)}
    return swap.Marker(update.trace_id, held.sha256(), new, **more)


def _forget(held: Archive, update: Update) -> None:
    marker = swap.read_marker(held.path)
    if marker is not None and marker.trace_id == update.trace_id and swap.sha256_of(held.path) == marker.old:
        swap.drop_marker(held.path)


def _go_live(ctx: Context, held: Archive, update: Update, marker: swap.Marker) -> Update:
    told = f"{marker.new[:12]} in the place of {marker.old[:12]}, on trial for {marker.seconds} s"
    try:
        with ctx.db.write() as tx:
            moved = moving.move(ctx, tx, update, states.APPLIED, told)
            store.set_marker(tx, update.id, marker_json(marker, "trial", None))
            store.set_error(tx, update.id, None)
            restarts.request(ctx, f"update {update.id}", takes_back=True)  # the way on and the way back are one
    except JarvisError:
        swap.put_back(held.path, marker, "apply", "the restart could not be asked for", held.fd)
        swap.drop_marker(held.path)
        raise
    artefacts.write(ctx, update.id)
    return moved


def marker_json(marker: swap.Marker, outcome: str, readyz: str | None) -> dict[str, str | None]:
    """What state.json says: which archive is active, which was before, and how that came out."""
    active, previous = (marker.old, marker.new) if outcome == states.ROLLED_BACK else (marker.new, marker.old)
    return {"active_sha256": active, "previous_sha256": previous, "outcome": outcome, "readyz": readyz}


def take_back(ctx: Context, update_id: str, by: str = ADMIN, why: str = "asked for") -> Update:
    """Put the archive from before back and ask for the restart into it; complete only once that one is ready.

    Raises Conflict where it cannot be taken back, with the reason. The database stays as it is.
    """
    forbid_inside_write("taking an update back")
    with ctx.db.read() as tx:
        update = store.get(tx, update_id)
    if update.state == states.ROLLED_BACK:
        return update
    moving.require("rollback", update)
    held = launch.archive()
    marker = swap.read_marker(held.path) if held is not None else None
    if held is None or marker is None or marker.trace_id != update.trace_id:
        raise Conflict("The archive from before this update is not kept any more: a later one is in its place.")
    if marker.new == held.sha256():
        _require_old_fits(ctx, Path(held.path + swap.PREVIOUS), marker)
    try:
        swap.put_back(held.path, marker, by, why)
    except (OSError, swap.SwapRefused) as error:
        raise Unavailable(f"The archive from before cannot be put back: {error}.") from None
    ask_restart_back(ctx, update.id)
    return update


def _require_old_fits(ctx: Context, path: Path, marker: swap.Marker) -> None:
    if swap.sha256_of(str(path)) != marker.old:
        return  # put there already, or put_back says what is wrong
    old = fitting.read(path)
    why = old if isinstance(old, str) else fitting.why_not_live(ctx.settings, old)
    if why:
        raise Conflict(f"The archive from before cannot live with the database: {why}")


def ask_restart_back(ctx: Context, update_id: str) -> None:
    """Restart into the old archive, unless a restart is on its way already."""
    if not restarts.is_under_way(ctx):
        system = ctx.acting(actor=ctx.actor, user_id=ctx.user_id, username=ctx.username, role="admin")
        restarts.request(system, f"update {update_id} is taken back", takes_back=True)
