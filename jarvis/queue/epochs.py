"""Who runs tasks: each runner has an epoch and a lock file that the kernel frees when it dies."""

import contextlib
import fcntl
import os
from dataclasses import dataclass
from pathlib import Path

from jarvis import __version__
from jarvis.kernel.context import Context
from jarvis.kernel.errors import Unavailable
from jarvis.queue import store


@dataclass(frozen=True, slots=True)
class Epoch:
    """A runner's number. While its process lives, nobody takes its tasks."""

    number: int
    lock_fd: int
    path: Path

    def close(self) -> None:
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()
        os.close(self.lock_fd)


def begin(ctx: Context, kind: str) -> Epoch:
    """Start an epoch: "server" or "cli". Raises Unavailable when its lock cannot be had."""
    run_dir = ctx.settings.jarvis_home / "run"
    run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with ctx.db.write() as tx:
        number = store.insert_epoch(tx, kind, os.getpid(), __version__)
        path = _path(ctx, number)
        # The file may be there already: a restored database counts on from an older number.
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(fd)
            raise Unavailable(f"{path} cannot be locked: {error.strerror}.") from None
    return Epoch(number, fd, path)


def _path(ctx: Context, number: int) -> Path:
    return ctx.settings.jarvis_home / "run" / f"epoch-{number}.lock"


def is_alive(ctx: Context, number: int) -> bool:
    """Whether the process of an epoch still runs: it holds its lock file."""
    try:
        fd = os.open(_path(ctx, number), os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: two who look at once do not see each other
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def numbers(ctx: Context) -> list[int]:
    """The epochs that have a lock file, dead or alive."""
    names = [path.stem.removeprefix("epoch-") for path in (ctx.settings.jarvis_home / "run").glob("epoch-*.lock")]
    return [int(name) for name in names if name.isdecimal()]


def sweep(ctx: Context) -> None:
    """Remove the lock files of processes that died, once nothing of theirs is left to take back.

    Only of epochs that are committed: they are locked before they are, so none is taken for dead
    between making its file and locking it.
    """
    with ctx.db.read() as tx:
        held, newest = set(store.running_epochs(tx)), store.newest_epoch(tx)
    for number in numbers(ctx):
        if number <= newest and number not in held and not is_alive(ctx, number):
            _path(ctx, number).unlink(missing_ok=True)
