"""The files of each update under SELFUPDATE_PATCH_DIR: a projection of the database, written whole and fsynced."""

import contextlib
import fcntl
import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jarvis.kernel.context import Context
from jarvis.kernel.db import Tx
from jarvis.kernel.errors import Unavailable
from jarvis.kernel.files import write_whole
from jarvis.selfupdate import store
from jarvis.selfupdate.store import Update

log = logging.getLogger(__name__)

PROPOSAL, EVIDENCE, REPORT, STATE = "proposal.diff", "evidence.json", "report.json", "state.json"
CANDIDATE = "candidate.pyz"
"""The archive that was built and tested, kept for applying."""
MOST_REBUILT = 200


def folder(ctx: Context, update: Update) -> Path:
    """Where an update's files are."""
    return ctx.settings.selfupdate_patch_dir / update.trace_id


def require_place(ctx: Context) -> None:
    """Raise Unavailable, before anything is changed, when no files can be kept."""
    place = ctx.settings.selfupdate_patch_dir
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(f"SELFUPDATE_PATCH_DIR {place} cannot be made: {error.strerror}.") from None
    if not os.access(place, os.W_OK | os.X_OK):
        raise Unavailable(f"SELFUPDATE_PATCH_DIR {place} cannot be written.")


def write(ctx: Context, update_id: str) -> None:
    """Bring an update's files to what the database says now.

    One that cannot be written is told in the log and written at the next start: the database is what counts.
    """
    try:
        _write(ctx, update_id)
    except OSError as error:
        log.error("the files of %s could not be written: %s", update_id, error)


def rebuild(ctx: Context) -> int:
    """Write what a crash kept from being written; returns how many updates that were."""
    with ctx.db.read() as tx:
        found = [update for update in store.newest(tx, MOST_REBUILT) if not _is_current(ctx, tx, update)]
    for update in found:
        write(ctx, update.id)
    return len(found)


def state_of(tx: Tx, update: Update) -> dict[str, Any]:
    """What state.json holds."""
    return {
        "trace_id": update.trace_id,
        "id": update.id,
        "state": update.state,
        "history": [move.as_json() for move in store.moves(tx, update.id)],
        "base": update.base,
        "tree": update.tree,
        "checks": update.checks_of(),
        "marker": update.marker_of(),
    }


def _is_current(ctx: Context, tx: Tx, update: Update) -> bool:
    try:
        kept = (folder(ctx, update) / STATE).read_bytes()
    except OSError:
        return False
    return kept == _packed(state_of(tx, update))


def _write(ctx: Context, update_id: str) -> None:
    with ctx.db.read() as tx:
        place = folder(ctx, store.get(tx, update_id))
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone(place):  # read inside, or the older of two writers could come last
        with ctx.db.read() as tx:
            update = store.get(tx, update_id)
            wanted = {
                PROPOSAL: store.patch_of(tx, update_id),
                EVIDENCE: _packed({**update.evidence_of(), "rationale": update.rationale}),
                REPORT: (store.report_of(tx, update_id) or "").encode(),
                STATE: _packed(state_of(tx, update)),
            }
        for name, content in wanted.items():
            _keep(place / name, content)


def _keep(path: Path, content: bytes) -> None:
    """Write a file unless it holds just that already; without content there is none."""
    if not content:
        path.unlink(missing_ok=True)
        return
    with contextlib.suppress(OSError):
        if path.read_bytes() == content:
            return
    write_whole(path, content)


@contextlib.contextmanager
def _alone(place: Path) -> Iterator[None]:
    fd = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _packed(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False, indent=2).encode() + b"\n"
