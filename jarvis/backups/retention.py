"""Which backups are kept: all of the last hour, then the newest of each hour, day and week."""

from collections.abc import Sequence
from dataclasses import dataclass

from jarvis.backups.store import Backup
from jarvis.kernel.clock import SECOND

HOUR = 3600 * SECOND
DAY = 24 * HOUR
WEEK = 7 * DAY


@dataclass(frozen=True, slots=True)
class Rule:
    """How many hours, days and weeks have their newest backup kept."""

    hourly: int
    daily: int
    weekly: int


def superfluous(found: Sequence[Backup], rule: Rule, now: int) -> list[Backup]:
    """Those that may go, from a list that has the newest first. The newest good one always stays."""
    kept = {backup.id for backup in found if backup.created_at > now - HOUR}
    good = [backup for backup in found if backup.problem is None]
    kept |= {backup.id for backup in good[:1]}
    for span, count in ((HOUR, rule.hourly), (DAY, rule.daily), (WEEK, rule.weekly)):
        kept |= _newest_of_each(good, span, count)
    return [backup for backup in found if backup.id not in kept]


def _newest_of_each(good: Sequence[Backup], span: int, count: int) -> set[str]:
    newest: dict[int, str] = {}
    for backup in good:
        newest.setdefault(backup.created_at // span, backup.id)
    return {newest[slot] for slot in sorted(newest, reverse=True)[:count]}
