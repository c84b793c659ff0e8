"""Leaving: nobody loses a request when servers follow each other on one listening socket."""

import http.client
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from jarvis.web import server as server_module
from jarvis.web.server import Limits
from tests.web.peers import TIMEOUT, FakeMonotonic, Raw, RunningServer, hello, until

Serve = Callable[..., RunningServer]
Connect = Callable[..., Raw]
GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
CLIENTS = 16

WORKER = """
import signal, socket, sys, threading
from jarvis.web.server import Server
from tests.web.peers import hello
stopping = threading.Event()
server = Server(hello, socket.socket(fileno=int(sys.argv[1])))
def stop(*_):
    stopping.set()
    server.wake()
signal.signal(signal.SIGTERM, stop)
print("ready", flush=True)
sys.exit(0 if server.serve_until(stopping) else 1)
"""


class Clients:
    """Keep-alive clients that ask without pause and never try again."""

    def __init__(self, address: tuple[str, int]) -> None:
        self.lost: list[BaseException] = []
        self.served = [0] * CLIENTS
        self._address = address
        self._ending = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def _ask(self, number: int) -> None:
        connection = http.client.HTTPConnection(*self._address, timeout=30)
        try:
            while not self._ending.is_set():
                connection.request("POST", f"/{number}", body=b"x" * 10)
                response = connection.getresponse()
                assert response.read() == f"POST /{number} 10".encode()
                self.served[number] += 1
        except Exception as fault:
            self.lost.append(fault)
        finally:
            connection.close()

    def until_served_more(self) -> None:
        """Each of them has had another answer, or has failed."""
        goal = [count + 1 for count in self.served]
        until(lambda: bool(self.lost) or all(a >= b for a, b in zip(self.served, goal, strict=True)))

    def end(self) -> list[BaseException]:
        self._ending.set()
        for thread in self._threads:
            thread.join()
        return self.lost


@pytest.fixture
def listener(closing: Callable[[Any], Any]) -> socket.socket:
    found: socket.socket = closing(socket.create_server(("127.0.0.1", 0), backlog=512))
    return found


def test_restarts_in_one_process_lose_nothing(serve: Serve, listener: socket.socket) -> None:
    running = serve(hello, listener)
    clients = Clients(running.address)
    for _ in range(6):
        clients.until_served_more()
        assert running.stop() is True
        running = serve(hello, listener)
    clients.until_served_more()
    assert clients.end() == []


def test_restarts_of_the_process_lose_nothing(listener: socket.socket) -> None:
    def start() -> subprocess.Popen[str]:
        fd = listener.fileno()
        worker = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(fd)], pass_fds=[fd], stdout=subprocess.PIPE, text=True
        )
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
        return worker

    def stop(worker: subprocess.Popen[str]) -> int:
        worker.terminate()
        assert worker.stdout is not None
        with worker.stdout:
            return worker.wait(timeout=30)

    worker = start()
    clients = Clients(listener.getsockname())
    for _ in range(3):
        clients.until_served_more()
        assert stop(worker) == 0
        worker = start()
    clients.until_served_more()
    assert clients.end() == []
    assert stop(worker) == 0


def test_stopping_does_not_wait_for_the_loop(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "LOOP_SECONDS", 3600.0)
    assert serve(hello).stop() is True


def draining(running: RunningServer) -> RunningServer:
    running.begin_stop()
    until(lambda: running.server.draining)
    return running


def begin(running: RunningServer, client: Raw) -> None:
    """Make sure that the server has accepted the client: it has answered once."""
    client.send(GET)
    assert client.response()[0] == 200


def test_a_half_read_request_finishes_and_its_answer_says_close(serve: Serve, raw: Connect) -> None:
    running = serve(hello)
    client = raw(running)
    begin(running, client)
    client.send(b"POST /half HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab")
    draining(running)
    client.send(b"cd")
    status, headers, body = client.response()
    assert (status, headers["connection"], body) == (200, "close", b"POST /half 4")
    assert client.rest() == b""
    client.close()
    assert running.wait() is True


def test_a_request_being_served_finishes(serve: Serve, raw: Connect) -> None:
    entered, gate = threading.Event(), threading.Event()

    def slow(environ: dict[str, Any], start_response: Any) -> Any:
        entered.set()
        assert gate.wait(TIMEOUT)
        return hello(environ, start_response)

    running = serve(slow)
    client = raw(running)
    client.send(GET)
    assert entered.wait(TIMEOUT)
    draining(running)
    gate.set()
    assert client.response()[1]["connection"] == "close"
    client.close()
    assert running.wait() is True


