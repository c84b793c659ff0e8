"""Fan-out of the hub beside the asyncio server of `websockets`, in one run.

The listeners live in a second process, which drops all it reads and tells when each of its sockets has
had every byte. Each server gets the same 200-byte frames for 1,000 of them: as fast as the publisher can
(`hub`, `asyncio`), where the hub sends what has gathered for a socket in one call, and one frame after
the other (`hub_paced`), where one system call a frame is the floor for anybody.
"""

import asyncio
import json
import os
import resource
import select
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import PIPE, Popen
from typing import Any

SUBSCRIBERS = 1000
ROUNDS = 60
TEXT = "x" * 200
FRAME_BYTES = len(TEXT) + 4
HEADER_END = b"\r\n\r\n"
ASK = (
    b"GET /ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def listen(port: int, count: int, bytes_each: int) -> None:
    """The second process: connect, say so, read everything, say so."""
    sockets = [_open(port) for _ in range(count)]
    poller = select.epoll()
    left = {}
    for sock in sockets:
        poller.register(sock, select.EPOLLIN)
        left[sock.fileno()] = bytes_each
    print("ready", flush=True)
    buffer = bytearray(1 << 18)
    while left:
        for fd, _ in poller.poll():
            left[fd] -= os.readv(fd, [buffer])
            if left[fd] <= 0:
                poller.unregister(fd)
                del left[fd]
    print("done", flush=True)


def _open(port: int) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port))
    sock.sendall(ASK)
    answer = b""
    while HEADER_END not in answer:
        answer += sock.recv(1)
    return sock


class Listeners:
    """Runs `listen` in a child and times how long the frames take to arrive there."""

    def __init__(self, port: int, subscribers: int, rounds: int) -> None:
        call = [sys.executable, __file__, "listen", str(port), str(subscribers), str(rounds * FRAME_BYTES)]
        self._child = Popen(call, stdout=PIPE, text=True)
        self._frames = subscribers * rounds
        self._expect("ready")

    def rate(self, publish: Callable[[], None]) -> float:
        """Frames a second from the first publish to the last byte read."""
        started = time.perf_counter()
        publish()
        self._expect("done")
        seconds = time.perf_counter() - started
        self._child.wait()
        assert self._child.stdout is not None
        self._child.stdout.close()
        return self._frames / seconds

    def _expect(self, word: str) -> None:
        assert self._child.stdout is not None
        if self._child.stdout.readline().strip() != word:
            raise RuntimeError("the listening process failed")


def hub_rate(subscribers: int, rounds: int, *, is_paced: bool) -> float:
    """Frames a second of the hub; when paced, each round waits until the one before was taken up."""
    from jarvis.web.connection import Connection, HubLimits
    from jarvis.web.hub import Hub
    from jarvis.web.server import Limits, Server

    joined = threading.Semaphore(0)

    def join(connection: Connection[str]) -> None:
        hub.subscribe(connection, "all")
        joined.release()

    limits = HubLimits(connections=2 * subscribers, outbox_bytes=1 << 24)
    hub: Hub[str] = Hub(on_message=lambda *_: None, on_open=join, limits=limits)

    def application(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        hub.accept(environ, "everybody")
        start_response("200 OK", [])
        return [b""]

    stopping = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    server = Server(application, listener, limits=Limits(connections=2 * subscribers))
    hub.start()
    thread = threading.Thread(target=server.serve_until, args=(stopping,))
    thread.start()
    try:
        listeners = Listeners(listener.getsockname()[1], subscribers, rounds)
        for _ in range(subscribers):
            joined.acquire()

        def publish() -> None:
            for number in range(rounds):
                hub.publish("all", {"json": TEXT}, seq=number)
                if is_paced:
                    taken = threading.Event()
                    hub.after(taken.set)
                    taken.wait()

        return listeners.rate(publish)
    finally:
        stopping.set()
        server.wake()
        thread.join()
        hub.stop()
        listener.close()


def asyncio_rate(subscribers: int, rounds: int) -> float:
    """Frames a second of `websockets.asyncio.server.broadcast`, without compression, as its manual says."""
    return asyncio.run(_asyncio_rate(subscribers, rounds))


async def _asyncio_rate(subscribers: int, rounds: int) -> float:
    from websockets.asyncio.server import ServerConnection, broadcast, serve

    present: set[ServerConnection] = set()

    async def join(connection: ServerConnection) -> None:
        present.add(connection)
        await connection.wait_closed()

    loop = asyncio.get_running_loop()
    async with serve(join, "127.0.0.1", 0, compression=None, backlog=1024, close_timeout=0.1) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        listeners = await asyncio.to_thread(Listeners, port, subscribers, rounds)

        async def fan_out() -> None:
            for _ in range(rounds):
                broadcast(present, TEXT)
                await asyncio.sleep(0)

        def publish() -> None:
            asyncio.run_coroutine_threadsafe(fan_out(), loop).result()

        return await asyncio.to_thread(listeners.rate, publish)


def measure(subscribers: int = SUBSCRIBERS, rounds: int = ROUNDS) -> dict[str, float]:
    """Rates in frames a second, the better of two runs each, and the ratio of the first two."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    hub, paced, yardstick = 0.0, 0.0, 0.0
    for _ in range(2):
        hub = max(hub, hub_rate(subscribers, rounds, is_paced=False))
        yardstick = max(yardstick, asyncio_rate(subscribers, rounds))
        paced = max(paced, hub_rate(subscribers, rounds, is_paced=True))
    return {"hub": hub, "asyncio": yardstick, "ratio": hub / yardstick, "hub_paced": paced}


if __name__ == "__main__":
    if sys.argv[1:2] == ["listen"]:
        listen(*(int(argument) for argument in sys.argv[2:5]))
    else:
        sys.path.insert(0, str(Path(__file__).parent.parent))
        print(json.dumps({name: round(value, 2) for name, value in measure().items()}))
