"""Follow what happens to bugs, whichever process did it, and enqueue what GitHub must be told."""

from jarvis.events import store as events
from jarvis.events.store import Filter
from jarvis.github import handlers
from jarvis.github.actions import issues
from jarvis.github.store import issues as store
from jarvis.kernel.context import Context
from jarvis.queue import actions as queue
from jarvis.system import store as system

TYPES = ("bug.created", "bug.updated", "bug.recurred", "bug.sync_asked")
AT_ONCE = 200
FROM_GITHUB = "github:"
"""Who did it, when it came from there: no news for GitHub."""


def follow(ctx: Context) -> bool:
    """Take up the next events about bugs; whether there may be more at once. During a lockdown they wait."""
    with ctx.db.read() as tx:
        seen, newest = store.seen_seq(tx), events.newest_seq(tx)
        if newest == seen or system.state(tx).lockdown:
            return False
        found = events.following(tx, Filter(types=TYPES), min(seen, newest), AT_ONCE) if seen < newest else []
    upto = found[-1].seq if len(found) == AT_ONCE else newest
    if not found and 0 < upto - seen < AT_ONCE:
        return False  # nothing to remember yet: another commit would only wake everybody
    ours = [event for event in found if not event.actor.startswith(FROM_GITHUB)]
    last = {event.subject.removeprefix("bug/"): event for event in ours}
    with ctx.db.write() as tx:
        if store.seen_seq(tx) != seen or system.state(tx).lockdown:
            return True
        store.set_seen_seq(tx, upto)
        for bug in issues.wants_sync(tx, last) if issues.is_on(ctx) else ():
            event = last[bug.id]
            acting = ctx.joined(event.trace_id, event.span_id)
            key = f"github.sync:{bug.id}:{event.seq}"
            queue.enqueue(acting, handlers.SYNC, {"bug_id": bug.id}, unique_key=key, group_key=f"github:{bug.id}")
    return len(found) == AT_ONCE
