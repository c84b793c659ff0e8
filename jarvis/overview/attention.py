"""What wants a person: everything that stands still, fails or will, until somebody decides."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from jarvis.bugs import store as bugs
from jarvis.doctor import actions as doctor
from jarvis.kernel.context import Context
from jarvis.kernel.db import Tx
from jarvis.policy import store as policy
from jarvis.queue import store as tasks
from jarvis.system import store as system

MOST_OF_A_KIND = 5


@dataclass(frozen=True, slots=True)
class Wanted:
    """One thing that wants a person. `since` is when it began to; None when that is not known."""

    kind: str
    """"danger" for what is broken, "attention" for what waits."""
    word: str
    what: str
    detail: str
    href: str
    verb: str
    since: int | None = None


Look = Callable[[Context, Tx], Iterator[Wanted]]


def wanted(ctx: Context) -> list[Wanted]:
    """Everything that wants a person, what is broken first, then the oldest."""
    with ctx.db.read() as tx:
        found = [one for look in LOOKS for one in look(ctx, tx)]
    found += _findings(ctx)
    return sorted(found, key=lambda one: (one.kind != "danger", one.since is None, one.since or 0))


def _lockdown(ctx: Context, tx: Tx) -> Iterator[Wanted]:
    state = system.state(tx)
    if state.lockdown:
        why = f"{state.lockdown_reason or 'no reason was given'}, by {state.lockdown_by or 'an admin'}"
        yield Wanted("danger", "Locked", "Jarvis is locked down", why, "/admin/lockdown", "Unlock", state.lockdown_at)


def _approvals(ctx: Context, tx: Tx) -> Iterator[Wanted]:
    for one in policy.newest_approvals(tx, MOST_OF_A_KIND, "pending"):
        about = f"asked for {one.username}: {one.reason}" if one.reason else f"asked for {one.username}"
        yield Wanted("attention", "Approve", one.tool, about, "/admin/approvals", "Review", one.requested_at)


def _failed_tasks(ctx: Context, tx: Tx) -> Iterator[Wanted]:
    found = tasks.newest(tx, "failed", "", MOST_OF_A_KIND)
    for one in found:
        said = (one.error or "").partition("\n")[0][:160]
        name = one.name.removeprefix("jarvis.tasks.")
        yield Wanted("danger", "Failed", name, said, f"/admin/tasks/{one.id}", "Look", one.finished_at)


def _urgent_bugs(ctx: Context, tx: Tx) -> Iterator[Wanted]:
    for priority in ("critical", "high"):
        for bug in bugs.newest(tx, bugs.Filter(kind="bug", status="open", priority=priority), MOST_OF_A_KIND):
            kind = "danger" if priority == "critical" else "attention"
            seen = f"seen in {bug.rate}" if bug.rate else "reported by hand"
            yield Wanted(kind, priority.capitalize(), bug.title, seen, f"/admin/bugs/{bug.id}", "Look", bug.created_at)


def _findings(ctx: Context) -> Iterator[Wanted]:
    for finding in doctor.look(ctx):
        if finding.severity in ("error", "warning") and finding.id not in SAID_ELSEWHERE:
            kind = "danger" if finding.severity == "error" else "attention"
            href = PAGES.get(finding.id.partition("-")[0], "/admin/doctor")
            yield Wanted(kind, "Doctor", finding.message, f"Fix: {finding.fix}", href, "Look")


SAID_ELSEWHERE = frozenset(("locked-down",))
PAGES = {"backup": "/admin/backups", "no": "/admin/users"}
"""Where more is to be seen, by the first word of a finding's id."""
LOOKS: tuple[Look, ...] = (_lockdown, _approvals, _failed_tasks, _urgent_bugs)
