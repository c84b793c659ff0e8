"""What doctor does: change, keep what it changed, put it back."""

from dataclasses import dataclass
from typing import Any

from jarvis.doctor import remedies, store
from jarvis.doctor.examine import examine
from jarvis.doctor.findings import Finding, Patient
from jarvis.doctor.remedies import Remedy
from jarvis.doctor.store import Fix
from jarvis.kernel.context import Context
from jarvis.kernel.errors import Conflict
from jarvis.users import actions as users


@dataclass(frozen=True, slots=True)
class Done:
    """A change that was made, not yet in the journal: the journal may be what was missing."""

    remedy: Remedy
    change: dict[str, Any]


def look(ctx: Context) -> list[Finding]:
    """Everything that is not as it should be, worst first."""
    return examine(Patient(ctx.settings, ctx.clock, ctx))


def keep(ctx: Context, done: Done) -> Fix:
    """Write a change into the journal."""
    ctx.require_admin()
    with ctx.db.write() as tx:
        fix = store.insert(tx, ctx.ids.new("fix"), done.remedy.finding, done.remedy.says, done.change)
        about = {"finding": fix.finding, "did": fix.did, "fix_id": fix.id}
        tx.record("doctor.fix", f"fix/{fix.id}", about)
        return fix


def undo(ctx: Context, fix_id: str) -> str:
    """Put one change back; says what was done. Raises Conflict when it was, or cannot be."""
    ctx.require_admin()
    with ctx.db.write() as tx:
        fix = store.get(tx, fix_id)
        if not store.set_undone(tx, fix_id):
            raise Conflict("That change has been put back already.")
        did = remedies.undo(fix.details())
        tx.record("doctor.undo", f"fix/{fix_id}", {"fix_id": fix_id, "did": did})
        return did


def setup_link(ctx: Context, base: str) -> str | None:
    """A fresh address that makes the first admin; None when somebody has an account."""
    ctx.require_admin()
    token = users.new_setup_link(ctx)
    return f"{base}/setup?token={token}" if token else None
