"""People and sessions, for the assistant."""

from typing import Any

from jarvis.kernel.context import Context
from jarvis.kernel.registry import Tool
from jarvis.users import store

MOST = 200


def _users(ctx: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    ctx.require_admin()
    with ctx.db.read() as tx:
        return {"users": [user.as_json() for user in store.newest(tx, MOST)]}


def _sessions(ctx: Context, arguments: dict[str, Any]) -> dict[str, Any]:
    owner = None if ctx.is_admin else ctx.user_id or "nobody"
    with ctx.db.read() as tx:
        found = store.sessions(tx, owner, MOST)
    return {"sessions": [session.as_json() | {"current": session.id == ctx.session_id} for session in found]}


TOOLS = (
    Tool("users.list", "Everybody who has an account.", {}, "read", _users, admin_only=True),
    Tool("sessions.list", "Who is signed in: everybody for an admin, oneself otherwise.", {}, "read", _sessions),
)
