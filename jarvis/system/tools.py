"""Jarvis's own condition and the host's, for the assistant."""

from typing import Any

from jarvis.kernel.context import Context
from jarvis.kernel.registry import Tool
from jarvis.kernel.schema import Field
from jarvis.system import actions, host


def _status(ctx: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    return actions.status(ctx)


def _facts(ctx: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    return host.facts_data(clock=ctx.clock)


def _disk(ctx: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    return host.disk_data(path=arguments.get("path", ""))


PATH = Field(kind="string", longest=1000, pattern=r"|/.*", help="An absolute path: only the disk that holds it.")
TOOLS = (
    Tool("status.read", "How Jarvis is: ready or not and why, tasks, providers, schedules.", {}, "read", _status),
    Tool(
        "host.facts",
        "The host: system, processors, load, memory, uptime, disks, busiest processes, open ports, time zone.",
        {},
        "read",
        _facts,
    ),
    Tool("host.disk", "How full the host's disks are.", {"path": PATH}, "read", _disk),
)
