"""Who is asking, and of which Jarvis: the first argument of every action."""

from dataclasses import dataclass, replace

from jarvis.kernel.clock import Clock
from jarvis.kernel.config import Settings
from jarvis.kernel.db import Database
from jarvis.kernel.errors import Denied
from jarvis.kernel.ids import Ids
from jarvis.kernel.registry import Registry


@dataclass(frozen=True, slots=True)
class Context:
    """Everything an action needs: storage, settings, time, and on whose behalf it acts."""

    db: Database
    settings: Settings
    clock: Clock
    ids: Ids
    registry: Registry
    actor: str
    """Whom the audit log names: a user's name, "cli:root", "agent:main", "scheduler", "system"."""
    user_id: str | None = None
    """Whose rights and things are meant; None for the system itself."""
    username: str = ""
    role: str = ""
    """"admin", "user", or "" for nobody."""
    session_id: str | None = None
    client: str = ""
    """Where the request came from, for sign-in records: an address or "cli"."""

    @property
    def is_admin(self) -> bool:
        return self.role == "admin"

    @property
    def trace_id(self) -> str:
        return self.db.who.trace_id

    def require_admin(self) -> None:
        """Raise Denied unless an admin is asking."""
        if not self.is_admin:
            raise Denied("Only an admin may do this.")

    def traced(self, trace_id: str | None = None) -> "Context":
        """The same context starting a trace (or joining the one named)."""
        return self._with(trace_id=trace_id or self.ids.new("trc"), parent_id="")

    def joined(self, trace_id: str, parent_id: str) -> "Context":
        """The same context as a new span of a trace that began elsewhere."""
        return self._with(trace_id=trace_id, parent_id=parent_id)

    def span(self) -> "Context":
        """The same context one level down in the trace."""
        return self._with(trace_id=self.trace_id, parent_id=self.db.who.span_id)

    def acting(self, *, actor: str, user_id: str | None, username: str, role: str) -> "Context":
        """The same context on somebody's behalf, at the same place in the trace."""
        db = self.db.seen_by(replace(self.db.who, actor=actor))
        return replace(self, db=db, actor=actor, user_id=user_id, username=username, role=role)

    def _with(self, *, trace_id: str, parent_id: str) -> "Context":
        who = replace(
            self.db.who, actor=self.actor, trace_id=trace_id, span_id=self.ids.new("spn"), parent_id=parent_id
        )
        return replace(self, db=self.db.seen_by(who))
