"""What comes next: computed, not promised."""

from jarvis.schedules import cron
from jarvis.schedules.store import Schedule


def instants(schedule: Schedule, now: int, most: int) -> list[int]:
    """The next instants; none while it is paused or set aside."""
    found: list[int] = []
    at: int | None = max(now, schedule.accounted_to)
    while schedule.is_on and len(found) < most and at is not None:
        at = cron.rule_of(schedule).following(at)
        found += [at] if at is not None else []
    return found
