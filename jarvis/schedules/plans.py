"""Which of the instants that have come are made up for: a pure reckoning over the rule and the policy."""

from dataclasses import dataclass

from jarvis.kernel.clock import SECOND
from jarvis.schedules.instants import Rule
from jarvis.schedules.wording import span

PUNCTUAL_SECONDS = 60
"""What is no later than this is on time: a crash and its recovery fit in."""
PUNCTUAL_MARGIN_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Policy:
    """How a schedule wants what it missed."""

    catchup: str
    max_catchup: int
    grace_seconds: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Instants in order: `missed` of them (the oldest, from first_missed to last_missed), then those that run."""

    missed: int
    first_missed: int
    last_missed: int
    why_missed: str
    caught_up: tuple[int, ...]
    on_time: tuple[int, ...]


def make(rule: Rule, policy: Policy, first: int, last: int, now: int) -> Plan:
    """What to do about the instants from first to last, which has come by now: the newest run, as far as may be."""
    punctual_from = now - min(PUNCTUAL_SECONDS, policy.grace_seconds + PUNCTUAL_MARGIN_SECONDS) * SECOND
    if first == last >= punctual_from:  # as nearly always
        return Plan(0, first, first, "", (), (first,))
    on_time = rule.newest(max(first, punctual_from), now, max(1, policy.max_catchup))
    late_to = (on_time[0] if on_time else now + 1) - 1
    caught_up = _made_up(rule, policy, max(first, now - policy.grace_seconds * SECOND), late_to, bool(on_time))
    missed_to = (caught_up[0] if caught_up else late_to + 1) - 1
    missed = rule.count(first, missed_to) if missed_to >= first else 0
    last_missed = rule.newest(first, missed_to, 1)[0] if missed else first
    why = _why(policy, now - last_missed) if missed else ""
    return Plan(missed, first, last_missed, why, tuple(caught_up), tuple(on_time))


def _made_up(rule: Rule, policy: Policy, first: int, last: int, has_newer: bool) -> list[int]:
    most = {"all": policy.max_catchup, "latest": min(1, policy.max_catchup) * (not has_newer), "skip": 0}
    wanted = most[policy.catchup]
    return rule.newest(first, last, wanted) if wanted and last >= first else []


def _why(policy: Policy, late: int) -> str:
    """Why the newest of the missed ones was not made up for."""
    if policy.catchup == "skip":
        return "late, and catch-up is skip"
    if late > policy.grace_seconds * SECOND:
        return f"older than the grace of {span(policy.grace_seconds)}"
    if policy.catchup == "latest":
        return "late, and only the latest is caught up"
    return f"more than the {policy.max_catchup} caught up at most"
