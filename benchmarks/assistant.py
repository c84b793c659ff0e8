"""The assistant's figures: what a policy decision costs, and how soon a model's first words reach a watcher."""

import statistics
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

from benchmarks.__main__ import Figure
from benchmarks.schedules import home

DECISIONS, STREAMS = 2_000, 40
ARGV = ["/bin/ls", "-l", "/etc/hostname"]
RULE = [["/bin/ls", "-l", {"slot": "path", "under": "/etc"}]]


def deciding() -> Iterator[Figure]:
    """A decision without its event, beside the reads it cannot do without."""
    from jarvis.policy import actions, store
    from jarvis.system import store as system

    with home() as (ctx, _):
        admin = ctx.acting(actor="bench", user_id=None, username="", role="admin")
        actions.put(admin, "agent:main", "host.exec", "allow", RULE)
        asker = actions.Asker("ada", "admin")

        def bare() -> None:
            with ctx.db.read() as tx:
                system.state(tx)
                for principal in (*asker.principals, asker.agent):
                    store.find_permission(tx, principal, "host.exec")

        def decided(tool: str, arguments: dict[str, Any]) -> float:
            return _each(lambda: actions.decide(ctx, asker, tool, arguments))

        reads = _each(bare)
        yield _micro("policy decision on a tool that changes something", decided("bugs.create", {"title": "x"}), reads)
        yield _micro(
            "policy decision on host.exec, argument rules and file checks", decided("host.exec", {"argv": ARGV}), reads
        )


def _each(act: Any) -> float:
    """Median microseconds of one."""
    found = []
    for _ in range(DECISIONS):
        began = time.perf_counter()
        act()
        found.append((time.perf_counter() - began) * 1e6)
    return statistics.median(found)


def _micro(name: str, ours: float, reads: float) -> Figure:
    return Figure(name, f"{ours:.0f} µs", f"its four reads alone: {reads:.0f} µs", f"{ours / reads:.2f}", "≤ 100 µs")


class _Model(BaseHTTPRequestHandler):
    """Sends its first words and notes when."""

    protocol_version = "HTTP/1.0"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.server.sent_at = time.perf_counter()  # type: ignore[attr-defined]
        self.wfile.write(b'data: {"choices":[{"delta":{"content":"First words."}}]}\n\n')
        self.wfile.flush()
        self.wfile.write(b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n')

    def log_message(self, *args: object) -> None:
        pass


def first_words() -> Iterator[Figure]:
    """From the server's write to the sink the hub hears from, beside a bare read of the same stream."""
    import dataclasses

    from jarvis.agent import router
    from jarvis.agent.providers import Asker, Message, ModelRequest, TextDelta
    from jarvis.kernel.outbound import Outbound

    server = HTTPServer(("127.0.0.1", 0), _Model)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}"
    try:
        with home() as (ctx, _):
            settings = dataclasses.replace(
                ctx.settings, primary_provider="openai", openai_base_url=url, openai_model="m"
            )
            ctx = dataclasses.replace(ctx, settings=settings)
            asked = ModelRequest((Message("user", "?"),), (), Asker("ada"), 0)
            ours, bare = [], []
            for _ in range(STREAMS):
                for event in router.choose(ctx).reply(asked):
                    if isinstance(event, TextDelta):
                        ours.append((time.perf_counter() - server.sent_at) * 1e3)  # type: ignore[attr-defined]
                opened = Outbound().open("POST", url, headers={}, body=b"{}", seconds=5.0)
                opened.read()
                bare.append((time.perf_counter() - server.sent_at) * 1e3)  # type: ignore[attr-defined]
                opened.close()
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    mine, other = statistics.median(ours), statistics.median(bare)
    shown = f"bare read of the stream: {other:.2f} ms"
    yield Figure(
        "a model's first words to whoever streams them", f"{mine:.2f} ms", shown, f"{mine / other:.1f}", "≤ 30 ms"
    )
