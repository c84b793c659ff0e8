"""A load from a process of its own: keep-alive clients that send one prepared request again and again."""

import json
import selectors
import socket
import sys
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass
class Client:
    """One keep-alive connection and the answer it is waiting for."""

    sock: socket.socket
    request: bytes
    received: bytearray = field(default_factory=bytearray)
    done: int = 0
    failed: int = 0

    def send(self) -> None:
        self.sock.sendall(self.request)

    def receive(self) -> bool:
        """Take what came; True when an answer is complete."""
        data = self.sock.recv(262144)
        if not data:
            raise ConnectionError("the server closed the connection")
        self.received += data
        head = self.received.find(b"\r\n\r\n")
        if head < 0:
            return False
        lower = bytes(self.received[:head]).lower()
        start = lower.find(b"content-length:")
        length = int(lower[start + 15 :].split(b"\r\n", 1)[0]) if start >= 0 else 0
        if len(self.received) < head + 4 + length:
            return False
        status = int(self.received[9:12])
        self.failed += status >= 400
        self.done += 1
        del self.received[: head + 4 + length]
        return True


def request_bytes(url: str, token: str, body: object | None) -> bytes:
    """A GET, or a POST of JSON when there is a body."""
    parts = urlsplit(url)
    lines = [f"{'POST' if body is not None else 'GET'} {parts.path or '/'} HTTP/1.1", f"Host: {parts.netloc}"]
    if token:
        lines.append(f"Authorization: Bearer {token}")
    content = b"" if body is None else json.dumps(body).encode()
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(content)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


def run(requests: list[bytes], address: tuple[str, int], seconds: float) -> dict[str, float]:
    """One connection per request given; returns answers per second and failures."""
    selector = selectors.DefaultSelector()
    clients = []
    for request in requests:
        sock = socket.create_connection(address, timeout=10)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client = Client(sock, request)
        selector.register(sock, selectors.EVENT_READ, client)
        clients.append(client)
        client.send()
    started = time.perf_counter()
    while time.perf_counter() - started < seconds:
        for key, _ in selector.select(1.0):
            if key.data.receive():
                key.data.send()
    elapsed = time.perf_counter() - started
    for client in clients:
        client.sock.close()
    return {"per_second": sum(c.done for c in clients) / elapsed, "failed": sum(c.failed for c in clients)}


def main() -> None:
    """Read the job as JSON from standard input, print the result as JSON."""
    job = json.load(sys.stdin)
    requests = [request_bytes(r["url"], r.get("token", ""), r.get("body")) for r in job["requests"]]
    parts = urlsplit(job["requests"][0]["url"])
    assert parts.hostname is not None and parts.port is not None
    print(json.dumps(run(requests, (parts.hostname, parts.port), job["seconds"])))


if __name__ == "__main__":
    main()
