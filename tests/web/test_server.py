"""HTTP from outside: malformed, slow, too much, too many."""

import errno
import json
import resource
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

from jarvis.web.server import Limits, Listener
from tests.web.peers import FakeMonotonic, Raw, RunningServer, hello, until

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
Serve = Callable[..., RunningServer]
Connect = Callable[..., Raw]

MALFORMED = {
    "no request line": (b"Host: a\r\n\r\n", 400),
    "no path": (b"GET HTTP/1.1\r\n\r\n", 400),
    "no version": (b"GET /\r\n\r\n", 400),
    "lower-case method": (b"get / HTTP/1.1\r\n\r\n", 400),
    "version 2": (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    "version text": (b"GET / HTTP/x.y\r\n\r\n", 400),
    "broken authority": (b"GET http://[ HTTP/1.1\r\n\r\n", 400),
    "NUL in the target": (b"GET /\x00 HTTP/1.1\r\n\r\n", 400),
    "NUL in a header": (b"GET / HTTP/1.1\r\nA: b\x00c\r\n\r\n", 400),
    "bare LF": (b"GET / HTTP/1.1\r\nA: b\nC: d\r\n\r\n", 400),
    "folded header": (b"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", 400),
    "header without colon": (b"GET / HTTP/1.1\r\nnonsense\r\n\r\n", 400),
    "space before colon": (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
    "length not a number": (b"POST / HTTP/1.1\r\nContent-Length: ten\r\n\r\n", 400),
    "negative length": (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
    "two lengths": (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
    "length of 5000 digits": (b"POST / HTTP/1.1\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", 400),
    "length and chunked": (
        b"POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        400,
    ),
    "chunked in HTTP/1.0": (b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "unknown coding": (b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
    "bad chunk size": (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    "chunk not ended": (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n", 400),
    "endless chunk line": (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1" * 4000, 400),
    "huge headers": (b"GET / HTTP/1.1\r\nA: " + b"x" * 40000 + b"\r\n\r\n", 431),
    "too long a body": (b"POST / HTTP/1.1\r\nContent-Length: 999999999\r\n\r\n", 413),
    "too long and expecting": (
        b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 999999999\r\n\r\n",
        413,
    ),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_requests_get_a_problem_and_harm_nobody(serve: Serve, raw: Connect, case: str) -> None:
    request, status = MALFORMED[case]
    running = serve(hello)
    client = raw(running)
    client.send(request)
    assert client.problem()["status"] == status
    other = raw(running)
    other.send(GET)
    assert other.response()[0] == 200


@pytest.mark.parametrize(
    "request_",
    [
        b"GET " + b"a" * 15000 + b"://" + b"b" * 15000 + b" x\r\n\r\n",
        b"GET / HTTP/1.1\r\nA:" + b" " * 30000 + b"b\r\n\r\n",
        b"GET / HTTP/1.1\r\nA:" + b" " * 30000 + b"\x00\r\n\r\n",
    ],
    ids=["target", "padding", "padding and NUL"],
)
def test_patterns_do_not_backtrack_for_seconds(request_: bytes) -> None:
    """Bounded by the work done, not by time: waitress's own patterns must never see these."""
    from waitress.parser import ParsingError

    from jarvis.web.parser import inspect

    with pytest.raises(ParsingError):
        inspect(request_.removesuffix(b"\r\n"))


def test_expecting_without_a_body_does_not_swallow_the_next_request(serve: Serve, raw: Connect) -> None:
    client = raw(serve(hello))
    client.send(b"GET /one HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n")
    assert client.response()[2] == b"GET /one 0"
    client.send(b"GET /two HTTP/1.1\r\nHost: a\r\n\r\n")
    assert client.response()[2] == b"GET /two 0"


def test_a_refused_upload_still_reads_its_answer(serve: Serve, raw: Connect) -> None:
    """A plain close with unread bytes would reset the connection under the answer."""
    client = raw(serve(hello, limits=Limits(body_bytes=1000)))
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\n\r\n")
    for _ in range(30):
        client.send(b"x" * 100_000)
    client.sock.shutdown(socket.SHUT_WR)
    assert client.problem()["status"] == 413


@pytest.mark.parametrize("size", [1000, 1001])
def test_the_body_limit_is_exact(serve: Serve, raw: Connect, size: int) -> None:
    client = raw(serve(hello, limits=Limits(body_bytes=1000)))
    client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % size + b"x" * size)
    assert client.response()[0] == (200 if size == 1000 else 413)


def test_chunked_bodies_and_pipelined_requests_are_served_in_order(serve: Serve, raw: Connect) -> None:
    client = raw(serve(hello))
    chunked = b"POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
    client.send(chunked + GET + chunked)
    assert [client.response()[2] for _ in range(3)] == [b"POST /a 3", b"GET / 0", b"POST /a 3"]


def test_an_application_that_raises_answers_internal_error_only(serve: Serve, raw: Connect) -> None:
    def broken(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        raise OSError("the secret path /etc/shadow")

    client = raw(serve(broken))
    client.send(GET)
    problem = client.problem()
    assert (problem["status"], problem["detail"]) == (500, "Internal error")
    assert "shadow" not in json.dumps(problem)


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_answers_without_a_body_keep_the_connection(serve: Serve, raw: Connect, status: str) -> None:
    def bodiless(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response(status, [("ETag", '"a"')])
        return [b""]

    client = raw(serve(bodiless))
    for _ in range(3):
        client.send(GET)
        code, headers, _ = client.response()
        assert (code, headers.get("connection")) == (int(status[:3]), None)
    client.send(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    assert client.response()[1]["connection"] == "close"
    assert client.rest() == b""


def test_without_descriptors_connections_wait(
    serve: Serve,
    raw: Connect,
    monotonic: FakeMonotonic,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    real, failures = Listener.accept, [OSError(errno.EMFILE, "Too many open files")]

    def accept(self: Listener) -> Any:
        if failures:
            raise failures.pop()
        return real(self)

    monkeypatch.setattr(Listener, "accept", accept)
    running = serve(hello, monotonic=monotonic)
    client = raw(running)
    client.send(GET)
    until(lambda: "cannot accept" in caplog.text)
    advance(running, monotonic, 2)
    assert client.response()[0] == 200


def advance(running: RunningServer, monotonic: FakeMonotonic, seconds: float) -> None:
    monotonic.now += seconds
    running.server.wake()


def until_read(running: RunningServer, client: Raw, data: bytes) -> None:
    """Send, and wait until the server has taken the bytes: another connection is served after them."""
    client.send(data)
    probe = Raw(running.address)
    probe.send(GET)
    probe.response()
    probe.close()


def test_a_drip_of_header_bytes_ends_with_408(serve: Serve, raw: Connect, monotonic: FakeMonotonic) -> None:
    running = serve(hello, monotonic=monotonic, limits=Limits(header_seconds=15, idle_seconds=1000))
    client = raw(running)
    until_read(running, client, b"GET / HT")
    advance(running, monotonic, 14)
    until_read(running, client, b"T")
    advance(running, monotonic, 2)
    assert client.problem()["status"] == 408


def test_a_drip_of_body_bytes_ends_with_408(serve: Serve, raw: Connect, monotonic: FakeMonotonic) -> None:
    limits = Limits(body_seconds=30, body_bytes_per_second=100)
    running = serve(hello, monotonic=monotonic, limits=limits)
    client = raw(running)
    until_read(running, client, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n" + b"x" * 500)
    advance(running, monotonic, 34)
    until_read(running, client, b"x")
    advance(running, monotonic, 2)
    assert client.problem()["status"] == 408


def test_a_slow_upload_that_makes_progress_is_served(serve: Serve, raw: Connect, monotonic: FakeMonotonic) -> None:
    limits = Limits(body_seconds=30, body_bytes_per_second=100)
    running = serve(hello, monotonic=monotonic, limits=limits)
    client = raw(running)
    until_read(running, client, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 30000\r\n\r\n")
    for _ in range(10):
        until_read(running, client, b"x" * 3000)
        advance(running, monotonic, 25)
    assert client.response()[2] == b"POST / 30000"


@pytest.mark.parametrize("sent", [b"", GET, b"\r\n\r\n"], ids=["nothing", "a request", "blank lines"])
def test_idle_connections_are_closed(serve: Serve, raw: Connect, monotonic: FakeMonotonic, sent: bytes) -> None:
    running = serve(hello, monotonic=monotonic, limits=Limits(idle_seconds=45))
    client = raw(running)
    until_read(running, client, sent)
    if sent == GET:
        assert client.response()[0] == 200
    advance(running, monotonic, 46)
    assert client.rest() == b""


def test_a_reader_that_stops_reading_frees_its_thread(serve: Serve, raw: Connect, monotonic: FakeMonotonic) -> None:
    ended = threading.Event()

    def endless(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [("Content-Type", "text/plain")])

        def body() -> Any:
            try:
                while True:
                    yield b"x" * 1_000_000
            finally:
                ended.set()

        return body()

    running = serve(endless, monotonic=monotonic, limits=Limits(threads=1, stall_seconds=30))
    client = raw(running)
    client.send(GET)
    assert client.exactly(10).startswith(b"HTTP/1.1 2")
    for _ in range(1000):
        advance(running, monotonic, 31)
        if ended.wait(0.02):
            break
    assert ended.is_set()


def test_a_response_larger_than_every_buffer_arrives_whole(serve: Serve, raw: Connect) -> None:
    """The worker waits for room, the loop sends, and neither waits for the other."""
    pieces, size = 30, 1_000_000

    def large(environ: dict[str, Any], start_response: Any) -> Any:
        start_response("200 OK", [("Content-Length", str(pieces * size))])
        return (bytes([65 + number]) * size for number in range(pieces))

    client = raw(serve(large, limits=Limits(threads=1)))
    for _ in range(2):
        client.send(GET)
        status, _, body = client.response()
        assert status == 200
        assert [body[number * size] - 65 for number in range(pieces)] == list(range(pieces))
        assert len(body) == pieces * size


def test_overload_is_refused_at_once_and_vital_paths_go_first(serve: Serve, raw: Connect) -> None:
    gate, entered = threading.Event(), threading.Semaphore(0)
    served = []

    def slow(environ: dict[str, Any], start_response: Any) -> Any:
        entered.release()
        assert gate.wait(10)
        served.append(environ["PATH_INFO"])
        return hello(environ, start_response)

    running = serve(slow, limits=Limits(threads=1, queued=2), vital_paths=frozenset({"/healthz"}))
    clients = [raw(running) for _ in range(3)]
    clients[0].send(b"GET /0 HTTP/1.1\r\nHost: a\r\n\r\n")
    assert entered.acquire(timeout=10)
    for number in (1, 2):
        clients[number].send(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number)
    until(lambda: running.server.stats().queued == 2)
    refused, vital = raw(running), raw(running)
    refused.send(GET)
    status, headers, _ = refused.response()
    assert (status, headers["retry-after"], headers["content-type"]) == (503, "2", "application/problem+json")
    vital.send(b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
    until(lambda: running.server.stats().queued == 3)
    gate.set()
    assert vital.response()[0] == 200
    assert [client.response()[0] for client in clients] == [200, 200, 200]
    assert served[1] == "/healthz"
    stats = running.server.stats()
    assert (stats.requests, stats.refused) == (4, 1)


def test_more_than_1024_descriptors_are_no_trouble(serve: Serve) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 4000:
        pytest.skip("the host allows too few descriptors")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 4000), hard))
    running = serve(hello, limits=Limits(connections=1400))
    idle = [socket.create_connection(running.address) for _ in range(1100)]
    try:
        client = Raw(running.address)
        for _ in range(3):
            client.send(GET)
            assert client.response()[0] == 200
        client.close()
        assert running.server.stats().channels >= 1100
    finally:
        for sock in idle:
            sock.close()


def test_connections_beyond_the_limit_wait_in_the_backlog(serve: Serve, raw: Connect) -> None:
    running = serve(hello, limits=Limits(connections=4))  # the listener and its trigger count as two
    first, second = raw(running), raw(running)
    for client in (first, second):
        client.send(GET)
        assert client.response()[0] == 200
    third = raw(running)
    third.send(GET)
    first.send(GET)
    assert first.response()[0] == 200
    assert running.server.stats().channels == 2
    first.close()
    assert third.response()[0] == 200


def seen(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    names = ("REMOTE_ADDR", "wsgi.url_scheme", "HTTP_HOST", "HTTP_X_FORWARDED_FOR", "jarvis.forwarded")
    body = json.dumps([environ.get(name) for name in names]).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


FORWARDED = (
    b"GET / HTTP/1.1\r\nHost: inner\r\nX-Forwarded-For: 6.6.6.6, 192.0.2.7\r\n"
    b"X-Forwarded-Proto: https\r\nX-Forwarded-Host: jarvis.example\r\nX-Forwarded-Port: 1\r\n\r\n"
)


def test_forwarding_headers_of_strangers_are_removed_but_remembered(serve: Serve, raw: Connect) -> None:
    client = raw(serve(seen))
    client.send(FORWARDED)
    assert json.loads(client.response()[2]) == ["127.0.0.1", "http", "inner", None, True]
    client.send(GET)
    assert json.loads(client.response()[2])[-1] is False


def test_a_trusted_proxy_is_believed_about_its_peer_only(serve: Serve, raw: Connect) -> None:
    client = raw(serve(seen, trusted_proxy="127.0.0.1"))
    client.send(FORWARDED)
    address, scheme, host, _, forwarded = json.loads(client.response()[2])
    assert (address, scheme, host, forwarded) == ("192.0.2.7", "https", "jarvis.example", True)


def test_a_malformed_header_of_the_proxy_is_a_problem(serve: Serve, raw: Connect) -> None:
    client = raw(serve(seen, trusted_proxy="127.0.0.1"))
    client.send(b"GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: gopher\r\n\r\n")
    status, headers, _ = client.response()
    assert (status, headers["content-type"]) == (400, "application/problem+json")
