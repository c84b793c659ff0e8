"""What became of an update: from the digests of what runs and of what the marker says, told to database and files."""

import contextlib
import logging
from dataclasses import dataclass

from jarvis.archive import launch, swap
from jarvis.archive.container import Archive
from jarvis.archive.swap import Marker
from jarvis.kernel.context import Context
from jarvis.kernel.db import Tx
from jarvis.kernel.errors import JarvisError
from jarvis.lockdown import actions as lockdown
from jarvis.selfupdate import artefacts, health, source, states, store
from jarvis.selfupdate.actions import applying, moving
from jarvis.selfupdate.store import Update

log = logging.getLogger(__name__)

SOAK_SECONDS = 10.0
"""So long one worker has to serve before an update can be verified."""
PATIENCE_SECONDS = 15.0
"""So long after that it may still be worse than before: a provider is asked anew, a loop begins to beat."""


@dataclass(frozen=True, slots=True)
class Standing:
    """This process in the light of the marker."""

    held: Archive
    marker: Marker
    what: str

    @property
    def path(self) -> str:
        return self.held.path


def standing() -> Standing | None:
    """Where an update is on its way, as `swap.decide` sees it; None when there is none, or no archive."""
    held = launch.archive()
    marker = swap.read_marker(held.path) if held is not None else None
    if held is None or marker is None or marker.state == swap.ROLLED_BACK:
        return None
    running = held.sha256()
    needs_path = running == marker.old and marker.state == swap.TRIAL
    what = swap.decide(marker, running, swap.sha256_of(held.path) if needs_path else "")
    return None if what == swap.NOTHING else Standing(held, marker, what)


def is_on_its_way() -> bool:
    """Whether an update is on trial or going back: failing readiness is no surprise then."""
    return standing() is not None


def recover(ctx: Context) -> None:
    """At a start: mend what an interrupted update left on disk, and tell the database and the files what is so."""
    found = standing()
    if found is not None:
        try:
            _mend(ctx, found)
        except (OSError, swap.SwapRefused, JarvisError) as error:
            log.error("the update beside %s cannot be settled: %s", found.path, error)
    artefacts.rebuild(ctx)


def _mend(ctx: Context, found: Standing) -> None:
    update = _update_of(ctx, found.marker)
    if found.what == swap.NEVER_LIVE:
        if update is not None and update.state == states.APPROVED:
            why = "it was interrupted before it was in place; nothing was changed"
            moving.close(_system(ctx, found.marker), update, states.APPLY_FAILED, why, error=why)
        swap.drop_marker(found.path)
    elif found.what == swap.UNDO:
        swap.put_back(found.path, found.marker, "start", "it was interrupted before its restart", found.held.fd)
    elif found.what == swap.ON_TRIAL and update is not None:
        _note_applied(ctx, update, found.marker)
    elif found.what == swap.GOING_BACK:
        swap.put_back(found.path, found.marker, found.marker.by, found.marker.why)


def _update_of(ctx: Context, marker: Marker) -> Update | None:
    """None for an update that this database does not know, as after a restore."""
    with ctx.db.read() as tx:
        return store.find(tx, marker.trace_id)


def _system(ctx: Context, marker: Marker) -> Context:
    return ctx.acting(actor="system", user_id=None, username="", role="admin").joined(marker.trace_id, "")


def _note_applied(ctx: Context, update: Update, marker: Marker) -> Update:
    """It lies in place and ran, whatever kept that from being stored."""
    if update.state != states.APPROVED:
        return update
    with ctx.db.write() as tx:
        store.set_marker(tx, update.id, applying.marker_json(marker, "trial", None))
        told = f"{marker.new[:12]} in the place of {marker.old[:12]}; the rest was interrupted"
        return moving.move(_system(ctx, marker), tx, update, states.APPLIED, told)


def verdict(ctx: Context, found: Standing, *, is_ready: bool, uptime_seconds: float, is_supervised: bool) -> str:
    """Whether what is on trial is "verified", has to go "back: …", or has more time ("")."""
    if is_supervised and found.marker.holder != found.marker.new:
        return ""  # the supervisor has not executed it yet, and has the say
    if not is_ready or uptime_seconds < SOAK_SECONDS:
        return ""
    update = _update_of(ctx, found.marker)
    with ctx.db.read() as tx:
        trial = store.trial_of(tx, update.id) if update is not None else None
    why = health.worse(health.from_json(trial.health_of()), health.take(ctx)) if trial is not None else ""
    if not why:
        return states.VERIFIED
    return f"back: {why}" if uptime_seconds > SOAK_SECONDS + PATIENCE_SECONDS else ""


def verify(ctx: Context, found: Standing) -> None:
    """It has been found in order: say so, in the database before the marker, so that a crash between asks again."""
    update = _update_of(ctx, found.marker)
    if update is not None:
        update = _note_applied(ctx, update, found.marker)
        if update.state == states.APPLIED:
            with ctx.db.write() as tx:
                told = "ready, and all that was well before is; the supervisor runs it too"
                moving.move(_system(ctx, found.marker), tx, update, states.VERIFIED, told)
                store.set_marker(tx, update.id, applying.marker_json(found.marker, states.VERIFIED, "ok"))
            record(ctx, update, update.tree or "", update.title)
        artefacts.write(ctx, update.id)
    swap.settle(found.path, found.marker.trace_id, swap.VERIFIED)
    log.info("the update of trace %s is verified", found.marker.trace_id)


def send_back(ctx: Context, found: Standing, why: str) -> None:
    """It is ready and yet not as well as before: put the old one back and restart into it."""
    swap.put_back(found.path, found.marker, "health", why)
    applying.ask_restart_back(_system(ctx, found.marker), found.marker.trace_id)


def conclude(ctx: Context, found: Standing) -> None:
    """The old archive is ready again: only now is the rollback one, and it counts towards a lockdown."""
    marker = found.marker
    update = _update_of(ctx, marker)
    why = marker.why or "the archive from before runs again"
    if update is not None:
        update = _note_applied(ctx, update, marker)
        if update.state in (states.APPLIED, states.VERIFIED):
            with ctx.db.write() as tx:
                _roll_back(ctx, tx, update, marker, why)
            if update.base:
                record(ctx, update, update.base, f"Take back: {update.title}")
        artefacts.write(ctx, update.id)
    swap.settle(found.path, marker.trace_id, swap.ROLLED_BACK)
    log.warning("the update of trace %s was taken back by %s: %s", marker.trace_id, marker.by or "nobody", why)


def _roll_back(ctx: Context, tx: Tx, update: Update, marker: Marker, why: str) -> None:
    system = _system(ctx, marker)
    moving.move(system, tx, update, states.ROLLED_BACK, why, ring=marker.by)
    store.set_marker(tx, update.id, applying.marker_json(marker, states.ROLLED_BACK, "ok"))
    store.set_error(tx, update.id, None if marker.by == applying.ADMIN else why)
    lockdown.strike(system, lockdown.ROLLBACK, f"update {update.id}: {why}")


def record(ctx: Context, update: Update, tree: str, message: str) -> None:
    """Put what runs now on the branch of the source repository; the same again changes nothing."""
    with contextlib.ExitStack() as opened:
        try:
            repository = opened.enter_context(source.opened(ctx))
            repository.commit(update.trace_id, tree, [], message, source.AUTHOR)
        except (OSError, JarvisError) as error:  # the branch tells of what runs; it does not decide
            log.error("the branch of the source repository does not tell of %s: %s", update.id, error)
