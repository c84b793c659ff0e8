"""Bugs, for the assistant: as the one it acts for, and no more than they may."""

from typing import Any

from jarvis.bugs import actions, fields, store
from jarvis.kernel.context import Context
from jarvis.kernel.registry import Tool
from jarvis.kernel.schema import Field


def _list(ctx: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    limit = arguments.get("limit", 20)
    chosen = actions.wanted(ctx, arguments)
    with ctx.db.read() as tx:
        found = store.newest(tx, chosen, limit + 1)
    return {"bugs": [bug.as_json() for bug in found[:limit]], "more": len(found) > limit}


def _get(ctx: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    return actions.read(ctx, arguments["id"]).as_json()


def _create(ctx: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    names = ("kind", "priority", "assignee", "sync_to_github")
    given = {name: arguments[name] for name in names if name in arguments}
    return actions.file(ctx, arguments["title"], arguments.get("description", ""), **given).as_json()


def _update(ctx: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    given = {name: arguments[name] for name in fields.CHANGE if name in arguments}
    return actions.change(ctx, arguments["id"], **given).as_json()


ID = Field(kind="string", is_required=True, longest=30, help="bug_…")
LIMIT = Field(kind="integer", lowest=1, highest=100, help="How many at most (20).")
TOOLS = (
    Tool("bugs.list", "Bugs and feature requests, newest first.", {**fields.FILTERS, "limit": LIMIT}, "read", _list),
    Tool("bugs.get", "One bug with the evidence of its last failure.", {"id": ID}, "read", _get),
    Tool(
        "bugs.create",
        "File a bug or ask for a feature.",
        {n: fields.CREATE[n] for n in ("title", "description", "kind", "priority", "assignee", "sync_to_github")},
        "write",
        _create,
    ),
    Tool(
        "bugs.update",
        "Change a bug: state, priority, title, who is on it.",
        {"id": ID, **fields.CHANGE},
        "write",
        _update,
    ),
)
