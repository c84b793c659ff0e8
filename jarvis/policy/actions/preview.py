"""What a change of permissions would have changed: recent decisions taken again under it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jarvis.events import store as events
from jarvis.kernel.clock import SECOND
from jarvis.kernel.context import Context
from jarvis.policy import actions
from jarvis.policy.actions import Asker

DAYS = 30
MOST = 2_000
RISKY = "deny"


@dataclass(frozen=True, slots=True)
class Flip:
    """One past call that would be decided otherwise."""

    at: int
    username: str
    arguments: Mapping[str, Any]
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Preview:
    """How many past calls of a tool were looked at, and those that would flip, newest first."""

    looked_at: int
    is_all: bool
    flips: tuple[Flip, ...]


class _Undone(Exception):
    """Takes the tried change back."""


def preview(ctx: Context, principal: str, tool: str, effect: str | None, rule_list: Any = None) -> Preview:
    """Decide the last 30 days' calls of a tool again as if this were set (or removed: effect None). Nothing is kept."""
    ctx.require_admin()
    with ctx.db.read() as tx:
        wanted = events.Filter(type="policy.decision", since=tx.now - DAYS * 86_400 * SECOND)
        past = [event for event in events.newest(tx, wanted, MOST) if event.payload().get("tool") == tool]
        is_all = len(past) < MOST
    flips: list[Flip] = []
    try:
        with ctx.db.write():
            actions.put(ctx, principal, tool, effect, rule_list) if effect else actions.remove(ctx, principal, tool)
            for event in past:
                flips += _flip(ctx, tool, event.at, event.payload())
            raise _Undone
    except _Undone:
        return Preview(len(past), is_all, tuple(flips))


def _flip(ctx: Context, tool: str, at: int, data: Mapping[str, Any]) -> list[Flip]:
    arguments = data.get("arguments")
    before, username, role = (str(data.get(key) or "") for key in ("decision", "for", "role"))
    if not isinstance(arguments, dict) or not username:
        return []
    agent = str(data.get("principal") or "")
    after = actions.decide(ctx, Asker(username, role, agent if agent.startswith("agent:") else ""), tool, arguments)
    return [Flip(at, username, arguments, before, after.effect)] if after.effect != before else []
