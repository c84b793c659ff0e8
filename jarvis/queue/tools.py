"""What the assistant can ask of the queue."""

from typing import Any

from jarvis.kernel.context import Context
from jarvis.kernel.errors import invalid
from jarvis.kernel.registry import Tool
from jarvis.kernel.schema import Field
from jarvis.queue import store


def _list(ctx: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    state = arguments.get("state", "")
    if state and state not in store.STATES:
        raise invalid("state", f"must be one of {', '.join(store.STATES)}")
    limit = arguments.get("limit", 20)
    with ctx.db.read() as tx:
        found = store.newest(tx, state, arguments.get("name", ""), limit + 1)
        counts = store.counts(tx)
    return {"tasks": [task.as_json() for task in found[:limit]], "more": len(found) > limit, "counts": counts}


STATE = Field(kind="string", longest=20, help=f"One of {', '.join(store.STATES)}; empty: any.")
NAME = Field(kind="string", longest=200, help="Exact public name; empty: any.")
LIMIT = Field(kind="integer", lowest=1, highest=100, help="How many at most (20).")
TOOLS = (
    Tool(
        "tasks.list",
        "Durable tasks, newest first: what waits, runs, failed and why.",
        {"state": STATE, "name": NAME, "limit": LIMIT},
        "read",
        _list,
        admin_only=True,
    ),
)
