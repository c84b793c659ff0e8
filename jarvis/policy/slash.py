"""/approve and /deny."""

from jarvis.kernel.context import Context
from jarvis.kernel.registry import SlashCommand
from jarvis.policy import store
from jarvis.policy.actions import approvals


def _approve(ctx: Context, arguments: str, thread_id: str) -> str:
    if not arguments:
        return _waiting(ctx)
    done = approvals.approve(ctx, arguments.split()[0])
    return f"Approved once: `{done.tool}` for {done.username}."


def _deny(ctx: Context, arguments: str, thread_id: str) -> str:
    if not arguments:
        return _waiting(ctx)
    approval_id, _, note = arguments.partition(" ")
    done = approvals.deny(ctx, approval_id, note)
    return f"Denied: `{done.tool}` for {done.username}."


def _waiting(ctx: Context) -> str:
    with ctx.db.read() as tx:
        found = store.newest_approvals(tx, 20, "pending")
    lines = [f"- `{one.id}`: `{one.tool}` for {one.username}" for one in found]
    return "\n".join(["Which one? These wait:", "", *lines]) if lines else "Nothing waits for an approval."


SLASH = (
    SlashCommand("approve", "/approve ID", "lets one call happen that waits for an admin", True, _approve),
    SlashCommand("deny", "/deny ID [WHY]", "says no to a call that waits for an admin", True, _deny),
)
