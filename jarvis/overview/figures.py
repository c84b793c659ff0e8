"""What /metrics shows of the host, of this process and of backups."""

import os

from jarvis.backups import store as backups
from jarvis.kernel.clock import SECOND
from jarvis.kernel.context import Context
from jarvis.policy import store as policy
from jarvis.system import actions as system
from jarvis.web.metrics import Sample


def samples(ctx: Context) -> list[Sample]:
    """Memory of this process, free disk, approvals that wait, and how old the newest good backup is."""
    disk = os.statvfs(ctx.settings.jarvis_home)
    with ctx.db.read() as tx:
        waiting, newest, now = policy.pending(tx), backups.newest_good(tx), tx.now
    found: list[Sample] = [
        ("jarvis_disk_free_bytes", "gauge", "", float(disk.f_bavail * disk.f_frsize)),
        ("jarvis_approvals_pending", "gauge", "", float(waiting)),
    ]
    held = system.vital().worker_bytes
    if held is not None:
        found.append(("jarvis_resident_memory_bytes", "gauge", "", float(held)))
    if newest is not None:
        age = (now - newest.created_at) / SECOND
        found.append(("jarvis_backup_age_seconds", "gauge", "", round(age, 1)))
    return found
