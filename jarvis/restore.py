"""Put a backup in the place of the database. The one that was there is kept beside it.

Usage:
  jarvis restore FILE

FILE is a backup (`….db.gz`), a plain copy of a database, or the id of a backup in BACKUP_LOCAL_DIR. Stop the server
first: while one runs on this home nothing is done (exit 69). The backup is unpacked beside the database and checked
whole, its schema brought up to this release, before anything is replaced. In what is restored everybody is signed
out, approvals that were open are void, and tasks that had not ended are cancelled: `jarvis task retry ID` releases
one. API tokens that the database there does not know any more are revoked; all are, where there is none that can be
read. Events go on at a number that was never used.

It also takes --json.
"""

import contextlib
import dataclasses
import getpass
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import apsw

from jarvis import app, worker
from jarvis.backups import actions, packing
from jarvis.backups.actions import Present, Settled
from jarvis.kernel import migrate
from jarvis.kernel.clock import Clock, to_datetime
from jarvis.kernel.config import Settings
from jarvis.kernel.console import Arguments, Console, Start
from jarvis.kernel.db import connect
from jarvis.kernel.errors import JarvisError, NotFound, Unavailable
from jarvis.kernel.ids import is_id
from jarvis.kernel.registry import Registry

WORK = ".restore-"
BESIDE = ("-wal", "-shm")


@dataclass(frozen=True, slots=True)
class Restored:
    """What was put in place, and where the database is that was there before (None when there was none)."""

    source: Path
    kept: Path | None
    head: tuple[int, str]
    settled: Settled


def run(start: Start, args: Arguments, console: Console) -> int:
    """Carry out `jarvis restore`; returns its exit code."""
    done = restore(start.settings, start.clock, args["FILE"])
    was = done.settled
    kept = f"The database that was there is kept: {done.kept}" if done.kept else "There was no database before."
    console.answer(
        {
            "restored": str(done.source),
            "kept": str(done.kept) if done.kept else None,
            "head_seq": done.head[0],
            "head_hash": done.head[1],
            **dataclasses.asdict(was),
        },
        f"Restored {done.source}, with every event up to {done.head[0]}.\n{kept}\n"
        f"{was.sessions} sessions ended, {was.tokens} API tokens revoked, {was.approvals} approvals void,"
        f" {was.tasks} tasks cancelled.\n"
        "Start the server: jarvis serve",
    )
    return 0


def restore(settings: Settings, clock: Clock, name: str, now: Present | None = None) -> Restored:
    """Check a backup and put it in place, with this home locked; what fails before that changes nothing.

    `now` is what has to hold afterwards too; the database that is there is asked where it is not given.
    """
    source, target = _source(settings, name), settings.app_db
    settings.jarvis_home.mkdir(mode=0o700, parents=True, exist_ok=True)
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = worker.acquire_home_lock(settings.jarvis_home)
    try:
        with _workplace(target.parent) as place:
            copy = place / "restored.db"
            head = _checked(source, copy, clock)
            settled = _settled(settings, clock, copy, source, now or _present(settings, clock))
            return Restored(source, _put_in_place(copy, target, clock), head, settled)
    finally:
        os.close(lock)


def _source(settings: Settings, name: str) -> Path:
    path = settings.backup_local_dir / f"{name}.db.gz" if is_id(name, "bkp") else Path(name).expanduser().absolute()
    if not path.is_file():
        raise NotFound(f"There is no backup {path}. See those there are: jarvis backup list")
    if path == settings.app_db.absolute():
        raise Unavailable(f"{path} is the database in use; name a backup of it.")
    beside = path.with_name(f"{path.name}-wal")
    if beside.exists() and beside.stat().st_size:
        raise Unavailable(f"{path} is a database in use: what stands in {beside.name} would be missing.")
    return path


@contextlib.contextmanager
def _workplace(folder: Path) -> Iterator[Path]:
    """A private directory beside the database; what a killed restore left is removed first."""
    for left in folder.glob(f"{WORK}*"):
        shutil.rmtree(left, ignore_errors=True)
    place = Path(tempfile.mkdtemp(prefix=WORK, dir=folder))
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def _checked(source: Path, copy: Path, clock: Clock) -> tuple[int, str]:
    """Unpack it and see that it is a whole database of Jarvis that this release can use; then migrate it."""
    try:
        packing.unpack(source, copy, max(0, shutil.disk_usage(copy.parent).free - packing.SPARE_BYTES))
        standing = migrate.standing(copy)
        if standing.refusal or not standing.applied:
            raise Unavailable(standing.refusal or "It holds no database of Jarvis.")
        head = packing.examine(clock, copy).head
        migrate.migrate(copy, clock)
    except JarvisError as error:
        raise Unavailable(f"{source.name} was not restored, and nothing was changed. {error}") from error
    return head


def _present(settings: Settings, clock: Clock) -> Present:
    """What the database that is there has to say; nothing when it is missing, or can no longer say."""
    if not settings.app_db.exists():
        return Present()
    base = app.make_context(settings, clock, Registry())
    try:
        return actions.present(base)
    except (JarvisError, apsw.Error, RuntimeError):
        return Present()
    finally:
        base.db.close()


def _settled(settings: Settings, clock: Clock, copy: Path, source: Path, now: Present) -> Settled:
    base = app.make_context(dataclasses.replace(settings, app_db=copy), clock, app.make_registry())
    ctx = base.acting(actor=f"cli:{_os_user()}", user_id=None, username="", role="admin")
    try:
        return actions.settle_restored(ctx, source.name, now)
    finally:
        base.db.close()


def _os_user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a uid without a name
        return str(os.getuid())


def _put_in_place(copy: Path, target: Path, clock: Clock) -> Path | None:
    """Swap the files; the old one is kept under a name of its own with what belongs to it."""
    log = copy.with_name(f"{copy.name}-wal")
    if log.exists() and log.stat().st_size:
        raise Unavailable("The restored database could not be finished: something has it open. Nothing was changed.")
    _sync(copy)
    kept = _keep(target, clock) if target.exists() else None
    for ending in BESIDE:  # never to be played into another database
        _move(target.with_name(target.name + ending), kept.with_name(kept.name + ending) if kept else None)
    copy.replace(target)
    _sync(target.parent)
    return kept


def _keep(target: Path, clock: Clock) -> Path:
    with contextlib.suppress(JarvisError):  # closing it writes the log into it; a damaged one is kept as it is
        connect(target, readonly=False).close()
    stamp = to_datetime(clock()).strftime("%Y%m%dT%H%M%SZ")
    names = (
        target.with_name(f"{target.name}.before-{stamp}{more}") for more in ("", *(f"-{n}" for n in range(1, 100)))
    )
    kept = next(name for name in names if not name.exists())
    try:
        kept.hardlink_to(target)  # so that there is a database at every moment
    except OSError:
        target.rename(kept)
    return kept


def _move(path: Path, to: Path | None) -> None:
    if not path.exists():
        return
    if to is None:
        path.unlink()
    else:
        path.rename(to)


def _sync(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
