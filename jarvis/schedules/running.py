"""What a schedule needs to run: its work, its owner's rights, the state of the house, and a place in the queue."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from jarvis.kernel.context import Context
from jarvis.kernel.db import Tx
from jarvis.queue import actions as queue
from jarvis.schedules import payloads, store
from jarvis.schedules.payloads import Work
from jarvis.schedules.store import Schedule
from jarvis.system import store as system
from jarvis.users import store as users
from jarvis.users.store import User


@dataclass(frozen=True, slots=True)
class Situation:
    """What everything else says to running some schedules now, read in as few looks as possible."""

    now: int
    is_restarting: bool
    refusal: str
    """Why nothing at all may run."""
    owners: dict[str, User]
    busy: frozenset[str] = field(default_factory=frozenset)
    """Ids of those of which an earlier run waits, works, or has its prompt answered."""

    @classmethod
    def read(cls, tx: Tx, schedules: Sequence[Schedule]) -> "Situation":
        state = system.state(tx)
        why = f"lockdown: {state.lockdown_reason or 'no reason given'}" if state.lockdown else ""
        owners = {user_id: users.get(tx, user_id) for user_id in {s.user_id for s in schedules}}
        return cls(tx.now, state.restarting, why, owners, store.busy(tx, schedules))


@dataclass(frozen=True, slots=True)
class Ready:
    """A schedule with what it runs and for whom. A `refusal` says why it may not, for now."""

    schedule: Schedule
    work: Work
    owner: User
    refusal: str
    is_busy: bool

    def enqueue(self, run_ctx: Context, dispatch_id: str) -> str:
        """Hand one run over to the queue, in the caller's transaction; returns the task's id.

        Runs of one schedule stand in one line, unless they may overlap.
        """
        group = None if self.schedule.overlap == "allow" else group_of(self.schedule.id)
        payload = self.work.payload(self.schedule, dispatch_id)
        return queue.enqueue(run_ctx, self.work.handler, payload, group_key=group).id


def group_of(schedule_id: str) -> str:
    """The group of the queue in which runs of one schedule wait for each other."""
    return f"schedule:{schedule_id}"


def prepare(ctx: Context, schedule: Schedule, situation: Situation) -> Ready:
    """Raises Invalid when the row itself is bad, as no input is; a refusal may pass."""
    payload = payloads.read(schedule.payload)
    work = payloads.work_of(ctx, payload)
    owner = situation.owners[schedule.user_id]
    refusal = situation.refusal or _refusal(owner, payload["kind"])
    return Ready(schedule, work, owner, refusal, schedule.overlap == "skip" and schedule.id in situation.busy)


def _refusal(owner: User, kind: str) -> str:
    if owner.is_disabled:
        return f"its owner {owner.username} is shut out"
    if kind == "task" and owner.role != "admin":
        return f"its owner {owner.username} is no admin any more"
    return ""