def test_idle_connections_have_a_grace_and_are_served_within(
    serve: Serve, raw: Connect, monotonic: FakeMonotonic
) -> None:
    running = serve(hello, monotonic=monotonic, limits=Limits(drain_grace_seconds=1))
    busy, idle = raw(running), raw(running)
    begin(running, busy)
    begin(running, idle)
    draining(running)
    monotonic.now += 0.9
    busy.send(GET)
    assert busy.response()[1]["connection"] == "close"
    assert running.server.stats().channels >= 1
    monotonic.now += 0.2
    running.server.wake()
    assert idle.rest() == b""
    busy.close()
    assert running.wait() is True


def test_only_the_last_pipelined_answer_says_close(serve: Serve, raw: Connect) -> None:
    entered, gate = threading.Event(), threading.Event()

    def slow(environ: dict[str, Any], start_response: Any) -> Any:
        entered.set()
        assert gate.wait(TIMEOUT)
        return hello(environ, start_response)

    running = serve(slow)
    client = raw(running)
    client.send(GET * 3)
    assert entered.wait(TIMEOUT)
    draining(running)
    gate.set()
    said = [client.response()[1].get("connection") for _ in range(3)]
    assert said == [None, None, "close"]
    client.close()
    assert running.wait() is True


def test_an_old_client_is_told_once_that_its_connection_ends(serve: Serve, raw: Connect) -> None:
    running = serve(hello)
    client = raw(running)
    old = b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
    client.send(old)
    assert client.response()[1]["connection"] == "Keep-Alive"
    draining(running)
    client.send(old)
    answer = client.rest()
    assert answer.lower().count(b"connection:") == 1
    assert b"Connection: close" in answer
    client.close()
    assert running.wait() is True


def test_new_connections_wait_for_the_next_server(serve: Serve, raw: Connect, listener: socket.socket) -> None:
    first = serve(hello, listener)
    kept = raw(first)
    begin(first, kept)
    kept.send(b"GET / HTTP/1.1\r\n")
    draining(first)
    late = raw(first)
    late.send(GET)
    second = serve(hello, listener)
    assert late.response()[0] == 200
    assert second.server.stats().requests == 1
    kept.send(b"Host: a\r\n\r\n")
    assert kept.response()[1]["connection"] == "close"
    kept.close()
    assert first.wait() is True


def test_draining_ends_in_time_whatever_is_left(serve: Serve, raw: Connect, monotonic: FakeMonotonic) -> None:
    entered, gate = threading.Event(), threading.Event()

    def stuck(environ: dict[str, Any], start_response: Any) -> Any:
        entered.set()
        assert gate.wait(TIMEOUT)
        return hello(environ, start_response)

    running = serve(stuck, monotonic=monotonic)
    client = raw(running)
    client.send(GET)
    assert entered.wait(TIMEOUT)
    draining(running)
    monotonic.now += 11
    assert client.rest() == b""
    gate.set()
    assert running.wait() is False


def test_the_callers_socket_stays_open(serve: Serve, listener: socket.socket) -> None:
    serve(hello, listener).stop()
    waiting = socket.create_connection(listener.getsockname(), timeout=TIMEOUT)
    accepted, _ = listener.accept()
    accepted.close()
    waiting.close()


def test_an_idle_connection_with_unread_bytes_is_served_not_closed(
    serve: Serve, raw: Connect, monotonic: FakeMonotonic
) -> None:
    """The request arrives while the loop is busy and the grace runs out before it looks again."""
    running = serve(hello, monotonic=monotonic, limits=Limits(drain_grace_seconds=1))
    client = raw(running)
    begin(running, client)
    draining(running)
    busy, go_on = threading.Event(), threading.Event()

    def hold_up() -> None:
        busy.set()
        go_on.wait(TIMEOUT)

    running.server._listener.trigger.pull_trigger(hold_up)
    assert busy.wait(TIMEOUT)
    client.send(GET)
    monotonic.now += 5
    go_on.set()
    assert client.response()[1]["connection"] == "close"
    client.close()
    assert running.wait() is True
