"""How backups stand, in one place: for the page, the status, readiness and doctor."""

from dataclasses import dataclass
from typing import Any

from jarvis.backups import store
from jarvis.backups.actions import uploading
from jarvis.backups.store import Backup, Drill
from jarvis.kernel.clock import SECOND, rfc3339
from jarvis.kernel.context import Context
from jarvis.kernel.db import Tx

LATE_INTERVALS = 3
LEAST_LATE = 3600 * SECOND
NEWEST = 200


@dataclass(frozen=True, slots=True)
class Standing:
    """The newest backup and whether it is recent, what is kept elsewhere, and the last drill."""

    newest: Backup | None
    is_late: bool
    """Whether there should be a newer one by now."""
    is_uploading_wanted: bool
    upload_problem: str
    """Why the newest is not elsewhere: as it is set, or as the last try found; "" when nothing is wrong."""
    uploaded: Backup | None
    """The newest that is elsewhere."""
    drill: Drill | None
    interval_seconds: int
    now: int

    def as_json(self) -> dict[str, Any]:
        return {
            "newest": self.newest.as_json() if self.newest else None,
            "late": self.is_late,
            "interval_seconds": self.interval_seconds,
            "uploads": self.is_uploading_wanted,
            "upload_problem": self.upload_problem or None,
            "uploaded_at": rfc3339(self.uploaded.uploaded_at or 0) if self.uploaded else None,
            "drill": self.drill.as_json() if self.drill else None,
        }

    @property
    def problems(self) -> list[str]:
        """What is wrong, worst first."""
        found = []
        if self.newest is not None and self.newest.problem:
            found.append(f"the newest backup is not good: {self.newest.problem}")
        if self.is_late:
            since = f"since {rfc3339(self.newest.created_at)}" if self.newest else "though it is due"
            found.append(f"no backup was made {since}")
        if self.upload_problem:
            found.append(f"the newest backup is not elsewhere: {self.upload_problem}")
        if self.drill is not None and self.drill.problem:
            found.append(f"the last drill failed: {self.drill.problem}")
        return found

    @property
    def headline(self) -> str:
        """The worst of what is wrong, as a sentence; "" when nothing is."""
        worst = self.problems[0].rstrip(".") if self.problems else ""
        return f"{worst[:1].upper()}{worst[1:]}." if worst else ""


def standing(ctx: Context) -> Standing:
    """How backups stand now."""
    with ctx.db.read() as tx:
        found, drills = store.newest(tx, NEWEST), store.newest_drills(tx, 1)
        is_late, now = _is_late(ctx, tx, found), tx.now
    return Standing(
        found[0] if found else None,
        is_late,
        uploading.is_wanted(ctx.settings),
        _upload_problem(ctx, found),
        next((backup for backup in found if backup.uploaded_at is not None), None),
        drills[0] if drills else None,
        ctx.settings.backup_interval_seconds,
        now,
    )


def _is_late(ctx: Context, tx: Tx, found: list[Backup]) -> bool:
    every = ctx.settings.backup_interval_seconds * SECOND
    if not every:
        return False
    last = found[0].created_at if found else store.dispatched_at(tx)
    return last is not None and tx.now - last > max(LATE_INTERVALS * every, LEAST_LATE)


def _upload_problem(ctx: Context, found: list[Backup]) -> str:
    if not uploading.is_wanted(ctx.settings):
        return ""
    tried = next((b for b in found if b.uploaded_at is not None or b.upload_problem is not None), None)
    return uploading.problem(ctx.settings) or (tried.upload_problem or "" if tried else "")


def summary(found: Standing) -> str:
    """Is it all right? In one sentence without its full stop."""
    if found.problems:
        return "; ".join(found.problems)
    if found.newest is None:
        return "no backup yet"
    parts = [f"newest {(found.now - found.newest.created_at) // (60 * SECOND)} min old"]
    parts += ["also elsewhere"] if found.uploaded else []
    parts += [f"restored on trial in {found.drill.total_ms / 1000:.1f} s"] if found.drill else []
    return ", ".join(parts)
