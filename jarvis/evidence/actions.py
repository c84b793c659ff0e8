"""What can be done for evidence: watch a server and keep what was seen, and write the report."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jarvis.evidence import soaking, store
from jarvis.evidence.report import Report
from jarvis.evidence.soaking import Sample, Watch
from jarvis.evidence.store import Soak
from jarvis.kernel.clock import to_datetime
from jarvis.kernel.context import Context
from jarvis.kernel.db import forbid_inside_write
from jarvis.kernel.errors import Unavailable
from jarvis.kernel.files import write_whole

EVERY_SECONDS = 1.0
LONGEST_PROBLEM = 500
FOLDER = "evidence"

Pause = Callable[[float], None]


def soak(
    ctx: Context,
    watch: Watch,
    seconds: int,
    tell: Callable[[Sample], None] = lambda sample: None,
    pause: Pause = time.sleep,
) -> Soak:
    """Look at a server each second for so long, and keep what was found. An interrupt ends it early, which is kept too.

    Raises Unavailable when nothing answers at the first look.
    """
    ctx.require_admin()
    forbid_inside_write("a soak")
    began = watch.monotonic()
    samples = [watch.look(0.0)]
    if not samples[0].status:
        raise Unavailable(f"Nothing answers at {watch.url}: {samples[0].failing[0]}.")
    try:
        while (passed := watch.monotonic() - began) < seconds:
            pause(min(max(0.0, began + len(samples) * EVERY_SECONDS - watch.monotonic()), max(0.0, seconds - passed)))
            samples.append(watch.look(watch.monotonic() - began))
            tell(samples[-1])
    except KeyboardInterrupt:
        pass  # what was seen so far says that it ended too soon
    found = soaking.measured(samples, seconds)
    problem = soaking.problem(found)
    with ctx.db.write() as tx:
        version = (found["versions"] or [""])[-1]
        kept = store.insert(tx, ctx.ids.new("sok"), version, watch.url, problem and problem[:LONGEST_PROBLEM], found)
        about = {"soak_id": kept.id, "ok": problem is None, "problem": problem, "seconds": found["seconds"]}
        tx.record("evidence.soak", f"soak/{kept.id}", about)
        return kept


def write(ctx: Context, report: Report, folder: Path | None) -> tuple[Path, Path]:
    """Put a report beside earlier ones as JSON and as Markdown (0600), and record that; returns both paths."""
    ctx.require_admin()
    place = folder or ctx.settings.jarvis_home / FOLDER
    stamp = f"{to_datetime(ctx.clock()):%Y%m%dT%H%M%SZ}"
    name = f"release-evidence-{report.version}-{stamp}"
    paths = place / f"{name}.json", place / f"{name}.md"
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path, text in zip(paths, (report.as_text(), report.as_markdown()), strict=True):
            write_whole(path, ctx.db.redact(text).encode())
    except OSError as error:
        raise Unavailable(f"The report cannot be written to {place}: {error.strerror}.") from error
    with ctx.db.write() as tx:
        about: dict[str, Any] = {"version": report.version, "ok": report.is_ok, "file": os.fspath(paths[0])}
        tx.record("evidence.report", f"release/{report.version}", about)
    return paths
