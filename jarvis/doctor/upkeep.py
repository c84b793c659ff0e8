"""Findings about what saves the day: backups, their age, what is kept elsewhere, and the last drill."""

from collections.abc import Iterator

from jarvis.backups.actions import uploading
from jarvis.backups.actions.standing import Standing, standing
from jarvis.doctor.findings import Finding, Patient
from jarvis.kernel.clock import SECOND, rfc3339

DRILL_SECONDS = 35 * 86_400


def backups(patient: Patient) -> Iterator[Finding]:
    """There is a fresh, good backup, kept elsewhere where that is wanted, and it was restored on trial."""
    if patient.ctx is None:
        return
    found = standing(patient.ctx)
    newest = found.newest
    if newest is not None and newest.problem:
        message = f"The newest backup is not good: {newest.problem}"
        yield Finding("backup-damaged", "error", message, "jarvis backup create")
    if found.is_late:
        message = f"The newest backup is of {rfc3339(newest.created_at)}." if newest else "No backup was ever made."
        yield Finding("backup-old", "warning", message, "jarvis backup create")
    if found.upload_problem:
        is_set = not uploading.problem(patient.settings)
        fix = "jarvis backup upload" if is_set else "set what is missing, then: jarvis backup upload"
        yield Finding("backup-upload", "warning", f"The newest backup is not elsewhere. {found.upload_problem}", fix)
    yield from _drill(found)


def _drill(found: Standing) -> Iterator[Finding]:
    if found.drill is not None and found.drill.problem:
        message = f"The last drill failed: {found.drill.problem}"
        yield Finding("backup-drill-failed", "error", message, "jarvis backup drill")
    elif found.newest is not None and (
        found.drill is None or found.drill.created_at < found.now - DRILL_SECONDS * SECOND
    ):
        since = f"since {rfc3339(found.drill.created_at)}" if found.drill else "yet"
        yield Finding("backup-undrilled", "info", f"No backup was restored on trial {since}.", "jarvis backup drill")
