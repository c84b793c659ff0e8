"""Whose token a token is, asked with every request: remembered until anything is committed anywhere."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from jarvis.kernel.context import Context
from jarvis.users import actions
from jarvis.web.identity import Principal

KEPT_SECONDS = 1.0
"""A bound, should a neighbour's commit not reach us: so long may a session outlive its end."""
MOST_KEPT = 1000


@dataclass(frozen=True, slots=True)
class Known:
    """An answer, the commit count it was given at, and when."""

    principal: Principal
    count: int
    at: float


class Recognition:
    """The application's `authenticate`. Every commit, also another process's, makes it look again."""

    def __init__(self, ctx: Context, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._ctx = ctx
        self._monotonic = monotonic
        self._known: dict[bytes, Known] = {}

    def __call__(self, token: str) -> Principal | None:
        digest, count, now = actions.key_digest(token), self._ctx.db.wake.count, self._monotonic()
        known = self._known.get(digest)
        if known is not None and known.count == count and now - known.at < KEPT_SECONDS:
            return known.principal
        found = actions.recognise(self._ctx, token)
        if found is None:
            self._known.pop(digest, None)
            return None
        holder, is_session = found
        session_id = holder.key_id if is_session else None
        principal = Principal(holder.user_id, holder.username, holder.role, session_id)
        if len(self._known) >= MOST_KEPT:
            self._known.clear()
        self._known[digest] = Known(principal, count, now)
        return principal
