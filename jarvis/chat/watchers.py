"""The other end of /ws: who may listen to what, and for how long."""

import json
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from jarvis.chat import actions, frames
from jarvis.chat.frames import dump
from jarvis.kernel.context import Context
from jarvis.kernel.errors import JarvisError, Malformed, NotFound
from jarvis.kernel.events import Event
from jarvis.kernel.ids import is_id
from jarvis.users import actions as people
from jarvis.users import store as users
from jarvis.web import identity
from jarvis.web.connection import Connection, Kind
from jarvis.web.routes import Access, Reply, Request, Routes

if TYPE_CHECKING:
    from jarvis.chat.live import Live

MOST_TOPICS = 50
MOST_AFTER = 2**53
SECRET_NAMES = re.compile(r"token|auth|key|session|cookie|jwt|secret", re.IGNORECASE)
ADMIN = "admin"
"""What a subscription needs that is not to one's own conversation."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """Whose connection it is, and the key that opened it, by its digest."""

    user_id: str
    username: str
    role: str
    session_id: str | None
    table: str
    digest: bytes


class Watchers:
    """Opens, hears and re-checks connections, and knows which conversations are watched."""

    def __init__(self, base: Context, live: "Live") -> None:
        self._base = base
        self._live = live
        self._lock = threading.Lock()
        self._watched: dict[str, dict[int, tuple[Connection[Viewer], Kind]]] = {}
        self._admins: set[int] = set()

    # -- the handshake

    def routes(self) -> Routes:
        table = Routes("live")

        @table.get(
            "/ws", Access.USER, "A WebSocket with everything that happens, as it happens.",
            answers={101: "WebSocket", 400: "It is no handshake, or carries a secret in its address."},
        )  # fmt: skip
        def open_socket(request: Request) -> Reply:
            return self._accept(request)

        return table

    def _accept(self, request: Request) -> Reply:
        query = parse_qsl(request.environ.get("QUERY_STRING", ""), keep_blank_values=True)
        if any(SECRET_NAMES.search(name) for name, _ in query):
            raise Malformed(
                "A secret does not belong into an address: it ends up in logs. Send Authorization: Bearer TOKEN."
            )
        caller = request.caller
        if caller.via == "cookie":
            identity.check_same_origin(request.environ, is_required=True)
        assert caller.principal is not None
        person = caller.principal
        table = "sessions" if person.session_id is not None else "tokens"
        digest = people.key_digest(caller.token)
        viewer = Viewer(person.user_id, person.username, person.role, person.session_id, table, digest)
        self._live.hub.accept(dict(request.environ), viewer)
        return Reply(101, b"", {})

    # -- callbacks of the hub, in its inbox thread

    def opened(self, connection: Connection[Viewer]) -> None:
        viewer = connection.principal
        greeting = {"type": "auth.ok", "user_id": viewer.user_id, "role": viewer.role, "username": viewer.username}
        self._live.hub.send(connection, dump(greeting))

    def closed(self, connection: Connection[Viewer]) -> None:
        with self._lock:
            self._admins.discard(connection.id)
            for thread_id in [t for t, watching in self._watched.items() if connection.id in watching]:
                self._forget(thread_id, connection.id)

    def received(self, connection: Connection[Viewer], text: str) -> None:
        try:
            self._obey(connection, _parse(text))
        except Malformed:
            self._refuse(connection, "bad message")

    def still_allowed(self, viewers: Sequence[Viewer]) -> list[bool]:
        """Whose session or token still counts; who is no admin any more loses what only admins hear."""
        with self._base.db.read() as tx:
            holders = [users.find_holder(tx, viewer.table, viewer.digest) for viewer in viewers]
        demoted = {h.user_id for h in holders if h is not None and h.role != ADMIN}
        if demoted:
            self._live.hub.revoke(lambda viewer: viewer.user_id in demoted, ADMIN)
        return [holder is not None for holder in holders]

    # -- what a client may say

    def _obey(self, connection: Connection[Viewer], said: dict[str, Any]) -> None:
        match said.get("action"):
            case "subscribe":
                self._subscribe(connection, _thread_id(said), _after(said))
            case "unsubscribe":
                self._unsubscribe(connection, _thread_id(said))
            case "subscribe_system":
                self._subscribe_system(connection)
            case _:
                raise Malformed()

    def _subscribe(self, connection: Connection[Viewer], thread_id: str, after: int | None) -> None:
        if len(connection.topics) >= MOST_TOPICS:
            raise Malformed()
        try:
            ctx = self._acting(connection)
            thread = actions.read(ctx, thread_id)
        except NotFound:
            self._refuse(connection, "not found", thread_id)
            return
        except JarvisError:
            self._refuse(connection, "forbidden", thread_id)
            return
        with self._lock:
            self._watched.setdefault(thread_id, {})[connection.id] = (connection, connection.kind)
        self._live.watch_foreign(thread_id)
        required = "" if thread.user_id == ctx.user_id else ADMIN
        self._live.follow_thread(connection, thread_id, after, required)

    def _unsubscribe(self, connection: Connection[Viewer], thread_id: str) -> None:
        with self._lock:
            self._forget(thread_id, connection.id)
        self._live.hub.unsubscribe(connection, f"thread/{thread_id}")
        self._live.hub.send(connection, dump({"type": "unsubscribed", "thread_id": thread_id}))

    def _subscribe_system(self, connection: Connection[Viewer]) -> None:
        if not self._acting(connection).is_admin:
            self._refuse(connection, "forbidden")
            return
        with self._lock:
            self._admins.add(connection.id)
        self._live.hub.subscribe(connection, "system", required=ADMIN)
        self._live.hub.send(connection, dump({"type": "subscribed", "topic": "system"}))

    def _acting(self, connection: Connection[Viewer]) -> Context:
        """The viewer's own context, with the role of now and not of when the connection was opened."""
        viewer = connection.principal
        with self._base.db.read() as tx:
            holder = users.find_holder(tx, viewer.table, viewer.digest)
        if holder is None:
            raise NotFound()
        person = self._base.traced()
        return person.acting(actor=holder.username, user_id=holder.user_id, username=holder.username, role=holder.role)

    def _refuse(self, connection: Connection[Viewer], detail: str, thread_id: str | None = None) -> None:
        self._live.hub.send(connection, dump(frames.error(detail, thread_id)))

    # -- who watches

    def kinds(self, thread_id: str) -> set[Kind]:
        """The kinds of frames somebody wants of a conversation; empty when nobody watches."""
        with self._lock:
            return {kind for _, kind in self._watched.get(thread_id, {}).values()}

    def has_admins(self) -> bool:
        """Whether anybody wants to hear what only admins hear."""
        return bool(self._admins)

    def dismiss(self, thread_id: str) -> None:
        """A conversation is gone: nobody watches it any longer."""
        with self._lock:
            watching = self._watched.pop(thread_id, {})
        for connection, _ in watching.values():
            self._live.hub.unsubscribe(connection, f"thread/{thread_id}")
            self._live.hub.send(connection, dump({"type": "unsubscribed", "thread_id": thread_id}))

    def access_changed(self, event: Event) -> None:
        """Somebody's rights changed: what only an admin hears ends at once, the rest is looked at anew."""
        data = event.payload()
        if event.type == "user.role_changed" and data.get("role") != ADMIN:
            self._live.hub.revoke(lambda viewer: viewer.user_id == data.get("user_id"), ADMIN)
        self._live.hub.recheck()

    def _forget(self, thread_id: str, connection_id: int) -> None:
        watching = self._watched.get(thread_id)
        if watching is not None:
            watching.pop(connection_id, None)
            if not watching:
                del self._watched[thread_id]


def _parse(text: str) -> dict[str, Any]:
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        raise Malformed() from None
    if not isinstance(said, dict):
        raise Malformed()
    return said


def _thread_id(said: dict[str, Any]) -> str:
    """The conversation named; one that cannot exist is "not found" further on."""
    thread_id = said.get("thread_id")
    if not isinstance(thread_id, str) or len(thread_id) > 64:
        raise Malformed()
    return thread_id if is_id(thread_id, "thr") else "thr_"


def _after(said: dict[str, Any]) -> int | None:
    after = said.get("after")
    if after is None:
        return None
    if isinstance(after, bool) or not isinstance(after, int) or not 0 <= after <= MOST_AFTER:
        raise Malformed()
    return after
