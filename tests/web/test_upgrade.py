"""The way from an HTTP request to a WebSocket, and what may go wrong on it."""

import base64
from collections.abc import Callable
from typing import Any

import pytest

from tests.web.peers import (
    TEXT,
    Peer,
    Raw,
    RunningHub,
    RunningServer,
    frame,
    hello,
    upgrade_request,
)

RunHub = Callable[..., RunningHub]
GET = b"GET /page HTTP/1.1\r\nHost: a\r\n\r\n"


def test_the_answer_is_the_one_of_the_rfc(run_hub: RunHub) -> None:
    """The example of RFC 6455 1.3."""
    raw = Raw(run_hub().address)
    raw.send(upgrade_request(key=base64.b64decode("dGhlIHNhbXBsZSBub25jZQ==")))
    status, headers, _ = raw.response()
    assert (status, headers["upgrade"], headers["connection"]) == (101, "websocket", "Upgrade")
    assert headers["sec-websocket-accept"] == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert "sec-websocket-extensions" not in headers
    raw.close()


def test_compression_is_never_agreed_on(run_hub: RunHub) -> None:
    peer, _ = run_hub().connect("", "Sec-WebSocket-Extensions: permessage-deflate")
    assert "sec-websocket-extensions" not in peer.headers
    peer.close()


def test_bytes_behind_the_request_are_frames(run_hub: RunHub) -> None:
    peer = Peer(run_hub().address, behind=frame(TEXT, b"early"))
    assert peer.text() == "early"
    peer.close()


def test_a_request_pipelined_behind_an_upgrade_is_never_http(run_hub: RunHub) -> None:
    running = run_hub()
    peer = Peer(running.address, behind=GET)
    assert peer.close_code() == 1002
    assert running.running.server.stats().requests == 1
    peer.close()


def test_an_upgrade_behind_pipelined_requests_waits_for_them(run_hub: RunHub) -> None:
    raw = Raw(run_hub().address)
    raw.send(GET + GET + upgrade_request() + frame(TEXT, b"hi"))
    assert [raw.response()[0] for _ in range(3)] == [200, 200, 101]
    assert raw.exactly(4) == b"\x81\x02hi"
    raw.close()


def test_a_refused_upgrade_ends_the_connection_unread(run_hub: RunHub) -> None:
    """The bytes behind it were meant for the WebSocket; as HTTP they would be smuggled requests."""
    running = run_hub()
    raw = Raw(running.address)
    raw.send(upgrade_request("/refused") + GET)
    status, headers, body = raw.response()
    assert (status, headers["connection"], body) == (403, "close", b"no")
    assert raw.rest() == b""
    assert running.running.server.stats().requests == 1
    raw.close()


BAD = {
    "no key": (b"Sec-WebSocket-Key: ", b"X-Other: "),
    "short key": (b"Sec-WebSocket-Key: ", b"Sec-WebSocket-Key: AAAA"),
    "old version": (b"Version: 13", b"Version: 8"),
    "HTTP/1.0": (b"HTTP/1.1", b"HTTP/1.0"),
    "POST": (b"GET ", b"POST "),
    "not websocket": (b"Upgrade: websocket", b"Upgrade: h2c"),
    "no upgrade": (b"Connection: keep-alive, Upgrade", b"Connection: keep-alive"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_handshake_is_refused(run_hub: RunHub, case: str) -> None:
    raw = Raw(run_hub().address)
    raw.send(upgrade_request().replace(*BAD[case]))
    assert raw.response()[0] == 400
    raw.close()


def test_an_upgrade_with_a_body_is_an_ordinary_request(run_hub: RunHub) -> None:
    raw = Raw(run_hub().address)
    raw.send(upgrade_request("/ws", "Content-Length: 3") + b"abc" + GET)
    assert [raw.response()[0], raw.response()[0]] == [400, 200]
    raw.close()


def test_the_html_subprotocol_is_agreed_on_when_offered(run_hub: RunHub) -> None:
    running = run_hub()
    plain, plain_side = running.connect()
    html, html_side = running.connect("", "Sec-WebSocket-Protocol: other, jarvis.html")
    assert (plain_side.kind, html_side.kind) == ("json", "html")
    assert "sec-websocket-protocol" not in plain.headers
    assert html.headers["sec-websocket-protocol"] == "jarvis.html"
    plain.close()
    html.close()


def test_a_bare_websocket_library_is_content(run_hub: RunHub) -> None:
    from websockets.sync.client import connect

    host, port = run_hub().address
    with connect(f"ws://{host}:{port}/ws", max_size=None) as client:
        for size in (0, 1, 125, 126, 65535, 65536):
            client.send("x" * size)
            assert client.recv() == "x" * size


def test_an_application_that_fails_after_accepting_answers_500(serve: Callable[..., RunningServer]) -> None:
    adopted = []

    def broken(environ: dict[str, Any], start_response: Any) -> Any:
        if "jarvis.upgrade" not in environ:
            return hello(environ, start_response)
        environ["jarvis.upgrade"](lambda *args: adopted.append(args))
        raise RuntimeError("after accepting")

    running = serve(broken)
    raw = Raw(running.address)
    raw.send(upgrade_request())
    assert raw.problem()["status"] == 500
    raw.close()
    assert adopted == []


def test_a_body_returned_after_accepting_is_not_written(serve: Callable[..., RunningServer]) -> None:
    def talkative(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        def adopt(sock: Any, behind: bytes) -> None:
            sock.sendall(b"taken over " + behind)
            sock.close()

        environ["jarvis.upgrade"](adopt)
        start_response("200 OK", [("Content-Length", "5")])
        return [b"hello"]

    raw = Raw(serve(talkative).address)
    raw.send(upgrade_request() + b"behind")
    assert raw.rest() == b"taken over behind"
    raw.close()


def test_a_client_that_leaves_during_the_handshake_harms_nobody(run_hub: RunHub) -> None:
    running = run_hub()
    for _ in range(20):
        raw = Raw(running.address)
        raw.send(upgrade_request())
        raw.close()
    running.until(lambda: len(running.closed) == 20)
    peer, _ = running.connect()
    assert peer.is_silent()
    peer.close()
