"""Who listens to what, and what waits for them while the past is replayed."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic

from jarvis.web.connection import Connection, P


@dataclass(frozen=True, slots=True)
class Held:
    """A frame that waits until the past has been replayed."""

    seq: int | None
    frame: bytes


class Subscription(Generic[P]):
    """One connection's interest in one topic; `required` names what it takes to keep it."""

    __slots__ = ("_held", "connection", "held_bytes", "required", "through", "topic")

    def __init__(self, connection: Connection[P], topic: str, required: str, replay: bool) -> None:
        self.connection = connection
        self.topic = topic
        self.required = required
        self.through = -1  # the last sequence number replayed; nothing up to it is sent again
        self.held_bytes = 0
        self._held: list[Held] | None = [] if replay else None

    @property
    def is_replaying(self) -> bool:
        return self._held is not None

    def is_news(self, seq: int | None) -> bool:
        return seq is None or seq > self.through

    def hold(self, seq: int | None, frame: bytes) -> None:
        if self._held is not None:
            self._held.append(Held(seq, frame))
            self.held_bytes += len(frame)

    def release(self, through: int) -> Iterable[bytes]:
        """End the replay at this sequence number; what was held and is news."""
        held, self._held = self._held or [], None
        self.through = through
        return [item.frame for item in held if self.is_news(item.seq)]


class Topics(Generic[P]):
    """Every subscription, by topic; each connection knows its own."""

    def __init__(self) -> None:
        self._subscribers: dict[str, dict[int, Subscription[P]]] = {}

    def __len__(self) -> int:
        return len(self._subscribers)

    def subscribers(self, topic: str) -> Iterable[Subscription[P]]:
        """A copy: the caller may end subscriptions while it walks."""
        return list(self._subscribers.get(topic, {}).values())

    def add(self, subscription: Subscription[P]) -> None:
        connection = subscription.connection
        connection.topics[subscription.topic] = subscription
        self._subscribers.setdefault(subscription.topic, {})[connection.id] = subscription

    def remove(self, connection: Connection[P], topic: str) -> None:
        if connection.topics.pop(topic, None) is not None:
            subscribers = self._subscribers[topic]
            del subscribers[connection.id]
            if not subscribers:
                del self._subscribers[topic]

    def remove_required(self, connection: Connection[P], required: str) -> None:
        """End the subscriptions that need this."""
        for subscription in list(connection.topics.values()):
            if subscription.required == required:
                self.remove(connection, subscription.topic)

    def remove_all(self, connection: Connection[P]) -> None:
        for topic in list(connection.topics):
            self.remove(connection, topic)
