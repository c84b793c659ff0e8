"""A server's own figures, as they would have been kept."""

import json
from collections.abc import Callable

import pytest

from jarvis.kernel.context import Context
from jarvis.overview import store
from jarvis.overview.store import Sample


@pytest.fixture
def keep(ctx: Context) -> Callable[..., Sample]:
    """Keeps a sample: keep(at=…, latencies={12: 3})."""

    def make(at: int, latencies: dict[int, int] | None = None, disk_used: int = 40, **more: int) -> Sample:
        counts = latencies or {}
        values = {"disk_total": 100, "memory_used": 1, "memory_total": 2, "worker_bytes": 1, **more}
        sample = Sample(
            at=at, disk_used=disk_used, requests=sum(counts.values()),
            latencies=json.dumps({str(k): v for k, v in counts.items()}), **values,
        )  # fmt: skip
        with ctx.db.write() as tx:
            store.insert(tx, sample)
        return sample

    return make
