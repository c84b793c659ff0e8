"""What the server does about backups by itself: ask for one when it is due."""

from jarvis.backups import actions
from jarvis.kernel.context import Context
from jarvis.kernel.service import Loop

TICK_SECONDS = 5.0


class Interval:
    """Looks every few seconds whether a backup is due; the last is remembered in the database, so restarts add none."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    def step(self) -> bool:
        """Ask for one when it is due; always False, as there is never more to do at once."""
        with self._ctx.db.read() as tx:
            due = actions.next_due_at(self._ctx, tx)
            is_due = due is not None and due <= tx.now
        if is_due:
            actions.dispatch(self._ctx.traced())
        return False


def loops(ctx: Context) -> list[Loop]:
    """The service of this feature, unless BACKUP_INTERVAL_SECONDS is 0."""
    return [Loop("backups", Interval(ctx).step, TICK_SECONDS)] if ctx.settings.backup_interval_seconds else []
