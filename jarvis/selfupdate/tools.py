"""Self-update, for the assistant: it may propose and look, and nothing else."""

from typing import Any

from jarvis.kernel.context import Context
from jarvis.kernel.registry import Tool
from jarvis.kernel.schema import Field
from jarvis.selfupdate import fields, store
from jarvis.selfupdate.actions import proposing

MOST = 20
ID = Field(kind="string", is_required=True, longest=40, help="upd_… or trc_….")


def _propose(ctx: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    made = proposing.propose(ctx, arguments["patch"], arguments["rationale"], arguments["evidence"])
    return {"id": made.id, "trace_id": made.trace_id, "state": made.state, "page": f"/admin/selfupdate/{made.id}"}


def _list(ctx: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    ctx.require_admin()
    with ctx.db.read() as tx:
        found = store.newest(tx, MOST)
    return {"updates": [{"id": u.id, "title": u.title, "state": u.state, "next": u.next_step} for u in found]}


def _show(ctx: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    ctx.require_admin()
    with ctx.db.read() as tx:
        return store.get(tx, arguments["id"]).as_json()


TOOLS = (
    Tool(
        "selfupdate.propose",
        "Propose a patch to Jarvis itself. A person decides whether it is tested, approved and applied.",
        fields.PROPOSAL,
        "write",
        _propose,
        admin_only=True,
    ),
    Tool("selfupdate.list", "The newest proposed updates and their states.", {}, "read", _list, admin_only=True),
    Tool("selfupdate.show", "One update: evidence, checks, files, state.", {"id": ID}, "read", _show, admin_only=True),
)
