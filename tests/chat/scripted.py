"""The fakes at the edges of a conversation: a provider with a script, and a watcher of /ws."""

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from jarvis import app as composition
from jarvis.agent.providers import Event, Finished, ModelRequest, TextDelta, ToolCall
from jarvis.chat.live import Live
from jarvis.kernel.context import Context
from jarvis.kernel.service import Services
from jarvis.queue import epochs
from jarvis.queue.services import Runner
from jarvis.users import actions as people
from jarvis.users import store as users
from tests.conftest import acting
from tests.web.peers import TIMEOUT, Peer, RunningServer

Turn = Callable[[ModelRequest], Iterable[Event]]


class Scripted:
    """Plays one turn a request, in order; the last one again and again."""

    name = "scripted"

    def __init__(self) -> None:
        self.turns: list[Turn] = [lambda request: text("Fine.")]
        self.requests: list[ModelRequest] = []
        self._lock = threading.Lock()

    def plays(self, *turns: Turn) -> None:
        self.turns = list(turns)

    def says(self, *parts: str) -> None:
        """Every reply is this text, in these parts."""
        self.turns = [lambda request: text(*parts)]

    def reply(self, request: ModelRequest) -> Iterator[Event]:
        with self._lock:
            self.requests.append(request)
            turn = self.turns.pop(0) if len(self.turns) > 1 else self.turns[0]
        yield from turn(request)


def text(*parts: str) -> list[Event]:
    return [*map(TextDelta, parts), Finished("stop")]


def calls(*wanted: ToolCall) -> list[Event]:
    return [*wanted, Finished("tool_calls")]


def raises(error: BaseException) -> Turn:
    def turn(request: ModelRequest) -> Iterator[Event]:
        yield TextDelta("Half of ")
        raise error

    return turn


class Gate:
    """A reply that says one part each time the test lets it, until it is told to end or is cancelled."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._changed = threading.Condition()
        self._is_over = False
        self.began = threading.Event()

    def __call__(self, request: ModelRequest) -> Iterator[Event]:
        self.began.set()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._parts or self._is_over or request.cancelled(), 0.05)
                parts, self._parts = self._parts, []
                is_over = self._is_over or request.cancelled()
            yield from map(TextDelta, parts)
            if is_over:
                break
        yield Finished("cancelled" if request.cancelled() else "stop")

    def say(self, part: str) -> None:
        with self._changed:
            self._parts.append(part)
            self._changed.notify_all()

    def end(self) -> None:
        with self._changed:
            self._is_over = True
            self._changed.notify_all()


class Served:
    """The application, its live updates and its task workers, on a port."""

    def __init__(self, base: Context, *, workers: int = 2, listener: Any = None) -> None:
        self.base = base
        self.parts = composition.make_parts(base)
        self.live = Live(base, self.parts.renderer)
        self.app = composition.build_application(base, parts=self.parts, more=[self.live.routes()])
        self.epoch = epochs.begin(base, "server")
        self.runner = Runner(base, self.epoch)
        loops = [*self.live.loops(), *(self.runner.loops(workers) if workers else [])]
        self.services = Services(loops, on_stop=base.db.wake.raise_flag)
        self.live.hub.start()
        self.services.start()
        self.server = RunningServer(self.app, listener)
        self.address = self.server.address
        self.url = f"http://127.0.0.1:{self.address[1]}"
        self.origin = "Origin: http://localhost"  # what raw clients say they come from
        self._watchers: list[Watcher] = []
        self._is_over = False

    def stop(self) -> None:
        if self._is_over:
            return
        self._is_over = True
        for watcher in self._watchers:
            watcher.peer.close()
        self.runner.is_stopping.set()
        self.server.begin_stop()
        self.live.hub.drain(1.0)
        self.server.wait()
        self.live.close()
        assert self.services.close(TIMEOUT)
        self.live.hub.stop()
        self.epoch.close()

    def watch(self, username: str, *extra: str) -> "Watcher":
        """Somebody's connection to /ws, with an API token."""
        person = acting(self.base, username)
        assert person.user_id is not None
        secret = people.create_token(person, person.user_id, "a watcher", None)[1]
        return self.connect(f"Authorization: Bearer {secret}", *extra)

    def session(self, username: str) -> str:
        with self.base.db.read() as tx:
            user = users.get_by_name(tx, username)
        return people.start_session(acting(self.base, username), user, "a test").token

    def connect(self, *headers: str, path: str = "/ws") -> "Watcher":
        watcher = Watcher(Peer(self.address, path, *headers))
        self._watchers.append(watcher)
        return watcher


class Watcher:
    """Reads frames of one connection."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.greeting = self.next()

    def next(self) -> dict[str, Any]:
        frame: dict[str, Any] = json.loads(self.peer.text())
        return frame

    def until(self, kind: str) -> list[dict[str, Any]]:
        """Frames up to and with the next of a type."""
        found = [self.next()]
        while found[-1]["type"] != kind:
            found.append(self.next())
        return found

    def say(self, **message: Any) -> None:
        self.peer.say(json.dumps(message))

    def subscribe(self, thread_id: str, after: int | None = None) -> dict[str, Any]:
        """Subscribe and read the answer."""
        wish = {"action": "subscribe", "thread_id": thread_id}
        self.say(**wish, **({} if after is None else {"after": after}))
        return self.next()

    def is_silent(self) -> bool:
        return self.peer.is_silent()


def joined(frames: Iterable[dict[str, Any]]) -> str:
    """The text that deltas make, each where it says it goes; fails on a gap or an overlap."""
    whole = ""
    for frame in frames:
        if frame["type"] == "agent.thinking":
            whole = ""
        if frame["type"] == "message.delta":
            assert frame["offset"] == len(whole), (frame, whole)
            whole += frame["text"]
    return whole
