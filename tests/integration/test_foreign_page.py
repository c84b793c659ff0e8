"""A page of another site in a real browser: WEB_CORS_ORIGINS lets it in with a token, and never with a cookie."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.conftest import password_of
from tests.integration.real import Host, Serve

ASK = """async ([url, token]) => {
  const bearer = {Authorization: `Bearer ${token}`, "Content-Type": "application/json"}
  const tried = async (path, options) => {
    try { return (await fetch(url + path, options)).status } catch { return "blocked" }
  }
  const socket = await new Promise(done => {
    const tried = new WebSocket(url.replace("http", "ws") + "/ws")
    tried.onopen = () => done("open")
    tried.onerror = () => done("blocked")
  })
  return {
    read: await tried("/api/v1/auth/me", {headers: bearer}),
    write: await tried("/api/v1/threads", {method: "POST", headers: bearer, body: "{}"}),
    wrong: await tried("/api/v1/auth/me", {headers: {Authorization: "Bearer wrong"}}),
    cookie: await tried("/api/v1/auth/me", {credentials: "include"}),
    page: await tried("/login", {}),
    socket,
  }
}"""


class Page(BaseHTTPRequestHandler):
    """An empty page of somebody else."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>Elsewhere</title>")

    def log_message(self, *args: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def sites() -> Iterator[list[str]]:
    """Two foreign origins."""
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), Page) for _ in range(2)]
    threads = [threading.Thread(target=server.serve_forever) for server in servers]
    for thread in threads:
        thread.start()
    yield [f"http://127.0.0.1:{server.server_port}" for server in servers]
    for server, thread in zip(servers, threads, strict=True):
        server.shutdown()
        server.server_close()
        thread.join()


def test_only_a_listed_origin_gets_in_and_only_with_a_token(
    host: Host,
    serve: Serve,
    tokens: dict[str, str],
    sites: list[str],
    chromium: Any,
) -> None:
    listed, other = sites
    server = serve(host, WEB_CORS_ORIGINS=listed)
    context = chromium.new_context()
    page = context.new_page()
    page.goto(f"{server.url}/login?next=/account")
    page.fill("#username", "alice")
    page.fill("#password", password_of("alice"))
    page.click("button")
    page.wait_for_url("**/account")  # so there is a cookie to abuse

    page.goto(listed)
    seen = page.evaluate(ASK, [server.url, tokens["alice"]])
    assert seen == {
        "read": 200,
        "write": 201,
        "wrong": 401,
        "cookie": "blocked",
        "page": "blocked",
        "socket": "blocked",
    }
    page.goto(other)
    assert set(page.evaluate(ASK, [server.url, tokens["alice"]]).values()) == {"blocked"}
    context.close()
