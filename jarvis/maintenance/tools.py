"""Maintenance, for the assistant."""

from typing import Any

from jarvis.kernel.context import Context
from jarvis.kernel.registry import Tool
from jarvis.kernel.schema import Field
from jarvis.maintenance import actions, report


def _status(ctx: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    return report.with_runs(ctx, arguments.get("limit", 5))


def _run(ctx: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    return {"task_id": actions.ask(ctx).id}


LIMIT = Field(kind="integer", lowest=1, highest=50, help="How many runs at most (5).")
TOOLS = (
    Tool(
        "maintenance.status",
        "How maintenance stands, and its newest runs with what each command said.",
        {"limit": LIMIT},
        "read",
        _status,
        admin_only=True,
    ),
    Tool("maintenance.run", "Run every maintenance command now.", {}, "write", _run, admin_only=True),
)
