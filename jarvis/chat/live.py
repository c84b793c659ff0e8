"""From the event log and the text being written to whoever watches a conversation, in order and without gaps.

Events have an order of their own, and text says after which event it comes. Two loops publish under one lock:
`live-events` follows the log and lets out the text that belongs before each event; `live-text` lets out the
rest, the first bit of a reply at once and then about twenty times a second.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from jarvis.chat import frames, store
from jarvis.chat.frames import Fragments, dump
from jarvis.chat.shown import Shower
from jarvis.chat.store import Message
from jarvis.chat.watchers import Viewer, Watchers
from jarvis.events import store as log_store
from jarvis.kernel import events as kernel_events
from jarvis.kernel import streams
from jarvis.kernel.context import Context
from jarvis.kernel.db import Tx
from jarvis.kernel.events import Event
from jarvis.kernel.service import Loop
from jarvis.users import store as users
from jarvis.web.connection import Connection, HubLimits
from jarvis.web.hub import DEFAULT_LIMITS, Hub
from jarvis.web.render import Renderer
from jarvis.web.routes import Routes

log = logging.getLogger(__name__)

IDLE_SECONDS = 5.0
BATCH_SECONDS = 0.05
COST_FACTOR = 4
"""Rendering may take a fifth of the time: a long reply is shown less often."""
MOST_REPLAYED = 500
SYSTEM_TOPIC = "system"
ACCESS_CHANGED = frozenset(
    ("auth.logout", "auth.session_revoked", "token.revoked", "user.disabled", "user.role_changed", "user.deleted")
)


@dataclass(slots=True)
class Piece:
    """Some text of a reply that nobody has been told yet; `seq` is the event it follows."""

    message_id: str
    seq: int
    offset: int
    text: str


@dataclass(slots=True)
class Writing:
    """A reply that is being written, as far as watchers have been told of it."""

    message_id: str
    text: str = ""
    seq: int = 0
    is_ours: bool = False
    """Whether its text comes from this process; else it is read from the database."""
    due_at: float = 0.0


@dataclass(slots=True)
class Pending:
    """Text not told yet, by conversation."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    by_thread: dict[str, deque[Piece]] = field(default_factory=dict)
    came: threading.Event = field(default_factory=threading.Event)

    def add(self, thread_id: str, piece: Piece) -> None:
        with self.lock:
            waiting = self.by_thread.get(thread_id)
            if waiting is None:
                waiting = self.by_thread[thread_id] = deque()
                self.came.set()
            waiting.append(piece)

    def take(self, thread_id: str, through: int) -> list[Piece]:
        """The pieces that follow an event up to this one, in order."""
        with self.lock:
            waiting = self.by_thread.get(thread_id)
            taken = []
            while waiting and waiting[0].seq <= through:
                taken.append(waiting.popleft())
            if waiting is not None and not waiting:
                del self.by_thread[thread_id]
            return taken

    def threads(self) -> list[str]:
        with self.lock:
            return list(self.by_thread)


