"""Approving exact bytes: what it is bound to, when it ends, and what a protected patch needs beside."""

import hashlib
import json

from jarvis.kernel.clock import SECOND, rfc3339
from jarvis.kernel.context import Context
from jarvis.kernel.errors import Conflict, invalid
from jarvis.lockdown import actions as lockdown
from jarvis.selfupdate import artefacts, states, store
from jarvis.selfupdate.actions import moving
from jarvis.selfupdate.store import Update

GOOD_HOURS = 24
"""An approval that was not used by then is void: what was true when it was given may not be any more."""


def binding(update: Update) -> str:
    """The digest of everything an approval is for: patch, base, tree, report and candidate."""
    bound = [update.patch_sha256, update.base, update.tree, update.report_sha256, update.candidate_sha256]
    return hashlib.sha256(json.dumps(bound).encode()).hexdigest()


def approve(ctx: Context, reference: str, code: str = "") -> Update:
    """Say yes to exactly what is there now. A protected patch takes the unlock code, which is spent."""
    ctx.require_admin()
    lockdown.require_open(ctx, "approving an update")
    artefacts.require_place(ctx)
    with ctx.db.read() as tx:
        update = store.get(tx, reference)
    moving.require("approve", update)
    bound = binding(update)
    if update.is_protected:
        _require_code(ctx, update, code)
    ctx = ctx.joined(update.trace_id, "")
    with ctx.db.write() as tx:
        now = store.get(tx, update.id)
        if binding(now) != bound:
            raise Conflict("It was changed while you looked at it. Look again, then approve.")
        expires_at = tx.now + GOOD_HOURS * 3600 * SECOND
        store.set_approval(tx, now.id, bound, expires_at)
        store.set_error(tx, now.id, None)
        told = f"bound to exact bytes, good until {rfc3339(expires_at)}"
        approved = moving.move(
            ctx, tx, now, states.APPROVED, told, digest=bound, protected=now.why_protected(), with_code=now.is_protected
        )
    artefacts.write(ctx, update.id)
    return approved


def _require_code(ctx: Context, update: Update, code: str) -> None:
    why = "; ".join(update.why_protected())
    if not code:
        raise invalid(
            "code",
            f"is required, because this patch is protected – {why}. Make one on the host: jarvis unlock-code rotate",
        )
    lockdown.check_code(ctx, code, f"approving {update.id}")


def staleness(update: Update, now: int) -> str:
    """Why an approval does not count any more, or ""."""
    if update.expires_at is None or update.approved_digest is None:
        return "it was never given"
    if now >= update.expires_at:
        return "it has expired"
    return "" if binding(update) == update.approved_digest else "what was approved has changed"


def require_good(ctx: Context, reference: str) -> Update:
    """An update whose approval counts now; raises Conflict. One that is void is taken back, with its event."""
    with ctx.db.read() as tx:
        update = store.get(tx, reference)
        why = staleness(update, tx.now)
    moving.require("apply", update)
    if not why:
        return update
    void(ctx, update, why)
    raise Conflict(f"The approval is void: {why}. Next: approve.")


def void(ctx: Context, update: Update, why: str) -> Update:
    """Take an approval back: the update is as it was before."""
    ctx = ctx.joined(update.trace_id, "")
    with ctx.db.write() as tx:
        store.clear_approval(tx, update.id)
        moved = moving.move(ctx, tx, update, states.TESTED, f"the approval is void: {why}", event=states.VOID)
    artefacts.write(ctx, update.id)
    return moved
