"""Take a sample of host and server, and let old ones go."""

import json
import os

from jarvis.kernel.clock import SECOND
from jarvis.kernel.context import Context
from jarvis.overview import store
from jarvis.overview.store import Sample
from jarvis.system import actions as system

DAY = 86_400 * SECOND
KEPT_DAYS = 8
"""A week's growth tells when the disk is full; the day more is for a look at "the same hour last week"."""


def take(ctx: Context, latencies: dict[int, int]) -> Sample:
    """Keep how it is now; `latencies` are the requests since the sample before, by step."""
    disk, seen = os.statvfs(ctx.settings.jarvis_home), system.vital()
    memory = seen.memory
    sample = Sample(
        at=ctx.clock(),
        disk_used=(disk.f_blocks - disk.f_bfree) * disk.f_frsize,
        disk_total=(disk.f_blocks - disk.f_bfree + disk.f_bavail) * disk.f_frsize,
        memory_used=memory.total - memory.available if memory else 0,
        memory_total=memory.total if memory else 0,
        worker_bytes=seen.worker_bytes or 0,
        requests=sum(latencies.values()),
        latencies=json.dumps({str(step): count for step, count in sorted(latencies.items())}),
    )
    with ctx.db.write() as tx:
        store.insert(tx, sample)
        store.delete_before(tx, tx.now - KEPT_DAYS * DAY)
    return sample
