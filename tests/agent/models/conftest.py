"""A server on this host that speaks the OpenAI-compatible API as each test has it misbehave."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from jarvis.agent.models.openai import OpenAIProvider
from jarvis.agent.providers import Asker, Message, ModelRequest, ToolSpec
from jarvis.kernel.outbound import Outbound

Play = Callable[["Handler", dict[str, Any]], None]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "ModelServer"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.bodies.append(body)
        self.server.tokens.append(self.headers.get("Authorization", ""))
        play = self.server.plays.pop(0) if len(self.server.plays) > 1 else self.server.plays[0]
        try:
            parsed = json.loads(body)
        except ValueError:
            parsed = {}
        try:
            play(self, parsed)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def log_message(self, *args: object) -> None:
        pass

    # what plays use

    def answer(self, status: int, body: Any, **headers: str) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def begin(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

    def raw(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def event(self, chunk: Any) -> None:
        self.raw(b"data: " + json.dumps(chunk).encode() + b"\n\n")

    def say(self, *parts: str) -> None:
        for part in parts:
            self.event({"choices": [{"delta": {"content": part}}]})

    def end(self, reason: str = "stop", *, usage: bool = True) -> None:
        self.event({"choices": [{"delta": {}, "finish_reason": reason}]})
        if usage:
            self.event({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}})
        self.raw(b"data: [DONE]\n\n")
        self.wfile.write(b"0\r\n\r\n")

    def cut(self) -> None:
        self.close_connection = True
        self.connection.shutdown(2)


class ModelServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.plays: list[Play] = [says("Fine.")]
        self.bodies: list[bytes] = []
        self.tokens: list[str] = []

    def handle_error(self, *args: object) -> None:
        """A client that went away is what some tests are about."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    @property
    def asked(self) -> list[dict[str, Any]]:
        return [json.loads(body) for body in self.bodies]


def says(*parts: str) -> Play:
    def play(handler: Handler, body: dict[str, Any]) -> None:
        handler.begin()
        handler.say(*parts)
        handler.end()

    return play


def answers(status: int, body: Any, **headers: str) -> Play:
    return lambda handler, _: handler.answer(status, body, **headers)


def calls(*parts: dict[str, Any]) -> Play:
    """Tool calls, a part in each chunk."""

    def play(handler: Handler, body: dict[str, Any]) -> None:
        handler.begin()
        for part in parts:
            handler.event({"choices": [{"delta": {"tool_calls": [part]}}]})
        handler.end("tool_calls")

    return play


def part(name: str = "", arguments: str = "", **more: Any) -> dict[str, Any]:
    return more | {"function": ({"name": name} if name else {}) | {"arguments": arguments}}


@pytest.fixture
def server() -> Iterator[ModelServer]:
    found = ModelServer()
    thread = threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield found
    found.shutdown()
    thread.join()
    found.server_close()


@pytest.fixture
def provider(server: ModelServer) -> OpenAIProvider:
    return OpenAIProvider("openai", server.url, "a-model", lambda: "sk-test", Outbound(), 5.0)


def request(*messages: Message, cancelled: Callable[[], bool] = lambda: False) -> ModelRequest:
    asked = messages or (Message("user", "How are you?"),)
    tools = (ToolSpec("bugs.list", "Bugs.", {"type": "object", "properties": {}}),)
    return ModelRequest(asked, tools, Asker("alice"), 0, system="Be brief.", cancelled=cancelled)
