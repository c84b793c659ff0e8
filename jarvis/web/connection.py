"""What an application knows of one WebSocket, and what the hub keeps about it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from jarvis.web.wire import Wire

if TYPE_CHECKING:
    from jarvis.web.topics import Subscription

P = TypeVar("P")
Kind = Literal["json", "html"]


@dataclass(frozen=True, slots=True)
class HubLimits:
    """What WebSockets may cost; sizes in bytes, times in seconds.

    More than `frames_per_second` (after a burst of `frames_burst`) is closed with 1008, which htmx does
    not answer with a reconnect. Beyond `connections` the handshake is refused with 503, not accepted and
    closed: htmx lengthens its pauses only while the socket does not open.
    """

    connections: int = 2000
    per_owner: int = 20
    message_bytes: int = 64 * 1024
    outbox_bytes: int = 1 << 20
    inbox_messages: int = 1000
    frames_per_second: float = 50.0
    frames_burst: float = 100.0
    ping_seconds: float = 20.0
    close_seconds: float = 5.0
    recheck_seconds: float = 30.0


class Connection(Generic[P]):
    """One WebSocket of one principal.

    `data` is the application's own; only its callbacks may touch it. `topics` may be read by anybody.
    """

    __slots__ = (
        "__weakref__",
        "data",
        "deadline",
        "heard_at",
        "id",
        "is_dirty",
        "is_pinged",
        "is_watched_out",
        "is_welcome",
        "kind",
        "principal",
        "tokens",
        "tokens_at",
        "topics",
        "wire",
    )

    def __init__(self, id: int, principal: P, kind: Kind) -> None:
        self.id = id
        self.principal = principal
        self.kind: Kind = kind
        self.data: dict[str, Any] = {}
        self.topics: dict[str, Subscription[P]] = {}
        self.is_welcome = True  # until the hub or a callback decides to close it
        # The hub's thread only:
        self.wire: Wire | None = None
        self.is_dirty = False
        self.is_watched_out = False
        self.heard_at = 0.0
        self.is_pinged = False
        self.tokens = 0.0
        self.tokens_at = 0.0
        self.deadline: float | None = None

    def __repr__(self) -> str:
        return f"<Connection {self.id} {self.kind}>"

    def spend(self, frames: int, now: float, rate: float, burst: float) -> bool:
        """Take frames from the allowance; False when it is used up."""
        self.tokens = min(burst, self.tokens + (now - self.tokens_at) * rate) - frames
        self.tokens_at = now
        return self.tokens >= 0
