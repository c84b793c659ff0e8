"""Notes, for the assistant: as the one it acts for."""

from typing import Any

from jarvis.kernel.context import Context
from jarvis.kernel.registry import Tool
from jarvis.kernel.schema import Field
from jarvis.notes import actions, store

TEXT = Field(kind="string", is_required=True, shortest=1, longest=actions.LONGEST, help="What to remember.")
WHICH = Field(kind="string", is_required=True, shortest=1, longest=200, help="Its id, or words that only it holds.")
ID = Field(kind="string", is_required=True, longest=40, help="nte_…")


def _list(ctx: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    with ctx.db.read() as tx:
        return {"notes": [note.as_json() for note in store.newest(tx, ctx.user_id or "", actions.MOST)]}


def _add(ctx: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    return actions.add(ctx, arguments["text"]).as_json()


def _change(ctx: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    return actions.change(ctx, arguments["id"], arguments["text"]).as_json()


def _remove(ctx: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    return {"removed": actions.remove_matching(ctx, arguments["note"]).as_json()}


TOOLS = (
    Tool("notes.list", "What this person asked to have remembered.", {}, "read", _list),
    Tool("notes.add", "Remember something for this person.", {"text": TEXT}, "write", _add),
    Tool("notes.change", "Say a note otherwise.", {"id": ID, "text": TEXT}, "write", _change),
    Tool("notes.remove", "Forget a note.", {"note": WHICH}, "write", _remove),
)
