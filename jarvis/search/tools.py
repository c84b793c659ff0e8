"""Search for the assistant, as the one who asks."""

from typing import Any

from jarvis.kernel.context import Context
from jarvis.kernel.registry import Tool
from jarvis.kernel.schema import Field
from jarvis.kernel.words import LONGEST_QUERY
from jarvis.search import actions


def _find(ctx: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    hits = actions.find(ctx, arguments["q"], arguments.get("limit", 20), arguments.get("kind", ""))
    return {"hits": [hit.as_json() for hit in hits]}


TOOLS = (
    Tool(
        "search.find",
        "Find the asker's own messages and events by words; best first.",
        {
            "q": Field(kind="string", is_required=True, shortest=1, longest=LONGEST_QUERY, help="Words to look for."),
            "kind": Field(kind="string", longest=20, help="message or event; empty: both."),
            "limit": Field(kind="integer", lowest=1, highest=50, help="How many at most (20)."),
        },
        "read",
        _find,
    ),
)