class Live:
    """Feeds a hub of its own with what happens in conversations; `routes` has /ws, `loops` the work."""

    def __init__(
        self,
        base: Context,
        renderer: Renderer,
        *,
        limits: HubLimits = DEFAULT_LIMITS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._base = base
        self._shower = Shower(renderer.text)
        self._fragments = Fragments(self._shower)
        self._monotonic = monotonic
        self._order = threading.RLock()  # publishing, and reading where it stands
        self._pending = Pending()
        self._writing: dict[str, Writing] = {}
        self._authors: dict[str, str] = {}
        self._follower = kernel_events.Follower(base.db, kernel_events.latest_seq(base.db))
        self._seen = self._follower.after
        self.watchers = Watchers(base, self)
        self.hub: Hub[Viewer] = Hub(
            on_message=self.watchers.received,
            on_open=self.watchers.opened,
            on_close=self.watchers.closed,
            still_allowed=self.watchers.still_allowed,
            owner=lambda viewer: viewer.user_id,
            limits=limits,
        )
        self._stop_listening = base.registry.streams.subscribe(self._hear)

    def loops(self) -> list[Loop]:
        """The services that publish; they end when told and the database's wake flag is raised."""
        return [Loop("live-events", self.follow, 0.0), Loop("live-text", self.pour, 0.0)]

    def routes(self) -> Routes:
        """/ws."""
        return self.watchers.routes()

    def close(self) -> None:
        self._stop_listening()

    # -- text

    def _hear(self, frame: streams.Frame) -> None:
        """Called by whoever writes a reply, for every bit of it: be quick."""
        if frame["type"] == "message.delta":
            piece = Piece(frame["message_id"], frame["seq"], frame["offset"], frame["text"])
            self._pending.add(frame["thread_id"], piece)

    def pour(self) -> bool:
        """Tell the text that is due; waits for some, or until more is due."""
        self._pending.came.wait(self._pause())
        self._pending.came.clear()
        for thread_id in self._pending.threads():
            with self._order:
                writing = self._writing.get(thread_id)
                if writing is None or self._monotonic() >= writing.due_at:
                    self._tell_text(thread_id, self._seen)
        return True

    def _pause(self) -> float:
        """How long nothing is due."""
        waiting = self._pending.threads()
        if not waiting:
            return IDLE_SECONDS
        now = self._monotonic()
        with self._order:
            due = [writing.due_at - now for t in waiting if (writing := self._writing.get(t))]
        return max(0.0, min(due, default=BATCH_SECONDS))  # without a writer, its event is still to come

    def _tell_text(self, thread_id: str, through: int) -> None:
        """Tell what is waiting of a conversation, as far as its events have been told."""
        taken = self._pending.take(thread_id, through)
        writing = self._writing.get(thread_id)
        told = [piece for piece in taken if writing is not None and piece.message_id == writing.message_id]
        if writing is None or not told:
            return  # it ended meanwhile: stopped, or deleted
        writing.is_ours = True
        self._tell_more(thread_id, writing, "".join(piece.text for piece in told), told[-1].seq)

    def _tell_more(self, thread_id: str, writing: Writing, text: str, seq: int) -> None:
        began = self._monotonic()
        offset, writing.text, writing.seq = len(writing.text), writing.text + text, seq
        kinds = self.watchers.kinds(thread_id)
        if kinds:
            now = self._base.clock()
            frame = frames.delta(thread_id, writing.message_id, offset, text, seq, now)
            html = self._fragments.delta(frame, writing.text) if "html" in kinds else ""
            self._publish(thread_id, dump(frame), html, None)
        took = self._monotonic() - began
        writing.due_at = began + max(BATCH_SECONDS, COST_FACTOR * took)

    # -- events

    def follow(self) -> bool:
        """Tell the next events; waits for some."""
        found = self._follower.next(IDLE_SECONDS)
        with self._order:
            messages, calls = self._rows([e for e in found if e.thread_id and self.watchers.kinds(e.thread_id)])
            for event in found:
                self._tell_event(event, messages, calls)
                self._seen = event.seq
            self._redraw(found, messages, calls)
            for thread_id, writing in list(self._writing.items()):
                if not writing.is_ours and self.watchers.kinds(thread_id):
                    self._read_text(thread_id, writing)
        self._pending.came.set()  # text may follow these events; and when we are to stop, both loops must look
        return True

    def _rows(self, events: list[Event]) -> tuple[dict[str, Message], dict[str, list[Message]]]:
        """The messages these events are about, and the tool calls of replies that are shown whole."""
        wanted = frames.message_ids(events)
        if not wanted:
            return {}, {}
        with self._base.db.read() as tx:
            messages = store.messages_by_id(tx, wanted)
            redrawn = frames.message_ids(list(filter(frames.is_redrawn, events)))
            whole = [m for m in messages.values() if m.is_finished or m.id in redrawn]
            return messages, calls_by_reply(tx, whole)

    def _redraw(self, events: list[Event], messages: dict[str, Message], calls: dict[str, list[Message]]) -> None:
        """Show replies whose calls wait, or go on, as they are by now: last, so that no line stands twice."""
        last = {str(event.payload().get("message_id")): event for event in filter(frames.is_redrawn, events)}
        for message_id, event in last.items():
            message = messages.get(message_id)
            if message is None or message.is_finished or "html" not in self.watchers.kinds(message.thread_id):
                continue
            author = self._author(message.thread_id)
            html = self._fragments.current(message, calls.get(message_id, []), author, event.seq, is_new=False)
            self.hub.publish(topic_of(message.thread_id), {"html": html}, seq=event.seq)

    def _tell_event(self, event: Event, messages: dict[str, Message], calls: dict[str, list[Message]]) -> None:
        if event.type in ACCESS_CHANGED:
            self.watchers.access_changed(event)
        if event.thread_id is None:
            self._tell_admins(event)
            return
        self._tell_text(event.thread_id, event.seq - 1)
        self._note(event)
        if self.watchers.kinds(event.thread_id):
            self._tell_watchers(event.thread_id, event, messages, calls)
        if event.type == "thread.deleted":
            self.watchers.dismiss(event.thread_id)

    def _note(self, event: Event) -> None:
        """Remember which replies are being written."""
        thread_id = str(event.thread_id)
        if event.type == "agent.step.start":
            self._writing[thread_id] = Writing(str(event.payload().get("message_id")), seq=event.seq)
        elif event.type in ("message.done", "message.retried", "thread.deleted"):
            writing = self._writing.get(thread_id)
            ended = event.payload().get("message_id")
            if writing is not None and (event.type == "thread.deleted" or writing.message_id == ended):
                del self._writing[thread_id]

    def _tell_watchers(
        self, thread_id: str, event: Event, messages: dict[str, Message], calls: dict[str, list[Message]]
    ) -> None:
        frame = frames.of_event(event, messages)
        if frame is None:
            return
        html = ""
        if "html" in self.watchers.kinds(thread_id):
            author = self._author(thread_id)
            message = messages.get(str(frame.get("message_id")))
            if frame["type"] == "message.done" and message is not None:
                html = self._fragments.done(frame, message, calls.get(message.id, []), author)
            else:
                html = self._fragments.of_event(frame, event, messages, author)
        self._publish(thread_id, dump(frame), html, event.seq)

    def _tell_admins(self, event: Event) -> None:
        if not self.watchers.has_admins():
            return
        name = event.type if event.type.startswith("system.") else f"system.{event.type}"
        shown = event.as_json() | {"type": name, "event_type": event.type, "created_at": event.as_json()["at"]}
        self.hub.publish(SYSTEM_TOPIC, {"json": dump(shown)}, seq=event.seq)

    def _publish(self, thread_id: str, json: str, html: str, seq: int | None) -> None:
        self.hub.publish(topic_of(thread_id), {"json": json, "html": html} if html else {"json": json}, seq=seq)

    def _read_text(self, thread_id: str, writing: Writing) -> None:
        """Text that another process writes (`jarvis ask`, a server beside this one) comes from the database."""
        if self._base.registry.streams.so_far(thread_id) or thread_id in self._pending.threads():
            return
        with self._base.db.read() as tx:
            message = store.find_message(tx, writing.message_id)
        if message is not None and message.status == "streaming" and message.content.startswith(writing.text):
            more = message.content[len(writing.text) :]
            if more:
                self._tell_more(thread_id, writing, more, writing.seq)

    def _author(self, thread_id: str) -> str:
        if thread_id not in self._authors:
            if len(self._authors) > 10_000:
                self._authors.clear()
            with self._base.db.read() as tx:
                self._authors[thread_id] = owner_name(tx, thread_id)
        return self._authors[thread_id]

    # -- somebody begins to watch

    def follow_thread(self, connection: Connection[Viewer], thread_id: str, after: int | None, required: str) -> None:
        """Subscribe a connection: what it missed since `after`, the text so far, and then everything."""
        topic = topic_of(thread_id)
        with self._order:
            subscription = self.hub.subscribe(connection, topic, required=required, replay=True)
            seen = self._seen
            writing = self._writing.get(thread_id)
            so_far = (writing.message_id, writing.text, writing.seq) if writing else None
        try:
            past, through = self._past(connection, thread_id, after, seen)
        except BaseException:
            self.hub.unsubscribe(connection, topic)
            raise
        told = [dump(frames.subscribed(thread_id, through)), *past]
        if so_far is not None:
            told += self._so_far(connection, thread_id, *so_far)
        self.hub.replay_done(subscription, told, through)

    def _past(
        self, connection: Connection[Viewer], thread_id: str, after: int | None, seen: int
    ) -> tuple[list[str], int]:
        """What happened after an event up to where publishing stands, and that point."""
        if after is None:
            return [], seen
        with self._base.db.read() as tx:
            if after > log_store.newest_seq(tx):  # from before a restore: its numbers mean nothing here
                return [dump(frames.reload(thread_id, seen))], seen
            found = [e for e in log_store.thread_after(tx, thread_id, after, MOST_REPLAYED + 1) if e.seq <= seen]
            if len(found) > MOST_REPLAYED:
                return [dump(frames.reload(thread_id, seen))], seen
            messages = store.messages_by_id(tx, frames.message_ids(found))
            if connection.kind == "html":
                told = self._current(tx, thread_id, found, messages)
            else:
                told = [dump(f) for e in found if (f := frames.of_event(e, messages)) is not None]
        if sum(map(len, told)) > DEFAULT_LIMITS.outbox_bytes // 4:
            told = [dump(frames.reload(thread_id, seen))]
        return told, max(seen, after)

    def _current(self, tx: Tx, thread_id: str, found: list[Event], messages: dict[str, Message]) -> list[str]:
        """For a page: each message that something happened to, once, as it is now."""
        created = {e.payload().get("message_id") for e in found if e.type == "message.created"}
        spoken = sorted((m for m in messages.values() if m.role != "tool"), key=lambda message: message.seq)
        calls = calls_by_reply(tx, spoken)
        author = owner_name(tx, thread_id)
        last = found[-1].seq if found else 0
        return [self._fragments.current(m, calls.get(m.id, []), author, last, is_new=m.id in created) for m in spoken]

    def _so_far(
        self, connection: Connection[Viewer], thread_id: str, message_id: str, text: str, seq: int
    ) -> list[str]:
        if not text:
            return []
        frame = frames.delta(thread_id, message_id, 0, text, seq, self._base.clock())
        return [self._fragments.delta(frame, text) if connection.kind == "html" else dump(frame)]

    def watch_foreign(self, thread_id: str) -> None:
        """Look for a reply that another process is writing already, before somebody subscribes."""
        with self._order:
            if thread_id in self._writing:
                return
            with self._base.db.read() as tx:
                unfinished = [m for m in store.unfinished(tx, thread_id) if m.status == "streaming"]
            for message in unfinished[:1]:
                self._writing[thread_id] = Writing(message.id, message.content, self._seen)


def topic_of(thread_id: str) -> str:
    return f"thread/{thread_id}"


def calls_by_reply(tx: Tx, messages: list[Message]) -> dict[str, list[Message]]:
    """The tool calls of replies, in one look."""
    replies = [message.id for message in messages if message.role == "assistant"]
    found: dict[str, list[Message]] = {}
    for call in store.calls_of(tx, replies) if replies else ():
        found.setdefault(call.reply_id or "", []).append(call)
    return found


def owner_name(tx: Tx, thread_id: str) -> str:
    """The name of whose conversation it is."""
    thread = store.find(tx, thread_id)
    owner = users.find(tx, thread.user_id) if thread else None
    return owner.username if owner else ""
